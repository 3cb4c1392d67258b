import assert from "node:assert/strict";
import type { PeerKey } from "../../../src/base/mod.ts";
import { noteSighting, type OfferParts, takeOffer } from "../../../src/daemon/mesh/offers.ts";
import { asPath } from "../../../src/wire/mod.ts";

const RELAY = "network/relay" as PeerKey;
const MEMBER = "network/member" as PeerKey;

/** A node that sees everybody at `path`; what it vouches for is kept. */
function node(path: string | null): OfferParts & { readonly vouched: string[] } {
  const vouched: string[] = [];
  return {
    vouched,
    loop: {
      machine: { activePath: () => path === null ? null : asPath(path) },
      input: ({ peer, address }) => void vouched.push(`${peer} at ${address}`),
    },
    peers: { holds: (peer, grant) => peer === RELAY && grant === "relay" },
  };
}

Deno.test("a relay's word about another member counts", () => {
  const parts = node("198.51.100.1:9000");
  assert.deepEqual(takeOffer(parts, RELAY, { peer: "other", address: "203.0.113.1:1" }), {});
  assert.deepEqual(parts.vouched, ["network/other at 203.0.113.1:1"]);
});

Deno.test("a member without the grant to relay vouches for nobody", () => {
  const parts = node("198.51.100.1:9000");
  const offer = { peer: "other", address: "203.0.113.1:1" };
  assert.throws(() => takeOffer(parts, MEMBER, offer), { code: "not-allowed" });
  assert.deepEqual(parts.vouched, []);
});

Deno.test("a relay does not vouch for itself", () => {
  const parts = node("198.51.100.1:9000");
  const offer = { peer: "relay", address: "203.0.113.1:1" };
  assert.throws(() => takeOffer(parts, RELAY, offer), { code: "not-allowed" });
});

Deno.test("a relay on the internet does not aim us at a private network", () => {
  for (const address of ["10.0.0.1:22", "192.168.1.1:1", "100.64.0.1:1", "[fd00::1]:1"]) {
    const parts = node("198.51.100.1:9000");
    noteSighting(parts, RELAY, { peer: MEMBER, address });
    assert.deepEqual(parts.vouched, [], address);
  }
});

Deno.test("a relay on a LAN, or on this machine, sees the others there", () => {
  for (const [path, address] of [["10.0.0.9:9000", "10.1.0.1:1"], ["127.0.0.1:1", "127.0.0.1:2"]]) {
    const parts = node(path ?? null);
    noteSighting(parts, RELAY, { peer: MEMBER, address: address ?? "" });
    assert.equal(parts.vouched.length, 1, path);
  }
});

Deno.test("a relay that is gone vouches for public addresses alone", () => {
  const parts = node(null);
  noteSighting(parts, RELAY, { peer: MEMBER, address: "10.0.0.1:22" });
  noteSighting(parts, RELAY, { peer: MEMBER, address: "203.0.113.1:1" });
  assert.deepEqual(parts.vouched, [`${MEMBER} at 203.0.113.1:1`]);
});
