/**
 * The predicates by which a run is judged; each says why it does not hold, or nothing.
 *
 * @module
 */
import { type PairMeter, pathTo } from "./meters.ts";
import type { Expectation } from "./scenario.ts";
import type { Stage } from "./stage.ts";

type Predicates = {
  readonly [Name in Expectation["name"]]: (
    stage: Stage,
    expected: Extract<Expectation, { name: Name }>,
  ) => string | undefined;
};

const PREDICATES: Predicates = {
  "all-reached": ({ pairs }) => {
    const missed = pairs.filter(({ end }) => end === "none");
    const [first] = missed;
    if (first === undefined) return undefined;
    return `${missed.length} of ${pairs.length} pairs have no session, ` +
      `${first.from.name} and ${first.to.name} among them`;
  },
  session: (stage, { between }) => joined(stage, between) ? undefined : "there is none",
  "no-session": (stage, { between }) => joined(stage, between) ? "there is one" : undefined,
  direct: (stage, { between, withinMs = Infinity }) => {
    const pair = pairOf(stage, between);
    if (pair.end !== "direct") return `it is ${pair.end}`;
    const { directMs } = pair;
    if (directMs === null || directMs <= withinMs) return undefined;
    return `it took ${Math.round(directMs)} ms`;
  },
  relayed: (stage, { between }) => {
    const { end } = pairOf(stage, between);
    return end === "relayed" ? undefined : `it is ${end}`;
  },
  "direct-share": ({ pairs }, { least }) => {
    const direct = pairs.filter(({ end }) => end === "direct").length;
    return direct >= least * pairs.length ? undefined : `${direct} of ${pairs.length} are`;
  },
  labels: ({ pairs }, { direct, relayed }) => {
    const wrong = pairs.filter(({ label, end }) => {
      const wanted = direct.includes(label ?? "") ? "direct" : "relayed";
      return [...direct, ...relayed].includes(label ?? "") && end !== wanted;
    });
    if (wrong.length === 0) return undefined;
    return wrong.map(({ label, end }) => `${label} is ${end}`).join(", ");
  },
  "all-registered": (stage, { relays }) => {
    const lost = stage.plan.hosts.filter(({ name, entries = [] }) => {
      const host = stage.host(name);
      const met = [...stage.relays()].filter((relay) => pathTo(host, relay) !== null);
      return entries.length > 0 && met.length < relays;
    });
    const [first] = lost;
    return first === undefined ? undefined : `${lost.length} are not, ${first.name} among them`;
  },
  outage: ({ tunnels }, { between, mostMs }) => {
    const tunnel = tunnels.find((each) => each.isBetween(between));
    if (tunnel === undefined || tunnel.answered === 0) return "no frame was ever answered";
    if (tunnel.silenceMs <= mostMs) return undefined;
    return `it was silent for ${Math.round(tunnel.silenceMs)} ms`;
  },
  "leases-agree": ({ lending: { providers, renters } }) => {
    const ids = (vms: readonly { readonly id: string }[]) => vms.map(({ id }) => id);
    const all = [...providers.values()];
    const running = all.flatMap(({ machines }) => ids(machines.running())).toSorted().join();
    const lent = all.flatMap(({ book }) => ids(book.living())).toSorted().join();
    const rented = [...renters.values()].flatMap(({ book }) => ids(book.living())).toSorted();
    if (running === lent && lent === rented.join()) return undefined;
    return `running: ${running}; lent: ${lent}; rented: ${rented.join()}`;
  },
  "requests-ended": ({ lending: { renters } }) => {
    const requests = [...renters.values()].flatMap((renter) => renter.requests);
    const wrong = requests.filter(({ ends }) => ends.length !== 1).length;
    if (requests.length === 0) return "there was none";
    return wrong === 0 ? undefined : `${wrong} of ${requests.length} did not`;
  },
  "sent-to": ({ addresses }, { ip, least, most }) => {
    const sent = addresses.of(ip);
    return sent >= least && sent <= most ? undefined : `${sent} datagrams went there`;
  },
};

/** Why an expectation does not hold; `undefined`: it does. */
export function fault(stage: Stage, expected: Expectation): string | undefined {
  const judge = PREDICATES[expected.name] as (
    stage: Stage,
    expected: Expectation,
  ) => string | undefined;
  return judge(stage, expected);
}

function joined(stage: Stage, [a, b]: readonly [string, string]): boolean {
  const [from, to] = [stage.host(a), stage.host(b)];
  return pathTo(from, to) !== null && pathTo(to, from) !== null;
}

function pairOf({ pairs }: Stage, names: readonly [string, string]): PairMeter {
  const pair = pairs.findLast((each) => each.isBetween(names));
  if (pair === undefined) throw new RangeError(`Cannot judge ${names.join(" and ")}: no pair`);
  return pair;
}
