/**
 * The networks of a node: made, joined, left, and for those whose authority lives here: invites,
 * admissions, export. What the database holds is loaded at the start and kept in step.
 *
 * @module
 */
import type { InviteDoc, NetworkDetailsDoc, NetworkDoc } from "../../api/nouns/network.ts";
import {
  type NamedNode,
  type NetworkId,
  type NodeId,
  OmertaError,
  splitPeerKey,
} from "../../base/mod.ts";
import type { NetworkRow } from "../../host/store/mod.ts";
import {
  type Admission,
  createNetwork,
  encodeShown,
  type EpochKey,
  epochSecrets,
  exportNetwork,
  exportTextError,
  GRANT_OF_ROLE,
  GRANTS,
  importNetwork,
  type IsRevoked,
  nextEpoch,
  nothingRevoked,
  renewalDueMs,
  resolveName,
  type Role,
  verifyAdmission,
  verifyRevocation,
} from "../../membership/mod.ts";
import { admissionWord, type Answer } from "../../node/mod.ts";
import {
  ACCEPTED_KEYS_MAX,
  type AcceptedKey,
  type RefusedKey,
  type SessionKey,
} from "../../session/mod.ts";
import { Admitting } from "./admitting.ts";
import type { Ground } from "../context.ts";
import { gatesText, openGates, shutGates } from "./gates.ts";
import { type InviteOrder, Inviting, type MadeInvite } from "./inviting.ts";
import {
  capital,
  noNetwork,
  notAuthority,
  otherEpoch,
  requireAdmitter,
  unsoundDocument,
  whichOf,
} from "./network_errors.ts";
import { type Joined, NetworkLoading } from "./network_loading.ts";
import type { Caller } from "../ports.ts";
import { timestamp } from "../../host/time.ts";

/** Places where a network is entered that are kept. Guess: some of them answer. */
const ENTRIES_MAX = 8;

/** A network whose membership does not hold now: the certificate is over, or the clock is wrong. */
interface Unsound {
  readonly row: NetworkRow;
  readonly error: OmertaError;
}

/** The networks of a running node. */
export class Networks {
  readonly #context: Ground;
  readonly #loading: NetworkLoading;
  readonly #inviting: Inviting;
  readonly #admitting: Admitting;
  /** The gates that the listeners know. */
  #gates = "";
  readonly #joined = new Map<NetworkId, Joined>();
  readonly #unsound = new Map<NetworkId, Unsound>();
  /** Networks that are being joined now: their certificates are judged, nothing else. */
  readonly #joining = new Set<NetworkId>();
  readonly #alias: () => string | null;
  readonly #onChange = new Set<() => void>();

  constructor(context: Ground, alias: () => string | null) {
    this.#context = context;
    this.#loading = new NetworkLoading(context);
    this.#inviting = new Inviting(context);
    this.#admitting = new Admitting(context);
    this.#alias = alias;
    for (const row of context.store.networks.list()) this.#tryLoad(row);
    this.#gates = this.#gatesNow();
  }

