/**
 * Scenarios of members who mean ill.
 *
 * @module
 */
import type { Scenario } from "../scenario.ts";
import { member, publicIp, relay, relayName } from "./places.ts";

/** A bystander, who has no part in the network. */
const VICTIM = "203.0.113.66";
/**
 * First messages of one node to one host that only records name: a bucket of 64 units that gains one a
 * second, and a first message of 1 200 bytes costs 12. Source: `path/budget.ts`.
 */
const MESSAGES_MAX = Math.ceil((64 + 60) / 12);
const FOR_MS = 60_000;

/** Records that name another's address. */
export const hostileOffers: Scenario = {
  name: "hostile-offers",
  about:
    "members name a bystander's address as theirs, and all others reach for them: aiming is bounded",
  nodes: { gate: 20, full: 60 },
  bounds: { min: 6, max: 200 },
  plan: (nodes) => {
    const count = nodes - 1;
    const liars = Math.floor(count / 2);
    const victims = Array.from({ length: 8 }, (_, port) => `${VICTIM}:${1_000 + port}`);
    const names = Array.from({ length: count }, (_, n) => `${n < liars ? "liar" : "honest"} ${n}`);
    const members = names.map((name, n) => ({
      ...member(name, { ip: publicIp(n + 1) }),
      ...n < liars ? { claims: victims } : {},
    }));
    return {
      hosts: [relay(1), ...members],
      script: [
        // Everybody reads the directory; then nothing but the records leads to the liars.
        ...names.slice(liars).map((from, n) => ({
          atMs: 5_000 + 100 * n,
          act: {
            type: "reach" as const,
            from,
            to: names.at(-1 - Number(n === count - liars - 1)) ?? "",
          },
        })),
        { atMs: 30_000, act: { type: "crash", host: relayName(1) } },
        ...names.slice(liars).flatMap((from, n) =>
          names.slice(0, liars).map((to, k) => ({
            atMs: 40_000 + 50 * (n * liars + k),
            act: { type: "reach" as const, from, to },
          }))
        ),
      ],
      forMs: FOR_MS,
      expect: [{
        name: "sent-to",
        ip: VICTIM,
        least: 1,
        most: MESSAGES_MAX * (count - liars),
      }],
    };
  },
};
