/**
 * `consumer.*`: renting VMs, reaching them, giving them back, and whom to rent from.
 *
 * ```text
 * consumer.extend {"vm":"web","leaseMs":3600000}
 *   → {"id":"ab3dqt5zk2m7w6xy","name":"web","state":"ready","lease_expires_at":"2026-11-20T13:00:00Z",…}
 * ```
 *
 * @module
 */
import * as v from "valibot";
import {
  type Confinement,
  CONFINEMENTS,
  isRequestKey,
  type OwnersEndReason,
  type VmPhase,
  type VmState,
} from "../../market/mod.ts";
import type { ErrorDoc } from "../error_doc.ts";
import {
  alias,
  duration,
  type Input,
  type Method,
  name,
  network,
  type NetworkChoice,
  nodeAt,
  peerNames,
  port,
  vm,
  type VmChoice,
  vmNames,
  whole,
} from "./common.ts";
import type { PathDoc } from "./mesh.ts";

const requestFields = {
  network,
  /** Virtual processors: 1 to 1 024. */
  cpu: v.pipe(whole, v.minValue(1), v.maxValue(1_024)),
  memoryBytes: whole,
  /** 0: no disk. */
  storageBytes: whole,
  /** An image by its name; today there is `micro`. */
  image: name,
  /** How long it lives without a sign of life of ours. The provider may cut it. */
  leaseMs: duration,
  /** The content of the public key file; `null`: the key of the state directory. */
  sshPublicKey: v.nullable(v.pipe(v.string(), v.maxLength(65_536))),
  /** Absolute path of the private key that belongs to `sshPublicKey`; `null` with `null` there. */
  identityFile: v.nullable(v.pipe(v.string(), v.maxLength(4_096))),
  /** What its person calls it. */
  name: v.nullable(alias),
  /** Repeating a request with the same key gives the same VM while it lives. */
  key: v.nullable(
    v.pipe(v.string(), v.check(isRequestKey, "a key has 1 to 64 printable characters, no spaces")),
  ),
  /** The provider that alone is asked: id, prefix or alias. */
  peer: v.nullable(name),
  /** The same by where it is. */
  provider: v.nullable(nodeAt),
  /** A member by which the network is entered. */
  bootstrap: v.nullable(nodeAt),
  /** Names of providers that alone may serve, and are trusted from now on; empty: anybody. */
  trust: peerNames,
  /** Least wall between guest and provider; `null`: whatever there is. */
  isolation: v.nullable(v.picklist(["hardware", "emulated"])),
  /** How well QEMU must be confined, in the provider's own words; `null`: as it likes. */
  minConfinement: v.nullable(v.picklist(CONFINEMENTS)),
  /** How long to wait for room; `null`: for a while, and less where waiting is vain. */
  queueMs: v.nullable(duration),
  /** False (`--no-wait`): answers once the provider has accepted. */
  wait: v.boolean(),
  /** Asks everything and starts no machine. */
  dryRun: v.boolean(),
};

/** Input of `consumer.request`. */
export const CONSUMER_REQUEST = v.strictObject(requestFields);

/** Input of `consumer.request`. */
export type ConsumerRequestInput = Input<typeof CONSUMER_REQUEST>;

/** Input of `consumer.requestMany`: several VMs alike. Names and keys get `-1`, `-2`, … */
export const CONSUMER_REQUEST_MANY = v.strictObject({
  ...requestFields,
  /** 1 to 64. */
  count: v.pipe(whole, v.minValue(1), v.maxValue(64)),
});

/** Input of `consumer.requestMany`. */
export type ConsumerRequestManyInput = Input<typeof CONSUMER_REQUEST_MANY>;

/** Input of `consumer.trust`. */
export const CONSUMER_TRUST = v.strictObject({
  network,
  /** Names of peers to trust from now on. */
  add: peerNames,
  /** Names of peers to trust no longer. */
  remove: peerNames,
});

/** Input of `consumer.trust`. */
export type ConsumerTrustInput = Input<typeof CONSUMER_TRUST>;

