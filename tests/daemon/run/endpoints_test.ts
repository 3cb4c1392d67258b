/** Where a node says that it can be reached. */
import assert from "node:assert/strict";
import {
  advertisedAddresses,
  Endpoints,
  lanAddresses,
  ownAddresses,
  publicAddresses,
  withPort,
} from "../../../src/daemon/run/endpoints.ts";
import { withStand } from "../stand.ts";

const TABLE: readonly (readonly [text: string, expected: string])[] = [
  ["192.0.2.1", "192.0.2.1:9000"],
  ["192.0.2.1:7", "192.0.2.1:7"],
  ["relay.example.org", "relay.example.org:9000"],
  ["relay.example.org:7", "relay.example.org:7"],
  ["2001:db8::1", "[2001:db8::1]:9000"],
  ["::1", "[::1]:9000"],
  ["[2001:db8::1]", "[2001:db8::1]:9000"],
  ["[2001:db8::1]:7", "[2001:db8::1]:7"],
];

for (const [text, expected] of TABLE) {
  Deno.test(`${text} with our port is ${expected}`, () => {
    assert.equal(withPort(text, 9_000), expected);
  });
}

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

Deno.test("everybody reaches our global addresses, our LAN the private ones", () => {
  assert.deepEqual(publicAddresses(own), ["203.0.113.5:9000", "[2001:db8::5]:9000"]);
  assert.deepEqual(lanAddresses(own), ["192.168.1.5:9000", "100.64.1.1:9000", "[fd00::5]:9000"]);
});

Deno.test("what the owner advertises is resolved, with our port where none was given", async () => {
  const addresses = await advertisedAddresses(["192.0.2.1", "[2001:DB8::1]:7"], 9_000);
  assert.deepEqual(addresses, ["192.0.2.1:9000", "[2001:db8::1]:7"]);
});

Deno.test("our own addresses carry our port, and no link-local one is among them", () => {
  const { addresses, prefixes } = ownAddresses(9_000);
  assert.ok(addresses.every((address) => address.endsWith(":9000")));
  assert.ok(!addresses.some((address) => /^169\.254\.|^\[fe80/.test(address)));
  assert.ok(prefixes.length <= addresses.length);
});

Deno.test(
  "where a node is met is told at first, and what its owner says stands before what it sees",
  withStand(async (stand) => {
    const { log } = stand.context;
    const options = { advertise: ["203.0.113.5", "203.0.113.6:7"], mode: "foreground" } as const;
    const endpoints = new Endpoints({ options, port: 9_000, log });
    const told: unknown[] = [];
    await endpoints.start((local, advertised) => told.push([local, advertised]));
    endpoints.close();
    const advertised = ["203.0.113.5:9000", "203.0.113.6:7"];
    assert.deepEqual(told, [[endpoints.own, advertised]]);
    assert.deepEqual([endpoints.publicAddresses(), endpoints.inviteAddresses()], [
      advertised,
      advertised,
    ]);
  }),
);

Deno.test(
  "a node in the background invites nobody to its LAN",
  withStand(async (stand) => {
    const { log } = stand.context;
    const options = { advertise: [], mode: "background" } as const;
    const endpoints = new Endpoints({ options, port: 9_000, log });
    await endpoints.start(() => {});
    endpoints.close();
    assert.deepEqual(endpoints.inviteAddresses(), endpoints.publicAddresses());
  }),
);
