/** Whom a joiner meets by an invite: whole handshakes, judged by real certificates. */
import assert from "node:assert/strict";
import { ok } from "../../src/base/mod.ts";
import { generateIdentity, identityFromSeed } from "../../src/crypto/mod.ts";
import {
  createNetwork,
  encodeShown,
  type Grant,
  GRANTS,
  issueCertificate,
  nothingRevoked,
  peerVerifier,
} from "../../src/membership/mod.ts";
import type { PeerClaim } from "../../src/session/mod.ts";
import { gateOf, World } from "../session/world.ts";

const NOON = 1_795_176_000_000;

/** What became of a joiner's handshake with a member of those grants that answers by an invite. */
function meets(grants: readonly Grant[]): string {
  const world = new World();
  const { network, authoritySeed } = createNetwork({ name: "home", random: world.random });
  const verify = peerVerifier({ revocationsOf: () => nothingRevoked, nowMs: () => NOON });
  const verifyPeer = (claim: PeerClaim) => {
    const judged = verify(claim);
    return judged.ok ? ok(judged.value.grants.join()) : judged;
  };
  const issuer = identityFromSeed(authoritySeed);
  const identity = generateIdentity(world.random).identity;
  const order = { issuer, network, subject: identity.id, grants, epoch: 1, nowMs: NOON };
  const payload = encodeShown({ certificate: issueCertificate(order), alias: null });
  const gate = gateOf(network, 9, "invite");
  const joiner = world.node({ verifyPeer });
  const answerer = world.node({ identity, verifyPeer }).accept({ ...gate, payload });
  const input = { type: "connect", peer: identity.id, path: answerer.address, key: gate } as const;
  joiner.take({ ...input, payload: encodeShown({ certificate: null, alias: null }) });
  world.run(10_000);
  const [up] = joiner.heard("established");
  const [failed] = joiner.heard("failed");
  assert.equal(answerer.heard("established").length, up === undefined ? 0 : 1);
  return up?.member ?? `${failed?.reason} ${failed?.detail}`;
}

Deno.test("a joiner opens a session with a member that may admit, and with no other", () => {
  assert.equal(meets(GRANTS), GRANTS.join());
  assert.equal(meets(["admit"]), "admit");
  for (const grants of [["rent"], ["rent", "provide", "relay"]] as const) {
    assert.equal(meets(grants), "unverified no-admitter");
  }
});
