/**
 * Scenarios of VMs that are lent: renters and providers with their real books.
 *
 * @module
 */
import type { Plan, Scenario, Step } from "../scenario.ts";
import { fleetHosts, providerName, renterName, WANTED } from "./fleet_hosts.ts";

/** Requests, crashes of both sides, a partition. */
export const fleet: Scenario = {
  name: "fleet",
  about:
    "half rent of the other half: crashes of both and a partition; leases hold, requests end once",
  nodes: { gate: 8, full: 100 },
  bounds: { min: 4, max: 1_000 },
  plan: (nodes): Plan => {
    const half = Math.floor(nodes / 2);
    const each = (atMs: number, act: (n: number) => Step["act"]): Step[] =>
      Array.from({ length: half }, (_, n) => ({ atMs: atMs + 10 * n, act: act(n) }));
    const some = (steps: readonly Step[]) => steps.filter((_, n) => n % 2 === 0);
    const cut = Array.from(
      { length: half },
      (_, n) => n % 2 === 0 ? renterName(n) : providerName(n),
    );
    return {
      internet: { delayMs: 20, jitterMs: 5, loss: 0.01 },
      hosts: fleetHosts(2 * half),
      script: [
        ...each(1_000, (n) => ({ type: "rent", from: renterName(n), key: "one", wanted: WANTED })),
        ...some(each(20_000, (n) => ({ type: "crash", host: providerName(n) }))),
        ...some(each(40_000, (n) => ({ type: "restart", host: providerName(n) }))),
        ...each(60_000, (n) => ({ type: "rent", from: renterName(n), key: "two", wanted: WANTED })),
        { atMs: 61_000, act: { type: "partition", groups: [[], cut] } },
        { atMs: 121_000, act: { type: "partition", groups: [] } },
        ...some(each(140_000, (n) => ({ type: "crash", host: renterName(n) }))),
        ...some(each(150_000, (n) => ({ type: "restart", host: renterName(n) }))),
      ],
      forMs: 400_000,
      expect: [{ name: "leases-agree" }, { name: "requests-ended" }],
    };
  },
};
