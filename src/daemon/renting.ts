/**
 * One request for a VM, from the search for a provider to the first word of the guest's ssh. What
 * was begun is undone when it fails or is given up, unless a key or `--no-wait` says that it is
 * wanted all the same.
 *
 * @module
 */
import type { ConsumerRequestInput, VmPhase } from "../api/methods.ts";
import {
  type Instant,
  type NetworkId,
  type NodeId,
  OmertaError,
  type PeerKey,
  peerKey,
  randomUint32,
  splitPeerKey,
  toHex,
  type VmId,
} from "../base/mod.ts";
import { generateKeyPair, keyPairFromPrivate } from "../crypto/mod.ts";
import { type Candidate, MatchingMachine, type MatchingOut } from "../market/mod.ts";
import type { Answer, VmStateMessage } from "../node/mod.ts";
import { guestHostname } from "../vm/mod.ts";
import type { Context } from "./context.ts";
import type { Reach } from "./reach.ts";
import { hasEnded, isOver, providerOf, type Rental, tunnelPlan, useOf } from "./rental.ts";
import type { RequestKey, SshKeys } from "./ssh_keys.ts";
import type { Tunnels } from "./tunnels.ts";

/** How long a guest may take to its first ssh greeting. Guess: emulation on a busy host, 10-fold. */
const BOOT_MS_MAX = 120_000;
/** A provider that is gone for so long while a VM boots is given up. Guess: a restart takes 5 s. */
const PROVIDER_GONE_MS = 15_000;
/** How long an answer to `reserve` or `create` may take. Guess: images are hashed meanwhile. */
const ANSWER_MS = 15_000;

/** What a request needs of its surroundings. */
export interface RentingParts {
  readonly context: Context;
  readonly reach: Reach;
  readonly tunnels: Tunnels;
  readonly sshKeys: SshKeys;
  readonly market: {
    network(name: string | null): NetworkId;
    /** All providers of the network that are known, fresh from its relays. */
    providers(network: NetworkId, signal: AbortSignal): Promise<readonly Candidate[]>;
    /** A peer by id, prefix or alias. */
    resolve(network: NetworkId, name: string): Promise<NodeId>;
    /** Whether the peer's membership lets it lend. */
    mayProvide(peer: PeerKey): boolean;
    /** Begins at another address than those that are known. */
    bootstrap(network: NetworkId, at: { id: string | null; address: string }): Promise<void>;
  };
  readonly signal: AbortSignal;
  progress(phase: VmPhase, text: string): void;
  keep(rental: Rental): void;
  current(id: VmId): Rental | undefined;
  watch(id: VmId, watcher: (message: VmStateMessage) => void): () => void;
  undo(rental: Rental): Promise<void>;
}

type Reserved = Answer<"vm.reserve"> & { readonly provider: NodeId };

