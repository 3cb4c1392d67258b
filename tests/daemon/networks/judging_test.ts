/** Members that must go: their certificate is over, or they were removed. */
import assert from "node:assert/strict";
import { type PeerKey, peerKey, splitPeerKey } from "../../../src/base/mod.ts";
import { generateIdentity, identityFromSeed } from "../../../src/crypto/mod.ts";
import { endSessions } from "../../../src/daemon/networks/judging.ts";
import { Networks } from "../../../src/daemon/networks/networks.ts";
import {
  issueCertificate,
  nothingRevoked,
  signRevocation,
  verifyCertificate,
  verifyRevocation,
} from "../../../src/membership/mod.ts";
import { FakeViews } from "../fake_ports.ts";
import { type Stand, withStand } from "../stand.ts";

const DAY = 86_400_000;

function rig(stand: Stand) {
  const networks = new Networks(stand.context, () => null);
  const joined = networks.create("home");
  const { id: network, authoritySeed } = joined.row;
  assert.ok(authoritySeed);
  const authority = identityFromSeed(authoritySeed);
  const views = new FakeViews(stand.identity.id);
  const up = (): PeerKey => {
    const { id: node } = generateIdentity(stand.random).identity;
    const order = { issuer: authority, network, subject: node, grants: ["rent"] as const };
    const bytes = issueCertificate({ ...order, epoch: 1, nowMs: stand.wallMs() });
    const checks = { network, nowMs: stand.wallMs(), isRevoked: nothingRevoked };
    const certificate = verifyCertificate(bytes, checks);
    assert.ok(certificate.ok);
    const peer = peerKey(network, node);
    const member = { network, node, kind: "epoch", alias: null, grants: order.grants } as const;
    views.sessions.add(peer);
    views.members.set(peer, { ...member, certificate: certificate.value });
    return peer;
  };
  /** Who is sent away, and why it is logged. */
  const judge = () => {
    const gone: PeerKey[] = [];
    const why: unknown[] = [];
    const log = { ...stand.context.log, warn: (_: string, said?: object) => void why.push(said) };
    endSessions({
      views,
      sessions: { disconnect: (peer) => void gone.push(peer) },
      clock: stand.context,
      log,
      revocationsOf: (id) => networks.revocationsOf(id),
    });
    return why.map((said, i) => [gone[i], (said as { why: string }).why]);
  };
  return { networks, joined, authority, up, judge };
}

Deno.test(
  "a member whose certificate is over, or who was removed, must leave",
  withStand((stand) => {
    const { networks, joined, authority, up, judge } = rig(stand);
    const [stays, leaves] = [up(), up()];
    assert.deepEqual(judge(), []);
    const { network, node: subject } = splitPeerKey(leaves);
    const bytes = signRevocation({ by: authority, network, subject, nowMs: stand.wallMs() });
    const checks = { network, nowMs: stand.wallMs(), isRevoked: nothingRevoked };
    const revocation = verifyRevocation(bytes, checks);
    assert.ok(revocation.ok && joined.revocations.add(revocation.value));
    assert.deepEqual(judge(), [[leaves, "revoked"]]);
    stand.wallSkewMs = 31 * DAY;
    assert.deepEqual(judge().find(([peer]) => peer === stays), [stays, "expired"]);
    networks.leave(joined);
    assert.deepEqual(judge(), [[stays, "network-left"], [leaves, "network-left"]]);
    return Promise.resolve();
  }),
);