/** Input of `consumer.ticket`. */
export const CONSUMER_TICKET = v.strictObject({
  vm,
  /** TCP port of the VM. */
  port,
});

/** Input of `consumer.forward`. */
export const CONSUMER_FORWARD = v.strictObject({
  vm,
  /** 1 to 64. */
  forwards: v.pipe(
    v.array(v.strictObject({
      /** Where to listen: `IP:PORT` or `[V6]:PORT`; port 0 means any. */
      bind: name,
      /** TCP port of the VM. */
      port,
    })),
    v.minLength(1),
    v.maxLength(64),
  ),
});

/** Input of `consumer.sshTarget`. */
export const CONSUMER_SSH_TARGET = v.strictObject({
  vm,
  /** All VMs that are ready, `vm` aside: for `ssh-config` without an ID. */
  all: v.boolean(),
});

/** Input of `consumer.extend`. */
export const CONSUMER_EXTEND = v.strictObject({
  vm,
  /** The end moves to now + this, at least. */
  leaseMs: duration,
});

/** Input of `consumer.release`. */
export const CONSUMER_RELEASE = v.strictObject({
  /** Ids, prefixes, names; empty without `all`: the only living VM. */
  vms: vmNames,
  /** Every VM that has not ended. */
  all: v.boolean(),
});

/** A VM as its renter sees it. */
export interface VmDoc {
  /** 16 characters. */
  readonly id: string;
  readonly network: { readonly id: string; readonly name: string };
  readonly name: string | null;
  readonly key: string | null;
  /** The provider's node id. */
  readonly provider: string;
  /** Whether the provider was trusted, or had served, when it was asked. */
  readonly provider_known: boolean;
  readonly state: VmState;
  /** Works as it stands, from any directory; made by `sshCommand` of `ssh_command.ts`. */
  readonly ssh_command: readonly string[] | null;
  /** `[ADDRESS]:PORT` inside the tunnel. */
  readonly ssh_address: string | null;
  readonly ssh_user: string | null;
  /** A whole `ssh-ed25519 …` line. */
  readonly ssh_host_key: string | null;
  /** Virtual processors. */
  readonly cpu: number;
  readonly memory_bytes: number;
  readonly storage_bytes: number;
  readonly image: string;
  /** `sha256:HEX` of the image that the provider said it would boot. */
  readonly image_digest: string | null;
  readonly accelerator: "kvm" | "tcg" | null;
  readonly isolation: "hardware" | "emulated" | null;
  /** How well the provider confines QEMU, in its own words. */
  readonly confinement: Confinement | null;
  /** What the VM reaches besides its renter: nothing. */
  readonly egress: "none";
  readonly requested_at: string;
  readonly ready_at: string | null;
  /** The lease as the provider granted it: it may have cut what was asked for. */
  readonly lease_ms: number;
  /** When it ends unless this node renews the lease. */
  readonly lease_expires_at: string | null;
  /** When it ends whatever its owner does. */
  readonly life_ends_at: string | null;
  /** When its provider confirmed it last. */
  readonly checked_at: string | null;
  /** Why, in which words, and when it ended; `null` while it lives. */
  readonly end: {
    readonly reason: OwnersEndReason;
    readonly detail: string | null;
    readonly at: string;
  } | null;
  /** When it was released, had failed, or was given up. */
  readonly ended_at: string | null;
  /** Why it failed or ended; `null` while it lives. */
  readonly reason: string | null;
  /** How packets go to its provider. */
  readonly path: PathDoc;
  /** How long each step of the request took; `null`: it did not come so far. */
  readonly timings_ms: Readonly<Record<VmPhase, number | null>>;
  readonly dry_run: boolean;
}

/** Result of `consumer.list` and `consumer.requestMany`. */
export interface ConsumerListResult {
  readonly vms: readonly VmDoc[];
}

/** A provider as this node knows it. */
export interface KnownProviderDoc {
  /** Node id. */
  readonly id: string;
  /** Its own word. */
  readonly alias: string | null;
  readonly network: { readonly id: string; readonly name: string };
  readonly trusted: boolean;
  readonly trusted_at: string | null;
  /** When a VM of it was ready last. */
  readonly served_at: string | null;
  /** When it failed last, and how often in a row. */
  readonly failed_at: string | null;
  readonly failures: number;
}

