/**
 * The networks of a running node, put together: the book of those that it belongs to, their keys, its
 * certificates in them, and for those whose authority lives here invites and admissions. All of it changes
 * here, and whoever keeps what hangs on it hears of it by `onChange`.
 *
 * ```text
 *   network_book   which networks, by id and name          keys           with which one comes in
 *   certificates   this node's own, and their renewal      entries        where a network is entered
 *   authority      made, brought here, written out         inviting, admitting    who comes and stays
 * ```
 *
 * @module
 */
import {
  type NamedNode,
  type NetworkId,
  type NodeId,
  OmertaError,
  splitPeerKey,
} from "../../base/mod.ts";
import type { NetworkRow } from "../../host/store/mod.ts";
import {
  type Admitter,
  GRANT_OF_ROLE,
  GRANTS,
  type InviteRow,
  type IsRevoked,
  nothingRevoked,
  renewalDueMs,
  type Role,
} from "../../membership/mod.ts";
import type { Answer, Question } from "../../node/mod.ts";
import type { AcceptedKey, RefusedKey, SessionKey } from "../../session/mod.ts";
import type { Caller } from "../ports.ts";
import { Admitting } from "./admitting.ts";
import { Authority } from "./authority.ts";
import { entriesFirst, hasEntry, withEntry } from "./entries.ts";
import { type InviteOrder, Inviting, type MadeInvite } from "./inviting.ts";
import { type Joined, requireAdmitter } from "./joined.ts";
import { acceptedKeys, gatesText, memberKey, refusedKeys, shownTo } from "./keys.ts";
import { NetworkBook } from "./network_book.ts";
import type { NetworksParts } from "./parts.ts";
import { type NetworkSummary, summaryOf, summaryOfUnsound } from "./summary.ts";

/** The networks of a running node. */
export class Networks {
  readonly #parts: NetworksParts;
  readonly #alias: () => string | null;
  readonly #book: NetworkBook;
  readonly #authority: Authority;
  readonly #inviting: Inviting;
  readonly #admitting: Admitting;
  /** The gates that the listeners know. */
  #gates: string;
  /** Networks that are being joined now: their certificates are judged, nothing else. */
  readonly #joining = new Set<NetworkId>();

  /**
   * The networks of the database.
   *
   * @param alias How this node calls itself, now.
   * @throws {OmertaError} `state-damaged`.
   */
  constructor(parts: NetworksParts, alias: () => string | null) {
    this.#parts = parts;
    this.#alias = alias;
    this.#book = new NetworkBook(parts);
    this.#authority = new Authority(parts, this.#book);
    this.#inviting = new Inviting(parts);
    this.#admitting = new Admitting(parts);
    this.#gates = this.#gatesNow();
    this.#book.onChange(() => this.#gates = this.#gatesNow());
  }

  // The book -------------------------------------------------------------------------------------

  /** Those whose membership holds. */
  list(): Joined[] {
    return this.#book.list();
  }

  get(id: NetworkId): Joined | undefined {
    return this.#book.get(id);
  }

  /**
   * The network of an id, a prefix or a name; `null`: the only one.
   *
   * @throws {OmertaError} `no-network`, `not-found`, `ambiguous`, `not-member`.
   */
  require(name: string | null): Joined {
    return this.#book.require(name);
  }

  /** @throws {OmertaError} `not-member` where there are networks but no membership that is valid. */
  requireSound(): void {
    this.#book.requireSound();
  }

  /**
   * Checks that somebody may use this node in its role.
   *
   * @throws {OmertaError} `not-allowed` where no membership includes the role.
   */
  requireRole(role: Role): void {
    const grant = GRANT_OF_ROLE[role];
    const all = this.list();
    const lacking = all.filter(({ certificate }) => !certificate.grants.includes(grant));
    const [first] = lacking;
    if (first === undefined) return;
    const names = lacking.map(({ row }) => row.name).join(", ");
    const text = `The membership of ${names} does not include ${ROLE_MEANS[role]}`;
    if (lacking.length < all.length) return this.#parts.log.warn(text);
    const has = first.certificate.grants; // another invite's grants come in the place of these
    const wanted = GRANTS.filter((each) => each === grant || has.includes(each)).join(",");
    throw new OmertaError("not-allowed", text, {
      hint: `Ask who invited you for an invite made with --grant ${wanted}: give it with --join.`,
    });
  }

