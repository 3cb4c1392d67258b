/**
 * The provider: answers `vm.*` calls out of the book of VMs, has machines started and stopped as the
 * book says, and after a restart takes up those that live.
 *
 * ```text
 *  vm.reserve ─▶ book ─▶ vm.create ─▶ keys, row on disk ─▶ runner.start ─▶ tunnel to the guest
 *                                        │ (answered here)     └─ ready, ended ─▶ book, row, vm.event
 * ```
 *
 * A VM's row is on the disk before anything of it is started, so that whatever a crash leaves is
 * found again or swept.
 *
 * @module
 */
import {
  after,
  type Instant,
  OmertaError,
  type PeerKey,
  splitPeerKey,
  type VmId,
} from "../../base/mod.ts";
import { generateIdentity, generateKeyPair } from "../../crypto/mod.ts";
import {
  charged,
  HostBook,
  type HostVm,
  isEnded,
  type MachineRoom,
  offerFacts,
  type Policy,
} from "../../market/mod.ts";
import type { Answer, Question, VmStateMessage } from "../../node/mod.ts";
import { tunnelAddress } from "../../tunnel/mod.ts";
import {
  ENTROPY_BYTES,
  guestHostname,
  type GuestKind,
  MICRO,
  NO_SEED,
  parseSshPublicKey,
} from "../../vm/mod.ts";
import { attempt } from "../../host/attempt.ts";
import type { Context } from "../context.ts";
import { freshTunnel } from "./guest_tunnels.ts";
import {
  callError,
  createdAnswer,
  type Hosted,
  isolationOf,
  newHosted,
  refusalError,
  rentedWords,
  requireSameDryness,
} from "./hosted.ts";
import { fitted, loadRows, vmMessage, writeRow } from "./hosted_rows.ts";
import { LentMachines } from "./lent_machines.ts";
import type { Caller } from "../ports.ts";
import { Renewals } from "./renewals.ts";
import type { VmFigures, VmRunner } from "../../host/vm/vm_runner.ts";

/** Ended VMs are remembered on the disk for so long. Guess: a day. */
const ENDED_KEPT_MS = 86_400_000;
/** Ended VMs pile up no further than this between two sweeps. */
const SWEEP_EVERY_MS = 30_000;
/** What is stuck is tried again so often. Guess: each try takes up to 3 s. */
const STUCK_AGAIN_MS = 5_000;
/** A renewal that finds another one under way comes again. Guess. */
const RENEW_AGAIN_MS = 1_000;

/** A VM with what its machine says, for `provider status`. */
export interface HostedView {
  readonly vm: HostVm;
  readonly figures: VmFigures | null;
  /** The helper's, also where it does not answer; `null`: none is known. */
  readonly pid: number | null;
  /** Why nobody can reach its machine, which may run; `null`: nothing is wrong. */
  readonly stuck: string | null;
}

/** An image that is whole. */
export interface CheckedImage {
  /** SHA-256, in hex. */
  readonly digest: string;
  readonly guest: GuestKind;
}

/** With what a provider is made. */
export interface ProviderParts {
  readonly context: Context;
  readonly runner: VmRunner;
  readonly dryRunner: VmRunner;
  readonly policy: Policy;
  readonly dryRunOnly: boolean;
  /** Whether the peer holds the grant. */
  mayRent(peer: PeerKey): boolean;
  /** Checks that the image is whole, before anything is promised. */
  checkImage(name: string): Promise<CheckedImage>;
  /**
   * What the machine has left for one more VM, with `promised` as what was promised to others and
   * not taken yet.
   */
  roomLeft(promised: MachineRoom): MachineRoom;
  /** Something that the provider's record tells has changed. */
  onChange(): void;
  /** The name by which a person knows the peer; `null`: none. */
  aliasOf(peer: PeerKey): string | null;
}

/** The running provider. */
export class Provider {
  readonly #parts: ProviderParts;
  readonly #context: Context;
  readonly #book: HostBook;
  readonly #hosted = new Map<VmId, Hosted>();
  readonly #renewals = new Renewals();
  readonly #machines: LentMachines;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sweepAt: Instant;
  #ending = false;

