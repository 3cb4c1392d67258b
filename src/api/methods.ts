/**
 * The types of the local API: what each method takes and gives. The command line calls them, the
 * node implements them; nothing here exists at run time.
 *
 * A method is `noun.verb`, called as `POST /v1/noun/verb`. Inputs are parsed flags: camel case, the
 * unit in the name, `null` for what was not given. Results are the JSON documents of the command
 * line without their `schema`: snake case, times RFC 3339 UTC (`_at`), `null` for what is unknown.
 * A stream emits items before its result.
 *
 * `network` in an input is an id, a prefix of it (≥ 8 characters) or a name; `null` means the only
 * network. `vm` is an id, a prefix or a name; `null` means the only VM that has not ended:
 * none is `not-found`, several are `ambiguous`. `peer` is an id, a prefix or an alias.
 *
 * @module
 */

/** What a member may do in a network. */
export type Grant = "rent" | "provide" | "relay" | "admit";

/** What a node offers besides being a member. */
export type Role = "relay" | "provider";

/** Which network: id, prefix, name, or `null` for the only one. */
export interface NetworkChoice {
  readonly network: string | null;
}

/** Which VM: id, prefix, name, or `null` for the only living one. */
export interface VmChoice {
  readonly vm: string | null;
}

/** An operating failure as a part of a document: fields of its code's own may stand beside. */
export interface ErrorDoc {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
  readonly exit: number;
}

// ---------------------------------------------------------------------------------------------
// Networks

/** A network that this state belongs to. */
export interface NetworkDoc {
  readonly id: string;
  readonly name: string;
  readonly epoch: number;
  readonly enabled: boolean;
  /** Members that are known here, this node included. */
  readonly members: number;
  /** This node's own grants. */
  readonly grants: readonly Grant[];
}

/** What `network show` adds. */
export interface NetworkDetailsDoc extends NetworkDoc {
  /** Whether this state holds the network's authority, so that it can invite, revoke, export. */
  readonly authority: boolean;
  readonly joined_at: string | null;
  /** When this node's certificate ends unless it is renewed. */
  readonly certificate_expires_at: string | null;
}

/** One invite, without its secret. */
export interface InviteDoc {
  readonly id: string;
  readonly grants: readonly Grant[];
  readonly created_at: string;
  readonly expires_at: string;
  /** How often it may be redeemed; `null`: unlimited. */
  readonly uses: number | null;
  readonly redeemed: number;
  readonly revoked_at: string | null;
}

export interface NetworkCreateInput {
  readonly name: string;
  /** Whether to make a first invite; false where nobody would see it. */
  readonly invite: boolean;
}

/** `network.create` and `network.invite`. */
export interface NetworkInviteResult {
  readonly network: NetworkDoc;
  /** The whole `omerta://join/…` link: a secret. `create`: `null` where none was made. */
  readonly invite: string | null;
  /** What `network.revoke` takes; `null` with `invite`. */
  readonly invite_id: string | null;
  readonly expires_at: string | null;
  /** Whether only nodes on the same LAN can redeem it (no public address is known). */
  readonly lan_only: boolean;
  /** Whether the node stays by itself. One in the background ends, and nobody redeems invites then. */
  readonly stays: boolean;
}

export interface NetworkJoinInput {
  readonly invite: string;
}

export interface NetworkJoinResult {
  readonly network: NetworkDoc;
  /** False where the network had been joined before: nobody was contacted. */
  readonly joined: boolean;
}

export interface NetworkListResult {
  readonly networks: readonly NetworkDoc[];
}

export interface NetworkShowResult {
  readonly network: NetworkDetailsDoc;
}

export interface NetworkLeaveInput extends NetworkChoice {
  /** Leaves although its authority lives here, or VMs live in it. */
  readonly force: boolean;
}

export interface NetworkLeaveResult {
  readonly network: NetworkDoc;
}