  /** Calls `listener` when keys or networks changed. */
  onChange(listener: () => void): void {
    this.#book.onChange(listener);
  }

  /**
   * Looks at the clock again: signs our own certificates anew where they are due, takes up networks
   * whose membership holds now, and shuts the gates of invites that are over.
   */
  refresh(): void {
    for (const { admitter } of this.list()) if (admitter !== null) this.#admitting.sweep(admitter);
    const isShut = this.#gates !== this.#gatesNow();
    if (this.#book.refresh() || isShut) this.#book.changed();
  }

  summary(joined: Joined): NetworkSummary {
    const known = this.#parts.records.list(joined.row.id);
    return summaryOf(joined, { self: this.#parts.identity.id, known });
  }

  /** All networks, also those whose membership does not hold: they come last. */
  summaries(): NetworkSummary[] {
    const sound = this.list().map((joined) => this.summary(joined));
    return [...sound, ...this.#book.unsound().map(({ row }) => summaryOfUnsound(row))];
  }

  // Keys -----------------------------------------------------------------------------------------

  /** The keys with which this node answers handshakes: of members, and by invites that are open. */
  acceptedKeys(): AcceptedKey[] {
    return acceptedKeys(this.list(), { nowMs: this.#parts.wallMs(), alias: this.#alias() });
  }

  /** The keys of invites that are over: whoever comes by one is told why, and no more. */
  refusedKeys(): RefusedKey[] {
    return refusedKeys(this.list(), this.#parts.wallMs());
  }

  /** The key with which this node begins handshakes with members. */
  key(joined: Joined): SessionKey {
    return memberKey(joined);
  }

  /** What this node shows of itself to members. */
  shown(joined: Joined): Uint8Array {
    return shownTo(joined, this.#alias());
  }

  /** How certificates are judged; `undefined`: this node has no part in that network. */
  revocationsOf(network: NetworkId): IsRevoked | undefined {
    const known = this.get(network)?.revocations.isRevoked;
    return known ?? (this.#joining.has(network) ? nothingRevoked : undefined);
  }

  // Entries --------------------------------------------------------------------------------------

  /** Where a network is entered, the best first. */
  entries({ row }: Joined): readonly NamedNode[] {
    return row.bootstrap.entries;
  }

  /** Whether an entry is known, at all of its addresses. */
  knowsEntry(joined: Joined, entry: NamedNode): boolean {
    return entry.id === this.#parts.identity.id || hasEntry(this.entries(joined), entry);
  }

  /** Remembers an entry of an invite, where that node was met: after those that are known. */
  learnEntry(joined: Joined, { id, addresses }: NamedNode): void {
    const entries = withEntry(this.entries(joined), { id, addresses });
    this.#book.update(joined, { bootstrap: { entries } });
    this.#book.changed();
  }

  /** Remembers another entry, before all others. */
  addEntry(joined: Joined, entry: NamedNode): void {
    const entries = entriesFirst(this.entries(joined), [entry]);
    this.#book.update(joined, { bootstrap: { entries } });
    this.#book.changed();
  }

  // Joining, staying, leaving --------------------------------------------------------------------

  /** Judge certificates of a network that is being joined; returns what ends that. */
  beginJoining(network: NetworkId): () => void {
    this.#joining.add(network);
    return () => this.#joining.delete(network);
  }

  /**
   * Keeps what an admitter answered: from now on this node is a member.
   *
   * @throws {OmertaError} `refused` where the answer is not valid, or contradicts what is known.
   */
  finishJoining(
    network: NetworkId,
    answer: Answer<"redeem">,
    from: { readonly admitter: NodeId; readonly entries: readonly NamedNode[] },
  ): Joined {
    const { certificate, name, epoch } = this.#book.certificates.take(
      network,
      answer,
      this.#book.rowOf(network),
    );
    const known = this.get(network); // with fewer grants, until now
    const entries = entriesFirst(known === undefined ? [] : this.entries(known), from.entries);
    const row: NetworkRow = {
      id: network,
      name: known?.row.name ?? this.#book.freeName(name, network),
      joinedAtMs: known?.row.joinedAtMs ?? this.#parts.wallMs(),
      enabled: true,
      epoch: epoch.epoch,
      epochKey: epoch.key,
      authoritySeed: null,
      certificate: certificate.bytes,
      admitter: from.admitter,
      bootstrap: { entries },
    };
    const joined = this.#book.put(row, certificate);
    this.#book.changed();
    return joined;
  }

  /** Whether this node's own certificate should be renewed at its admitter. */
  needsRenewal({ admitter, certificate }: Joined): boolean {
    return admitter === null && this.#parts.wallMs() >= renewalDueMs(certificate);
  }

  /** Takes a fresh certificate. @throws {OmertaError} `refused`, as `finishJoining`. */
  takeRenewal(joined: Joined, answer: Answer<"renew">): void {
    const { row } = joined;
    const { certificate, epoch } = this.#book.certificates.take(row.id, answer, row);
    const { epoch: number, key: epochKey } = epoch;
    const changes = { certificate: certificate.bytes, epoch: number, epochKey };
    this.#book.update(joined, changes, certificate);
    this.#book.changed();
  }

  /** Leaves: forgets keys. */
  leave({ row }: Joined): void {
    this.#book.forget(row.id);
    this.#book.changed();
  }

  /** Leaves a network whose membership does not hold, if such a one is meant: what it was. */
  leaveUnsound(name: string | null): NetworkSummary | undefined {
    const meant = this.#book.findUnsound(name);
    if (meant === undefined) return undefined;
    this.#book.forget(meant.row.id);
    return summaryOfUnsound(meant.row);
  }

  // Where the authority lives here ---------------------------------------------------------------

  /** Makes a network whose authority lives here. @throws {OmertaError} `exists`. */
  create(name: string): Joined {
    return this.#authority.create(name);
  }

  /** Brings a network and its authority here. @throws {OmertaError} `usage`. */
  import(text: string): Joined {
    return this.#authority.import(text);
  }

  /** The network and its authority as one secret text. @throws {OmertaError} `not-allowed`. */
  export(joined: Joined): string {
    return this.#authority.export(joined);
  }

  /** Makes an invite. @throws {OmertaError} `invite-unreachable`, `not-allowed`. */
  invite(joined: Joined, order: InviteOrder): MadeInvite {
    this.#admitting.sweep(requireAdmitter(joined)); // makes room
    const made = this.#inviting.make(joined, order);
    this.#book.changed();
    return made;
  }

  /** All invites, the ones that are over too. @throws {OmertaError} `not-allowed`. */
  invites(joined: Joined): readonly InviteRow[] {
    return requireAdmitter(joined).invites.list();
  }

  /** Ends an invite, named by its id or a prefix of it; returns its whole id. */
  revokeInvite(joined: Joined, target: string): string {
    const id = this.#inviting.revoke(joined, target);
    this.#book.changed();
    return id;
  }

  /** A joiner redeems an invite. @throws {OmertaError} why not. */
  redeem(caller: Caller, question: Question<"redeem">): Answer<"redeem"> {
    const admitter = this.#admitterFor(caller);
    if (admitter === null) throw new OmertaError("invite-unknown", "No invite is made here");
    return this.#admitting.redeem(admitter, caller, question);
  }

  /** A member asks for a fresh certificate. @throws {OmertaError} `not-member`. */
  renew(caller: Caller, question: Question<"renew">): Answer<"renew"> {
    const admitter = this.#admitterFor(caller);
    if (admitter === null) throw new OmertaError("unsupported", "This node admits nobody");
    return this.#admitting.renew(admitter, caller, question);
  }

  #admitterFor({ peer }: Caller): Admitter | null {
    return this.get(splitPeerKey(peer).network)?.admitter ?? null;
  }

  #gatesNow(): string {
    return gatesText(this.list(), this.#parts.wallMs());
  }
}

const ROLE_MEANS: Readonly<Record<Role, string>> = {
  relay: "relaying for others",
  provider: "lending VMs",
};
