import assert from "node:assert/strict";
import type { Instant } from "../../src/base/mod.ts";
import { Chance, type Endpoint, HOME_NAT, Nat, type NatBehaviour } from "../../src/sim/mod.ts";

const at = (ms: number) => ms as Instant;
const end = (ip: string, port: number): Endpoint => ({ ip, port });

/** Two remotes at one address, and one elsewhere. */
const A = end("198.51.100.1", 9_000);
const A2 = end("198.51.100.1", 9_001);
const B = end("198.51.100.2", 9_000);
const INSIDE = end("192.168.1.2", 9_000);

function natWith(behaviour: Partial<NatBehaviour>): Nat {
  return new Nat({ ...HOME_NAT, ...behaviour }, new Chance(1, "nat"));
}

Deno.test("mapping decides which remotes see one port: all, those of an address, none but one", () => {
  const portsSeen = (mapping: NatBehaviour["mapping"]) => {
    const nat = natWith({ mapping, allocation: "sequential" });
    const [a, a2, b] = [A, A2, B].map((remote) => nat.outbound(INSIDE, remote, at(0)));
    return [a === a2, a === b];
  };
  assert.deepEqual(portsSeen("endpoint-independent"), [true, true]);
  assert.deepEqual(portsSeen("address-dependent"), [true, false]);
  assert.deepEqual(portsSeen("address-and-port-dependent"), [false, false]);
});

Deno.test("filtering decides who may answer: all, an address that was sent to, or its very port", () => {
  const letIn = (filtering: NatBehaviour["filtering"]) => {
    const nat = natWith({ filtering });
    const port = nat.outbound(INSIDE, A, at(0)) ?? 0;
    return [A, A2, B].map((remote) => nat.inbound(remote, port, at(1)) !== undefined);
  };
  assert.deepEqual(letIn("endpoint-independent"), [true, true, true]);
  assert.deepEqual(letIn("address-dependent"), [true, true, false]);
  assert.deepEqual(letIn("address-and-port-dependent"), [true, false, false]);
});

Deno.test("what is let in goes to who sent, and a port that nobody has leads nowhere", () => {
  const nat = natWith({});
  const other = end("192.168.1.3", 9_000);
  const [mine = 0, theirs = 0] = [INSIDE, other].map((inside) => nat.outbound(inside, A, at(0)));
  assert.notEqual(mine, theirs);
  assert.deepEqual(nat.inbound(A, mine, at(1)), INSIDE);
  assert.deepEqual(nat.inbound(A, theirs, at(1)), other);
  assert.equal(nat.inbound(A, 4_000, at(1)), undefined);
});

Deno.test("allocation preserving keeps the port where it is free", () => {
  const nat = natWith({ allocation: "preserving" });
  assert.equal(nat.outbound(INSIDE, A, at(0)), 9_000);
  assert.equal(nat.outbound(end("192.168.1.3", 9_000), A, at(0)), 9_001);
});

Deno.test("allocation sequential gives neighbours to one destination after the other", () => {
  const nat = natWith({ allocation: "sequential", mapping: "address-and-port-dependent" });
  const [a = 0, b, c] = [A, A2, B].map((remote) => nat.outbound(INSIDE, remote, at(0)));
  assert.deepEqual([b, c], [a + 1, a + 2]);
});

Deno.test("allocation random gives ports that cannot be told from those before", () => {
  const nat = natWith({ allocation: "random", mapping: "address-and-port-dependent" });
  const ports = Array.from(
    { length: 64 },
    (_, i) => nat.outbound(INSIDE, end("8.8.8.8", i + 1), at(0)),
  );
  assert.equal(new Set(ports).size, 64);
  const steps = new Set(ports.slice(1).map((port, i) => (port ?? 0) - (ports[i] ?? 0)));
  assert.ok(steps.size > 60, `${steps.size} different steps of 63`);
});

Deno.test("allocation contiguous keeps parity, and neighbours beside each other", () => {
  for (let seed = 0; seed < 20; seed++) {
    const nat = new Nat({ ...HOME_NAT, allocation: "contiguous" }, new Chance(seed, "nat"));
    const even = nat.outbound(end("192.168.1.2", 5_004), A, at(0)) ?? 0;
    const odd = nat.outbound(end("192.168.1.2", 5_005), A, at(0));
    assert.equal(even % 2, 0);
    assert.equal(odd, even + 1);
  }
});

Deno.test("timeout: a mapping lives by what passes either way, and not a moment longer", () => {
  const nat = natWith({ timeoutMs: 1_000, allocation: "sequential" });
  const port = nat.outbound(INSIDE, A, at(0)) ?? 0;
  assert.ok(nat.inbound(A, port, at(999)));
  assert.ok(nat.inbound(A, port, at(1_998)));
  assert.equal(nat.inbound(A, port, at(2_998)), undefined);
  assert.notEqual(nat.outbound(INSIDE, A, at(2_999)), port);
});

Deno.test("timeout: the filter forgets one remote while another keeps the mapping", () => {
  const nat = natWith({ timeoutMs: 1_000 });
  const port = nat.outbound(INSIDE, A, at(0)) ?? 0;
  for (let ms = 0; ms < 2_000; ms += 500) nat.outbound(INSIDE, B, at(ms));
  assert.ok(nat.inbound(B, port, at(2_000)));
  assert.equal(nat.inbound(A, port, at(2_000)), undefined);
});

Deno.test("a reboot loses all mappings", () => {
  const nat = natWith({});
  const port = nat.outbound(INSIDE, A, at(0)) ?? 0;
  nat.reboot();
  assert.equal(nat.inbound(A, port, at(1)), undefined);
  assert.equal(nat.size, 0);
});

Deno.test("early: a router that accepts what nobody asked for gives that pair another port", () => {
  const portsFor = (early: NatBehaviour["early"]) => {
    const nat = natWith({ early });
    const usual = nat.outbound(INSIDE, A, at(0));
    assert.equal(nat.inbound(B, usual ?? 0, at(1)), undefined); // before we sent to B
    const first = nat.outbound(INSIDE, B, at(2));
    return {
      usual,
      first,
      again: nat.outbound(INSIDE, B, at(3)),
      toA: nat.outbound(INSIDE, A, at(4)),
    };
  };
  const kept = portsFor("ignored");
  assert.deepEqual(kept, { usual: 9_000, first: 9_000, again: 9_000, toA: 9_000 });
  const { usual, first, again, toA } = portsFor("remaps");
  assert.deepEqual([usual, toA], [9_000, 9_000]);
  assert.notEqual(first, 9_000);
  assert.equal(again, first);
});

Deno.test("a NAT without a free port maps nothing more until one's time is over", () => {
  const ports = { min: 2_000, max: 2_019 };
  const nat = natWith({ mapping: "address-and-port-dependent", timeoutMs: 1_000, ports });
  const given = Array.from({ length: 20 }, (_, i) => {
    return nat.outbound(INSIDE, end("8.8.8.8", i + 1), at(i < 10 ? 0 : 500)) ?? 0;
  });
  assert.deepEqual(given.toSorted(), Array.from({ length: 20 }, (_, i) => 2_000 + i));
  assert.equal(nat.outbound(INSIDE, A, at(600)), undefined);
  assert.ok(nat.outbound(INSIDE, A, at(1_100)));
});
