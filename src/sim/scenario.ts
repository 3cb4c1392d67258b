/**
 * Scenarios as data: who is where, what happens when, and what must be true afterwards.
 *
 * @module
 */
import type { Grant } from "../membership/mod.ts";
import type { Policy, Requirements } from "../market/mod.ts";
import type { ClockFault } from "./clock.ts";
import type { LinkQuality } from "./link.ts";
import type { NatBehaviour, NatDependence } from "./nat.ts";

/** A scenario: a plan for any number of nodes. */
export interface Scenario {
  readonly name: string;
  /** One line: what happens, and what it shows. */
  readonly about: string;
  /** How many nodes it has, unless one says so: in the gate, and when it is run by hand. */
  readonly nodes: { readonly gate: number; readonly full: number };
  /** The least and the most that it makes sense with. */
  readonly bounds: { readonly min: number; readonly max: number };
  /** The plan with so many nodes. */
  plan(nodes: number): Plan;
}

/** Everything that is in a scenario. Names are unique among all realms, NATs and hosts. */
export interface Plan {
  /** The way between two places of the internet; what is left out is without fault. */
  readonly internet?: Partial<LinkQuality>;
  readonly realms?: readonly RealmPlan[];
  readonly nats?: readonly NatPlan[];
  readonly hosts: readonly HostPlan[];
  readonly script: readonly Step[];
  /** How long it takes. */
  readonly forMs: number;
  readonly expect: readonly Expectation[];
}

/** A network beside the internet, whose name is `internet`. */
export interface RealmPlan {
  readonly name: string;
  readonly quality?: Partial<LinkQuality>;
  /** Routers between two of its places. Default: none, as in a LAN. */
  readonly hops?: number;
}

/** A NAT; `inside` and `outside` name realms. */
export interface NatPlan {
  readonly name: string;
  readonly inside: string;
  /** Default: the internet. */
  readonly outside?: string;
  readonly ip: string;
  readonly behaviour?: Partial<NatBehaviour>;
  readonly quality?: Partial<LinkQuality>;
}

/** An address of a host. */
export interface PlacePlan {
  /** Default: the internet. */
  readonly realm?: string;
  readonly ip: string;
  readonly quality?: Partial<LinkQuality>;
  readonly firewall?: NatDependence;
}

/** A host with its node. */
export interface HostPlan {
  readonly name: string;
  readonly places: readonly PlacePlan[];
  /** Default: `rent` and `provide`; of a relay, `relay`. */
  readonly grants?: readonly Grant[];
  /** Whether its node serves as a relay. */
  readonly relay?: boolean;
  /** The relays that its invite named. */
  readonly entries?: readonly string[];
  /** When it is switched on. Default: at the beginning. */
  readonly fromMs?: number;
  /** `IP:PORT` that its record says, whatever is true. Default: its public addresses. */
  readonly claims?: readonly string[];
  readonly direct?: boolean;
  readonly clock?: ClockFault;
  /** What it lends. Default: nothing. */
  readonly lends?: Policy;
  /** Whether it rents. */
  readonly rents?: boolean;
}

/** Something that happens at a time. */
export interface Step {
  readonly atMs: number;
  readonly act: Action;
}

/** What can happen. Hosts, NATs and realms are named. */
export type Action =
  /** A host gets a session with another; `as` labels the result. */
  | { readonly type: "reach"; readonly from: string; readonly to: string; readonly as?: string }
  /** The same, to an address that a person names. */
  | { readonly type: "connect"; readonly from: string; readonly to: string }
  /** Tunnel frames go from one to the other and are echoed, from now on; the paths are busy. */
  | {
    readonly type: "tunnel";
    readonly from: string;
    readonly to: string;
    readonly everyMs: number;
  }
  /** A person at a renter asks for a VM, by a word of its own. */
  | {
    readonly type: "rent";
    readonly from: string;
    readonly key: string;
    readonly wanted: Requirements;
  }
  | { readonly type: "reboot-nat"; readonly nat: string; readonly ip?: string }
  | { readonly type: "crash"; readonly host: string }
  | { readonly type: "restart"; readonly host: string }
  /** Groups of hosts that are cut from each other; none heals. Who is in none is with the first. */
  | { readonly type: "partition"; readonly groups: readonly (readonly string[])[] }
  /** A host changes its addresses, and hears of it from its system or not. */
  | {
    readonly type: "move";
    readonly host: string;
    readonly places: readonly PlacePlan[];
    readonly notices: boolean;
  }
  | { readonly type: "quality"; readonly host: string; readonly quality: Partial<LinkQuality> }
  | { readonly type: "nat-quality"; readonly nat: string; readonly quality: Partial<LinkQuality> }
  /** UDP is blocked at a host, or not any more. */
  | { readonly type: "block-udp"; readonly host: string; readonly blocked: boolean };

/** What must be true at the end; the name says which predicate of `expectations.ts` judges it. */
export type Expectation =
  /** Every `reach` and `connect` ended in a session that is still there. */
  | { readonly name: "all-reached" }
  /** Two hosts have sessions with each other. */
  | { readonly name: "session"; readonly between: readonly [string, string] }
  | { readonly name: "no-session"; readonly between: readonly [string, string] }
  /** They send to each other directly, and did so by `withinMs` after one wanted the other. */
  | {
    readonly name: "direct";
    readonly between: readonly [string, string];
    readonly withinMs?: number;
  }
  | { readonly name: "relayed"; readonly between: readonly [string, string] }
  /** Of all pairs that were wanted, at least that share sends directly. */
  | { readonly name: "direct-share"; readonly least: number }
  /** The labelled pairs that send directly, and those that stay relayed; others may do either. */
  | {
    readonly name: "labels";
    readonly direct: readonly string[];
    readonly relayed: readonly string[];
  }
  /** Every host that entered at relays has sessions with so many of them at least. */
  | { readonly name: "all-registered"; readonly relays: number }
  /** The longest silence in the tunnel between two hosts, and its frames came at all. */
  | {
    readonly name: "outage";
    readonly between: readonly [string, string];
    readonly mostMs: number;
  }
  /** What runs, what providers lend and what renters rent is the same. */
  | { readonly name: "leases-agree" }
  /** Every request for a VM ended exactly once. */
  | { readonly name: "requests-ended" }
  /** So many datagrams went to an IP at least, and at most. */
  | {
    readonly name: "sent-to";
    readonly ip: string;
    readonly least: number;
    readonly most: number;
  };