  /**
   * Looks at the clock again: signs our own certificates anew where they are due, takes up networks
   * whose membership holds now, and shuts the gates of invites that are over.
   */
  refresh(): void {
    for (const { admitter } of this.list()) if (admitter !== null) this.#admitting.sweep(admitter);
    let isChanged = this.#gates !== this.#gatesNow();
    for (const { row } of [...this.#unsound.values()]) isChanged = this.#tryLoad(row) || isChanged;
    for (const joined of this.#joined.values()) {
      const row = this.#loading.freshened(joined.row);
      if (row === joined.row) continue;
      joined.row = row;
      joined.certificate = this.#loading.readCertificate(row);
      isChanged = true;
    }
    if (isChanged) this.#changed();
  }

  /** Calls `listener` when keys or networks changed. */
  onChange(listener: () => void): void {
    this.#onChange.add(listener);
  }

  list(): Joined[] {
    return [...this.#joined.values()];
  }

  get(id: NetworkId): Joined | undefined {
    return this.#joined.get(id);
  }

  /** The network of an id, a prefix or a name; `null`: the only one. */
  require(name: string | null): Joined {
    const all = this.list();
    if (name === null) {
      const [only, ...more] = all;
      if (only !== undefined && more.length === 0) return only;
      if (only === undefined) this.requireSound();
      if (only === undefined) throw noNetwork();
      throw new OmertaError("ambiguous", `This node belongs to ${all.length} networks`, {
        hint: "Name one with --network: see 'omerta network list'.",
      });
    }
    const things = all.map((joined) => ({ id: joined.row.id, alias: joined.row.name, joined }));
    const found = resolveName(name, things);
    if (found.ok) return found.value.joined;
    const unsound = this.#findUnsound(name);
    if (unsound !== undefined) throw unsound.error;
    throw new OmertaError(found.reason, whichOf("network", found.reason, name), {
      hint: "See 'omerta network list'.",
    });
  }

  /** @throws {OmertaError} `not-member` where there are networks but no membership that is valid. */
  requireSound(): void {
    const [first] = this.#unsound.values();
    if (first !== undefined && this.#joined.size === 0) throw first.error;
  }

  /** Leaves a network whose membership does not hold, if such a one is meant. */
  leaveUnsound(name: string | null): NetworkDoc | undefined {
    const meant = this.#findUnsound(name);
    if (meant === undefined) return undefined;
    this.#context.store.networks.delete({ id: meant.row.id });
    this.#unsound.delete(meant.row.id);
    return unsoundDocument(meant.row);
  }

  /**
   * Checks that somebody may use this node in its role.
   *
   * @throws {OmertaError} `not-allowed` where no membership includes the role.
   */
  requireRole(role: Role): void {
    const grant = GRANT_OF_ROLE[role];
    const lacking = this.list().filter(({ certificate }) => !certificate.grants.includes(grant));
    const [first] = lacking;
    if (first === undefined) return;
    const names = lacking.map(({ row }) => row.name).join(", ");
    const text = `The membership of ${names} does not include ${ROLE_MEANS[role]}`;
    if (lacking.length < this.#joined.size) return this.#context.log.warn(text);
    const has = first.certificate.grants; // another invite's grants come in the place of these
    const wanted = GRANTS.filter((each) => each === grant || has.includes(each)).join(",");
    throw new OmertaError("not-allowed", text, {
      hint: `Ask who invited you for an invite made with --grant ${wanted}: give it with --join.`,
    });
  }

  /** How the session machine judges certificates. */
  revocationsOf(network: NetworkId): IsRevoked | undefined {
    const known = this.#joined.get(network)?.revocations.isRevoked;
    return known ?? (this.#joining.has(network) ? nothingRevoked : undefined);
  }

  /** The keys with which this node answers handshakes: of members, and by invites that are open. */
  acceptedKeys(): AcceptedKey[] {
    const all = this.list().map((joined) => ({ ...this.key(joined), payload: this.shown(joined) }));
    const invites = this.list().flatMap((joined) =>
      openGates(joined, { payload: this.shown(joined), nowMs: this.#context.wallMs() })
    );
    return [...all, ...invites].slice(0, ACCEPTED_KEYS_MAX);
  }

  /** The keys of invites that are over: whoever comes by one is told why, and no more. */
  refusedKeys(): RefusedKey[] {
    const nowMs = this.#context.wallMs();
    return this.list().flatMap((joined) => shutGates(joined, nowMs)).slice(-ACCEPTED_KEYS_MAX);
  }

  /** The key with which this node begins handshakes with members. */
  key({ row }: Joined): SessionKey {
    const secrets = epochSecrets(row.id, { epoch: row.epoch, key: row.epochKey });
    return { ...secrets, network: row.id, kind: "epoch" };
  }

  /** What this node shows of itself to members. */
  shown(joined: Joined): Uint8Array {
    return encodeShown({ certificate: joined.certificate.bytes, alias: this.#alias() });
  }

  /** Where a network is entered. */
  entries({ row }: Joined): readonly NamedNode[] {
    return row.bootstrap.entries;
  }

  // Making and joining ---------------------------------------------------------------------------

  /** Makes a network whose authority lives here. */
  create(name: string): Joined {
    if (this.list().some(({ row }) => row.name === name)) {
      throw new OmertaError("exists", `This node belongs to a network ${name} already`, {
        hint: "Take another name.",
      });
    }
    const made = createNetwork({ name, random: this.#context.random });
    return this.#found(made.network, {
      name,
      epoch: made.epochs[0]?.epoch ?? 1,
      epochKey: made.epochs[0]?.key ?? new Uint8Array(32),
      authoritySeed: made.authoritySeed,
    });
  }

  /** Brings a network and its authority here. */
  import(text: string): Joined {
    const read = importNetwork(text, this.#context.wallMs());
    if (!read.ok) {
      const { code, message } = exportTextError(read.reason);
      throw new OmertaError(code, capital(message));
    }
    const { network, name, authoritySeed, epochs, revocations } = read.value;
    const known = this.#joined.get(network);
    if (known !== undefined && known.admitter !== null) return known;
    const nowMs = this.#context.wallMs();
    const joined = this.#found(network, {
      name,
      epoch: epochs[0]?.epoch ?? 1,
      epochKey: epochs[0]?.key ?? new Uint8Array(32),
      authoritySeed,
    });
    for (const bytes of revocations) {
      const checks = { network, nowMs, isRevoked: nothingRevoked };
      const verified = verifyRevocation(bytes, checks);
      if (!verified.ok || !joined.revocations.add(verified.value)) continue;
      const { subject, atMs } = verified.value;
      this.#context.store.revocations.put({ network, node: subject, bytes, atMs });
    }
    return joined;
  }

  /** The network and its authority as one secret text. */
  export(joined: Joined): string {
    const { row, revocations } = joined;
    if (row.authoritySeed === null) throw notAuthority(row.name);
    return exportNetwork({
      network: row.id,
      name: row.name,
      authoritySeed: row.authoritySeed,
      epochs: [{ epoch: row.epoch, key: row.epochKey }],
    }, revocations);
  }

  /** Judge certificates of a network that is being joined; returns what ends that. */
  beginJoining(network: NetworkId): () => void {
    this.#joining.add(network);
    return () => this.#joining.delete(network);
  }

  /** Keeps what an admitter answered: from now on this node is a member. */
  finishJoining(
    network: NetworkId,
    answer: Answer<"redeem">,
    from: { readonly admitter: NodeId; readonly entries: readonly NamedNode[] },
  ): Joined {
    const admission = this.#readAdmission(network, answer);
    const known = this.#joined.get(network); // with fewer grants, until now
    const epoch = agreedEpoch(known?.row ?? this.#unsound.get(network)?.row, admission);
    const ids = new Set(from.entries.map(({ id }) => id));
    const others = known === undefined ? [] : this.entries(known).filter(({ id }) => !ids.has(id));
    const row: NetworkRow = {
      id: network,
      name: known?.row.name ?? this.#freeName(admission.name, network),
      joinedAtMs: known?.row.joinedAtMs ?? this.#context.wallMs(),
      enabled: true,
      epoch: epoch.epoch,
      epochKey: epoch.key,
      authoritySeed: null,
      certificate: admission.certificate.bytes,
      admitter: from.admitter,
      bootstrap: { entries: [...from.entries, ...others].slice(0, ENTRIES_MAX) },
    };
    this.#context.store.networks.put(row);
    const joined = this.#load(row);
    this.#changed();
    return joined;
  }

  /** Leaves: forgets keys and records. */
  leave(joined: Joined): void {
    this.#context.store.networks.delete({ id: joined.row.id });
    this.#joined.delete(joined.row.id);
    this.#changed();
  }

  /** Whether a place to enter is known, at all of its addresses. */
  knowsEntry(joined: Joined, { id, addresses }: NamedNode): boolean {
    if (id === this.#context.identity.id) return true;
    const known = this.entries(joined).find((entry) => entry.id === id)?.addresses ?? [];
    return addresses.every((address) => known.includes(address));
  }

  /** Remembers a place of an invite, where that node was met: after those that are known. */
  learnEntry(joined: Joined, { id, addresses }: NamedNode): void {
    const known = this.entries(joined);
    const isKnown = known.some((entry) => entry.id === id);
    const entries = isKnown
      ? known.map((entry) => entry.id === id ? { id, addresses } : entry)
      : [...known.slice(0, ENTRIES_MAX - 1), { id, addresses }];
    joined.row = { ...joined.row, bootstrap: { entries } };
    this.#context.store.networks.put(joined.row);
    this.#changed();
  }

  /** Remembers another place where the network is entered. */
  addEntry(joined: Joined, entry: NamedNode): void {
    const others = this.entries(joined).filter(({ id }) => id !== entry.id);
    joined.row = {
      ...joined.row,
      bootstrap: { entries: [entry, ...others].slice(0, ENTRIES_MAX) },
    };
    this.#context.store.networks.put(joined.row);
  }

  // Invites --------------------------------------------------------------------------------------

  /** Makes an invite. @throws {OmertaError} `invite-unreachable`, `not-allowed`. */
  invite(joined: Joined, order: InviteOrder): MadeInvite {
    this.#admitting.sweep(requireAdmitter(joined)); // makes room
    const made = this.#inviting.make(joined, order);
    this.#changed();
    return made;
  }

  invites(joined: Joined): InviteDoc[] {
    return this.#inviting.list(joined);
  }

  /** Ends an invite, named by its id or a prefix of it; returns its whole id. */
  revokeInvite(joined: Joined, target: string): string {
    const id = this.#inviting.revoke(joined, target);
    this.#changed();
    return id;
  }

  // Admission ------------------------------------------------------------------------------------

  /** A joiner redeems an invite. @throws {OmertaError} why not. */
  redeem(caller: Caller, question: { readonly s: Uint8Array }): Answer<"redeem"> {
    const admitter = this.#joined.get(splitPeerKey(caller.peer).network)?.admitter ?? null;
    if (admitter === null) throw new OmertaError("invite-unknown", "No invite is made here");
    return this.#admitting.redeem(admitter, caller, question);
  }

  /** A member asks for a fresh certificate. @throws {OmertaError} `not-member`. */
  renew(caller: Caller, question: { readonly c: Uint8Array }): Answer<"renew"> {
    const admitter = this.#joined.get(splitPeerKey(caller.peer).network)?.admitter ?? null;
    if (admitter === null) throw new OmertaError("unsupported", "This node admits nobody");
    return this.#admitting.renew(admitter, caller, question);
  }

  /** Whether this node's own certificate should be renewed at its admitter. */
  needsRenewal(joined: Joined): boolean {
    return joined.admitter === null && this.#context.wallMs() >= renewalDueMs(joined.certificate);
  }

  /** Takes a fresh certificate. */
  takeRenewal(joined: Joined, answer: Answer<"renew">): void {
    const admission = this.#readAdmission(joined.row.id, answer);
    const epoch = agreedEpoch(joined.row, admission);
    const { certificate } = admission;
    joined.certificate = certificate;
    joined.row = {
      ...joined.row,
      certificate: certificate.bytes,
      epoch: epoch.epoch,
      epochKey: epoch.key,
    };
    this.#context.store.networks.put(joined.row);
    this.#changed();
  }

  // Documents ------------------------------------------------------------------------------------

  document(joined: Joined): NetworkDoc {
    const { row, certificate } = joined;
    return {
      id: row.id,
      name: row.name,
      epoch: row.epoch,
      enabled: row.enabled,
      members: this.#countMembers(joined),
      grants: certificate.grants,
    };
  }

  /** All networks, also those whose membership does not hold: they are not enabled. */
  documents(): NetworkDoc[] {
    const sound = this.list().map((joined) => this.document(joined));
    return [...sound, ...[...this.#unsound.values()].map(({ row }) => unsoundDocument(row))];
  }

  details(joined: Joined): NetworkDetailsDoc {
    return {
      ...this.document(joined),
      authority: joined.admitter !== null,
      joined_at: timestamp(joined.row.joinedAtMs),
      certificate_expires_at: timestamp(joined.certificate.notAfterMs),
    };
  }

  // Inside ---------------------------------------------------------------------------------------

  #found(
    network: NetworkId,
    parts: Pick<NetworkRow, "name" | "epoch" | "epochKey"> & { authoritySeed: Uint8Array },
  ): Joined {
    const nowMs = this.#context.wallMs();
    const known = this.#context.store.networks.get({ id: network }); // as a member, until now
    const row: NetworkRow = {
      id: network,
      ...parts,
      joinedAtMs: known?.joinedAtMs ?? nowMs,
      enabled: true,
      certificate: this.#loading.ownCertificate(network, parts, nowMs),
      admitter: null,
      bootstrap: known?.bootstrap ?? { entries: [] },
    };
    this.#context.store.networks.put(row);
    const joined = this.#load(row);
    this.#changed();
    return joined;
  }

  #load(row: NetworkRow): Joined {
    const joined = this.#loading.load(row, this.#joined.get(row.id)?.records);
    this.#joined.set(row.id, joined);
    this.#unsound.delete(row.id);
    return joined;
  }

  /** Loads a network unless its membership does not hold; says whether it does. */
  #tryLoad(row: NetworkRow): boolean {
    try {
      this.#load(row);
      return true;
    } catch (error) {
      if (!(error instanceof OmertaError) || error.code !== "not-member") throw error;
      if (!this.#unsound.has(row.id)) {
        this.#context.log.warn(`${error.message}. ${error.hint ?? ""}`);
      }
      this.#unsound.set(row.id, { row, error });
      return false;
    }
  }

  /** Ourselves, whom we admitted, and of whom there is a record. */
  #countMembers({ records, admitter }: Joined): number {
    const self = this.#context.identity.id;
    const admitted = admitter?.members;
    const others = records.list(this.#context.wallMs())
      .filter(({ id }) => id !== self && admitted?.get(id) === undefined);
    const ourselves = admitted?.get(self) === undefined ? 1 : 0;
    return ourselves + (admitted?.size ?? 0) + others.length;
  }

  #findUnsound(name: string | null): Unsound | undefined {
    const all = [...this.#unsound.values()];
    if (name === null) return all.length === 1 && this.#joined.size === 0 ? all[0] : undefined;
    const things = all.map((unsound) => {
      return { id: unsound.row.id, alias: unsound.row.name, unsound };
    });
    const found = resolveName(name, things);
    return found.ok ? found.value.unsound : undefined;
  }

  #readAdmission(network: NetworkId, answer: Answer<"redeem">): Admission {
    const subject = this.#context.identity.id;
    const nowMs = this.#context.wallMs();
    const admission = verifyAdmission(admissionWord(answer), { network, subject, nowMs });
    if (admission.ok) return admission.value;
    throw new OmertaError(
      "refused",
      `The answer of who invited you is not valid: ${admission.reason}`,
      {
        hint: "Is this machine's clock right?",
      },
    );
  }

  /** A network's name is its admitter's word: where it is taken here, a part of the id is added. */
  #freeName(name: string, network: NetworkId): string {
    const isTaken = this.list().some(({ row }) => row.name === name && row.id !== network);
    return isTaken ? `${name.slice(0, 25)}-${network.slice(0, 6)}` : name;
  }

  #gatesNow(): string {
    return this.list().map((joined) => gatesText(joined, this.#context.wallMs())).join(";");
  }

  #changed(): void {
    this.#gates = this.#gatesNow();
    for (const listener of this.#onChange) listener();
  }
}

/** The epoch after an admission. @throws {OmertaError} `refused` where it contradicts what is known. */
function agreedEpoch(known: NetworkRow | undefined, { epoch }: Admission): EpochKey {
  if (known === undefined) return epoch;
  const agreed = nextEpoch({ epoch: known.epoch, key: known.epochKey }, epoch);
  if (!agreed.ok) throw otherEpoch(known.name, epoch.epoch, agreed.reason);
  return agreed.value;
}

const ROLE_MEANS: Readonly<Record<Role, string>> = {
  relay: "relaying for others",
  provider: "lending VMs",
};
