/**
 * `relay.*`: what this node forwards for others.
 *
 * ```text
 * relay.status {}
 *   → {"sessions":2,"limits":{"sessions":4096,…},"forwarded":{"control":{"packets":9,"bytes":1204},…},
 *      "dropped":{},"pairs":[…]}
 * ```
 *
 * @module
 */
import type { Method, Nothing } from "./common.ts";

/** How much was forwarded since the node began. */
export interface TrafficDoc {
  readonly packets: number;
  readonly bytes: number;
}

/** What a relay forwards, and between whom. */
export interface RelayStatusResult {
  /** Pairs of peers that it joins now. */
  readonly sessions: number;
  readonly limits: {
    readonly sessions: number;
    /** Bytes on the wire, both ways, of all sessions together and of each. */
    readonly bytes_per_s: number;
    readonly session_bytes_per_s: number;
  };
  /** `control`: of nodes among themselves; `tunnel`: to and from VMs. */
  readonly forwarded: { readonly control: TrafficDoc; readonly tunnel: TrafficDoc };
  /** Count by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly pairs: readonly {
    /** Node ids of both ends. */
    readonly a: string;
    readonly b: string;
    readonly control: TrafficDoc;
    readonly tunnel: TrafficDoc;
  }[];
}

/** The methods of the noun. */
export interface RelayMethods {
  /** What is forwarded. Errors: `no-node` where this node is no relay. */
  "relay.status": Method<Nothing, RelayStatusResult>;
}
