/**
 * Scenarios of many nodes.
 *
 * @module
 */
import type { HostPlan, Plan, Scenario, Step } from "../scenario.ts";
import { home, member, publicIp, relay, relayName } from "./places.ts";

/** Nodes for which there is one relay more. Guess. */
const NODES_PER_RELAY = 500;
/** Of so many nodes one is behind a NAT of its own. Guess: to keep the world small. */
const NAT_EVERY = 4;
/** Pairs that reach each other; each reads the whole directory. */
const PAIRS_MAX = 10;

interface Crowd {
  readonly relays: readonly HostPlan[];
  readonly members: readonly HostPlan[];
  readonly realms: NonNullable<Plan["realms"]>;
  readonly nats: NonNullable<Plan["nats"]>;
}

/** So many members at so many relays, each of which enters at two; every fourth is behind a NAT. */
function crowd(nodes: number, spreadMs: number): Crowd {
  const relayCount = 2 + Math.floor(nodes / NODES_PER_RELAY);
  const relays = Array.from({ length: relayCount }, (_, n) => relay(n + 1));
  const count = nodes - relayCount;
  const homes = Array.from({ length: count }, (_, n) => n % NAT_EVERY === 0 ? home(n + 1) : null);
  const members = homes.map((at, n) => {
    const entries = [n, n + 1].map((k) => relayName(1 + k % relayCount));
    const place = at === null ? { ip: publicIp(n + 1) } : at.place();
    return { ...member(memberName(n), place, entries), fromMs: spreadMs * n / count };
  });
  return {
    relays,
    members,
    realms: homes.flatMap((at) => at === null ? [] : [at.realm]),
    nats: homes.flatMap((at) => at === null ? [] : [at.nat]),
  };
}

function memberName(n: number): string {
  return `member ${n}`;
}

/** Pairs of neighbours, spread over all members, one after the other. */
function reaches(count: number, fromMs: number): Step[] {
  const pairs = Math.min(PAIRS_MAX, Math.floor(count / 2));
  return Array.from({ length: pairs }, (_, n) => {
    const first = Math.floor(n * count / pairs);
    const [from, to] = [memberName(first), memberName(first + 1)];
    return { atMs: fromMs + 1_000 * n, act: { type: "reach", from, to } };
  });
}

/** Everybody joins in time. */
export const manyNodes: Scenario = {
  name: "many-nodes",
  about: "N nodes register at relays and publish; pairs read the directory and reach each other",
  nodes: { gate: 24, full: 3_000 },
  bounds: { min: 8, max: 20_000 },
  plan: (nodes) => {
    const spreadMs = 10 * nodes;
    const { relays, members, realms, nats } = crowd(nodes, spreadMs);
    return {
      internet: { delayMs: 20, jitterMs: 5 },
      realms,
      nats,
      hosts: [...relays, ...members],
      script: reaches(members.length, spreadMs + 10_000),
      forMs: spreadMs + 60_000,
      expect: [{ name: "all-registered", relays: 1 }, { name: "all-reached" }],
    };
  },
};

/** Everybody comes at once, and once more. */
export const storm: Scenario = {
  name: "storm",
  about: "N nodes join within a second; then every relay crashes and is back a second later",
  nodes: { gate: 24, full: 1_000 },
  bounds: { min: 8, max: 20_000 },
  plan: (nodes) => {
    const { relays, members, realms, nats } = crowd(nodes, 1_000);
    const crashes = relays.flatMap(({ name }): Step[] => [
      { atMs: 60_000, act: { type: "crash", host: name } },
      { atMs: 61_000, act: { type: "restart", host: name } },
    ]);
    return {
      internet: { delayMs: 20, jitterMs: 5 },
      realms,
      nats,
      hosts: [...relays, ...members],
      script: [...crashes, ...reaches(members.length, 150_000)],
      forMs: 180_000,
      expect: [{ name: "all-registered", relays: 1 }, { name: "all-reached" }],
    };
  },
};

/** The network falls apart. */
export const partitionAndHeal: Scenario = {
  name: "partition-and-heal",
  about:
    "half of all nodes with one of two relays are cut off for two minutes, then all meet again",
  nodes: { gate: 12, full: 100 },
  bounds: { min: 8, max: 1_000 },
  plan: (nodes) => {
    const { relays, members, realms, nats } = crowd(nodes, 1_000);
    const names = members.map(({ name }) => name);
    const half = [relayName(1), ...names.slice(0, Math.floor(names.length / 2))];
    const across: Step[] = [0, 1, 2].map((n) => {
      const [from, to] = [memberName(n), memberName(names.length - 1 - n)];
      return { atMs: 200_000 + 1_000 * n, act: { type: "reach", from, to } };
    });
    return {
      internet: { delayMs: 20, jitterMs: 5 },
      realms,
      nats,
      hosts: [...relays, ...members],
      script: [
        { atMs: 20_000, act: { type: "partition", groups: [[], half] } },
        { atMs: 140_000, act: { type: "partition", groups: [] } },
        ...across,
      ],
      forMs: 240_000,
      expect: [{ name: "all-registered", relays: relays.length }, { name: "all-reached" }],
    };
  },
};