export interface NetworkInviteInput extends NetworkChoice {
  readonly expiresMs: number;
  /** `null`: unlimited. */
  readonly uses: number | null;
  readonly grants: readonly Grant[];
}

export interface NetworkInvitesResult {
  readonly network: NetworkDoc;
  readonly invites: readonly InviteDoc[];
}

export interface NetworkRevokeInput extends NetworkChoice {
  /** An invite id, or a prefix of one. Peers come with the removal of members. */
  readonly target: string;
}

export interface NetworkRevokeResult {
  readonly network: NetworkDoc;
  readonly revoked: { readonly kind: "invite" | "peer"; readonly id: string };
}

export interface NetworkExportResult {
  readonly network: NetworkDoc;
  /** The authority and its books as one line of text: a secret. `network.import` takes it. */
  readonly export: string;
}

export interface NetworkImportInput {
  readonly export: string;
}

export interface NetworkImportResult {
  readonly network: NetworkDoc;
  /** Nodes of the network by which it can be entered from here; 0: nobody finds anybody yet. */
  readonly entries: number;
}

// ---------------------------------------------------------------------------------------------
// Mesh

/** How packets to a peer go: that of the sending direction; `address` is its next hop. */
export interface PathDoc {
  readonly kind: "direct" | "relay" | "none";
  readonly address: string | null;
  /** The relay's node id. */
  readonly via: string | null;
  readonly transport: "udp" | "tcp" | null;
  readonly rtt_ms: number | null;
  readonly loss: number | null;
  readonly mtu: number | null;
  readonly since_at: string | null;
}

/** RFC 4787's words; `none`: no translation, no filter. */
export type NatBehaviour =
  | "none"
  | "endpoint-independent"
  | "address-dependent"
  | "address-and-port-dependent"
  | "blocked"
  | "unknown";

/** The NAT as peers see it, for one address family. */
export interface NatDoc {
  readonly mapping: NatBehaviour;
  readonly filtering: NatBehaviour;
  readonly allocation: "preserving" | "sequential" | "random" | "unknown";
  readonly observers: number;
}

/** An address by which this node may be reached. */
export interface EndpointDoc {
  readonly address: string;
  readonly source: "local" | "observed" | "mapped" | "predicted" | "cached";
}

export interface MeshStatusResult {
  readonly node: {
    readonly id: string;
    readonly alias: string | null;
    readonly version: string;
    readonly roles: readonly Role[];
    readonly port: number;
    readonly uptime_s: number;
    readonly pid: number;
  };
  readonly networks: readonly NetworkDoc[];
  readonly nat: { readonly ipv4: NatDoc; readonly ipv6: NatDoc };
  readonly endpoints: readonly EndpointDoc[];
  readonly peers: {
    readonly known: number;
    readonly connected: number;
    readonly direct: number;
    readonly relayed: number;
  };
  readonly relays: readonly {
    readonly id: string;
    readonly rtt_ms: number | null;
    readonly role: string;
  }[];
  readonly memory_bytes: number | null;
}

/** A peer as this node knows it. `roles` and `alias` are its own words. */
export interface PeerDoc {
  readonly id: string;
  readonly alias: string | null;
  readonly roles: readonly string[];
  /** Network ids. */
  readonly networks: readonly string[];
  readonly path: PathDoc;
  readonly last_seen_at: string | null;
}

export interface MeshPeersResult {
  readonly peers: readonly PeerDoc[];
}

export interface MeshPingInput extends NetworkChoice {
  readonly peer: string;
  readonly count: number;
  readonly intervalMs: number;
  /** Ends at the first answer over a direct path; `count` is then not a limit. */
  readonly untilDirect: boolean;
}

/** One ping, as it is answered or given up. */
export interface MeshPingItem {
  readonly seq: number;
  /** `null`: no answer. */
  readonly rtt_ms: number | null;
  readonly path: PathDoc;
}

