/**
 * A VM that was set aside, until ssh answers in it: created at its provider, its tunnel opened, its
 * boot waited for.
 *
 * @module
 */
import type { VmPhase } from "../../market/mod.ts";
import { type Instant, OmertaError, type PeerKey, toHex, type VmId } from "../../base/mod.ts";
import { keyPairFromPrivate } from "../../crypto/mod.ts";
import type { VmStateMessage } from "../../node/mod.ts";
import { guestHostname } from "../../vm/mod.ts";
import type { Context } from "../context.ts";
import type { Reach } from "../mesh/reach.ts";
import { hasEnded, isOver, providerOf, type Rental, tunnelPlan, useOf } from "./rental.ts";
import { ANSWER_MS } from "./reserving.ts";
import type { Tunnels } from "../streams/tunnels.ts";

/** How long a guest may take to its first ssh greeting. Guess: emulation on a busy host, 10-fold. */
const BOOT_MS_MAX = 120_000;
/** A provider that is gone for so long while a VM boots is given up. Guess: a restart takes 5 s. */
const PROVIDER_GONE_MS = 15_000;

/** What it takes to bring a VM up. */
export interface BringUpParts {
  readonly context: Context;
  readonly reach: Reach;
  readonly tunnels: Tunnels;
  /** Gives up the calls; and the wait for the boot, where somebody waits. */
  readonly signal: AbortSignal;
  /** Whether the request's end is that of the boot. */
  readonly waits: boolean;
  readonly clock: PhaseClock;
  nameOf(rental: Rental): string;
  progress(phase: VmPhase, text: string): void;
  keep(rental: Rental): void;
  current(id: VmId): Rental | undefined;
  /** Whether the person released the VM meanwhile. */
  isGivenBack(id: VmId): boolean;
  watch(id: VmId, watcher: (message: VmStateMessage) => void): () => void;
}

/** How long each phase of a request took. */
export class PhaseClock {
  readonly #now: () => Instant;
  #beganAt: Instant;
  #timings: Record<VmPhase, number | null> = {
    match: null,
    reserve: null,
    create: null,
    boot: null,
    network: null,
    ssh: null,
  };

  constructor(now: () => Instant) {
    this.#now = now;
    this.#beganAt = now();
  }

  get timings(): Readonly<Record<VmPhase, number | null>> {
    return { ...this.#timings };
  }

  /** Ends a phase: its time is that since the last one ended, added to what it took before. */
  mark(phase: VmPhase): void {
    const now = this.#now();
    this.#timings[phase] = (this.#timings[phase] ?? 0) + Math.round(now - this.#beganAt);
    this.#beganAt = now;
  }

  set(timings: Partial<Record<VmPhase, number | null>>): void {
    this.#timings = { ...this.#timings, ...timings };
  }
}

/** Creates the VM at its provider; returns the rental as it is kept. */
export async function create(
  parts: BringUpParts,
  rental: Rental,
  publicKey: string,
): Promise<Rental> {
  parts.progress("create", `provider ${parts.nameOf(rental)} has room`);
  const question = {
    vm: rental.id,
    tunnel: rental.localTunnel,
    wireguardKey: keyPairFromPrivate(rental.privateKey).publicKey,
    sshKeys: [publicKey],
    hostname: guestHostname(rental.name ?? rental.id).slice(0, 32),
  };
  const options = { signal: parts.signal, timeoutMs: ANSWER_MS };
  const answer = await parts.reach.call(providerOf(rental), "vm.create", question, options);
  parts.clock.mark("create");
  const now = parts.context.wallMs();
  const created: Rental = {
    ...requireWanted(parts, rental),
    state: "creating",
    created: {
      tunnel: answer.tunnel,
      wireguardKey: toHex(answer.wireguardKey),
      sshHostKey: toHex(answer.sshHostKey),
      user: answer.user,
    },
    timings: parts.clock.timings,
    leaseExpiresAtMs: now + Math.min(rental.leaseMs, rental.lifeMs),
    lifeEndsAtMs: now + rental.lifeMs,
    checkedAtMs: now,
  };
  parts.keep(created);
  return created;
}

/** Waits until ssh answers through the tunnel, or the provider says that it never will. */
export async function finish(parts: BringUpParts, rental: Rental): Promise<Rental> {
  const plan = tunnelPlan(rental);
  if (plan === null) throw new OmertaError("internal", "A created VM has no tunnel");
  parts.tunnels.open(plan);
  parts.context.demands.claim(plan.peer, useOf(rental), "busy");
  parts.progress("boot", "the machine boots");
  const ended = new AbortController();
  let bootMs: number | null = null;
  const unwatch = parts.watch(rental.id, (message) => {
    bootMs = message.bootMs ?? bootMs;
    if (message.state === "ready") parts.progress("network", "the guest is up");
    if (hasEnded(message.state)) ended.abort(vmEnded(message));
  });
  const endWatch = watchProvider(parts, plan.peer, (error) => ended.abort(error));
  try {
    const signals = parts.waits ? [ended.signal, parts.signal] : [ended.signal];
    const probe = await parts.tunnels.probeSsh(plan.tunnel, BOOT_MS_MAX, AbortSignal.any(signals));
    parts.clock.set(phasesOf(probe, bootMs));
    return ready(parts, rental);
  } finally {
    endWatch();
    unwatch();
  }
}

/** The rental as one that is ready. */
export function ready(parts: BringUpParts, rental: Rental): Rental {
  const current = requireWanted(parts, rental);
  const ready: Rental = {
    ...current,
    state: "ready",
    timings: parts.clock.timings,
    readyAtMs: current.readyAtMs ?? parts.context.wallMs(),
  };
  parts.keep(ready);
  return ready;
}

/**
 * The rental as it stands.
 *
 * @throws {OmertaError} `lease-ended` where it was released meanwhile, `vm-failed` where it ended.
 */
function requireWanted({ current, isGivenBack }: BringUpParts, rental: Rental): Rental {
  const now = current(rental.id) ?? rental;
  if (!isOver(now.state)) return now;
  if (isGivenBack(rental.id)) {
    throw new OmertaError("lease-ended", `The VM ${rental.id} was released before it was ready`);
  }
  const why = now.reason === null ? "" : `: ${now.reason}`;
  throw new OmertaError("vm-failed", `The VM ended before it was ready${why}`);
}

/** Gives up where the provider is not there for long while its VM boots. */
function watchProvider(
  { context }: BringUpParts,
  peer: PeerKey,
  giveUp: (error: OmertaError) => void,
): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const gone = () =>
    giveUp(
      new OmertaError("unreachable", "The provider went away while the VM booted", {
        hint: "Request again: another provider may answer, or this one when it is back.",
      }),
    );
  const unlisten = context.loop.listen((event) => {
    if (!("kind" in event) || event.peer !== peer || event.kind !== "epoch") return;
    clearTimeout(timer);
    if (event.type === "peer-down") timer = setTimeout(gone, PROVIDER_GONE_MS);
  });
  return () => {
    clearTimeout(timer);
    unlisten();
  };
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
