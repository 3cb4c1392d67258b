/**
 * One request for a VM, from the search for a provider to the first word of the guest's ssh.
 *
 * ```
 *            ┌─────────────── waits, as long as it may ◀── no room for now
 *            ▼                                              │
 *   find ─▶ ask in turn ──reserved──▶ create ─▶ boot ─▶ ssh answers
 *            ▲  └─ nobody: the most telling refusal   │
 *            └──── the next provider, while there is one, remembered as failed
 * ```
 *
 * What was begun is undone when it fails or is given up, unless a key or `--no-wait` says that it is
 * wanted all the same.
 *
 * @module
 */
import {
  type Candidate,
  isKnown,
  QUEUE_MS,
  queuePauseMs,
  type Rental,
  rentalOf,
} from "../../market/mod.ts";
import {
  type Instant,
  type NetworkId,
  type NodeId,
  OmertaError,
  randomUint32,
} from "../../base/mod.ts";
import { generateKeyPair } from "../../crypto/mod.ts";
import { attempt } from "../../host/attempt.ts";
import { orAborted } from "../../host/waiting.ts";
import type { Timers } from "../ports.ts";
import { Candidates } from "./candidates.ts";
import { type BringUpParts, create, finish, PhaseClock, ready } from "./bring_up.ts";
import type { Rentals } from "./rentals.ts";
import { reserve, type Reserved, retryMsOf } from "./request_round.ts";
import type { KeptTunnels } from "../streams/kept_tunnels.ts";
import type { KnownProviders } from "./known_providers.ts";
import type { Market, RentingPorts, SshFiles } from "./ports.ts";
import type { RequestOptions, VmRequest } from "./vm_request.ts";

/** What a run stands on. */
export interface RunParts {
  readonly ports: RentingPorts;
  readonly market: Market;
  readonly known: KnownProviders;
  readonly ssh: SshFiles;
  readonly tunnels: KeptTunnels;
  readonly rentals: Rentals;
}

/** A request, by the number under which the book knows it. */
export interface RunOrder {
  readonly request: VmRequest;
  readonly number: number;
  readonly options: RequestOptions;
}

/** A request under way. */
export class RequestRun {
  readonly #parts: RunParts;
  readonly #rentals: Rentals;
  readonly #request: VmRequest;
  readonly #number: number;
  readonly #options: RequestOptions;
  readonly #up: BringUpParts;
  readonly #startedAt: Instant;
  /** Providers that failed this request or refused it for good, and what the last one said. */
  readonly #passed = new Set<NodeId>();
  #failure: unknown;
  /** Whether a reservation of this request was over before its VM was created. */
  #wasLate = false;
  /** Candidates of the last round. */
  #candidates: readonly Candidate[] = [];

