/**
 * Scenarios of two hosts behind NATs, and what happens to them.
 *
 * @module
 */
import type { Expectation, Plan, Scenario, Step } from "../scenario.ts";
import { home, member, NAT_KINDS, type NatKind, publicIp, relay, relayName } from "./places.ts";

const TWO = { nodes: { gate: 3, full: 3 }, bounds: { min: 3, max: 3 } };
const PAIR = ["a", "b"] as const;

/** Two members at homes behind NATs of those kinds, joined by a relay, with a tunnel from 3 s on. */
function pair(
  kinds: readonly [NatKind, NatKind],
  { script, forMs, expect }: {
    readonly script: readonly Step[];
    readonly forMs: number;
    readonly expect: readonly Expectation[];
  },
): Plan {
  const [one, other] = kinds.map((kind, n) => home(n + 1, NAT_KINDS[kind]));
  if (one === undefined || other === undefined) throw new RangeError("Cannot pair one home");
  return {
    internet: { delayMs: 20, jitterMs: 2 },
    realms: [one.realm, other.realm],
    nats: [one.nat, other.nat],
    hosts: [relay(1), member("a", one.place()), member("b", other.place())],
    script: [
      { atMs: 2_000, act: { type: "reach", from: "a", to: "b" } },
      { atMs: 3_000, act: { type: "tunnel", from: "a", to: "b", everyMs: 50 } },
      ...script,
    ],
    forMs,
    expect: [{ name: "all-reached" }, ...expect],
  };
}

/** Two hard NATs. */
export const relayedPair: Scenario = {
  name: "relayed-pair",
  about: "two hosts behind hard NATs meet through a relay, and stay there",
  ...TWO,
  plan: () =>
    pair(["hard", "hard"], {
      script: [],
      forMs: 60_000,
      expect: [
        { name: "relayed", between: PAIR },
        { name: "outage", between: PAIR, mostMs: 200 },
      ],
    }),
};

/** The router of one of two was switched off and on. */
export const natReboot: Scenario = {
  name: "nat-reboot",
  about: "a direct pair's NAT forgets all mappings, then comes back with another address",
  ...TWO,
  plan: () =>
    pair(["easy", "easy"], {
      script: [
        { atMs: 20_000, act: { type: "reboot-nat", nat: "nat 2" } },
        { atMs: 60_000, act: { type: "reboot-nat", nat: "nat 2", ip: publicIp(99) } },
      ],
      forMs: 120_000,
      expect: [
        { name: "direct", between: PAIR, withinMs: 1_000 },
        { name: "outage", between: PAIR, mostMs: 5_000 },
      ],
    }),
};

/** The relay between two of its clients dies, and is back. */
export const relayRestart: Scenario = {
  name: "relay-restart",
  about: "the only relay of a relayed pair crashes and is back 3 s later with nothing but its key",
  ...TWO,
  plan: () =>
    pair(["hard", "hard"], {
      script: [
        { atMs: 20_000, act: { type: "crash", host: relayName(1) } },
        { atMs: 23_000, act: { type: "restart", host: relayName(1) } },
        { atMs: 40_000, act: { type: "reach", from: "a", to: "b" } },
      ],
      forMs: 60_000,
      expect: [
        { name: "relayed", between: PAIR },
        { name: "outage", between: PAIR, mostMs: 10_000 },
      ],
    }),
};

/** A satellite's link. */
export const lossySatellite: Scenario = {
  name: "lossy-satellite",
  about:
    "one end sits behind 300 ms each way, jitter and 3 % of loss: the pair holds for 5 minutes",
  ...TWO,
  plan: () =>
    pair(["easy", "easy"], {
      script: [{
        atMs: 10_000,
        act: {
          type: "nat-quality",
          nat: "nat 2",
          quality: { delayMs: 300, jitterMs: 40, loss: 0.03, reordering: 0.01, duplication: 0.01 },
        },
      }],
      forMs: 310_000,
      expect: [
        { name: "direct", between: PAIR },
        { name: "outage", between: PAIR, mostMs: 5_000 },
      ],
    }),
};

/** A laptop leaves its home. */
export const roamingLaptop: Scenario = {
  name: "roaming-laptop",
  about: "one end moves from its home to a carrier's network, and later back unnoticed",
  ...TWO,
  plan: () => {
    const carrier = home(7, NAT_KINDS.hard);
    const plan = pair(["easy", "easy"], {
      script: [
        {
          atMs: 20_000,
          act: { type: "move", host: "a", places: [carrier.place(5)], notices: true },
        },
        {
          atMs: 60_000,
          act: { type: "move", host: "a", places: [home(1).place()], notices: false },
        },
      ],
      forMs: 120_000,
      expect: [{ name: "outage", between: PAIR, mostMs: 10_000 }],
    });
    const { realms = [], nats = [] } = plan;
    return { ...plan, realms: [...realms, carrier.realm], nats: [...nats, carrier.nat] };
  },
};

/** Both families at both ends. */
export const dualStack: Scenario = {
  name: "dual-stack",
  about: "two hosts behind hard NATs have IPv6 behind firewalls, too: they meet there",
  ...TWO,
  plan: () => {
    const plan = pair(["hard", "hard"], {
      script: [],
      forMs: 60_000,
      expect: [{ name: "direct", between: PAIR }, { name: "outage", between: PAIR, mostMs: 200 }],
    });
    const hosts = plan.hosts.map((host, n) => ({
      ...host,
      places: [...host.places, {
        ip: `2001:db8:${n}::1`,
        ...host.relay ? {} : { firewall: "address-and-port-dependent" as const },
      }],
    }));
    return { ...plan, hosts };
  },
};