  constructor(parts: ProviderParts) {
    const { context, policy } = parts;
    this.#parts = parts;
    this.#context = context;
    this.#book = new HostBook(policy, context.random, loadRows(context, policy, this.#hosted));
    this.#sweepAt = after(context.now(), SWEEP_EVERY_MS);
    this.#machines = this.#openMachines();
    this.#serve();
  }

  #openMachines(): LentMachines {
    return new LentMachines({
      ...this.#parts,
      book: this.#book,
      hosted: this.#hosted,
      renewals: this.#renewals,
      tell: (id) => this.#tell(id),
      changed: (vm) => this.#changed(vm),
      touch: (vm) => this.#touch(vm),
      stuck: () => this.#sweepSoon(),
      nameOf: (peer) => this.#name(peer),
    });
  }

  get policy(): Policy {
    return this.#book.policy;
  }

  /** Replaces the policy for what comes: the accelerator became another one. */
  setPolicy(policy: Policy): void {
    this.#book.setPolicy(policy);
    this.#noticed();
  }

  /** Whether it answers the whole protocol without a machine: then it serves dry runs only. */
  get isDry(): boolean {
    return this.#parts.dryRunOnly;
  }

  /** What its record offers. */
  offer(): ReturnType<typeof offerFacts> {
    const room = this.isDry ? undefined : this.#parts.roomLeft(this.#untouched());
    return offerFacts(this.policy, this.used(), room);
  }

  used(): ReturnType<HostBook["used"]> {
    return this.#book.used();
  }

  /**
   * Takes up what lives since before the start, all at once, and sweeps what does not. Calls are
   * answered meanwhile: the book knows every VM.
   */
  async start(): Promise<void> {
    this.#arm();
    const known = new Set(this.#book.living().map((vm) => vm.id));
    const strays = this.#parts.runner.found().filter((id) => !known.has(id));
    await Promise.all([
      ...this.#book.living().map((vm) => this.#machines.takeUp(vm)),
      ...strays.map((id) => this.#machines.endStray(id)),
    ]);
  }

  /** VMs that have not ended. */
  living(): readonly HostVm[] {
    return this.#book.living();
  }

  /** Living VMs with what their machines say. */
  async views(): Promise<HostedView[]> {
    return await Promise.all(
      this.#book.living().map(async (vm) => {
        const { running = null, stuck = null } = this.#hosted.get(vm.id) ?? {};
        const figures = await running?.figures().catch(() => null) ?? null;
        const pid = figures?.pid ?? await this.#machines.runnerOf(vm).pidOf(vm.id);
        return { vm, figures, pid, stuck };
      }),
    );
  }

  /** The provider's owner takes a VM back. */
  async evict(id: VmId): Promise<void> {
    const evicted = this.#book.evict(id);
    if (!evicted.ok) throw new OmertaError("not-found", `No VM ${id} is lent here`);
    await this.#machines.stop(evicted.value);
  }

  /** Lets go of all machines without ending them. */
  detach(): void {
    this.#ending = true;
    clearTimeout(this.#timer);
    this.#machines.detach();
  }

  // Calls ------------------------------------------------------------------------------------

  #serve(): void {
    const { loop } = this.#context;
    loop.serve("vm.reserve", (caller, question) => this.#reserve(caller, question));
    loop.serve("vm.create", (caller, question) => this.#create(caller, question));
    loop.serve("vm.status", (caller, { vms }) => this.#states(caller, vms));
    loop.serve("vm.renew", (caller, { vms }) => this.#states(caller, vms));
    loop.serve("vm.extend", (caller, question) => this.#extend(caller, question));
    loop.serve("vm.release", (caller, question) => this.#release(caller, question));
  }

  async #reserve(
    caller: Caller,
    question: Question<"vm.reserve">,
  ): Promise<Answer<"vm.reserve">> {
    this.#requireGrant(caller);
    const { key, dryRun, ...requirements } = question;
    requireSameDryness(dryRun, this.#parts.dryRunOnly);
    const request = { owner: caller.peer, key, requirements, dryRun };
    const room = dryRun ? undefined : this.#parts.roomLeft(this.#untouched());
    const reservation = this.#book.reserve(request, this.#context.now(), room);
    if (reservation.type === "refused") throw refusalError(reservation.refusal);
    const { vm } = reservation;
    if (reservation.type === "reserved") {
      const hosted = newHosted({ created: null, imageDigest: null });
      this.#hosted.set(vm.id, hosted);
      hosted.promised = this.#promise(vm, hosted);
    } else this.#touch(vm);
    await this.#hosted.get(vm.id)?.promised;
    return this.#reserved(this.#book.get(vm.id) ?? vm, reservation.type === "existing");
  }

  /** What VMs may still take of what was promised to them: of memory what was never touched. */
  #untouched(): MachineRoom {
    return this.#book.living().reduce((sum, { id, state, requirements }) => {
      const resident = this.#hosted.get(id)?.running?.residentBytes() ?? 0;
      const memoryBytes = charged(this.#book.policy, requirements) - resident;
      const hasDisk = state !== "reserved" && state !== "creating"; // allocated as a whole
      return {
        memoryBytes: sum.memoryBytes + Math.max(0, memoryBytes),
        storageBytes: sum.storageBytes + (hasDisk ? 0 : requirements.storageBytes),
      };
    }, { memoryBytes: 0, storageBytes: 0 });
  }

  #reserved(vm: HostVm, existing: boolean): Answer<"vm.reserve"> {
    const { accelerator, confinement } = this.#machines.runnerOf(vm);
    const { lifeMsMax } = this.#book.policy;
    const lifeMs = vm.lifeEndsAt === null ? lifeMsMax : vm.lifeEndsAt - this.#context.now();
    return {
      vm: vm.id,
      existing,
      state: this.#message(vm),
      accelerator,
      isolation: isolationOf(accelerator),
      confinement,
      imageDigest: this.#hosted.get(vm.id)?.imageDigest ?? null,
      leaseMs: vm.requirements.leaseMs,
      lifeMs: Math.max(0, Math.round(lifeMs)),
      dryRun: vm.dryRun,
    };
  }

  /**
   * Writes the reservation down, and hashes the image: work that nobody gets done to whom the book
   * lends nothing. Where either fails, nothing is set aside.
   */
  async #promise(vm: HostVm, hosted: Hosted): Promise<void> {
    try {
      this.#record(vm);
      this.#noticed();
      if (vm.dryRun) return;
      const { digest, guest } = await this.#parts.checkImage(vm.requirements.image);
      hosted.imageDigest = digest;
      hosted.guest = guest;
    } catch (error) {
      const released = this.#book.release(vm.owner, vm.id);
      if (released.ok) this.#changed(released.value);
      throw error;
    }
  }

  #create(caller: Caller, question: Question<"vm.create">): Answer<"vm.create"> {
    this.#requireGrant(caller);
    const { peer: owner } = caller;
    const sshKeys = question.sshKeys.map((line) => {
      const parsed = parseSshPublicKey(line);
      if (parsed.ok) return parsed.value.line;
      throw new OmertaError("bad-ssh-key", `The ssh key is refused: ${parsed.reason}`);
    });
    const created = this.#book.create(owner, question.vm as VmId, this.#context.now());
    if (!created.ok) throw callError(created.reason, question.vm);
    const { vm, first } = created.value;
    const hosted = this.#hosted.get(vm.id);
    if (hosted === undefined) throw new OmertaError("not-found", "The VM is not here any more");
    if (first || hosted.created === null) {
      try {
        this.#begin(vm, hosted, { ...question, sshKeys });
      } catch (error) {
        const detail = error instanceof OmertaError ? error.message : null;
        this.#machines.happened(vm.id, { type: "ended", reason: "failed", detail });
        throw error;
      }
    }
    return createdAnswer(hosted.created);
  }

  #states(caller: Caller, ids: readonly string[]): Answer<"vm.status"> {
    const { peer: owner } = caller;
    const own = ids.flatMap((id) => {
      const vm = this.#book.get(id as VmId);
      return vm !== undefined && vm.owner === owner ? [vm] : [];
    });
    return { vms: fitted(own.map((vm) => this.#message(this.#touch(vm)))) };
  }

  #extend(caller: Caller, question: Question<"vm.extend">): Answer<"vm.extend"> {
    const { peer: owner } = caller;
    const now = this.#context.now();
    const extended = this.#book.extend(owner, question.vm as VmId, question.leaseMs, now);
    if (!extended.ok) throw callError(extended.reason, question.vm);
    this.#renewed(extended.value);
    this.#flush();
    return this.#message(extended.value);
  }

  async #release(caller: Caller, question: Question<"vm.release">): Promise<Answer<"vm.release">> {
    const { peer: owner } = caller;
    const released = this.#book.release(owner, question.vm as VmId);
    if (!released.ok) throw callError(released.reason, question.vm);
    return this.#message(await this.#machines.stop(released.value));
  }

  #requireGrant(caller: Caller): void {
    if (this.#parts.mayRent(caller.peer)) return;
    throw new OmertaError("not-allowed", "Your membership does not include renting VMs");
  }

  // Life -------------------------------------------------------------------------------------

  /** Makes keys and tunnel ids, writes them down, and has the machine started. */
  #begin(
    vm: HostVm,
    hosted: Hosted,
    question: Question<"vm.create"> & { readonly sshKeys: readonly string[] },
  ): void {
    const { random } = this.#context;
    const guest = vm.dryRun ? MICRO : hosted.guest;
    if (guest === null) throw new OmertaError("internal", "The VM's image was not looked at");
    const wireguard = generateKeyPair(random);
    const hostKey = generateIdentity(random);
    hosted.created = {
      localTunnel: freshTunnel(this.#context, this.#hosted.values()),
      remoteTunnel: question.tunnel,
      wireguardKey: wireguard.publicKey.toHex(),
      sshHostKey: hostKey.identity.publicKey.toHex(),
      user: guest.user,
    };
    this.#record(vm);
    this.#noticed();
    this.#context.log.info(`rented: ${rentedWords(vm)}`, { vm: vm.id, by: this.#name(vm.owner) });
    const seed = vm.dryRun ? NO_SEED : guest.seed({
      wgPrivateKey: wireguard.privateKey,
      peerPublicKey: question.wireguardKey,
      address: tunnelAddress(wireguard.publicKey),
      peerAddress: tunnelAddress(question.wireguardKey),
      hostKeySeed: hostKey.seed,
      hostPublicKey: hostKey.identity.publicKey,
      entropy: random.bytes(ENTROPY_BYTES),
      authorizedKeys: question.sshKeys,
      hostname: guestHostname(question.hostname),
    });
    this.#context.background(`start VM ${vm.id}`, () => this.#machines.launch(vm, hosted, seed));
  }

  #touch(vm: HostVm): HostVm {
    const touched = this.#book.touch(vm.owner, vm.id, this.#context.now());
    if (!touched.ok) return vm;
    this.#renewed(touched.value);
    return touched.value;
  }

  /** A deadline moved: helper and disk learn it in a while. */
  #renewed({ id, deadline, requirements: { leaseMs } }: HostVm): void {
    this.#renewals.note({ id, deadline, leaseMs }, this.#context.now());
    this.#arm();
  }

  /** Tells helpers and disk the deadlines that are due: all in one write. */
  #flush(): void {
    const now = this.#context.now();
    const due = this.#renewals.take(now).flatMap((id) => {
      const vm = this.#book.get(id);
      if (vm === undefined || isEnded(vm.state)) return [];
      if (!this.#hosted.get(id)?.isRenewing) return [vm];
      this.#renewals.defer(id, after(now, RENEW_AGAIN_MS)); // the one under way is older
      return [];
    });
    if (due.length === 0) return;
    const { log, store } = this.#context;
    attempt(log, "remember leases", () => {
      store.transaction(() => due.forEach((vm) => this.#record(vm)));
    });
    for (const vm of due) this.#renew(vm);
  }

  #renew(vm: HostVm): void {
    const hosted = this.#hosted.get(vm.id);
    this.#renewals.told(vm);
    if (hosted?.running === null || hosted === undefined) return;
    const { running } = hosted;
    hosted.isRenewing = true;
    this.#context.background(`renew VM ${vm.id}`, async () => {
      try {
        await running.renew(vm.deadline - this.#context.now());
      } catch (error) {
        this.#deaf(vm, hosted, error);
      } finally {
        hosted.isRenewing = false;
      }
    });
  }

  /** A helper that hears no renewal would end the VM in spite of its owner: it is looked for anew. */
  #deaf(vm: HostVm, hosted: Hosted, error: unknown): void {
    if (!(error instanceof OmertaError) || error.code !== "vm-failed") throw error;
    if (hosted.isEnding || hosted.running === null) return;
    hosted.running.detach();
    hosted.running = null;
    this.#machines.stuck(vm, hosted, "its helper does not answer");
  }

  #expire(): void {
    for (const { vm, stop } of this.#book.expire(this.#context.now())) {
      if (stop) this.#context.background(`end VM ${vm.id}`, () => this.#machines.stop(vm));
      else this.#tell(vm.id);
    }
    this.#flush();
    if (this.#context.now() >= this.#sweepAt) this.#sweep();
    this.#arm();
  }

  #sweep(): void {
    const { log, now, store, wallMs } = this.#context;
    this.#sweepAt = after(now(), SWEEP_EVERY_MS);
    for (const [id, { stuck }] of this.#hosted) {
      const vm = this.#book.get(id);
      if (vm === undefined) this.#forget(id); // the book is bounded
      else if (stuck !== null) this.#tryAgain(vm);
    }
    attempt(log, "forget old VMs", () => void store.pruneHosted(wallMs() - ENDED_KEPT_MS));
  }

  /** Something is stuck. */
  #sweepSoon(): void {
    const soon = after(this.#context.now(), STUCK_AGAIN_MS);
    if (soon < this.#sweepAt) this.#sweepAt = soon;
    this.#arm();
  }

  #forget(id: VmId): void {
    this.#hosted.delete(id);
    this.#renewals.forget(id);
  }

  /** What is stuck may answer again; what should have ended is ended by force. */
  #tryAgain(vm: HostVm): void {
    const again = () =>
      vm.state === "releasing" ? this.#machines.stop(vm) : this.#machines.takeUp(vm);
    this.#context.background(`try VM ${vm.id} again`, async () => void await again());
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#ending) return;
    const dues = [this.#book.wakeup()?.at, this.#renewals.dueAt(), this.#sweepAt];
    const at = Math.min(...dues.map((due) => due ?? Infinity));
    this.#timer = setTimeout(() => this.#expire(), Math.max(0, at - this.#context.now()));
  }

  // Rows -----------------------------------------------------------------------------------------

  /** Writes the VM's row, and tells the owner how it stands. */
  #tell(id: VmId): void {
    const vm = this.#book.get(id);
    const hosted = this.#hosted.get(id);
    if (vm === undefined || hosted === undefined) return;
    this.#changed(vm);
    const { owner } = vm;
    if (!this.#context.loop.machine.isConnected(owner)) return;
    const call = this.#context.loop.call(
      owner,
      "vm.event",
      vmMessage(this.#context, vm, this.#hosted.get(vm.id)),
    );
    call.catch((error) => this.#context.log.debug("an owner was not told", { error: `${error}` }));
  }

  /** Writes the VM's row where it can be written: what happened has happened. */
  #changed(vm: HostVm): void {
    attempt(this.#context.log, `remember VM ${vm.id}`, () => this.#record(vm));
    this.#noticed();
  }

  /** The book is another one: its deadline, and what the record tells of it. */
  #noticed(): void {
    this.#arm();
    this.#parts.onChange();
  }

  /** Writes the VM's row. @throws {OmertaError} `disk-full`: then nothing is begun. */
  #record(vm: HostVm): void {
    const hosted = this.#hosted.get(vm.id);
    if (hosted === undefined) return;
    writeRow(this.#context, vm, hosted);
    if (!isEnded(vm.state)) this.#renewals.told(vm);
  }

  #message(vm: HostVm): VmStateMessage {
    return vmMessage(this.#context, vm, this.#hosted.get(vm.id));
  }

  /** Alias and short id, for the log. */
  #name(peer: PeerKey): string {
    const short = splitPeerKey(peer).node.slice(0, 8);
    const alias = this.#parts.aliasOf(peer);
    return alias === null ? short : `${alias} (${short})`;
  }
}
