/** Where a node can be reached, as people see it. */
import assert from "node:assert/strict";
import { endpointDocs } from "../../../src/daemon/api/endpoint_doc.ts";

const own = {
  addresses: [
    "127.0.0.1:9000",
    "192.168.1.5:9000",
    "100.64.1.1:9000",
    "203.0.113.5:9000",
    "[::1]:9000",
    "[fd00::5]:9000",
    "[2001:db8::5]:9000",
  ],
  prefixes: [],
};

Deno.test("endpoints are named once each, loopback never, and an own one is not observed", () => {
  const observed = ["198.51.100.9:4000", "203.0.113.5:9000"];
  const docs = endpointDocs(own, observed, ["relay.example:1"]);
  assert.deepEqual(docs[0], { address: "relay.example:1", source: "local" });
  assert.deepEqual(docs.filter(({ source }) => source === "observed"), [
    { address: "198.51.100.9:4000", source: "observed" },
  ]);
  const addresses = docs.map(({ address }) => address);
  assert.equal(new Set(addresses).size, addresses.length);
  assert.ok(!addresses.some((address) => /^127|^\[::1\]/.test(address)));
});
