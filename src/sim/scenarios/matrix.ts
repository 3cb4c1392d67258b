/**
 * Every kind of NAT against every other: which pairs end direct.
 *
 * @module
 */
import type { Plan, Scenario } from "../scenario.ts";
import { type Home, home, member, NAT_KINDS, type NatKind, publicIp, relay } from "./places.ts";

const KINDS = Object.keys(NAT_KINDS) as readonly NatKind[];
/** What stands at one end: no NAT, one of a kind, or an easy one behind a carrier's easy one. */
const ENDS = ["none", ...KINDS, "carrier"] as const;
type End = (typeof ENDS)[number];

/** Ends whose port everybody can know, and ends that let in whom they did not send to. */
const KNOWN: readonly End[] = ["none", "open", "easy", "carrier"];
const OPEN: readonly End[] = ["none", "open"];
/** Ends of which luck decides: whether a datagram comes too early. */
const POISONED: readonly End[] = ["poisoned"];

/** How plain punching joins two: it needs both ports known, or one end that lets anybody in. */
function endOf(ends: readonly End[]): "direct" | "relayed" | "either" {
  if (ends.some((end) => OPEN.includes(end)) || ends.every((end) => KNOWN.includes(end))) {
    return "direct";
  }
  const isLuck = ends.every((end) => KNOWN.includes(end) || POISONED.includes(end));
  return isLuck ? "either" : "relayed";
}

interface Side {
  readonly homes: readonly Home[];
  readonly realms: NonNullable<Plan["realms"]>;
  readonly nats: NonNullable<Plan["nats"]>;
  readonly place: ReturnType<Home["place"]>;
}

/** The `n`th end. */
function side(end: End, n: number): Side {
  if (end === "none") return { homes: [], realms: [], nats: [], place: { ip: publicIp(n) } };
  if (end !== "carrier") {
    const one = home(n, NAT_KINDS[end]);
    return { homes: [one], realms: [one.realm], nats: [one.nat], place: one.place() };
  }
  const access = `access ${n}`;
  const one = home(n, {}, { outside: access, ip: `100.64.${n & 255}.2` });
  const carrier = { name: `carrier ${n}`, inside: access, ip: publicIp(n) };
  return {
    homes: [one],
    realms: [{ name: access, hops: 1, quality: { delayMs: 5 } }, one.realm],
    nats: [carrier, one.nat],
    place: one.place(),
  };
}

const PAIRS = ENDS.flatMap((a, i) => ENDS.slice(i).map((b) => [a, b] as const));

function labelOf(ends: readonly End[]): string {
  return ends.join(" x ");
}

/** The labels of pairs that end so. */
function labelled(end: "direct" | "relayed"): string[] {
  return PAIRS.filter((ends) => endOf(ends) === end).map(labelOf);
}

/** The matrix. */
export const everyNatPair: Scenario = {
  name: "every-nat-pair",
  about: "every kind of NAT against every other, in layers too: which pairs end direct",
  nodes: { gate: 1 + 2 * PAIRS.length, full: 1 + 2 * PAIRS.length },
  bounds: { min: 1 + 2 * PAIRS.length, max: 1 + 2 * PAIRS.length },
  plan: () => {
    const sides = PAIRS.map((ends, n) => ends.map((end, k) => side(end, 2 * n + k + 1)));
    const all = sides.flat();
    return {
      internet: { delayMs: 20 },
      realms: all.flatMap(({ realms }) => realms),
      nats: all.flatMap(({ nats }) => nats),
      hosts: [
        relay(1),
        ...sides.flatMap((pair, n) => pair.map(({ place }, k) => member(`${"ab"[k]} ${n}`, place))),
      ],
      script: PAIRS.map((ends, n) => ({
        atMs: 5_000 + 100 * n,
        act: { type: "reach", from: `a ${n}`, to: `b ${n}`, as: labelOf(ends) },
      })),
      forMs: 40_000,
      expect: [
        { name: "all-reached" },
        { name: "labels", direct: labelled("direct"), relayed: labelled("relayed") },
      ],
    };
  },
};
