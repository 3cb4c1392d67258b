/**
 * What scenarios have in common: homes behind NATs, relays, members who enter at them.
 *
 * @module
 */
import type { NatBehaviour } from "../nat.ts";
import type { HostPlan, NatPlan, PlacePlan, RealmPlan } from "../scenario.ts";

/** NATs as they are met, by the name that the matrix prints. Source: RFC 4787, RFC 5780 §4. */
export const NAT_KINDS = {
  /** Whatever comes to the port is let in: what was called a full cone. */
  open: { filtering: "endpoint-independent" },
  /** Linux's masquerade, and most home routers: the easy case. */
  easy: {},
  /** The same on a router that accepts what nobody asked for. */
  poisoned: { early: "remaps" },
  /** Another port for each destination, one after the other. */
  counting: { mapping: "address-and-port-dependent", allocation: "sequential" },
  /** Another port for each destination, drawn by lot: the hard case. */
  hard: { mapping: "address-and-port-dependent", allocation: "random" },
} as const satisfies Readonly<Record<string, Partial<NatBehaviour>>>;

/** One of `NAT_KINDS`. */
export type NatKind = keyof typeof NAT_KINDS;

/** A LAN behind a NAT. */
export interface Home {
  readonly realm: RealmPlan;
  readonly nat: NatPlan;
  /** The place of the `n`th host in it. */
  place(n?: number): PlacePlan;
}

/** The `n`th home on the internet, or on a carrier's network at `outside`. */
export function home(
  n: number,
  behaviour: Partial<NatBehaviour> = {},
  at: { readonly outside: string; readonly ip: string } = {
    outside: "internet",
    ip: publicIp(n),
  },
): Home {
  const name = `home ${n}`;
  return {
    realm: { name },
    nat: { name: `nat ${n}`, inside: name, behaviour, ...at },
    place: (k = 0) => ({ realm: name, ip: `192.168.${n % 250}.${2 + k}` }),
  };
}

/** The `n`th public address of homes and hosts. */
export function publicIp(n: number): string {
  return `11.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;
}

/** The `n`th relay. */
export function relay(n: number): HostPlan {
  return {
    name: relayName(n),
    relay: true,
    places: [{ ip: `198.51.${100 + (n >> 8)}.${n & 255}` }],
  };
}

/** Its name. */
export function relayName(n: number): string {
  return `relay ${n}`;
}

/** A member that its invite names these relays. */
export function member(name: string, place: PlacePlan, entries = [relayName(1)]): HostPlan {
  return { name, places: [place], entries };
}
