/**
 * The renter: requests VMs, keeps their tunnels open and their leases alive, and ends them.
 *
 * ```text
 *  match ─▶ reserve ─▶ create ─▶ tunnel ─▶ boot ─▶ handshake ─▶ ssh answers ─▶ ready
 *    └──────────┴─────────┴── given up: released, unless it had a key or nobody waits ──┘
 * ```
 *
 * @module
 */
import type {
  ConsumerReleaseResult,
  ConsumerRequestInput,
  ConsumerTrustInput,
  ConsumerTrustResult,
  SshTargetDoc,
  VmDoc,
} from "../../api/nouns/consumer.ts";
import { type ErrorDoc, errorDoc } from "../../api/error_doc.ts";
import type { PathDoc } from "../../api/nouns/mesh.ts";
import { knownHostsLine } from "../../api/ssh_command.ts";
import {
  Buckets,
  type NetworkId,
  OmertaError,
  type PeerKey,
  type Rate,
  splitPeerKey,
  toHex,
  type VmId,
} from "../../base/mod.ts";
import { writeFileAtomic } from "../../host/files.ts";
import { VMS_PER_CALL_MAX } from "../../market/mod.ts";
import type { VmStateMessage } from "../../node/mod.ts";
import { attempt } from "../../host/attempt.ts";
import type { Context } from "../context.ts";
import { changeTrust, type KnownProviders } from "./known_providers.ts";
import type { CallOptions } from "../ports.ts";
import type { Reach } from "../mesh/reach.ts";
import { afterWord, byLife, isNews } from "./rental_changes.ts";
import { findRental, notReady } from "./rental_names.ts";
import { orAborted } from "../../host/waiting.ts";
import {
  fromRow,
  hasEnded,
  hostKeyOf,
  isOver,
  providerOf,
  type Rental,
  sshAddress,
  toRow,
  tunnelPlan,
  useOf,
  vmDocument,
} from "./rental.ts";
import { RentedTunnels } from "./rented_tunnels.ts";
import { Renting, type RentingParts } from "./renting.ts";
import { providerName } from "./reserving.ts";
import type { SshKeys } from "../../host/ssh_keys.ts";
import type { Tunnels } from "../streams/tunnels.ts";

/** How long `list` and `status` wait for providers. Source: the command line's contract. */
const CHECK_MS = 2_000;
/** How long a release waits for its provider. Guess: a VM takes a second to end. */
const RELEASE_MS = 15_000;
/** A living node gives a sign of life this often at least. Source: the design's lease rule. */
const HEARTBEAT_MS_MAX = 60_000;
/** No provider, and no damaged row, makes them more frequent. Guess. */
const HEARTBEAT_MS_MIN = 1_000;
/** How long a VM whose request was cut off may take to answer. Guess: its boot, 10-fold. */
const FINISH_MS = 120_000;

/** How often a provider that says another thing each time has us write. Guess: a boot has five news. */
const WORDS_RATE: Rate = { perS: 0.2, burst: 16 };
const WORDS_OF_MAX = 4_096;

/** VMs that ended are remembered, the newest of them. Guess: what a page of `list --all` shows. */
const ENDED_KEPT_MAX = 256;

/** With what a consumer is made. */
export interface ConsumerParts {
  readonly context: Context;
  readonly reach: Reach;
  readonly tunnels: Tunnels;
  readonly sshKeys: SshKeys;
  readonly known: KnownProviders;
  /** Where to ask, and by which names. */
  readonly market: RentingParts["market"];
  /** The argument list by which ssh reaches a VM. */
  sshCommand(target: SshTargetDoc): readonly string[];
  /** The path to a peer as people see it. */
  pathTo(peer: PeerKey): PathDoc;
}

