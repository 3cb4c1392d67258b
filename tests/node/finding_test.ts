/** Whole nodes find and reach each other: by a relay that keeps the directory, over the simulator. */
import assert from "node:assert/strict";
import { type NetworkId, peerKey } from "../../src/base/mod.ts";
import type { Capabilities, Role } from "../../src/membership/mod.ts";
import { RELAY_LIMITS } from "../../src/relay/mod.ts";
import { asPath } from "../../src/wire/mod.ts";
import { type Host, type HostOptions, World } from "./world.ts";

/** Enters the network, and says that of itself. */
function enter(host: Host, relay: Host, says: { alias: string; roles?: readonly Role[] }): void {
  const { key } = host.world;
  const capabilities: Capabilities = { cpu: 2 };
  const at = { id: relay.identity.id, addresses: [relay.local] };
  host.take({
    type: "network",
    network: key.network,
    key,
    payload: host.shown,
    entries: host === relay ? [] : [at],
    facts: { alias: says.alias, roles: says.roles ?? [], addresses: [], capabilities },
  });
}

/** A relay, and two members behind NATs who have told it of themselves. */
function homes(options: HostOptions = {}) {
  const world = new World();
  const relay = world.host({ grants: ["relay"] });
  relay.sim.listen((output) => {
    if (output.type !== "relay-set") return;
    relay.sim.native.relaySet(output.session, asPath(output.a), asPath(output.b), world.now);
  });
  relay.take({ type: "relay-serve", limits: RELAY_LIMITS });
  enter(relay, relay, { alias: "relay", roles: ["relay"] });
  const nat = "endpoint-independent" as const;
  const [a, b] = [world.host({ ...options, nat }), world.host({ ...options, nat })];
  enter(a, relay, { alias: "a" });
  enter(b, relay, { alias: "b" });
  for (const host of [a, b]) host.take({ type: "announce", token: 1, timeoutMs: 3_000 });
  world.run(1_000);
  return { world, relay, a, b };
}

Deno.test("a node is announced once its relay knows it, long before its time is over", () => {
  const { relay, a, b } = homes();
  for (const host of [a, b]) assert.equal(host.heard("announced").length, 1);
  const aliases = relay.machine.view.records.records(relay.world.key.network)
    .map(({ alias }) => alias);
  assert.deepEqual(aliases.toSorted(), ["a", "b", "relay"]);
  const kept = a.heard("keep").map(({ part, key }) => [part, key]);
  assert.deepEqual(kept[0], ["gossip", "record-seq"]);
});

Deno.test("two members behind NATs reach each other by the relay at which both are at home", () => {
  const { world, relay, a, b } = homes();
  a.take({ type: "want", token: 7, peer: b.peer, timeoutMs: 10_000 });
  world.run(500);
  assert.deepEqual(a.heard("reached").map(({ token, peer }) => [token, peer]), [[7, b.peer]]);
  assert.deepEqual(a.heard("unreached"), []);
  const [record] = [a.machine.view.records.record(b.peer)];
  assert.deepEqual(record?.relays.map(({ id }) => id), [relay.identity.id]);
  world.run(3_000);
  assert.ok(a.path(b)?.includes("#") === false, "and the path machine makes it direct");
});

Deno.test("who is nowhere is offline, and who is of no network of ours is not looked for", () => {
  const { world, a } = homes();
  const stranger = world.host();
  const other = peerKey("n".repeat(52) as NetworkId, stranger.identity.id);
  a.take({ type: "want", token: 1, peer: stranger.peer, timeoutMs: 10_000 });
  a.take({ type: "want", token: 2, peer: other, timeoutMs: 10_000 });
  world.run(1_000);
  const ended = a.heard("unreached").map(({ token, why: { reason } }) => [token, reason]);
  assert.deepEqual(ended, [[2, "no-network"], [1, "offline"]]);
});

Deno.test("a relay that is away is waited for, and without it nobody is found", () => {
  const { world, relay, a, b } = homes();
  relay.isUp = false;
  world.run(60_000);
  a.take({ type: "want", token: 1, peer: b.peer, timeoutMs: 60_000 });
  a.take({ type: "list", token: 2, network: world.key.network, timeoutMs: 5_000 });
  world.run(20_000);
  assert.equal(a.heard("listed").length, 1);
  assert.deepEqual(a.heard("unreached").map(({ why }) => why.reason), ["no-relay"]);
  relay.isUp = true;
  world.run(20_000);
  a.take({ type: "want", token: 3, peer: b.peer, timeoutMs: 10_000 });
  world.run(2_000);
  assert.equal(a.heard("reached").at(-1)?.token, 3);
});

Deno.test("what a node says anew is told its relay at once, and read from there", () => {
  const { world, relay, a, b } = homes();
  enter(b, relay, { alias: "renamed" });
  world.run(300);
  a.take({ type: "list", token: 1, network: world.key.network, timeoutMs: 5_000 });
  world.run(300);
  assert.equal(a.machine.view.records.record(b.peer)?.alias, "renamed");
});

Deno.test("an address that a person names is met, whoever listens there", () => {
  const world = new World();
  const [a, b] = [world.host(), world.host()];
  const { network } = world.key;
  a.take({
    type: "want-address",
    token: 1,
    network,
    node: null,
    address: b.local,
    timeoutMs: 5_000,
  });
  world.run(500);
  assert.deepEqual(a.heard("reached").map(({ peer }) => peer), [b.peer]);
});

Deno.test("of a network that is left nothing is known, kept or met any more, by any part", () => {
  const { world, a, b } = homes();
  const { network } = world.key;
  a.take({ type: "want", token: 7, peer: b.peer, timeoutMs: 60_000 });
  a.take({ type: "network-gone", network });
  assert.deepEqual(a.heard("unreached").map(({ token, why }) => [token, why.reason]), [
    [7, "no-network"],
  ]);
  assert.deepEqual(a.machine.view.records.records(network), []);
  assert.deepEqual(a.machine.view.relays.connected(network), []);
});

Deno.test("a node that begins anew goes on with the number of its record, whatever the clock says", () => {
  const { world, relay, a } = homes();
  const seqs = () => a.heard("keep").filter(({ key }) => key === "record-seq").map((k) => k.value);
  for (let change = 0; change < 20; change++) { // quicker than the clock's seconds
    enter(a, relay, { alias: `a-${change}` });
    world.run(150);
  }
  const before = Number(seqs().at(-1));
  a.restart();
  enter(a, relay, { alias: "a" });
  world.run(1_000);
  assert.ok(Number(seqs().at(-1)) > before);
});

Deno.test("our record is told again before it is over", () => {
  const { world, relay, a } = homes();
  world.run(40 * 60_000);
  const record = relay.machine.view.records.record(a.peer);
  assert.equal(record?.alias, "a");
});
