/**
 * A VM that was set aside, until ssh answers in it: created at its provider, its tunnel opened, its
 * boot waited for.
 *
 * @module
 */
import { type Instant, OmertaError, toHex } from "../../base/mod.ts";
import { keyPairFromPrivate } from "../../crypto/mod.ts";
import {
  isEnded,
  isOver,
  providerOf,
  type ProviderWord,
  type Rental,
  type RequestTimings,
  type VmPhase,
} from "../../market/mod.ts";
import { guestHostname } from "../../vm/mod.ts";
import type { KeptTunnels } from "../streams/kept_tunnels.ts";
import type { Market, RentingPorts } from "./ports.ts";
import { tunnelOf } from "./rental_tunnel.ts";
import type { RentalNews, Rentals } from "./rentals.ts";

/** How long an answer to `reserve` or `create` may take. Guess: images are hashed meanwhile. */
export const ANSWER_MS = 15_000;
/** How long a guest may take to its first ssh greeting. Guess: emulation on a busy host, 10-fold. */
const BOOT_MS_MAX = 120_000;

/** What it takes to bring a VM up. */
export interface BringUpParts {
  readonly ports: Pick<RentingPorts, "calls">;
  readonly market: Pick<Market, "nameOf">;
  readonly rentals: Rentals;
  readonly tunnels: KeptTunnels;
  /** Gives up the calls; and the wait for the boot, where somebody waits. */
  readonly signal: AbortSignal;
  /** Whether the request's end is that of the boot. */
  readonly waits: boolean;
  readonly clock: PhaseClock;
  progress(phase: VmPhase, text: string): void;
}

/** How long each phase of a request took. */
export class PhaseClock {
  readonly #now: () => Instant;
  #beganAt: Instant;
  #timings: RequestTimings = {
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

  get timings(): RequestTimings {
    return this.#timings;
  }

  /** Ends a phase: its time is that since the last one ended, added to what it took before. */
  mark(phase: VmPhase): void {
    const now = this.#now();
    const spentMs = (this.#timings[phase] ?? 0) + Math.round(now - this.#beganAt);
    this.set({ [phase]: spentMs });
    this.#beganAt = now;
  }

  set(timings: Partial<RequestTimings>): void {
    this.#timings = { ...this.#timings, ...timings };
  }
}

/** Creates the VM at its provider; returns the rental as it is kept. */
export async function create(
  { ports, market, rentals, signal, clock, progress }: BringUpParts,
  rental: Rental,
  publicKey: string,
): Promise<Rental> {
  const { id: vm } = rental;
  const peer = providerOf(rental);
  progress("create", `provider ${market.nameOf(peer)} has room`);
  const question = {
    vm,
    tunnel: rental.localTunnel,
    wireguardKey: keyPairFromPrivate(rental.privateKey).publicKey,
    sshKeys: [publicKey],
    hostname: guestHostname(rental.name ?? vm).slice(0, 32),
  };
  rentals.take({ type: "creating", vm });
  const answer = await ports.calls.ask(peer, "vm.create", question, {
    signal,
    timeoutMs: ANSWER_MS,
  });
  clock.mark("create");
  requireWanted(rentals, rental);
  const created = {
    tunnel: answer.tunnel,
    wireguardKey: toHex(answer.wireguardKey),
    sshHostKey: toHex(answer.sshHostKey),
    user: answer.user,
  };
  rentals.take({ type: "created", vm, created, timings: clock.timings });
  return rentals.latest(rental);
}

/** Waits until the guest's ssh answers; returns the rental as it is kept. */
export async function finish(parts: BringUpParts, rental: Rental): Promise<Rental> {
  const plan = tunnelOf(rental);
  if (plan === null) throw new OmertaError("internal", "A created VM has no tunnel");
  parts.tunnels.open(plan);
  parts.progress("boot", "the machine boots");
  const ended = new AbortController();
  let bootMs: number | null = null;
  const hear = (news: RentalNews) => {
    if (news.type === "gone") return ended.abort(providerGone());
    const { word } = news;
    bootMs = word.bootMs ?? bootMs;
    if (word.state === "ready") parts.progress("network", "the guest is up");
    if (isEnded(word.state)) ended.abort(vmEnded(word));
  };
  const unwatch = parts.rentals.watch(rental.id, hear);
  try {
    const signals = parts.waits ? [ended.signal, parts.signal] : [ended.signal];
    const signal = AbortSignal.any(signals);
    const probe = await parts.tunnels.probeSsh(plan.device.tunnel, BOOT_MS_MAX, signal);
    parts.clock.set(phasesOf(probe, bootMs));
    return ready(parts, rental);
  } finally {
    unwatch();
  }
}

/** The rental as one that is ready. */
export function ready({ rentals, clock }: BringUpParts, rental: Rental): Rental {
  requireWanted(rentals, rental);
  rentals.take({ type: "ready", vm: rental.id, timings: clock.timings });
  return rentals.latest(rental);
}

/** @throws {OmertaError} `lease-ended` where it was released meanwhile, `vm-failed` where it ended. */
function requireWanted(rentals: Rentals, rental: Rental): void {
  const now = rentals.latest(rental);
  if (!isOver(now.state)) return;
  if (rentals.book.isGivenBack(rental.id)) {
    throw new OmertaError("lease-ended", `The VM ${rental.id} was released before it was ready`);
  }
  const why = now.reason === null ? "" : `: ${now.reason}`;
  throw new OmertaError("vm-failed", `The VM ended before it was ready${why}`);
}

function providerGone(): OmertaError {
  return new OmertaError("unreachable", "The provider went away while the VM booted", {
    hint: "Request again: another provider may answer, or this one when it is back.",
  });
}

function vmEnded({ reason }: ProviderWord): OmertaError {
  const why = reason === null ? "" : `: ${reason}`;
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
): Partial<RequestTimings> {
  if (handshakeMs === null || bannerMs === null) return { boot: bootMs };
  const boot = Math.min(bootMs ?? handshakeMs, handshakeMs);
  return {
    boot: Math.round(boot),
    network: Math.round(handshakeMs - boot),
    ssh: Math.round(bannerMs - handshakeMs),
  };
}
