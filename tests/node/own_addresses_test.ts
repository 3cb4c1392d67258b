/** What a node says of where it is, and whom it believes. */
import assert from "node:assert/strict";
import type { Instant, PeerKey } from "../../src/base/mod.ts";
import { OwnAddresses } from "../../src/node/own_addresses.ts";
import { asPath } from "../../src/wire/mod.ts";

const NOW = 0 as Instant;
const LOCAL = { addresses: ["192.168.1.5:9000"], prefixes: ["192.168.1.0/24"] };

/** Peers by number say that they see us at these addresses; which of them were news. */
function seenAt(own: OwnAddresses, ...addresses: readonly string[]): boolean[] {
  return addresses.map((address, i) =>
    own.note(`n/peer-${i}` as PeerKey, { path: asPath(`198.51.${i}.1:9000`), address }, NOW)
  );
}

Deno.test("an address at which nobody can be, or none at all, is no sight of us", () => {
  const own = new OwnAddresses();
  assert.deepEqual(seenAt(own, "0.0.0.0:9", "224.0.0.1:9", "203.0.113.5:0", "x"), [
    false,
    false,
    false,
    false,
  ]);
  assert.deepEqual(own.observed(NOW), []);
  assert.deepEqual(seenAt(own, "203.0.113.5:4000"), [true]);
});

Deno.test("peers that lie of where they see us do not crowd out our own addresses", () => {
  const own = new OwnAddresses();
  own.set(LOCAL, ["203.0.113.77:9000"]);
  seenAt(own, ...Array.from({ length: 40 }, (_, i) => `203.0.113.5:${1_000 + i}`));
  const candidates = own.candidates(NOW);
  assert.equal(candidates[0], "203.0.113.77:9000", "what our owner says is first");
  assert.equal(candidates.at(-1), LOCAL.addresses[0]);
  assert.equal(candidates.length, 1 + 6 + 1);
});

Deno.test("no more addresses are told than a peer takes, each once", () => {
  const own = new OwnAddresses();
  const addresses = Array.from({ length: 40 }, (_, i) => `192.168.1.${i + 1}:9000`);
  own.set({ ...LOCAL, addresses }, ["192.168.1.1:9000"]);
  const candidates = own.candidates(NOW);
  assert.deepEqual(candidates, addresses.slice(0, 16));
});

Deno.test("link-local addresses are told to nobody", () => {
  const own = new OwnAddresses();
  own.set({ ...LOCAL, addresses: ["169.254.7.7:9000", "[fe80::1]:9000", ...LOCAL.addresses] }, []);
  assert.deepEqual(own.candidates(NOW), LOCAL.addresses);
});

Deno.test("what peers saw counts until our interfaces change", () => {
  const own = new OwnAddresses();
  assert.equal(own.set(LOCAL, []), true);
  seenAt(own, "203.0.113.5:4000");
  assert.equal(own.set({ ...LOCAL }, ["203.0.113.77:9000"]), false);
  assert.deepEqual(own.observed(NOW), ["203.0.113.5:4000"]);
  assert.equal(own.set({ ...LOCAL, addresses: [] }, []), true);
  assert.deepEqual(own.observed(NOW), []);
});
