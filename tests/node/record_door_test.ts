/** The one door of gossip, with real records: what comes in, and what our own is. */
import assert from "node:assert/strict";
import { seededRandom } from "../../src/base/mod.ts";
import { generateIdentity, generateKeyPair, networkIdOf } from "../../src/crypto/mod.ts";
import type { Grant, Role } from "../../src/membership/mod.ts";
import {
  type RecordFacts,
  type RecordSigner,
  signGossip,
  verifyGossip,
} from "../../src/node/record_door.ts";

const WALL_MS = 1_800_000_000_000;
const DAY = 86_400_000;
const random = seededRandom(7);
const network = networkIdOf(generateIdentity(random).identity.publicKey);
const FACTS: RecordFacts = { alias: null, roles: [], addresses: [], capabilities: {} };

function member(): RecordSigner {
  const { identity } = generateIdentity(random);
  return { identity, staticKey: generateKeyPair(random), wallMs: () => WALL_MS };
}

const ann = member();

function signed(by: RecordSigner, facts: Partial<RecordFacts> = {}): Uint8Array {
  return signGossip(by)({ network, seq: 7, facts: { ...FACTS, ...facts }, relays: [] });
}

/** What the door says to bytes that a member publishes, or that a directory hands on. */
function judged(bytes: Uint8Array, node = ann.identity.id, grants: readonly Grant[] | null = []) {
  const speaker = grants === null ? null : { node, grants };
  const verdict = verifyGossip({ wallMs: () => WALL_MS })(bytes, { network, speaker });
  return verdict.ok ? "in" : verdict.reason;
}

Deno.test("our record passes the door, with what it says and who signed it", () => {
  const relay = generateIdentity(random).identity.id;
  const facts = { alias: "tower", roles: ["relay"], addresses: ["203.0.113.7:9000"] } as const;
  const bytes = signGossip(ann)({
    network,
    seq: 7,
    facts: { ...FACTS, ...facts, capabilities: { cpu: 2 } },
    relays: [{ id: relay, addresses: ["203.0.113.1:9000"] }],
  });
  const verdict = verifyGossip(ann)(bytes, { network, speaker: null });
  assert.ok(verdict.ok);
  const { id, seq, alias, roles, addresses, relays, capabilities } = verdict.value;
  assert.deepEqual({ id, seq, alias, roles, addresses, relays, capabilities }, {
    id: ann.identity.id,
    seq: 7,
    ...facts,
    relays: [{ id: relay, addresses: ["203.0.113.1:9000"] }],
    capabilities: { cpu: 2 },
  });
  assert.equal(verdict.value.expiresAtMs - WALL_MS, 900_000);
});

Deno.test("our record leaves out addresses that are none, and more than it has room for", () => {
  const good = Array.from({ length: 9 }, (_, i) => `203.0.113.7:${9_000 + i}`);
  const bytes = signed(ann, { addresses: ["relay.example:9000", ...good] });
  const verdict = verifyGossip(ann)(bytes, { network, speaker: null });
  assert.ok(verdict.ok);
  assert.deepEqual(verdict.value.addresses, good.slice(0, 8));
});

Deno.test("a member publishes its own record, and nobody else's, not even a genuine one", () => {
  assert.equal(judged(signed(ann)), "in");
  assert.equal(judged(signed(member())), "not-own");
  assert.equal(judged(signed(member()), ann.identity.id, null), "in", "a directory hands it on");
});

Deno.test("a member publishes no role that its certificate does not grant", () => {
  const grants = { relay: "relay", provider: "provide" } as const satisfies Record<Role, Grant>;
  for (const role of ["relay", "provider"] as const) {
    const bytes = signed(ann, { roles: [role] });
    assert.equal(judged(bytes), "not-granted");
    assert.equal(judged(bytes, ann.identity.id, [grants[role]]), "in");
    const others = (["rent", "relay", "provide", "admit"] as const)
      .filter((grant) => grant !== grants[role]);
    assert.equal(judged(bytes, ann.identity.id, others), "not-granted");
  }
});

Deno.test("what is forged, foreign, of another time or no record at all stays out", () => {
  const forged = signed(ann);
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
  const other = networkIdOf(generateIdentity(random).identity.publicKey);
  const foreign = signGossip(ann)({ network: other, seq: 1, facts: FACTS, relays: [] });
  const at = (ms: number) => signed({ ...ann, wallMs: () => ms });
  const cases = [
    [forged, "bad-signature"],
    [foreign, "foreign-network"],
    [at(WALL_MS + DAY), "not-yet-valid"],
    [at(WALL_MS - DAY), "expired"],
    [new Uint8Array(9), "malformed"],
  ] as const;
  for (const [bytes, reason] of cases) {
    assert.equal(judged(bytes), reason);
    assert.equal(judged(bytes, ann.identity.id, null), reason, "from whomever");
  }
});
