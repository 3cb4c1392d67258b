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
import { OmertaError, type PeerKey, randomUint32, splitPeerKey, type VmId } from "../base/mod.ts";
import { generateIdentity, generateKeyPair } from "../crypto/mod.ts";
import type { HostedRow } from "../host/store.ts";
import {
  charged,
  fromHostRow,
  HostBook,
  type HostVm,
  isEnded,
  type MachineRoom,
  parseHostRow,
  type Policy,
  toHostRow,
} from "../market/mod.ts";
import type { Answer, Question, VmStateMessage } from "../node/mod.ts";
import { guestPlan, tunnelAddress } from "../tunnel/mod.ts";
import { ENTROPY_BYTES, guestHostname, guestSeed, parseSshPublicKey } from "../vm/mod.ts";
import { attempt } from "./attempt.ts";
import type { Context } from "./context.ts";
import {
  callError,
  createdAnswer,
  endSentence,
  type Hosted,
  type HostedSpec,
  isolationOf,
  newHosted,
  ownersEndReason,
  ownWord,
  refusalError,
  requireSameDryness,
  requireVmSize,
  roundOrNull,
  takeUpDryRun,
} from "./hosted.ts";
import type { Caller } from "./loop.ts";
import type { VmFigures, VmHappening, VmRunner } from "./vm_runner.ts";

/** Ended VMs are remembered on the disk for so long. Guess: a day. */
const ENDED_KEPT_MS = 86_400_000;
/** How long the end of a machine is waited for before the owner is answered. Guess. */
const STOP_WAIT_MS = 10_000;
/** Ended VMs pile up no further than this between two sweeps. */
const SWEEP_EVERY_MS = 30_000;

/** A VM with what its machine says, for `provider status`. */
export interface HostedView {
  readonly vm: HostVm;
  readonly figures: VmFigures | null;
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
  /** Checks that the image is whole, before anything is promised; its SHA-256 in hex. */
  checkImage(name: string): Promise<string>;
  /**
   * What the machine has left for one more VM, with `promised` as what was promised to others and
   * not taken yet.
   */
  roomLeft(promised: MachineRoom): MachineRoom;
  /** Something that the provider's record tells has changed. */
  onChange(): void;
}

/** The running provider. */
export class Provider {
  readonly #parts: ProviderParts;
  readonly #context: Context;
  readonly #book: HostBook;
  readonly #hosted = new Map<VmId, Hosted>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ending = false;

  constructor(parts: ProviderParts) {
    this.#parts = parts;
    this.#context = parts.context;
    this.#book = new HostBook(parts.policy, parts.context.random, this.#loadRows());
    this.#serve();
  }

  get policy(): Policy {
    return this.#book.policy;
  }

  /** Whether it answers the whole protocol without a machine: then it serves dry runs only. */
  get isDry(): boolean {
    return this.#parts.dryRunOnly;
  }

  used(): ReturnType<HostBook["used"]> {
    return this.#book.used();
  }

  /** Takes up what lives since before the start, and sweeps what does not. */
  async start(): Promise<void> {
    for (const vm of this.#book.living()) await this.#takeUp(vm);
    const known = new Set(this.#book.living().map((vm) => vm.id));
    for (const id of this.#parts.runner.found()) {
      if (!known.has(id)) await this.#endStray(id);
    }
    this.#arm();
  }

  /** VMs that have not ended. */
  living(): readonly HostVm[] {
    return this.#book.living();
  }

  /** Living VMs with what their machines say. */
  async views(): Promise<HostedView[]> {
    return await Promise.all(
      this.#book.living().map(async (vm) => {
        const running = this.#hosted.get(vm.id)?.running ?? null;
        const figures = await running?.figures().catch(() => null) ?? null;
        return { vm, figures };
      }),
    );
  }

  /** The provider's owner takes a VM back. */
  async evict(id: VmId): Promise<void> {
    const evicted = this.#book.evict(id);
    if (!evicted.ok) throw new OmertaError("not-found", `No VM ${id} is lent here`);
    await this.#stop(evicted.value);
  }

