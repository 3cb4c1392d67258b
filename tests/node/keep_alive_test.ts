/** How much the paths to a peer matter, by who uses them. */
import assert from "node:assert/strict";
import { type NetworkId, type NodeId, peerKey } from "../../src/base/mod.ts";
import { KeepAlive } from "../../src/node/keep_alive.ts";
import { connected, World } from "./world.ts";

const peer = (name: string) => peerKey("n" as NetworkId, name as NodeId);
const A = peer("a");
const B = peer("b");

Deno.test("the greatest claim counts, and what is left when it is dropped", () => {
  const claims = new KeepAlive();
  claims.use(A, "relay", "warm");
  claims.use(A, "VM 1", "busy");
  claims.use(A, "VM 2", "busy");
  claims.drop(A, "VM 1");
  assert.equal(claims.of(A), "busy");
  claims.drop(A, "VM 2");
  assert.equal(claims.of(A), "warm");
  claims.drop(A, "relay");
  assert.equal(claims.of(A), "hold");
});

Deno.test("claims on one peer are nothing to another", () => {
  const claims = new KeepAlive();
  claims.use(A, "VM 1", "busy");
  assert.deepEqual([claims.of(A), claims.of(B)], ["busy", "hold"]);
});

Deno.test("dropping what nobody claimed changes nothing", () => {
  const claims = new KeepAlive();
  claims.drop(A, "VM 1");
  claims.use(A, "relay", "warm");
  claims.drop(A, "VM 1");
  assert.equal(claims.of(A), "warm");
});

Deno.test("the same use claims once, by its last word", () => {
  const claims = new KeepAlive();
  claims.use(A, "VM 1", "busy");
  claims.use(A, "VM 1", "warm");
  assert.equal(claims.of(A), "warm");
  claims.drop(A, "VM 1");
  assert.equal(claims.of(A), "hold");
});

Deno.test("claims beyond what is counted change nothing, and those that count stay", () => {
  const claims = new KeepAlive();
  for (let i = 0; i < 20_000; i++) claims.use(A, `use ${i}`, "warm");
  claims.use(A, "one more", "busy");
  assert.equal(claims.of(A), "warm");
  for (let i = 0; i < 20_000; i++) claims.use(peer(`p${i}`), "relay", "warm");
  assert.equal(claims.of(peer("p19999")), "hold");
  claims.drop(peer("p1"), "relay");
  claims.use(peer("p19999"), "relay", "warm");
  assert.equal(claims.of(peer("p19999")), "warm");
});

Deno.test("a member's session that comes up finds its claims in force", () => {
  const pings = (claimFirst: boolean) => {
    const world = new World();
    const [a, b] = [world.host(), world.host()];
    const claim = () => a.take({ type: "use", peer: b.peer, use: "VM 1", demand: "busy" });
    if (claimFirst) claim();
    a.connect(b);
    world.run(500);
    const before = a.sentTo(b.local);
    world.run(60_000);
    return a.sentTo(b.local) - before;
  };
  const [held, busy] = [pings(false), pings(true)];
  assert.ok(busy > 3 * held, `${busy} datagrams against ${held}`);
});

Deno.test("what is dropped while connected is kept alive less", () => {
  const world = new World();
  const [a, b] = connected(world);
  const sent = (ms: number) => {
    const before = a.sentTo(b.local);
    world.run(ms);
    return a.sentTo(b.local) - before;
  };
  a.take({ type: "use", peer: b.peer, use: "VM 1", demand: "busy" });
  const busy = sent(60_000);
  a.take({ type: "drop", peer: b.peer, use: "VM 1" });
  assert.ok(busy > 3 * sent(60_000));
});
