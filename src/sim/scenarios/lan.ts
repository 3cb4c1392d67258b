/**
 * Scenarios of hosts that are near each other.
 *
 * @module
 */
import type { Scenario } from "../scenario.ts";

/** Two hosts in one LAN. */
export const directLan: Scenario = {
  name: "direct-lan",
  about: "two hosts in a LAN, one of which is told the other's address: direct at once",
  nodes: { gate: 2, full: 2 },
  bounds: { min: 2, max: 2 },
  plan: () => ({
    realms: [{ name: "lan" }],
    hosts: [
      { name: "a", places: [{ realm: "lan", ip: "192.168.1.2" }] },
      { name: "b", places: [{ realm: "lan", ip: "192.168.1.3" }] },
    ],
    script: [
      { atMs: 100, act: { type: "connect", from: "a", to: "b" } },
      { atMs: 500, act: { type: "tunnel", from: "a", to: "b", everyMs: 20 } },
    ],
    forMs: 10_000,
    expect: [
      { name: "all-reached" },
      { name: "direct", between: ["a", "b"], withinMs: 10 },
      { name: "outage", between: ["a", "b"], mostMs: 25 },
    ],
  }),
};