/** A request under way. */
export class Renting {
  readonly #parts: RentingParts;
  readonly #input: ConsumerRequestInput;
  readonly #context: Context;
  #phaseBeganAt: Instant;
  #timings: Record<VmPhase, number | null> = {
    match: null,
    reserve: null,
    create: null,
    boot: null,
    network: null,
    ssh: null,
  };

  constructor(parts: RentingParts, input: ConsumerRequestInput) {
    this.#parts = parts;
    this.#input = input;
    this.#context = parts.context;
    this.#phaseBeganAt = this.#context.now();
  }

  /** Runs the request; `known` is the living VM of its key, whose request was cut off. */
  async run(known: Rental | undefined): Promise<Rental> {
    const ssh = await this.#parts.sshKeys.forRequest(this.#input);
    let rental = known ?? await this.#reserve(ssh.identityFile);
    try {
      if (rental.created === null) rental = await this.#createOrAgain(rental, ssh);
      if (rental.dryRun) return this.#ready(rental);
      const finished = this.#finish(rental);
      if (this.#input.wait) return await finished;
      finished.catch((error) => this.#failed(rental, error));
      return rental;
    } catch (error) {
      await this.#failed(rental, error);
      throw error;
    }
  }

  async #failed(rental: Rental, error: unknown): Promise<void> {
    this.#noteFailure(rental, error);
    if (this.#isUnwanted(error)) await this.#parts.undo(rental);
  }

  /** A failed VM is of no use to anybody; a request that was given up is wanted if it had a key. */
  #isUnwanted(error: unknown): boolean {
    const isFailure = error instanceof OmertaError && error.code === "vm-failed";
    return isFailure || (this.#input.key === null && this.#input.wait);
  }

  #noteFailure(rental: Rental, error: unknown): void {
    const current = this.#parts.current(rental.id) ?? rental;
    if (hasEnded(current.state)) return;
    const reason = error instanceof Error ? error.message : String(error);
    this.#parts.keep({ ...current, reason });
  }

  // Match and reserve ----------------------------------------------------------------------------

  async #reserve(identityFile: string): Promise<Rental> {
    this.#parts.progress("match", "looking for a provider");
    const network = this.#parts.market.network(this.#input.network);
    const candidates = await this.#candidates(network);
    this.#mark("match");
    this.#parts.progress("reserve", `asking ${candidates.length} provider(s)`);
    const reserved = await this.#match(network, candidates);
    this.#mark("reserve");
    const holder = this.#parts.current(reserved.vm as VmId);
    if (holder !== undefined && !hasEnded(holder.state)) {
      // An honest provider draws ids by lot; this one would have us forget another VM.
      throw new OmertaError("refused", "The provider gives the VM the id of another that lives");
    }
    const { cpu, memoryBytes, storageBytes, image, leaseMs } = this.#input;
    const now = this.#context.wallMs();
    const rental: Rental = {
      id: reserved.vm as VmId,
      network,
      provider: reserved.provider,
      key: this.#input.key,
      name: this.#input.name,
      state: "reserved",
      request: { cpu, memoryBytes, storageBytes, image, leaseMs },
      privateKey: generateKeyPair(this.#context.random).privateKey,
      localTunnel: randomUint32(this.#context.random),
      created: null,
      identityFile,
      accelerator: reserved.accelerator,
      dryRun: reserved.dryRun,
      timings: this.#timings,
      reason: null,
      requestedAtMs: now,
      readyAtMs: null,
      leaseExpiresAtMs: null,
      checkedAtMs: now,
      endedAtMs: null,
    };
    this.#parts.keep(rental);
    return rental;
  }

  async #candidates(network: NetworkId): Promise<readonly Candidate[]> {
    const { market, reach, signal } = this.#parts;
    if (this.#input.bootstrap !== null) await market.bootstrap(network, this.#input.bootstrap);
    if (this.#input.provider !== null) {
      const peer = await reach.address(network, this.#input.provider, { signal });
      return [asked(splitPeerKey(peer).node)];
    }
    if (this.#input.peer !== null) return [asked(await market.resolve(network, this.#input.peer))];
    const candidates = await market.providers(network, signal);
    if (candidates.length > 0) return candidates;
    throw new OmertaError("no-provider", "No provider of the network is known", {
      hint: "Start one with `omerta provider` on a machine of the network.",
    });
  }

  /** Asks the candidates in turn, a slow one beside the next; the first reservation wins. */
  async #match(network: NetworkId, candidates: readonly Candidate[]): Promise<Reserved> {
    const { promise, resolve, reject } = Promise.withResolvers<Reserved>();
    const machine = new MatchingMachine(candidates, this.#input);
    const answers = new Map<NodeId, Reserved>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const step = (input: Parameters<MatchingMachine["handle"]>[0]) => {
      const out: MatchingOut[] = [];
      machine.handle(input, this.#context.now(), out);
      for (const output of out) perform(output);
      clearTimeout(timer);
      const at = machine.wakeup()?.at;
      if (at !== undefined) {
        timer = setTimeout(() => step({ type: "wake" }), Math.max(0, at - this.#context.now()));
      }
    };
    const perform = (output: MatchingOut) => {
      switch (output.type) {
        case "ask":
          return void this.#ask(network, output.node).then((answer) => {
            answers.set(output.node, answer);
            step({ type: "reserved", node: output.node, vm: answer.vm as VmId });
          }, (error) => step({ type: "refused", node: output.node, ...refusalOf(error) }));
        case "won":
          return resolve(answers.get(output.node) as Reserved);
        case "undo":
          return this.#context.background("undo a second reservation", () => {
            const peer = peerKey(network, output.node);
            return this.#context.loop.call(peer, "vm.release", { vm: output.vm });
          });
        case "lost":
          return reject(
            new OmertaError(output.code, output.message, { fields: { tried: output.tried } }),
          );
      }
    };
    const onAbort = () => {
      step({ type: "cancel" });
      reject(this.#parts.signal.reason);
    };
    this.#parts.signal.addEventListener("abort", onAbort, { once: true });
    step({ type: "start" });
    return await promise.finally(() => {
      clearTimeout(timer);
      this.#parts.signal.removeEventListener("abort", onAbort);
    });
  }

  async #ask(network: NetworkId, provider: NodeId): Promise<Reserved> {
    const { reach, signal, market } = this.#parts;
    const peer = await reach.peer(peerKey(network, provider), { signal });
    if (!market.mayProvide(peer)) {
      throw new OmertaError("not-allowed", "The peer's membership does not include lending VMs");
    }
    const { key, cpu, memoryBytes, storageBytes, image, leaseMs, dryRun } = this.#input;
    const question = { key, cpu, memoryBytes, storageBytes, image, leaseMs, dryRun };
    const options = { signal, timeoutMs: ANSWER_MS };
    const answer = await this.#context.loop.call(peer, "vm.reserve", question, options);
    return { ...answer, provider };
  }

  // Create and wait --------------------------------------------------------------------------------

  /** Creates; where the reservation of an earlier try is over, a new one is made. */
  async #createOrAgain(rental: Rental, ssh: RequestKey): Promise<Rental> {
    try {
      return await this.#create(rental, ssh.publicKey);
    } catch (error) {
      const code = error instanceof OmertaError ? error.code : undefined;
      if (code !== "lease-ended" && code !== "not-found") throw error;
      this.#requireWanted(rental);
      const endedAtMs = this.#context.wallMs();
      this.#parts.keep({ ...rental, state: "failed", reason: "its reservation ended", endedAtMs });
      return await this.#create(await this.#reserve(ssh.identityFile), ssh.publicKey);
    }
  }

  async #create(rental: Rental, publicKey: string): Promise<Rental> {
    this.#parts.progress("create", `provider ${rental.provider.slice(0, 8)} has room`);
    const question = {
      vm: rental.id,
      tunnel: rental.localTunnel,
      wireguardKey: keyPairFromPrivate(rental.privateKey).publicKey,
      sshKeys: [publicKey],
      hostname: guestHostname(rental.name ?? rental.id).slice(0, 32),
    };
    const options = { signal: this.#parts.signal, timeoutMs: ANSWER_MS };
    const peer = providerOf(rental);
    const answer = await this.#parts.reach.call(peer, "vm.create", question, options);
    this.#mark("create");
    const now = this.#context.wallMs();
    const created: Rental = {
      ...this.#requireWanted(rental),
      state: "creating",
      created: {
        tunnel: answer.tunnel,
        wireguardKey: toHex(answer.wireguardKey),
        sshHostKey: toHex(answer.sshHostKey),
        user: answer.user,
      },
      timings: { ...this.#timings },
      leaseExpiresAtMs: now + rental.request.leaseMs,
      checkedAtMs: now,
    };
    this.#parts.keep(created);
    return created;
  }

  /** Waits until ssh answers through the tunnel, or the provider says that it never will. */
  async #finish(rental: Rental): Promise<Rental> {
    const plan = tunnelPlan(rental);
    if (plan === null) throw new OmertaError("internal", "A created VM has no tunnel");
    this.#parts.tunnels.open(plan);
    this.#context.demands.claim(plan.peer, useOf(rental), "busy");
    this.#parts.progress("boot", "the machine boots");
    const ended = new AbortController();
    let bootMs: number | null = null;
    const unwatch = this.#parts.watch(rental.id, (message) => {
      bootMs = message.bootMs ?? bootMs;
      if (message.state === "ready") this.#parts.progress("network", "the guest is up");
      if (hasEnded(message.state)) ended.abort(vmEnded(message));
    });
    const endWatch = this.#watchProvider(plan.peer, (error) => ended.abort(error));
    try {
      const signals = this.#input.wait ? [ended.signal, this.#parts.signal] : [ended.signal];
      const signal = AbortSignal.any(signals);
      const probe = await this.#parts.tunnels.probeSsh(plan.tunnel, BOOT_MS_MAX, signal);
      this.#timings = { ...this.#timings, ...phasesOf(probe, bootMs) };
      return this.#ready(rental);
    } finally {
      endWatch();
      unwatch();
    }
  }

  /** Gives up where the provider is not there for long while its VM boots. */
  #watchProvider(peer: PeerKey, giveUp: (error: OmertaError) => void): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const gone = () =>
      giveUp(
        new OmertaError("unreachable", "The provider went away while the VM booted", {
          hint: "Request again: another provider may answer, or this one when it is back.",
        }),
      );
    const unlisten = this.#context.loop.listen((event) => {
      if (!("kind" in event) || event.peer !== peer || event.kind !== "epoch") return;
      clearTimeout(timer);
      if (event.type === "peer-down") timer = setTimeout(gone, PROVIDER_GONE_MS);
    });
    return () => {
      clearTimeout(timer);
      unlisten();
    };
  }

  #ready(rental: Rental): Rental {
    const current = this.#requireWanted(rental);
    const ready: Rental = {
      ...current,
      state: "ready",
      timings: this.#timings,
      readyAtMs: current.readyAtMs ?? this.#context.wallMs(),
    };
    this.#parts.keep(ready);
    return ready;
  }

  /** The rental as it stands. @throws {OmertaError} `lease-ended` where it was released meanwhile. */
  #requireWanted(rental: Rental): Rental {
    const current = this.#parts.current(rental.id) ?? rental;
    if (!isOver(current.state)) return current;
    throw new OmertaError("lease-ended", `The VM ${rental.id} was released before it was ready`);
  }

  /** Ends a phase: its time is that since the last one ended. */
  #mark(phase: VmPhase): void {
    const now = this.#context.now();
    this.#timings[phase] = Math.round(now - this.#phaseBeganAt);
    this.#phaseBeganAt = now;
  }
}