/** Result of `consumer.trust`: all that are trusted, or were asked before. */
export interface ConsumerTrustResult {
  readonly providers: readonly KnownProviderDoc[];
}

/** A stream to a port of a VM: `ticket` is good for one connection to the unix `socket`. */
export interface ConsumerTicketResult {
  /** Absolute path. */
  readonly socket: string;
  /** To be used within 30 s. */
  readonly ticket: string;
}

/** A listener that is open: emitted in the order of the input. */
export interface ConsumerForwardItem {
  /** The address that listens: `IP:PORT`. */
  readonly local: string;
  /** `[ADDRESS]:PORT` inside the tunnel. */
  readonly remote: string;
}

/** Result of `consumer.forward`: the VM's id. */
export interface ConsumerForwardResult {
  readonly vm: string;
}

/**
 * What OpenSSH needs for one VM. The node has written `known_hosts_file` (0600, a line per VM made
 * by `knownHostsLine` of `ssh_command.ts`) before it answers. Only VMs that are ready are given.
 */
export interface SshTargetDoc {
  readonly id: string;
  readonly name: string | null;
  readonly user: string;
  /** A whole `ssh-ed25519 …` line. */
  readonly host_key: string;
  /** `[ADDRESS]:PORT` inside the tunnel. */
  readonly address: string;
  /** Absolute. */
  readonly identity_file: string;
  /** Absolute. */
  readonly known_hosts_file: string;
}

/** Result of `consumer.sshTarget`. */
export interface ConsumerSshTargetResult {
  readonly targets: readonly SshTargetDoc[];
}

/** Result of `consumer.release`. */
export interface ConsumerReleaseResult {
  /** Ids of the VMs that are given back. */
  readonly released: readonly string[];
  /** Those that are not, by the name that was given, and why. */
  readonly failed: readonly { readonly id: string; readonly error: ErrorDoc }[];
}

/**
 * The methods of the noun. Where a VM is named, also `not-found` and `ambiguous`; where a provider is
 * asked, also `unreachable`, `timeout` and what it answers, with the field `said_by`.
 */
export interface ConsumerMethods {
  /**
   * Rents a VM. Progress names its `phase`. Errors: `no-provider`, `no-relay`, `provider-full`,
   * `not-allowed`, `bad-ssh-key`, `exists` (the name), `vm-failed`.
   */
  "consumer.request": Method<ConsumerRequestInput, VmDoc>;
  /** Rents several VMs alike: all of them, or none. Errors as `consumer.request`. */
  "consumer.requestMany": Method<ConsumerRequestManyInput, ConsumerListResult>;
  /** Changes whom to trust, and tells whom this node knows. */
  "consumer.trust": Method<ConsumerTrustInput, ConsumerTrustResult>;
  /** The VMs of this state, as they are now; `null`: of all networks. */
  "consumer.list": Method<NetworkChoice, ConsumerListResult>;
  /** One VM, as it is now. */
  "consumer.status": Method<VmChoice, VmDoc>;
  /** One connection to a port of a VM. Errors: `lease-ended`, `vm-failed`. */
  "consumer.ticket": Method<Input<typeof CONSUMER_TICKET>, ConsumerTicketResult>;
  /** Listens for a VM until the call is aborted or the VM has ended. Errors: `port-taken`. */
  "consumer.forward": Method<
    Input<typeof CONSUMER_FORWARD>,
    ConsumerForwardResult,
    ConsumerForwardItem
  >;
  /** What OpenSSH needs. */
  "consumer.sshTarget": Method<Input<typeof CONSUMER_SSH_TARGET>, ConsumerSshTargetResult>;
  /** Moves the end of a lease. Errors: `lease-ended`. */
  "consumer.extend": Method<Input<typeof CONSUMER_EXTEND>, VmDoc>;
  /** Gives VMs back: some may fail, and the rest is given back all the same. */
  "consumer.release": Method<Input<typeof CONSUMER_RELEASE>, ConsumerReleaseResult>;
}
