/**
 * `mesh.*`: what this node knows of the mesh: itself, its peers, the paths to them.
 *
 * ```text
 * mesh.ping {"network":null,"peer":"bob","count":1,"intervalMs":1000,"untilDirect":false}
 *   ⇒ {"seq":1,"rtt_ms":12.4,"path":{"kind":"direct","address":"192.0.2.7:41000",…}}
 *   → {"peer":"k3f2…","sent":1,"received":1,"rtt_ms":{"min":12.4,…},"path":{…},"direct_after_ms":null}
 * ```
 *
 * @module
 */
import * as v from "valibot";
import type { Role } from "../../membership/mod.ts";
import type { Mapping } from "../../path/mod.ts";
import {
  duration,
  type Input,
  type Method,
  name,
  network,
  type NetworkChoice,
  type Nothing,
  whole,
} from "./common.ts";
import type { NetworkDoc } from "./network.ts";

/** Input of `mesh.ping`. */
export const MESH_PING = v.strictObject({
  network,
  /** Its id, a prefix or its alias. */
  peer: name,
  /** How many pings: 1 to 1 000 000. */
  count: v.pipe(whole, v.minValue(1), v.maxValue(1_000_000)),
  /** From one ping to the next: at least 1. */
  intervalMs: v.pipe(duration, v.minValue(1)),
  /** Ends at the first answer over a direct path; `count` is then not a limit. */
  untilDirect: v.boolean(),
});

/** Input of `mesh.ping`. */
export type MeshPingInput = Input<typeof MESH_PING>;

/** How packets to a peer go: that of the sending direction; `address` is its next hop. */
export interface PathDoc {
  /** `none`: there is no path, and all that follows is `null`. */
  readonly kind: "direct" | "relay" | "none";
  /** `IP:PORT` or `[V6]:PORT`. */
  readonly address: string | null;
  /** The relay's node id. */
  readonly via: string | null;
  readonly transport: "udp" | "tcp" | null;
  /** Milliseconds, smoothed over the last pings. */
  readonly rtt_ms: number | null;
  /** The part of the last pings that was lost: 0 to 1. */
  readonly loss: number | null;
  /** Largest datagram in bytes. */
  readonly mtu: number | null;
  /** Since when this path is the one in use. */
  readonly since_at: string | null;
}

/** The NAT as peers see it, for one address family: RFC 4787's words; `none`: no translation. */
export interface NatDoc {
  readonly mapping: Mapping;
  readonly filtering: Mapping;
  /** How the NAT chooses ports. */
  readonly allocation: "preserving" | "sequential" | "random" | "unknown";
  /** How many peers have told us where they see us. */
  readonly observers: number;
}

/** An address by which this node may be reached. */
export interface EndpointDoc {
  /** `IP:PORT` or `[V6]:PORT`. */
  readonly address: string;
  /** `local`: of an interface; `observed`: as a peer sees us; `mapped`: by the router's leave. */
  readonly source: "local" | "observed" | "mapped" | "predicted" | "cached";
}

/** Result of `mesh.status`. */
export interface MeshStatusResult {
  readonly node: {
    /** 52 characters. */
    readonly id: string;
    readonly alias: string | null;
    readonly version: string;
    readonly roles: readonly Role[];
    /** The UDP port. */
    readonly port: number;
    /** Seconds. */
    readonly uptime_s: number;
    readonly pid: number;
  };
  readonly networks: readonly NetworkDoc[];
  readonly nat: { readonly ipv4: NatDoc; readonly ipv6: NatDoc };
  readonly endpoints: readonly EndpointDoc[];
  /** Counts: of records or sessions; of sessions; and of those by the kind of their path. */
  readonly peers: {
    readonly known: number;
    readonly connected: number;
    readonly direct: number;
    readonly relayed: number;
  };
  /** The relays with which this node keeps a session. */
  readonly relays: readonly {
    /** Node id. */
    readonly id: string;
    readonly rtt_ms: number | null;
    readonly role: string;
  }[];
  /** Resident memory of the node's process. */
  readonly memory_bytes: number | null;
}

/** A peer as this node knows it. `roles` and `alias` are its own words. */
export interface PeerDoc {
  /** Node id. */
  readonly id: string;
  readonly alias: string | null;
  readonly roles: readonly string[];
  /** Network ids. */
  readonly networks: readonly string[];
  readonly path: PathDoc;
  /** When something authentic of it came last. */
  readonly last_seen_at: string | null;
}

/** Result of `mesh.peers`. */
export interface MeshPeersResult {
  readonly peers: readonly PeerDoc[];
}

/** One ping, as it is answered or given up. */
export interface MeshPingItem {
  /** From 1. */
  readonly seq: number;
  /** `null`: no answer. */
  readonly rtt_ms: number | null;
  /** By which it went. */
  readonly path: PathDoc;
}

/** Result of `mesh.ping`. */
export interface MeshPingResult {
  /** The peer's whole id. */
  readonly peer: string;
  readonly sent: number;
  readonly received: number;
  /** Of the answers; `null` each where none came. */
  readonly rtt_ms: {
    readonly min: number | null;
    readonly p50: number | null;
    readonly p99: number | null;
    readonly max: number | null;
  };
  /** At the end. */
  readonly path: PathDoc;
  /** From the first ping to the first answer over a direct path. */
  readonly direct_after_ms: number | null;
}

/** The methods of the noun. Where a network is named, also `no-network`, `not-found`, `ambiguous`. */
export interface MeshMethods {
  /** This node: its addresses, NAT, peers and relays. */
  "mesh.status": Method<Nothing, MeshStatusResult>;
  /** Who is known, by record or by session; asks the relays before. */
  "mesh.peers": Method<NetworkChoice, MeshPeersResult>;
  /** Reaches a peer and pings it. Errors: `unreachable`, `no-relay`, `not-member`, `timeout`. */
  "mesh.ping": Method<MeshPingInput, MeshPingResult, MeshPingItem>;
}