/** A provider that was named by the person: nothing is known of its offer. */
function asked(node: NodeId): Candidate {
  const offer = { accepting: true, cpu: null, memoryBytes: null, storageBytes: null };
  return { node, offer, rttMs: null };
}

function refusalOf(error: unknown): { code: OmertaError["code"]; message: string } {
  if (error instanceof OmertaError) return { code: error.code, message: error.message };
  return { code: "internal", message: String(error) };
}

function vmEnded(message: VmStateMessage): OmertaError {
  const why = message.reason === null ? "" : `: ${message.reason}`;
  return new OmertaError("vm-failed", `The VM did not come up${why}`, {
    hint: "Request another; the provider's log says more.",
  });
}

/**
 * Boot: until the guest's first handshake, or what the provider's helper measured; network: from
 * there to the handshake; ssh: from the handshake to the greeting.
 */
function phasesOf(
  { handshakeMs, bannerMs }: { handshakeMs: number | null; bannerMs: number | null },
  bootMs: number | null,
): Partial<Record<VmPhase, number | null>> {
  if (handshakeMs === null || bannerMs === null) return { boot: bootMs };
  const boot = Math.min(bootMs ?? handshakeMs, handshakeMs);
  return {
    boot: Math.round(boot),
    network: Math.round(handshakeMs - boot),
    ssh: Math.round(bannerMs - handshakeMs),
  };
}