export interface MeshPingResult {
  /** The peer's whole id. */
  readonly peer: string;
  readonly sent: number;
  readonly received: number;
  readonly rtt_ms: {
    readonly min: number | null;
    readonly p50: number | null;
    readonly p99: number | null;
    readonly max: number | null;
  };
  readonly path: PathDoc;
  readonly direct_after_ms: number | null;
}

// ---------------------------------------------------------------------------------------------
// Relay

/** How much was forwarded. */
export interface TrafficDoc {
  readonly packets: number;
  readonly bytes: number;
}

/** What a relay forwards, and between whom. */
export interface RelayStatusResult {
  readonly sessions: number;
  readonly limits: {
    readonly sessions: number;
    /** Bytes on the wire, both ways, of all sessions together and of each. */
    readonly bytes_per_s: number;
    readonly session_bytes_per_s: number;
  };
  readonly forwarded: { readonly control: TrafficDoc; readonly tunnel: TrafficDoc };
  /** Count by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly pairs: readonly {
    readonly a: string;
    readonly b: string;
    readonly control: TrafficDoc;
    readonly tunnel: TrafficDoc;
  }[];
}

// ---------------------------------------------------------------------------------------------
// Provider

/** Sizes that a provider lends, or that are used. */
export interface ProviderRoom {
  readonly cpu: number;
  readonly memory_bytes: number;
  readonly storage_bytes: number | null;
  readonly vms: number;
}

/** What one owner gets at most, and what is counted for each VM. */
export interface ProviderLimits {
  readonly per_owner: number;
  readonly max_lease_ms: number;
  readonly max_life_ms: number;
  /** Node ids that may rent; `null`: every member with the grant `rent`. */
  readonly allow: readonly string[] | null;
  /** Memory that each VM takes beside its guest's; `capacity` and `used` hold it. */
  readonly overhead_bytes: number;
}

/** A VM as its provider sees it. */
export interface ProviderVmDoc {
  readonly id: string;
  /** The owner's node id. */
  readonly owner: string;
  readonly state: VmState;
  readonly cpu: number;
  readonly memory_bytes: number;
  readonly lease_expires_at: string | null;
  /** The helper's. */
  readonly pid: number | null;
  /** Why nobody can reach its machine, which may run and keeps its room; `null`: all is well. */
  readonly stuck: string | null;
  readonly dropped_frames: number | null;
}

export interface ProviderStatusResult {
  readonly accepting: boolean;
  /** Whether it answers without a machine: dry runs only. */
  readonly dry_run: boolean;
  readonly capacity: ProviderRoom;
  readonly used: ProviderRoom;
  readonly limits: ProviderLimits;
  readonly accelerator: {
    readonly kind: "kvm" | "tcg" | null;
    readonly probed_at: string | null;
    readonly reason: string | null;
    /** What a person can do for a better one. */
    readonly remedy: string | null;
  };
  readonly confinement: { readonly level: string | null; readonly missing: readonly string[] };
  readonly vms: readonly ProviderVmDoc[];
}

export interface ProviderEvictInput {
  /** Ids or prefixes; empty with `all`. */
  readonly vms: readonly string[];
  readonly all: boolean;
}

export interface ProviderEvictResult {
  readonly evicted: readonly string[];
  readonly failed: readonly { readonly id: string; readonly error: ErrorDoc }[];
}

// ---------------------------------------------------------------------------------------------
// Consumer

/** Where a VM stands in its life. */
export type VmState =
  | "requested"
  | "reserved"
  | "creating"
  | "booting"
  | "ready"
  | "releasing"
  | "released"
  | "failed"
  | "lost";

/** A step of a request: what `timings_ms` counts, and what progress lines name. */
export type VmPhase = "match" | "reserve" | "create" | "boot" | "network" | "ssh";

/** Why a VM ended. */
export type VmEndReason =
  | "released"
  | "expired"
  | "evicted"
  | "oom"
  | "guest-exit"
  | "failed"
  | "lost"
  | "disk";

/** A VM as its renter sees it. */
export interface VmDoc {
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
  readonly cpu: number;
  readonly memory_bytes: number;
  readonly storage_bytes: number;
  readonly image: string;
  /** `sha256:HEX` of the image that the provider said it would boot. */
  readonly image_digest: string | null;
  readonly accelerator: "kvm" | "tcg" | null;
  readonly isolation: "hardware" | "emulated" | null;
  /** How well the provider confines QEMU, in its own words. */
  readonly confinement: "basic" | "landlock" | "namespaces" | "full" | null;
  /** What the VM reaches besides its renter: nothing. */
  readonly egress: "none";
  readonly requested_at: string;
  readonly ready_at: string | null;
  /** The lease as the provider granted it: it may have cut what was asked for. */
  readonly lease_ms: number;
  readonly lease_expires_at: string | null;
  /** When it ends whatever its owner does. */
  readonly life_ends_at: string | null;
  readonly checked_at: string | null;
  /** Why, in which words, and when it ended; `null` while it lives. */
  readonly end: {
    readonly reason: VmEndReason;
    readonly detail: string | null;
    readonly at: string;
  } | null;
  /** When it was released, had failed, or was given up. */
  readonly ended_at: string | null;
  /** Why it failed or ended; `null` while it lives. */
  readonly reason: string | null;
  readonly path: PathDoc;
  readonly timings_ms: Readonly<Record<VmPhase, number | null>>;
  readonly dry_run: boolean;
}

/** `[ID@]ADDRESS` of a node that is named by where it is. `address` is `HOST:PORT`/`[V6]:PORT`. */
export interface NodeAtAddress {
  readonly id: string | null;
  readonly address: string;
}

export interface ConsumerRequestInput extends NetworkChoice {
  readonly cpu: number;
  readonly memoryBytes: number;
  /** 0: no disk. */
  readonly storageBytes: number;
  readonly image: string;
  readonly leaseMs: number;
  /** The content of the public key file; `null`: the key of the state directory. */
  readonly sshPublicKey: string | null;
  /** Absolute path of the private key that belongs to `sshPublicKey`; `null` with `null` there. */
  readonly identityFile: string | null;
  readonly name: string | null;
  readonly key: string | null;
  readonly peer: string | null;
  readonly provider: NodeAtAddress | null;
  readonly bootstrap: NodeAtAddress | null;
  /** Names of providers that alone may serve, and are trusted from now on; empty: anybody. */
  readonly trust: readonly string[];
  /** Least wall between guest and provider; `null`: whatever there is. */
  readonly isolation: "hardware" | "emulated" | null;
  readonly minConfinement: "basic" | "landlock" | "namespaces" | "full" | null;
  /** How long to wait for room; `null`: for a while, and less where waiting is vain. */
  readonly queueMs: number | null;
  /** False (`--no-wait`): answers once the provider has accepted. */
  readonly wait: boolean;
  readonly dryRun: boolean;
}

/** Several VMs alike: all of them, or none. Names and keys get `-1`, `-2`, … */
export interface ConsumerRequestManyInput extends ConsumerRequestInput {
  readonly count: number;
}

export interface ConsumerTrustInput extends NetworkChoice {
  /** Names of peers to trust from now on, and to trust no longer. */
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

/** A provider as this node knows it. */
export interface KnownProviderDoc {
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

export interface ConsumerTrustResult {
  readonly providers: readonly KnownProviderDoc[];
}

export interface ConsumerListResult {
  readonly vms: readonly VmDoc[];
}

export interface ConsumerTicketInput extends VmChoice {
  readonly port: number;
}

/** A stream to a port of a VM: `ticket` is good for one connection to the unix `socket`. */
export interface ConsumerTicketResult {
  readonly socket: string;
  readonly ticket: string;
}

export interface ConsumerForwardInput extends VmChoice {
  readonly forwards: readonly {
    /** Where to listen: `IP:PORT` or `[V6]:PORT`; port 0 means any. */
    readonly bind: string;
    /** Port of the VM. */
    readonly port: number;
  }[];
}

/** A listener that is open: emitted in the order of the input. */
export interface ConsumerForwardItem {
  /** The address that listens: `IP:PORT`. */
  readonly local: string;
  /** `[ADDRESS]:PORT` inside the tunnel. */
  readonly remote: string;
}

/** `consumer.forward` lasts until its request is aborted or the VM has ended. */
export interface ConsumerForwardResult {
  readonly vm: string;
}

export interface ConsumerSshTargetInput extends VmChoice {
  /** All VMs that are ready, `vm` aside: for `ssh-config` without an ID. */
  readonly all: boolean;
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

export interface ConsumerSshTargetResult {
  readonly targets: readonly SshTargetDoc[];
}

export interface ConsumerExtendInput extends VmChoice {
  /** The end moves to now + this, at least. */
  readonly leaseMs: number;
}

export interface ConsumerReleaseInput {
  /** Ids, prefixes, names; empty without `all`: the only living VM. */
  readonly vms: readonly string[];
  readonly all: boolean;
}

export interface ConsumerReleaseResult {
  readonly released: readonly string[];
  readonly failed: readonly { readonly id: string; readonly error: ErrorDoc }[];
}

// ---------------------------------------------------------------------------------------------
// The node itself

/** Whether a person started the node, or a command that needed one. */
export type NodeMode = "foreground" | "background";

/** Who runs. */
export interface NodeInfoResult {
  readonly pid: number;
  /** Identifies the code that runs: a command of another build takes over from a lingering node. */
  readonly build: string;
  readonly mode: NodeMode;
  readonly roles: readonly Role[];
}

export interface NodeYieldInput {
  readonly by: "foreground" | "build";
  readonly build: string;
}

export interface NodeYieldResult {
  readonly yielding: true;
}

export interface NodeStopResult {
  readonly pid: number;
  /** VMs that this node provides and that live on, each until its lease ends. */
  readonly vms: readonly Pick<ProviderVmDoc, "id" | "owner" | "lease_expires_at">[];
}

/** The one line of a foreground node that can serve. */
export interface NodeReadyDoc {
  readonly node: { readonly id: string; readonly alias: string | null };
  readonly port: number;
  readonly roles: readonly Role[];
  readonly networks: readonly NetworkDoc[];
  /** Whether this start made a network, having found none and no invite. */
  readonly network_created: boolean;
  /** The invite of a network made by this start: a secret. */
  readonly invite: string | null;
}

/** What a provider lends, and to whom. */
export interface ProviderOptions {
  readonly maxVms: number | null;
  readonly cpu: number | null;
  readonly memoryBytes: number | null;
  readonly storageBytes: number | null;
  /** Longest lease, and longest life from the creation. */
  readonly maxLeaseMs: number | null;
  readonly maxLifeMs: number | null;
  /** VMs of one owner at once. */
  readonly perOwner: number | null;
  /** The least level of confinement; `null`: `namespaces`. */
  readonly acceptWeakIsolation: "basic" | "landlock" | "namespaces" | "full" | null;
  /** Whole node ids; empty: every member with the grant `rent`. */
  readonly allow: readonly string[];
  /** Answers the whole protocol without QEMU. */
  readonly dryRun: boolean;
}

/** Limits of a relay; `null`: the default. */
export interface RelayOptions {
  readonly sessions: number | null;
  readonly bytesPerS: number | null;
  readonly sessionBytesPerS: number | null;
}

/** How to run a node in this process: the argument of the daemon's `runNode`. */
export interface RunNodeOptions {
  /** Absolute. */
  readonly state: string;
  /** `null`: the port that the state remembers, else any. */
  readonly port: number | null;
  /** `HOST` or `HOST:PORT`. */
  readonly advertise: readonly string[];
  readonly roles: { readonly relay: boolean; readonly provider: boolean };
  readonly alias: string | null;
  readonly provider: ProviderOptions | null;
  /** What a relay carries at most; what is not said is by default. */
  readonly relay?: RelayOptions;
  readonly mode: NodeMode;
  /** Background: how long after its last use the node ends. */
  readonly lingerMs: number;
  /** Redeemed before the node is ready. */
  readonly invite: string | null;
  /** Whether somebody sees the invite of a network made by this start; else none is made. */
  readonly showsInvite: boolean;
  /** Called once, when the node can serve. */
  onReady(doc: NodeReadyDoc): void;
  /** One line for the person or the log, without a line end, and how much it matters. */
  log(line: string, level: "error" | "warn" | "info" | "debug"): void;
  /** Aborted by SIGINT or SIGTERM: say farewell and end. */
  readonly signal: AbortSignal;
}

// ---------------------------------------------------------------------------------------------
// All of it

/** One method: what it takes, gives, and emits on the way. */
export interface Method<Input, Result, Item = never> {
  readonly input: Input;
  readonly result: Result;
  readonly item: Item;
}

/** No input: an empty object. */
export type Nothing = Readonly<Record<string, never>>;

/** Every method of the local API. */
export interface ApiMethods {
  "network.create": Method<NetworkCreateInput, NetworkInviteResult>;
  "network.join": Method<NetworkJoinInput, NetworkJoinResult>;
  "network.list": Method<Nothing, NetworkListResult>;
  "network.show": Method<NetworkChoice, NetworkShowResult>;
  "network.leave": Method<NetworkLeaveInput, NetworkLeaveResult>;
  "network.invite": Method<NetworkInviteInput, NetworkInviteResult>;
  "network.invites": Method<NetworkChoice, NetworkInvitesResult>;
  "network.revoke": Method<NetworkRevokeInput, NetworkRevokeResult>;
  "network.export": Method<NetworkChoice, NetworkExportResult>;
  "network.import": Method<NetworkImportInput, NetworkImportResult>;
  "mesh.status": Method<Nothing, MeshStatusResult>;
  "mesh.peers": Method<NetworkChoice, MeshPeersResult>;
  "mesh.ping": Method<MeshPingInput, MeshPingResult, MeshPingItem>;
  "relay.status": Method<Nothing, RelayStatusResult>;
  "provider.status": Method<Nothing, ProviderStatusResult>;
  "provider.evict": Method<ProviderEvictInput, ProviderEvictResult>;
  "consumer.request": Method<ConsumerRequestInput, VmDoc>;
  "consumer.requestMany": Method<ConsumerRequestManyInput, ConsumerListResult>;
  "consumer.trust": Method<ConsumerTrustInput, ConsumerTrustResult>;
  "consumer.list": Method<NetworkChoice, ConsumerListResult>;
  "consumer.status": Method<VmChoice, VmDoc>;
  "consumer.ticket": Method<ConsumerTicketInput, ConsumerTicketResult>;
  "consumer.forward": Method<ConsumerForwardInput, ConsumerForwardResult, ConsumerForwardItem>;
  "consumer.sshTarget": Method<ConsumerSshTargetInput, ConsumerSshTargetResult>;
  "consumer.extend": Method<ConsumerExtendInput, VmDoc>;
  "consumer.release": Method<ConsumerReleaseInput, ConsumerReleaseResult>;
  "node.info": Method<Nothing, NodeInfoResult>;
  "node.yield": Method<NodeYieldInput, NodeYieldResult>;
  "node.stop": Method<Nothing, NodeStopResult>;
}

/** The name of a method, `noun.verb`. */
export type MethodName = keyof ApiMethods;

/** The progress fields that accompany a text, where a method has any. */
export interface RequestProgress {
  readonly phase: VmPhase;
  readonly text: string;
}