  /** Lets go of all machines without ending them. */
  detach(): void {
    this.#ending = true;
    clearTimeout(this.#timer);
    for (const { running, gone } of this.#hosted.values()) {
      running?.detach();
      gone.resolve();
    }
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
    requireVmSize(requirements);
    const request = { owner: caller.peer, key, requirements, dryRun };
    const room = dryRun ? undefined : this.#parts.roomLeft(this.#untouched());
    const reservation = this.#book.reserve(request, this.#context.now(), room);
    if (reservation.type === "refused") throw refusalError(reservation.refusal);
    const { vm } = reservation;
    if (reservation.type === "reserved") {
      this.#hosted.set(vm.id, newHosted({ created: null, imageDigest: null }));
      await this.#promise(vm);
    } else this.#touch(vm);
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
    const { accelerator, confinement } = this.#runnerOf(vm);
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
  async #promise(vm: HostVm): Promise<void> {
    try {
      this.#record(vm);
      this.#noticed();
      if (vm.dryRun) return;
      const imageDigest = await this.#parts.checkImage(vm.requirements.image);
      const hosted = this.#hosted.get(vm.id);
      if (hosted !== undefined) hosted.imageDigest = imageDigest;
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
        this.#happened(vm.id, { type: "ended", reason: "failed", detail });
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
    return { vms: own.map((vm) => this.#message(this.#touch(vm))) };
  }

  #extend(caller: Caller, question: Question<"vm.extend">): Answer<"vm.extend"> {
    const { peer: owner } = caller;
    const now = this.#context.now();
    const extended = this.#book.extend(owner, question.vm as VmId, question.leaseMs, now);
    if (!extended.ok) throw callError(extended.reason, question.vm);
    this.#renewed(extended.value, extended.value.deadline - now);
    return this.#message(extended.value);
  }

  async #release(caller: Caller, question: Question<"vm.release">): Promise<Answer<"vm.release">> {
    const { peer: owner } = caller;
    const released = this.#book.release(owner, question.vm as VmId);
    if (!released.ok) throw callError(released.reason, question.vm);
    return this.#message(await this.#stop(released.value));
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
    const wireguard = generateKeyPair(random);
    const hostKey = generateIdentity(random);
    hosted.created = {
      localTunnel: this.#freshTunnel(),
      remoteTunnel: question.tunnel,
      wireguardKey: wireguard.publicKey.toHex(),
      sshHostKey: hostKey.identity.publicKey.toHex(),
    };
    this.#record(vm);
    this.#noticed();
    const seed = vm.dryRun ? new Uint8Array() : guestSeed({
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
    this.#context.background(`start VM ${vm.id}`, () => this.#launch(vm, hosted, seed));
  }

  async #launch(vm: HostVm, hosted: Hosted, seed: Uint8Array): Promise<void> {
    const happens = (happening: VmHappening) => this.#happened(vm.id, happening);
    const lifeMs = (vm.lifeEndsAt ?? 0) - this.#context.now();
    try {
      const start = { id: vm.id, requirements: vm.requirements, lifeMs, seed };
      const running = await this.#runnerOf(vm).start(start, happens);
      if (this.#ending) return running.detach(); // the next node takes it up
      hosted.running = running;
      if (this.#book.get(vm.id)?.state !== "creating") return await this.#endLate(vm, hosted);
      this.#openTunnel(vm, hosted);
      this.#book.launched(vm.id);
      this.#tell(vm.id);
      if (hosted.isUp) this.#happened(vm.id, { type: "ready", bootMs: hosted.bootMs });
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      hosted.end = { reason: "failed", detail };
      this.#context.log.error("a VM could not be started", { vm: vm.id, detail });
      await hosted.running?.stop().catch(() => {});
      this.#happened(vm.id, { type: "ended", reason: "failed", detail });
    }
  }

  /** It was released or its time ended while it started. */
  async #endLate(vm: HostVm, hosted: Hosted): Promise<void> {
    await hosted.running?.stop();
    this.#happened(vm.id, { type: "ended", reason: "released", detail: null });
  }

  #happened(id: VmId, happening: VmHappening): void {
    const hosted = this.#hosted.get(id);
    const vm = this.#book.get(id);
    if (hosted === undefined || vm === undefined || isEnded(vm.state) || this.#ending) return;
    if (happening.type === "ready") {
      hosted.bootMs = happening.bootMs;
      hosted.isUp = true;
      if (this.#book.ready(id, this.#context.now())) this.#tell(id);
      return;
    }
    const { reason, detail } = hosted.end ?? happening;
    this.#book.ended(id, reason, detail);
    const say = reason === "failed" || reason === "lost" ? "warn" : "info";
    this.#context.log[say]("a VM ended", { vm: id, reason, detail });
    this.#tell(id);
    hosted.running = null;
    this.#closeTunnel(vm, hosted);
    const sweep = () => this.#runnerOf(vm).sweep(id).finally(() => hosted.gone.resolve());
    this.#context.background(`sweep VM ${id}`, sweep);
  }

  /** Ends the machine of a VM that is releasing; resolves with the VM as it is then. */
  async #stop(vm: HostVm): Promise<HostVm> {
    const hosted = this.#hosted.get(vm.id);
    this.#changed(vm);
    if (vm.state === "releasing" && hosted !== undefined) {
      await this.#stopMachine(vm, hosted);
    }
    if (isEnded(vm.state)) this.#tell(vm.id);
    return this.#book.get(vm.id) ?? vm;
  }

  async #stopMachine(vm: HostVm, hosted: Hosted): Promise<void> {
    if (hosted.running === null) return; // Still being started: `#launch` ends it.
    const end = { type: "ended", reason: vm.endReason ?? "released", detail: null } as const;
    await hosted.running.stop().then(() => this.#happened(vm.id, end));
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, STOP_WAIT_MS);
    await Promise.race([hosted.gone.promise, late.promise]);
    clearTimeout(timer);
  }

  #touch(vm: HostVm): HostVm {
    const touched = this.#book.touch(vm.owner, vm.id, this.#context.now());
    if (!touched.ok) return vm;
    this.#renewed(touched.value, touched.value.requirements.leaseMs);
    return touched.value;
  }

  #renewed(vm: HostVm, leaseMs: number): void {
    this.#changed(vm);
    const running = this.#hosted.get(vm.id)?.running;
    if (running !== null && running !== undefined) {
      this.#context.background(`renew VM ${vm.id}`, () => running.renew(leaseMs));
    }
  }

  #expire(): void {
    for (const { vm, stop } of this.#book.expire(this.#context.now())) {
      if (stop) this.#context.background(`end VM ${vm.id}`, () => this.#stop(vm));
      else this.#tell(vm.id);
    }
    for (const id of this.#hosted.keys()) {
      if (this.#book.get(id) === undefined) this.#hosted.delete(id); // the book is bounded
    }
    const { log, store, wallMs } = this.#context;
    attempt(log, "forget old VMs", () => void store.pruneVms(wallMs() - ENDED_KEPT_MS));
    this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#ending) return;
    const at = this.#book.wakeup()?.at ?? Infinity;
    const waitMs = Math.min(SWEEP_EVERY_MS, Math.max(0, at - this.#context.now()));
    this.#timer = setTimeout(() => this.#expire(), waitMs);
  }

  // After a restart ----------------------------------------------------------------------------

  async #takeUp(vm: HostVm): Promise<void> {
    const hosted = this.#hosted.get(vm.id);
    if (hosted === undefined) return;
    try {
      const adopted = await this.#adopt(vm, hosted);
      this.#openTunnel(vm, hosted);
      this.#changed(adopted);
      this.#context.log.info("took up a VM", { vm: vm.id, state: adopted.state });
      if (adopted.state === "releasing") await this.#stop(adopted);
    } catch (error) {
      this.#context.log.warn("a VM is lost", { vm: vm.id, error: String(error) });
      hosted.end = { reason: "lost", detail: null };
      await hosted.running?.stop().catch(() => {}); // what is left of it ends with its lease
      this.#happened(vm.id, { type: "ended", ...hosted.end });
      await hosted.gone.promise;
    }
  }

  /** Finds the machine, whose own word about its times counts. */
  async #adopt(vm: HostVm, hosted: Hosted): Promise<HostVm> {
    const now = this.#context.now();
    const happens = (happening: VmHappening) => this.#happened(vm.id, happening);
    if (vm.dryRun && !this.#parts.dryRunOnly) {
      throw new OmertaError("not-found", "It was a dry run, and the provider runs dry no more");
    }
    hosted.running = vm.dryRun
      ? await takeUpDryRun(this.#parts.dryRunner, vm)
      : await this.#parts.runner.adopt(vm.id, happens);
    if (hosted.running === null) throw new OmertaError("not-found", "Nothing of it is left");
    const figures = await hosted.running.figures();
    const word = vm.dryRun ? ownWord(vm, now) : figures;
    const adopted = this.#book.adopt(vm.id, word, now);
    if (adopted === undefined) throw new OmertaError("not-found", "It was never created");
    hosted.bootMs = figures.bootMs;
    return adopted;
  }

  /** A machine that no row knows: its request never got an answer. */
  async #endStray(id: VmId): Promise<void> {
    const running = await this.#parts.runner.adopt(id, () => {}).catch(() => null);
    await running?.stop().catch(() => {});
    await this.#parts.runner.sweep(id);
    this.#context.log.warn("ended a VM that nobody knows", { vm: id });
  }

  #loadRows(): HostVm[] {
    const { store } = this.#context;
    const clock = { now: this.#context.now(), unixMs: this.#context.wallMs() };
    return store.hosted.list().flatMap((row) => {
      const parsed = parseHostRow(row.row);
      if (!parsed.ok) {
        this.#context.log.error("a VM's row cannot be read; its machine ends with its lease", {
          vm: row.id,
        });
        return [];
      }
      const { created, imageDigest } = row.spec as HostedSpec;
      this.#hosted.set(row.id, newHosted({ created, imageDigest }));
      return [fromHostRow(parsed.value, this.#parts.policy, clock)];
    });
  }

  // Tunnels and rows -----------------------------------------------------------------------------

  #openTunnel(vm: HostVm, hosted: Hosted): void {
    const { created, running } = hosted;
    const control = running?.control ?? null;
    if (created === null || control === null) return;
    const { owner } = vm;
    const plan = guestPlan({
      tunnel: created.localTunnel,
      peer: owner,
      remote: created.remoteTunnel,
      control,
    });
    this.#context.net.command("tunnel.open", { ...plan });
    this.#context.demands.claim(owner, `lent VM ${vm.id}`, "busy");
  }