/** The renter's side of a running node. */
export class Consumer {
  readonly #parts: ConsumerParts;
  readonly #context: Context;
  readonly #rentals = new Map<VmId, Rental>();
  /** The tunnels of what is rented. */
  readonly tunnels: RentedTunnels;
  /** Requests under way, by key: a repetition waits for the same. */
  readonly #underWay = new Map<string, Promise<Rental>>();
  /** What providers say of each VM that is written: a restart asks them anyway. */
  readonly #words = new Buckets<VmId>(WORDS_RATE, WORDS_OF_MAX);
  /** VMs that the person released, while they are remembered. */
  readonly #givenBack = new Set<VmId>();
  /** Names of requests under way whose VM is not reserved yet. */
  readonly #namesUnderWay = new Set<string>();
  readonly #watchers = new Map<VmId, Set<(message: VmStateMessage) => void>>();
  #heartbeat: ReturnType<typeof setTimeout> | undefined;
  #ending = false;

  constructor(parts: ConsumerParts) {
    this.#parts = parts;
    this.#context = parts.context;
    this.tunnels = new RentedTunnels({ ...parts, rentals: () => this.#rentals.values() });
    for (const row of this.#context.store.rentals.list()) this.#rentals.set(row.id, fromRow(row));
    for (const rental of this.#rentals.values()) this.#settle(rental);
    this.#context.loop.serve("vm.event", ({ peer }, message) => this.#onEvent(peer, message));
    this.#beat();
  }

  /**
   * Rents a VM, or takes up the one that the key names. A request with a key, or that nobody waits
   * for, goes on when its command is given up; any other is undone.
   */
  async request(
    input: ConsumerRequestInput,
    options: { readonly signal: AbortSignal; progress: RentingParts["progress"] },
  ): Promise<VmDoc> {
    const isWanted = input.key !== null || !input.wait;
    const rental = isWanted
      ? await orAborted(this.#requestOnce(input, { ...options, signal: NEVER }), options.signal)
      : await this.#requestOnce(input, options);
    return this.document(rental);
  }

  /** Changes whom this node trusts; tells whom it knows. */
  trust(input: ConsumerTrustInput, signal: AbortSignal): Promise<ConsumerTrustResult> {
    return changeTrust(this.#parts, input, signal);
  }

  /** All VMs that are remembered, living ones first, then the newest ends; asked of their providers. */
  async list(network: NetworkId | null): Promise<VmDoc[]> {
    this.#forget();
    const meant = [...this.#rentals.values()].filter((r) => {
      return network === null || r.network === network;
    });
    await this.#check(meant.filter((rental) => !isOver(rental.state)));
    const checked = meant.map((rental) => this.#rentals.get(rental.id) ?? rental);
    return checked.toSorted(byLife).map((rental) => this.document(rental));
  }

  async status(name: string | null): Promise<VmDoc> {
    const rental = this.find(name);
    if (!isOver(rental.state)) await this.#check([rental]);
    return this.document(this.#rentals.get(rental.id) ?? rental);
  }

  /** Moves the end of the lease to now + `leaseMs` at least. */
  async extend(name: string | null, leaseMs: number, signal: AbortSignal): Promise<VmDoc> {
    const rental = this.#findLiving(name);
    const question = { vm: rental.id, leaseMs };
    const peer = providerOf(rental);
    const message = await this.#parts.reach.call(peer, "vm.extend", question, { signal });
    return this.document(this.#apply(rental.id, message) ?? rental);
  }

  /** Ends VMs; what has ended is done. */
  async release(
    names: readonly string[],
    all: boolean,
    signal: AbortSignal,
  ): Promise<ConsumerReleaseResult> {
    const released: string[] = [];
    const failed: { id: string; error: ErrorDoc }[] = [];
    await Promise.all(
      this.#meant(names, all, failed).map(async (rental) => {
        this.#givenBack.add(rental.id);
        try {
          await this.#releaseOne(rental, { signal, timeoutMs: RELEASE_MS });
          released.push(rental.id);
        } catch (error) {
          failed.push({ id: rental.id, error: errorDoc(this.#queued(rental, error)) });
        }
      }),
    );
    return { released, failed };
  }

  /** A one-use ticket for a stream to a port of a VM. */
  async ticket(name: string | null, port: number, signal: AbortSignal): Promise<string> {
    const rental = this.#findLiving(name);
    await this.tunnels.connect(rental, { signal });
    const ticket = toHex(this.#context.random.bytes(32));
    this.#parts.tunnels.ticket(rental.localTunnel, port, ticket);
    return ticket;
  }

  /** Makes sure that the VM's tunnel is open; returns its id, native number and guest address. */
  async connect(
    name: string | null,
    signal: AbortSignal,
  ): Promise<{ id: VmId; tunnel: number; guestAddress: string }> {
    const rental = this.#findLiving(name);
    await this.tunnels.connect(rental, { signal });
    const guestAddress = tunnelPlan(rental)?.peerAddress ?? "";
    return { id: rental.id, tunnel: rental.localTunnel, guestAddress };
  }

  /** What OpenSSH needs for a VM, or for all that are ready. */
  sshTargets(name: string | null, all: boolean): SshTargetDoc[] {
    const ready = (rental: Rental) => rental.state === "ready" && !rental.dryRun;
    const meant = all ? [...this.#rentals.values()].filter(ready) : [this.#findLiving(name)];
    const unready = meant.find((rental) => !ready(rental));
    if (unready !== undefined) throw notReady(unready);
    this.#writeKnownHosts();
    return meant.map((rental) => this.#target(rental));
  }

  /** The document of a rental as it stands. */
  document(rental: Rental): VmDoc {
    const path = this.#parts.pathTo(providerOf(rental));
    const isReachable = rental.created !== null && !rental.dryRun && !hasEnded(rental.state);
    const sshCommand = isReachable ? this.#parts.sshCommand(this.#target(rental)) : null;
    const networkName = this.#parts.market.networkName(rental.network);
    return vmDocument(rental, { networkName, path, sshCommand });
  }

  /** The rental of an id, a prefix of it or a name; `null`: the only living one. */
  find(name: string | null): Rental {
    return findRental([...this.#rentals.values()], name);
  }

  /** Ends the timers; the VMs live on until their leases end. */
  close(): void {
    this.#ending = true;
    this.tunnels.close();
    clearTimeout(this.#heartbeat);
  }

  /** The session with a peer is up: releases that did not reach it are told again. */
  onPeerUp(peer: PeerKey): void {
    const release = () => this.#releaseAgain((rental) => providerOf(rental) === peer);
    this.#context.background("release again", release);
  }

  /** Takes up what a node that ended left half done. */
  resume(): void {
    this.#context.background("release again", () => this.#releaseAgain());
    for (const rental of this.#rentals.values()) {
      if (rental.created === null || rental.dryRun || rental.readyAtMs !== null) continue;
      if (isOver(rental.state)) continue;
      this.#context.background(`wait for VM ${rental.id}`, () => this.#finish(rental));
    }
  }

  // Requests ---------------------------------------------------------------------------------

  /** A request that was cut off before its VM was created: the reservation ends by itself. */
  #settle(rental: Rental): void {
    if (rental.created !== null || hasEnded(rental.state)) return;
    const endedAtMs = this.#context.wallMs();
    const reason = "its request was cut off";
    this.#keep({ ...rental, state: "failed", endReason: "failed", reason, endedAtMs });
  }

  async #finish(rental: Rental): Promise<void> {
    const plan = tunnelPlan(rental);
    if (plan === null) return;
    await this.#parts.reach.peer(plan.peer);
    this.#parts.tunnels.open(plan);
    this.#context.demands.claim(plan.peer, useOf(rental), "busy");
    const signal = AbortSignal.timeout(FINISH_MS);
    await this.#parts.tunnels.probeSsh(plan.tunnel, FINISH_MS, signal);
    const current = this.#rentals.get(rental.id) ?? rental;
    if (hasEnded(current.state)) return;
    this.#keep({ ...current, state: "ready", readyAtMs: this.#context.wallMs() });
  }

  async #requestOnce(
    input: ConsumerRequestInput,
    options: { readonly signal: AbortSignal; progress: RentingParts["progress"] },
  ): Promise<Rental> {
    const running = input.key === null ? undefined : this.#underWay.get(input.key);
    if (running !== undefined) return await running;
    const known = this.#livingWithKey(input.key);
    if (known?.state === "ready") {
      await this.#check([known]);
      const checked = this.#rentals.get(known.id) ?? known;
      if (!hasEnded(checked.state)) return checked;
    }
    const rented = this.#rent(input, options);
    if (input.key === null) return await rented;
    const key = input.key;
    this.#underWay.set(key, rented);
    return await rented.finally(() => this.#underWay.delete(key));
  }

  async #rent(
    input: ConsumerRequestInput,
    options: { readonly signal: AbortSignal; progress: RentingParts["progress"] },
  ): Promise<Rental> {
    this.#requireFreeName(input);
    const { name } = input;
    if (name !== null) this.#namesUnderWay.add(name);
    try {
      if (input.key !== null) await this.#releaseAgain(({ key }) => key === input.key);
      const renting = new Renting(this.#rentingParts(options), input);
      return await renting.run(this.#livingWithKey(input.key));
    } finally {
      if (name !== null) this.#namesUnderWay.delete(name);
    }
  }

  #rentingParts(
    options: { readonly signal: AbortSignal; progress: RentingParts["progress"] },
  ): RentingParts {
    return {
      context: this.#context,
      reach: this.#parts.reach,
      tunnels: this.#parts.tunnels,
      sshKeys: this.#parts.sshKeys,
      known: this.#parts.known,
      market: this.#parts.market,
      signal: options.signal,
      progress: options.progress,
      keep: (rental) => this.#keep(rental),
      current: (id) => this.#rentals.get(id),
      watch: (id, watcher) => this.#watch(id, watcher),
      undo: (rental) => this.#undo(rental),
      isGivenBack: (id) => this.#givenBack.has(id),
      drop: (rental, reason) => this.#drop(rental, reason),
    };
  }

  #livingWithKey(key: string | null): Rental | undefined {
    if (key === null) return undefined;
    return [...this.#rentals.values()].find((r) => r.key === key && !isOver(r.state));
  }

  #requireFreeName({ name, key }: ConsumerRequestInput): void {
    const holder = name === null
      ? undefined
      : [...this.#rentals.values()].find((r) => r.name === name && !hasEnded(r.state));
    const isTaken = holder !== undefined && (key === null || holder.key !== key);
    if (!isTaken && (name === null || !this.#namesUnderWay.has(name))) return;
    throw new OmertaError("exists", `A living VM is named ${name} already`, {
      hint: `Release it with 'omerta consumer release ${name}', or take another name.`,
    });
  }

  /** Ends it here at once; its provider is told once, and ends it with its lease otherwise. */
  #drop(rental: Rental, reason: string): void {
    if (hasEnded(rental.state)) return;
    const now = this.#context.wallMs();
    const peer = providerOf(rental);
    this.#keep({ ...rental, state: "failed", endReason: "failed", reason, endedAtMs: now });
    this.#context.background(`drop VM ${rental.id}`, async () => {
      const options = { timeoutMs: RELEASE_MS };
      await this.#parts.reach.call(peer, "vm.release", { vm: rental.id }, options).catch(
        (error) => {
          this.#context.log.debug("a VM was not released", { vm: rental.id, error: String(error) });
        },
      );
    });
  }

  async #undo(rental: Rental): Promise<void> {
    await this.#releaseOne(rental, { timeoutMs: RELEASE_MS }).catch((error) => {
      this.#context.log.warn("a request could not be undone; the VM ends with its lease", {
        vm: rental.id,
        error: String(error),
      });
    });
  }

  // Providers' words -------------------------------------------------------------------------

  #onEvent(peer: PeerKey, message: VmStateMessage): Record<string, never> {
    const rental = this.#rentals.get(message.vm as VmId);
    if (rental !== undefined && providerOf(rental) === peer) this.#apply(rental.id, message);
    return {};
  }

  #apply(id: VmId, message: VmStateMessage): Rental | undefined {
    const rental = this.#rentals.get(id);
    if (rental === undefined || message.vm !== id || hasEnded(rental.state)) return rental;
    const changed = afterWord(rental, message, this.#context.wallMs());
    const mayWrite = () => hasEnded(changed.state) || this.#words.take(id, 1, this.#context.now());
    if (isNews(rental, changed) && mayWrite()) this.#keep(changed);
    else this.#rentals.set(id, changed);
    for (const watcher of [...this.#watchers.get(id) ?? []]) watcher(message);
    return changed;
  }

  #watch(id: VmId, watcher: (message: VmStateMessage) => void): () => void {
    const watchers = this.#watchers.get(id) ?? new Set();
    this.#watchers.set(id, watchers.add(watcher));
    return () => {
      watchers.delete(watcher);
      if (watchers.size === 0) this.#watchers.delete(id);
    };
  }

  /** Asks the providers how it stands; those that do not answer in time leave what was known. */
  async #check(rentals: readonly Rental[]): Promise<void> {
    const signal = AbortSignal.timeout(CHECK_MS);
    const options = { signal, timeoutMs: CHECK_MS };
    await Promise.allSettled(
      byProvider(rentals).map(async ([peer, own]) => {
        const vms = own.map((rental) => rental.id);
        const answer = await this.#parts.reach.call(peer, "vm.status", { vms }, options);
        for (const rental of own) this.#applyAnswer(rental, answer.vms);
      }),
    );
  }

  /** A VM that its provider does not name any more is gone. */
  #applyAnswer(rental: Rental, messages: readonly VmStateMessage[]): void {
    const message = messages.find(({ vm }) => vm === rental.id);
    if (message !== undefined) return void this.#apply(rental.id, message);
    if (rental.created === null) return; // Its request is under way.
    const now = this.#context.wallMs();
    const reason = "the provider does not know it any more";
    const ended = { endReason: "lost", reason, checkedAtMs: now, endedAtMs: now } as const;
    this.#keep({ ...rental, state: "lost", ...ended });
  }

  // Ends ---------------------------------------------------------------------------------------

  async #releaseOne(rental: Rental, options: CallOptions): Promise<void> {
    const current = this.#rentals.get(rental.id) ?? rental;
    if (hasEnded(current.state)) return;
    this.#keep({ ...current, state: "releasing" });
    try {
      const peer = providerOf(current);
      await this.#parts.reach.call(peer, "vm.release", { vm: current.id }, options);
    } catch (error) {
      if (!(error instanceof OmertaError) || error.code !== "not-found") throw error;
    }
    const now = this.#context.wallMs();
    const latest = this.#rentals.get(current.id) ?? current;
    if (!hasEnded(latest.state)) {
      const ended = { endReason: "released", checkedAtMs: now, endedAtMs: now } as const;
      this.#keep({ ...latest, state: "released", ...ended });
    }
  }

  /** Why a VM is not released yet, and that it will be. */
  #queued(rental: Rental, error: unknown): unknown {
    const state = this.#rentals.get(rental.id)?.state;
    if (state !== "releasing" || !(error instanceof OmertaError)) return error;
    const name = providerName(this.#parts.market, rental.network, rental.provider);
    const message = `Not released yet: the provider ${name} is not reached`;
    return new OmertaError(error.code, message, {
      hint: "It is kept alive no longer: released when its provider is reached, " +
        "or ended with its lease.",
      fields: error.fields,
      cause: error,
    });
  }

  #meant(
    names: readonly string[],
    all: boolean,
    failed: { id: string; error: ErrorDoc }[],
  ): Rental[] {
    if (all) return [...this.#rentals.values()].filter((rental) => !hasEnded(rental.state));
    if (names.length === 0) return [this.find(null)];
    const meant = names.flatMap((name) => {
      try {
        return [this.find(name)];
      } catch (error) {
        failed.push({ id: name, error: errorDoc(error) });
        return [];
      }
    });
    return [...new Set(meant)];
  }

  // The rest -----------------------------------------------------------------------------------

  #findLiving(name: string | null): Rental {
    const rental = this.find(name);
    if (!hasEnded(rental.state)) return rental;
    const why = rental.reason === null ? "" : `: ${rental.reason}`;
    throw new OmertaError("lease-ended", `The VM ${rental.id} has ended${why}`);
  }

  #target(rental: Rental): SshTargetDoc {
    return {
      id: rental.id,
      name: rental.name,
      user: rental.created?.user ?? "root",
      host_key: hostKeyOf(rental) ?? "",
      address: sshAddress(rental) ?? "",
      identity_file: rental.identityFile,
      known_hosts_file: this.#parts.sshKeys.knownHostsFile,
    };
  }

  #writeKnownHosts(): void {
    const ready = [...this.#rentals.values()].filter((r) => r.created !== null && !r.dryRun);
    const text = ready.filter((rental) => !hasEnded(rental.state)).map((rental) => {
      return knownHostsLine(rental.id, this.#target(rental).host_key);
    }).join("");
    writeFileAtomic(this.#parts.sshKeys.knownHostsFile, new TextEncoder().encode(text));
  }

  #keep(rental: Rental): void {
    const before = this.#rentals.get(rental.id);
    this.#context.store.rentals.put(toRow(rental));
    this.#rentals.set(rental.id, rental);
    if (hasEnded(rental.state)) {
      this.#parts.tunnels.close(rental.localTunnel);
      this.#context.demands.drop(providerOf(rental), useOf(rental));
    }
    if (before?.created === rental.created && !hasEnded(rental.state)) return;
    this.#writeKnownHosts();
    this.#beat();
  }

  /** Signs of life for what is rented: at a third of the shortest lease, at least every minute. */
  #beat(): void {
    clearTimeout(this.#heartbeat);
    if (this.#ending) return;
    const living = [...this.#rentals.values()].filter((r) => !hasEnded(r.state));
    const waitMs = heartbeatMs(living.map(({ leaseMs }) => leaseMs));
    this.#heartbeat = setTimeout(() => {
      this.#forget();
      this.#context.background("renew leases", () => this.#renew());
      this.#context.background("release again", () => this.#releaseAgain());
      this.#beat();
    }, waitMs);
  }

  /** What could not be released is no longer kept alive; its provider is told when it is there. */
  async #releaseAgain(isMeant: (rental: Rental) => boolean = () => true): Promise<void> {
    const unreleased = [...this.#rentals.values()].filter((rental) => {
      return rental.state === "releasing" && isMeant(rental);
    });
    await Promise.all(unreleased.map(async (rental) => {
      try {
        await this.#releaseOne(rental, { timeoutMs: RELEASE_MS });
      } catch (error) {
        this.#context.log.debug("a VM was not released", { vm: rental.id, error: String(error) });
      }
    }));
  }