  constructor(parts: RunParts, { request, number, options }: RunOrder) {
    this.#parts = parts;
    this.#rentals = parts.rentals;
    this.#request = request;
    this.#number = number;
    this.#options = options;
    const { clock } = parts.ports;
    this.#startedAt = clock.now();
    this.#up = {
      ...parts,
      ...options,
      waits: request.wait,
      clock: new PhaseClock(() => clock.now()),
    };
  }

  /** Runs the request; `known` is the living VM of its key, whose request was cut off. */
  async run(known: Rental | undefined): Promise<Rental> {
    const ssh = await this.#parts.ssh.forRequest(this.#request);
    for (let rental = known;; rental = undefined) {
      const reserved = rental ?? await this.#reserve(ssh.identityFile);
      try {
        return await this.#bringUp(reserved, ssh.publicKey);
      } catch (error) {
        if (!this.#passOver(reserved, error)) {
          await this.#failed(reserved, error);
          throw error;
        }
      }
    }
  }

  async #bringUp(reserved: Rental, publicKey: string): Promise<Rental> {
    const rental = reserved.created === null
      ? await create(this.#up, reserved, publicKey)
      : reserved;
    if (rental.dryRun) return this.#served(ready(this.#up, rental));
    const finished = finish(this.#up, rental).then((rental) => this.#served(rental));
    if (this.#request.wait) return await finished;
    finished.catch((error) => {
      if (error instanceof OmertaError && isProviders(error)) this.#blame(rental, error);
      return this.#failed(rental, error);
    });
    return rental;
  }

  #served(rental: Rental): Rental {
    this.#parts.known.served(rental.network, rental.provider);
    return rental;
  }

  // Failures ---------------------------------------------------------------------------------------

  /** Whether another provider is asked in place of the one that failed. */
  #passOver(rental: Rental, error: unknown): boolean {
    if (this.#options.signal.aborted || !(error instanceof OmertaError)) return false;
    if (this.#rentals.book.isGivenBack(rental.id)) return false;
    const current = this.#rentals.latest(rental);
    if (this.#isLate(current, error)) return this.#reserveAgain(current, error);
    if (!isProviders(error)) return false;
    this.#blame(rental, error);
    if (!this.#candidates.some(({ node }) => !this.#passed.has(node))) return false;
    this.#options.progress("match", `${error.message}: asking another provider`);
    this.#rentals.take({ type: "dropped", vm: rental.id, reason: error.message });
    return true;
  }

  #blame(rental: Rental, error: OmertaError): void {
    this.#parts.known.failed(rental.network, rental.provider);
    this.#passed.add(rental.provider);
    this.#failure = error;
  }

  /** Whether the reservation was over before its VM was created; more than once is no delay of ours. */
  #isLate({ created }: Rental, { code }: OmertaError): boolean {
    return !this.#wasLate && created === null && (code === "lease-ended" || code === "not-found");
  }

  #reserveAgain(rental: Rental, error: OmertaError): true {
    this.#wasLate = true;
    this.#failure = error;
    this.#rentals.take({ type: "dropped", vm: rental.id, reason: "its reservation ended" });
    return true;
  }

  async #failed(rental: Rental, error: unknown): Promise<void> {
    const reason = error instanceof Error ? error.message : String(error);
    attempt(this.#parts.ports.log, "note why a request failed", () => {
      this.#rentals.take({ type: "noted", vm: rental.id, reason });
    });
    if (this.#isUnwanted(error)) await this.#undo(rental);
  }

  /** A failed VM is of no use to anybody; a request that was given up is wanted if it had a key. */
  #isUnwanted(error: unknown): boolean {
    const isFailure = error instanceof OmertaError && error.code === "vm-failed";
    return isFailure || (this.#request.key === null && this.#request.wait);
  }

  async #undo(rental: Rental): Promise<void> {
    try {
      await this.#rentals.release(rental.id, "request");
    } catch (error) {
      this.#parts.ports.log.warn("a request could not be undone; the VM ends with its lease", {
        vm: rental.id,
        error: String(error),
      });
    }
  }

  // Match and reserve ----------------------------------------------------------------------------

  async #reserve(identityFile: string): Promise<Rental> {
    const network = this.#parts.market.network(this.#request.network);
    const { signal } = this.#options;
    const search = new Candidates({ ...this.#parts, signal }, network, this.#request);
    for (let waits = 0;; waits++) {
      if (waits === 0) this.#options.progress("match", "looking for a provider");
      this.#candidates = await search.find();
      const candidates = this.#candidates.filter(({ node }) => !this.#passed.has(node));
      if (candidates.length === 0) throw this.#failure;
      this.#up.clock.mark("match");
      if (waits === 0) this.#options.progress("reserve", `asking ${count(candidates.length)}`);
      try {
        const plan = { network, candidates, request: this.#request };
        const round = { ...this.#parts, signal };
        const rental = this.#reserved(network, await reserve(round, plan), identityFile);
        if (rental !== undefined) return rental;
      } catch (error) {
        await this.#waitForRoom(error, waits);
      } finally {
        this.#up.clock.mark("reserve");
      }
    }
  }

  /** The rental of what was set aside; `undefined` where that cannot be one. */
  #reserved(network: NetworkId, reserved: Reserved, identityFile: string): Rental | undefined {
    const { random, clock } = this.#parts.ports;
    const { provider } = reserved;
    const { key, name } = this.#request;
    const rental = rentalOf(reserved, {
      network,
      provider,
      key,
      name,
      request: this.#request,
      privateKey: generateKeyPair(random).privateKey,
      localTunnel: randomUint32(random),
      identityFile,
      providerKnown: isKnown(this.#parts.known.of(network, provider)),
      timings: this.#up.clock.timings,
      nowMs: clock.wallMs(),
    });
    try {
      this.#rentals.take({ type: "reserved", request: this.#number, rental });
    } catch (error) {
      attempt(this.#parts.ports.log, "give a reservation back", () => {
        this.#rentals.take({ type: "dropped", vm: rental.id, reason: "it was not written down" });
      });
      throw error;
    }
    if (this.#rentals.book.get(rental.id) === rental) return rental;
    // Another request of ours got the same id at the same moment: no honest provider gives one twice.
    this.#blame(rental, new OmertaError("refused", `The provider gave the id ${rental.id} twice`));
    return undefined;
  }

  /** Waits where somebody may have room later. @throws the refusal, where waiting is vain. */
  async #waitForRoom(error: unknown, waits: number): Promise<void> {
    const retryMs = retryMsOf(error);
    if (retryMs === null || !(error instanceof OmertaError)) throw error;
    const { clock, random, timers } = this.#parts.ports;
    const now = clock.now();
    const deadline = this.#startedAt + (this.#request.queueMs ?? QUEUE_MS) as Instant;
    const pauseMs = queuePauseMs({ waits, retryMs, now, deadline }, random) ??
      // Who said how long to wait is told at the end of it, not before.
      (this.#request.queueMs === null ? 0 : Math.max(0, deadline - now));
    if (pauseMs === 0) throw this.#vain(error);
    this.#failure = this.#vain(error);
    for (const node of refusedForGood(error)) this.#passed.add(node);
    this.#options.progress("reserve", `waiting for room: ${error.message}`);
    await pause(timers, pauseMs, this.#options.signal);
  }

  #vain(error: OmertaError): OmertaError {
    const { retryMs: _, ...fields } = error.fields;
    const waitedMs = Math.round(this.#parts.ports.clock.now() - this.#startedAt);
    return new OmertaError(error.code, error.message, {
      hint: "It may have room later: give it longer with --timeout, or ask for less.",
      fields: { ...fields, retry_ms: retryMsOf(error), waited_ms: waitedMs },
    });
  }
}

/** Waits so long. @throws the signal's reason, where it is aborted before. */
async function pause(timers: Timers, ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const voidTimer = timers.after(ms, resolve);
  await orAborted(promise, signal).finally(voidTimer);
}

/** Whether the failure is the provider's, or that of the way to it, and so another may do better. */
function isProviders(error: OmertaError): boolean {
  const codes: readonly string[] = ["vm-failed", "unreachable", "refused", "not-member"];
  return "said_by" in error.fields || codes.includes(error.code);
}

/** Those of a round's refusals that another try cannot mend. */
function refusedForGood({ fields: { tried } }: OmertaError): NodeId[] {
  const each = Array.isArray(tried) ? tried as { node: NodeId; retry_ms: number | null }[] : [];
  return each.filter(({ retry_ms }) => retry_ms === null).map(({ node }) => node);
}

function count(providers: number): string {
  return providers === 1 ? "1 provider" : `${providers} providers`;
}
