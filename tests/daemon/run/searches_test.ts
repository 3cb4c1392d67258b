/** What a node seeks, as promises: with the errors that people read. */
import assert from "node:assert/strict";
import { type NetworkId, OmertaError, type PeerKey } from "../../../src/base/mod.ts";
import { Searches } from "../../../src/daemon/run/searches.ts";
import type { FindIn } from "../../../src/node/mod.ts";
import type { Failure, Unreached } from "../../../src/reach/mod.ts";

const NET = "net" as NetworkId;
const PEER = "net/peer5678xyz" as PeerKey;
const RELAY = "net/relay" as PeerKey;
const NEVER = new AbortController().signal;

/** Searches over a machine that ends nothing by itself. */
class Rig {
  readonly inputs: FindIn[] = [];
  readonly searches = new Searches({
    input: (input) => void this.inputs.push(input),
    nameOf: (peer) => peer === RELAY ? "hub (relay)" : "?",
    networkName: () => "home",
  });

  get token(): number {
    const { token } = this.inputs.at(-1) ?? assert.fail("nothing is sought");
    return token;
  }

  unreached(why: Unreached): void {
    this.searches.ended({ type: "unreached", token: this.token, why });
  }
}

/** The error of a peer that is not reached. */
async function errorOf(why: Unreached): Promise<OmertaError> {
  const rig = new Rig();
  const reached = rig.searches.reach(PEER);
  rig.unreached(why);
  const error = await reached.then(() => assert.fail("it was reached"), (error) => error);
  assert.ok(error instanceof OmertaError);
  return error;
}

const refused = (code: string, message: string): Failure => {
  return { type: "refused", relay: RELAY, refused: { code, message } };
};

Deno.test("a peer that is reached is the promise's; it has ten seconds unless said otherwise", async () => {
  const rig = new Rig();
  const reached = rig.searches.reach(PEER);
  assert.deepEqual(rig.inputs, [{ type: "want", token: 1, peer: PEER, timeoutMs: 10_000 }]);
  rig.searches.ended({ type: "reached", token: 1, peer: PEER });
  assert.equal(await reached, PEER);
  const hurried = rig.searches.reach(PEER, { timeoutMs: 500 });
  assert.deepEqual(rig.inputs.at(-1), { type: "want", token: 2, peer: PEER, timeoutMs: 500 });
  rig.searches.ended({ type: "reached", token: 2, peer: PEER });
  await hurried;
  rig.searches.ended({ type: "reached", token: 2, peer: PEER }); // nobody waits: nothing happens
});

Deno.test("why a peer is not reached is told in words of ours, by its alias and id", async () => {
  const who = { peer: PEER, alias: "gpu" };
  const first = refused("unreachable", "not registered");
  const cases: readonly (readonly [Unreached, string, string])[] = [
    [{ reason: "no-network" }, "no-network", "That network is not joined"],
    [{ reason: "late" }, "unreachable", "The peer was not reached in time"],
    [{ reason: "busy" }, "unreachable", "Too many peers are being reached now"],
    [{ reason: "no-relay", peer: PEER }, "no-relay", "No relay of home answers"],
    [
      { reason: "offline", ...who, first },
      "unreachable",
      "The peer gpu (peer5678) is offline: no relay knows where it is",
    ],
    [
      { reason: "silent", peer: PEER, alias: null, first: null },
      "unreachable",
      "The peer peer5678 does not answer",
    ],
  ];
  for (const [why, code, message] of cases) {
    const error = await errorOf(why);
    assert.deepEqual([error.code, error.message], [code, message]);
  }
  assert.match((await errorOf({ reason: "offline", ...who, first })).hint ?? "", /mesh peers/);
});

Deno.test("what stands behind it is told: a relay's words as its own, a session's reason", async () => {
  const failed = async (failure: Failure) => await errorOf({ reason: "failed", failure });
  const full = await failed(refused("refused", "no room for another session"));
  assert.deepEqual([full.code, full.message, full.fields["said_by"]], [
    "refused",
    "relay hub (relay) says: no room for another session",
    "relay",
  ]);
  const lying = await failed(refused("disk-full", "of your machine"));
  assert.equal(lying.code, "refused", "a relay knows nothing of this machine");
  const nonsense = await failed({ type: "unanswered", relay: RELAY, failed: "malformed" });
  assert.deepEqual([nonsense.code, nonsense.message], [
    "refused",
    "The relay hub (relay) gave a malformed answer to relay.allocate",
  ]);
  const outside = await failed({ type: "dial-failed", reason: "unverified", detail: "expired" });
  assert.equal(outside.code, "not-member");
  assert.match(outside.hint ?? "", /clock/);
  const unknown = await failed({ type: "dial-failed", reason: "unresolved", detail: null });
  assert.equal(unknown.code, "unreachable");
  const silent = await errorOf({
    reason: "silent",
    peer: PEER,
    alias: null,
    first: { type: "unanswered", relay: RELAY, failed: "timeout" },
  });
  assert.match(String(silent.cause), /did not answer relay.allocate: timeout/);
});

Deno.test("who gives up is told why at once, and wants it no more", async () => {
  const rig = new Rig();
  const controller = new AbortController();
  const reached = rig.searches.reach(PEER, { signal: controller.signal });
  controller.abort(new OmertaError("timeout", "The command was given up"));
  await assert.rejects(reached, { code: "timeout", message: "The command was given up" });
  assert.deepEqual(rig.inputs.at(-1), { type: "unwant", token: 1 });
  const late = rig.searches.reach(PEER, { signal: AbortSignal.abort() });
  await assert.rejects(late, { code: "unreachable" });
  assert.equal(rig.inputs.length, 2, "who gave up before it began wants nothing");
});

Deno.test("an address is sought as it was said, and whoever answers there counts", async () => {
  const rig = new Rig();
  const at = { id: "peer", address: "host.example:9000" };
  const met = rig.searches.meet(NET, at, { timeoutMs: 1_000 });
  const { token: _, ...sought } = rig.inputs[0] ?? assert.fail();
  assert.deepEqual(sought, {
    type: "want-address",
    network: NET,
    node: at.id,
    address: at.address,
    timeoutMs: 1_000,
  });
  rig.searches.ended({ type: "reached", token: rig.token, peer: PEER });
  assert.equal(await met, PEER);
});

Deno.test("records are listed, with whether they are of another time; giving up is no error", async () => {
  const rig = new Rig();
  for (const otherTimes of [true, false]) {
    const listed = rig.searches.list(NET, { timeoutMs: 5_000 });
    rig.searches.ended({ type: "listed", token: rig.token, network: NET, otherTimes });
    assert.equal(await listed, otherTimes);
  }
  const controller = new AbortController();
  const given = rig.searches.list(NET, { timeoutMs: 5_000, signal: controller.signal });
  controller.abort();
  assert.equal(await given, false);
  assert.equal(await rig.searches.list(NET, { timeoutMs: 1, signal: AbortSignal.abort() }), false);
});

Deno.test("a node that ends leaves nobody waiting", async () => {
  const rig = new Rig();
  const waits = [rig.searches.reach(PEER), rig.searches.announce(3_000, NEVER)];
  rig.searches.close();
  for (const wait of waits) await assert.rejects(wait, { message: "The node is ending" });
});
