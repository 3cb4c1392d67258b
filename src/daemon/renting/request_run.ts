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
  type FoundProvider,
  isKnown,
  isOfSameKind,
  isShunned,
  isWorthAsking,
  QUEUE_MS,
  queuePauseMs,
  type Rental,
  UNKNOWN_OFFER,
} from "../../market/mod.ts";
import {
  type Instant,
  type NetworkId,
  type NodeId,
  OmertaError,
  randomUint32,
  splitPeerKey,
  type VmId,
} from "../../base/mod.ts";
import { generateKeyPair } from "../../crypto/mod.ts";
import { attempt } from "../../host/attempt.ts";
import { orAborted } from "../../host/waiting.ts";
import type { Timers } from "../ports.ts";
import { type BringUpParts, create, finish, PhaseClock, ready } from "./bring_up.ts";
import type { Rentals } from "./rentals.ts";
import { rentsFromItself } from "./renting_errors.ts";
import { reserve, type Reserved, retryMsOf } from "./request_round.ts";
import type { RequestsParts } from "./requests.ts";
import type { RequestOptions, VmRequest } from "./vm_request.ts";

/** A request, by the number under which the book knows it. */
export interface RunOrder {
  readonly request: VmRequest;
  readonly number: number;
  readonly options: RequestOptions;
}

/** A request under way. */
export class RequestRun {
  readonly #parts: Omit<RequestsParts, "leases">;
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
  /** The provider at the address that a person named. */
  #named: NodeId | undefined;

  constructor(parts: Omit<RequestsParts, "leases">, { request, number, options }: RunOrder) {
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
    const trusted = await this.#trusted(network);
    for (let waits = 0;; waits++) {
      if (waits === 0) this.#options.progress("match", "looking for a provider");
      this.#candidates = await this.#find(network, trusted);
      const candidates = this.#candidates.filter(({ node }) => !this.#passed.has(node));
      if (candidates.length === 0) throw this.#failure;
      this.#up.clock.mark("match");
      if (waits === 0) this.#options.progress("reserve", `asking ${count(candidates.length)}`);
      try {
        const plan = { network, candidates, request: this.#request };
        const round = { ...this.#parts, signal: this.#options.signal };
        return this.#reserved(network, await reserve(round, plan), identityFile);
      } catch (error) {
        await this.#waitForRoom(error, waits);
      } finally {
        this.#up.clock.mark("reserve");
      }
    }
  }

  #reserved(network: NetworkId, reserved: Reserved, identityFile: string): Rental {
    const { cpu, memoryBytes, storageBytes, image, leaseMs } = this.#request;
    const { random, clock } = this.#parts.ports;
    const now = clock.wallMs();
    const { provider, accelerator, isolation, confinement, imageDigest, dryRun } = reserved;
    const rental: Rental = {
      id: reserved.vm as VmId,
      network,
      provider,
      key: this.#request.key,
      name: this.#request.name,
      state: "reserved",
      request: { cpu, memoryBytes, storageBytes, image, leaseMs },
      privateKey: generateKeyPair(random).privateKey,
      localTunnel: randomUint32(random),
      created: null,
      identityFile,
      accelerator,
      isolation,
      confinement,
      imageDigest,
      leaseMs: reserved.leaseMs,
      lifeMs: reserved.lifeMs,
      providerKnown: isKnown(this.#parts.known.of(network, provider)),
      dryRun,
      timings: this.#up.clock.timings,
      reason: null,
      endReason: null,
      requestedAtMs: now,
      readyAtMs: null,
      leaseExpiresAtMs: null,
      lifeEndsAtMs: null,
      checkedAtMs: now,
      endedAtMs: null,
    };
    this.#rentals.take({ type: "reserved", request: this.#number, rental });
    return rental;
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

  // Candidates ---------------------------------------------------------------------------------------

  /** Those whom this request trusts, kept as trusted; `null`: whoever serves. */
  async #trusted(network: NetworkId): Promise<readonly NodeId[] | null> {
    const { trust } = this.#request;
    if (trust.length === 0) return null;
    const { market, known } = this.#parts;
    const resolved = Promise.all(trust.map((name) => market.resolve(network, name)));
    const nodes = [...new Set(await orAborted(resolved, this.#options.signal))];
    known.trust(network, nodes);
    return nodes;
  }

  async #find(
    network: NetworkId,
    trusted: readonly NodeId[] | null,
  ): Promise<readonly Candidate[]> {
    const found = await orAborted(this.#found(network, trusted), this.#options.signal);
    const own = this.#parts.ports.views.self;
    if (found.length === 1 && found[0]?.node === own) throw rentsFromItself();
    const suitable = found.filter(({ node, offer }) =>
      node !== own && isWorthAsking(offer, this.#request)
    );
    if (suitable.length === 0) throw this.#nobodySuits(found.length);
    const same = suitable.filter(({ offer }) => isOfSameKind(offer, this.#request));
    const asked = same.length > 0 ? same : suitable; // who then refuses tells why
    return asked.map((each) => {
      const experience = this.#parts.known.of(network, each.node);
      const shunned = isShunned(experience, this.#parts.ports.clock.wallMs());
      return { ...each, trusted: experience.trustedAtMs !== null, shunned };
    });
  }

  async #found(
    network: NetworkId,
    trusted: readonly NodeId[] | null,
  ): Promise<readonly FoundProvider[]> {
    const { market } = this.#parts;
    const { signal } = this.#options;
    const { bootstrap, provider, peer } = this.#request;
    if (bootstrap !== null) await market.bootstrap(network, bootstrap);
    if (provider !== null) {
      this.#named ??= splitPeerKey(await market.meet(network, provider, signal)).node;
      return [named(this.#named)];
    }
    if (peer !== null) return [named(await market.resolve(network, peer))];
    if (trusted === null) return await market.providers(network, signal);
    // Whom the network does not tell of is asked all the same, so that the true reason is told.
    const all = await market.providers(network, signal).catch(() => []);
    return trusted.map((node) => all.find((each) => each.node === node) ?? named(node));
  }

  #nobodySuits(known: number): OmertaError {
    return new OmertaError(
      "no-provider",
      known === 1
        ? "The only provider does not confine a VM as well as was asked for"
        : `None of ${known} providers confines a VM as well as was asked for`,
      { hint: "Ask for less with --isolation or --min-confinement, or leave them out." },
    );
  }
}

/** Waits so long. @throws the signal's reason, where it is aborted before. */
async function pause(timers: Timers, ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const voidTimer = timers.after(ms, resolve);
  await orAborted(promise, signal).finally(voidTimer);
}

/** A provider that was named by the person: nothing is known of its offer. */
function named(node: NodeId): FoundProvider {
  return { node, offer: UNKNOWN_OFFER, rttMs: null };
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
