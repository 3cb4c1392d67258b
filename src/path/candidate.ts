/**
 * An address that somebody named, and the one rule by which it may be tried.
 *
 * ```text
 *   candidate {address, source, vouchedBy} ── judge ──▶ admitted, with what it may get
 *                                             └───────▶ refused, with a reason of a closed set
 * ```
 *
 * A person's word is that person's own act. Anybody else's must not aim us at a victim:
 *
 * | scope               | from a person | else                                                         |
 * | ------------------- | ------------- | ------------------------------------------------------------ |
 * | global              | yes           | yes                                                          |
 * | private, CGNAT      | yes           | in a network of ours, or where a third party sees the peer   |
 * | loopback            | yes           | for a peer that is on loopback itself                        |
 * | link-local          | yes           | no                                                           |
 * | unusable            | no            | no                                                           |
 *
 * And of what anybody else named nothing is tried that is our own, and nothing at all where this node is
 * to stay behind its relays.
 *
 * @module
 */
import type { Path } from "../base/mod.ts";
import type { AddressScope } from "../wire/mod.ts";

/** Who named an address: our own person (an invite, a flag), a record, or the peer in its session. */
export type Source = "person" | "record" | "peer";

/** Who named the address at which a session is to be opened. */
export type Namer = Exclude<Source, "peer">;

/** A third party that sees the peer at an address. Relays are the only ones. */
export type Voucher = "relay";

/** An address at which a peer may be. */
export interface Candidate {
  /** `IP:PORT` in any spelling. */
  readonly address: string;
  readonly source: Source;
  /** Who sees the peer there; `null`: nobody but who named it. */
  readonly vouchedBy: Voucher | null;
}

/** Why an address is not tried, or not now. */
export type GateReason =
  /** It is no address. */
  | "not-an-address"
  /** Nobody can be there. */
  | "unusable"
  /** It is our own. */
  | "own-address"
  /** This node stays behind its relays (`OMERTA_DIRECT=never`). */
  | "stays-relayed"
  /** It lies in a private network that is none of ours, and nobody else sees the peer there. */
  | "foreign-network"
  /** It is loopback, and the peer is not on this machine. */
  | "foreign-loopback"
  /** Link-local addresses mean nothing without their link. */
  | "link-local"
  /** The peer named too many. */
  | "too-many"
  /** It got what it may get, and did not answer. */
  | "address-spent"
  /** An opener went there already. */
  | "opened-already"
  /** Its host got what it may get now. */
  | "host-spent"
  /** The peer for whose sake it is has spent its share. */
  | "peer-spent"
  /** All together have. */
  | "all-spent"
  /** There is no room to count what it gets. */
  | "no-room";

/** What the rule looks at. */
export interface Place {
  readonly source: Source;
  readonly scope: AddressScope;
  /** Whether the address lies in a prefix of one of our own interfaces. */
  readonly attached: boolean;
  readonly vouched: boolean;
  /** Whether it is an address of ours. */
  readonly own: boolean;
}

/** What it looks at besides. */
export interface Surroundings {
  /** Whether the peer, or the relay that leads to it, is seen on a loopback address. */
  readonly loopback: boolean;
  /** Whether peers may learn our own address. */
  readonly direct: boolean;
}

/** Why an address may not be tried at all; `null`: it may. */
export function judge(place: Place, { loopback, direct }: Surroundings): GateReason | null {
  if (place.scope === "unusable") return "unusable";
  if (place.source === "person") return null;
  if (!direct) return "stays-relayed";
  if (place.own) return "own-address";
  switch (place.scope) {
    case "global":
      return null;
    case "private":
    case "cgnat":
      return place.attached || place.vouched ? null : "foreign-network";
    case "loopback":
      return loopback ? null : "foreign-loopback";
    case "link-local":
      return "link-local";
  }
}

/** A candidate that will be tried, with the number of probes that it may get. */
export interface Target {
  readonly path: Path;
  /** Of one attempt. */
  readonly probesMax: number;
  /** Of all attempts within the window of the gate's budget. */
  readonly windowProbesMax: number;
}

/** What became of a candidate. */
export type Judged =
  | { readonly type: "admitted"; readonly candidate: Candidate; readonly target: Target }
  | { readonly type: "refused"; readonly candidate: Candidate; readonly reason: GateReason };