  #closeTunnel(vm: HostVm, { created }: Hosted): void {
    this.#context.demands.drop(vm.owner, `lent VM ${vm.id}`);
    if (created === null) return;
    try {
      this.#context.net.command("tunnel.close", { tunnel: created.localTunnel });
    } catch (error) {
      this.#context.log.debug("a tunnel was closed already", { error: String(error) });
    }
  }

  #freshTunnel(): number {
    const taken = new Set([...this.#hosted.values()].map((h) => h.created?.localTunnel));
    for (;;) {
      const id = randomUint32(this.#context.random);
      if (!taken.has(id)) return id;
    }
  }

  /** Writes the VM's row, and tells the owner how it stands. */
  #tell(id: VmId): void {
    const vm = this.#book.get(id);
    const hosted = this.#hosted.get(id);
    if (vm === undefined || hosted === undefined) return;
    this.#changed(vm);
    const peer = vm.owner;
    if (!this.#context.loop.machine.isConnected(peer)) return;
    const call = this.#context.loop.call(peer, "vm.event", this.#message(vm));
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
    const clock = { now: this.#context.now(), unixMs: this.#context.wallMs() };
    const row = toHostRow(vm, clock);
    const { network, node: owner } = splitPeerKey(vm.owner);
    const stored: HostedRow = {
      id: vm.id,
      network,
      owner,
      key: vm.state === "releasing" ? null : vm.key, // the next request with it gets another
      state: vm.state,
      spec: { created: hosted.created, imageDigest: hosted.imageDigest } satisfies HostedSpec,
      secrets: null,
      localTunnel: hosted.created?.localTunnel ?? null,
      remoteTunnel: hosted.created?.remoteTunnel ?? null,
      deadlineMs: row.deadlineMs,
      createdAtMs: row.requestedAtMs,
      endedAtMs: isEnded(vm.state) ? clock.unixMs : null,
      row,
    };
    // Of what never was a machine nothing remains: whoever reserves without end fills no disk.
    const wasNothing = isEnded(vm.state) && hosted.created === null;
    if (wasNothing) this.#context.store.hosted.delete({ id: vm.id });
    else this.#context.store.hosted.put(stored);
  }

  #message(vm: HostVm): VmStateMessage {
    const living = !isEnded(vm.state);
    const leftMs = Math.max(0, Math.round(vm.deadline - this.#context.now()));
    return {
      vm: vm.id,
      state: vm.state === "requested" ? "reserved" : vm.state,
      leaseLeftMs: living ? leftMs : null,
      lifeLeftMs: living && vm.lifeEndsAt !== null
        ? roundOrNull(vm.lifeEndsAt - this.#context.now())
        : null,
      bootMs: roundOrNull(this.#hosted.get(vm.id)?.bootMs ?? null),
      reason: vm.endReason === null ? null : endSentence(vm),
      endReason: ownersEndReason(vm),
    };
  }

  #runnerOf(vm: HostVm): VmRunner {
    return vm.dryRun ? this.#parts.dryRunner : this.#parts.runner;
  }
}
