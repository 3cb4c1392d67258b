import assert from "node:assert/strict";
import type { Instant } from "../../src/base/mod.ts";
import { type Mapping, OBSERVATION_MS, Observations } from "../../src/path/nat.ts";

const at = (ms: number) => ms as Instant;
const NAT = "203.0.113.5:4000";
const LOCAL = "192.168.1.5:9000";
const V6 = "[2001:db8::5]:9000";

/** Observers by number: the prefix of each is its own, unless another is given. */
function seen(...addresses: readonly (string | readonly [address: string, prefix: string])[]) {
  const observations = new Observations();
  for (const [i, entry] of addresses.entries()) {
    const [address, prefix] = typeof entry === "string" ? [entry, `198.51.${i}.0/24`] : entry;
    observations.note(`observer ${i}`, { prefix, address, at: at(0) });
  }
  return observations;
}

const JUDGED: readonly (readonly [string, Observations, Mapping, number])[] = [
  ["nobody has seen us", seen(), "unknown", 0],
  ["one sees us as we are", seen(LOCAL), "none", 1],
  ["one sees us elsewhere", seen(NAT), "unknown", 1],
  ["two see the same", seen(NAT, NAT), "endpoint-independent", 2],
  ["two of one prefix see the same", seen([NAT, "a"], [NAT, "a"]), "unknown", 1],
  ["two see different ports", seen(NAT, "203.0.113.5:4001"), "address-and-port-dependent", 2],
  [
    "a neighbour sees us as we are, and two others elsewhere",
    seen(LOCAL, NAT, NAT),
    "endpoint-independent",
    2,
  ],
  ["a neighbour sees us as we are, and one other elsewhere", seen(LOCAL, NAT), "unknown", 1],
  [
    "two of five see the same, and three another port each",
    seen(NAT, NAT, "203.0.113.5:1", "203.0.113.5:2", "203.0.113.5:3"),
    "address-and-port-dependent",
    5,
  ],
  ["one of four lies", seen(NAT, NAT, NAT, "192.0.2.66:1"), "endpoint-independent", 4],
  [
    "every observer sees another port",
    seen(NAT, "203.0.113.5:1", "203.0.113.5:2"),
    "address-and-port-dependent",
    3,
  ],
  [
    "a prefix full of liars is one voice",
    seen(NAT, NAT, ...Array.from({ length: 9 }, (): [string, string] => ["192.0.2.66:1", "liars"])),
    "endpoint-independent",
    3,
  ],
  ["the other family sees something else", seen(NAT, NAT, V6), "endpoint-independent", 2],
];

for (const [what, observations, mapping, observers] of JUDGED) {
  Deno.test(`where ${what}, the mapping is ${mapping}`, () => {
    assert.deepEqual(observations.judge("ipv4", [LOCAL], at(1)), { mapping, observers });
  });
}

Deno.test("each family is judged by itself", () => {
  const observations = seen(NAT, NAT, V6);
  const judged = observations.judge("ipv6", [LOCAL, V6], at(1));
  assert.deepEqual(judged, { mapping: "none", observers: 1 });
});

Deno.test("an observation that is too old counts for nothing", () => {
  const observations = seen(NAT, NAT);
  assert.deepEqual(observations.addresses(at(OBSERVATION_MS - 1)), [NAT]);
  assert.deepEqual(observations.addresses(at(OBSERVATION_MS)), []);
  const judged = observations.judge("ipv4", [], at(OBSERVATION_MS));
  assert.deepEqual(judged, { mapping: "unknown", observers: 0 });
});

Deno.test("an observer's newest word replaces its older one", () => {
  const observations = seen(NAT);
  const moved = { prefix: "198.51.0.0/24", address: "203.0.113.5:5", at: at(10) };
  assert.equal(observations.note("observer 0", moved), true);
  assert.equal(observations.note("observer 0", moved), false);
  assert.deepEqual(observations.addresses(at(11)), [moved.address]);
});

Deno.test("the address that most observers see comes first", () => {
  assert.deepEqual(seen("192.0.2.66:1", NAT, NAT).addresses(at(1)), [NAT, "192.0.2.66:1"]);
});

Deno.test("a change of network forgets what was observed", () => {
  const observations = seen(NAT, NAT);
  observations.clear();
  assert.deepEqual(observations.addresses(at(1)), []);
});

Deno.test("observers beyond the limit push out the oldest, and no memory grows", () => {
  const observations = new Observations();
  for (let i = 0; i < 1_000; i++) {
    observations.note(`observer ${i}`, {
      prefix: `${i}`,
      address: `192.0.2.1:${i + 1}`,
      at: at(0),
    });
  }
  assert.equal(observations.addresses(at(1)).length, 64);
});