  #forget(): void {
    const ended = [...this.#rentals.values()].filter((rental) => rental.endedAtMs !== null);
    const old = ended.toSorted(byLife).slice(ENDED_KEPT_MAX);
    const { log, store } = this.#context;
    for (const { id } of old) {
      this.#rentals.delete(id);
      this.#givenBack.delete(id);
      attempt(log, "forget an old VM", () => void store.rentals.delete({ id }));
    }
  }

  async #renew(): Promise<void> {
    const living = [...this.#rentals.values()].filter((r) => r.created !== null);
    const kept = living.filter((rental) => !isOver(rental.state));
    await Promise.all(
      byProvider(kept).map(async ([peer, own]) => {
        const vms = own.map((rental) => rental.id);
        try {
          const answer = await this.#parts.reach.call(peer, "vm.renew", { vms });
          for (const rental of own) this.#applyAnswer(rental, answer.vms);
        } catch (error) {
          const { node } = splitPeerKey(peer);
          this.#context.log.debug("no lease was renewed", { provider: node, error: String(error) });
        }
      }),
    );
  }
}

/** Nobody gives up what must go on. */
const NEVER = new AbortController().signal;

/** When the next signs of life are due: often enough for the shortest lease, whatever it is. */
export function heartbeatMs(leasesMs: readonly number[]): number {
  const wanted = Math.min(HEARTBEAT_MS_MAX, ...leasesMs.map((leaseMs) => leaseMs / 3));
  return Math.max(HEARTBEAT_MS_MIN, wanted);
}

/** Rentals with their provider, as many as one call may name. */
function byProvider(rentals: readonly Rental[]): [PeerKey, Rental[]][] {
  return [...Map.groupBy(rentals, providerOf)].flatMap(([peer, own]) => {
    const calls = Math.ceil(own.length / VMS_PER_CALL_MAX);
    return Array.from({ length: calls }, (_, i): [PeerKey, Rental[]] => {
      return [peer, own.slice(i * VMS_PER_CALL_MAX, (i + 1) * VMS_PER_CALL_MAX)];
    });
  });
}
