/**
 * Requests for VMs: one, or several alike; repeated by a key, they give the same VM.
 *
 * @module
 */
import { orAborted } from "../../host/waiting.ts";
import { isEnded, type Rental } from "../../market/mod.ts";
import type { Leases } from "./leases.ts";
import type { Rentals } from "./rentals.ts";
import { RequestRun, type RunParts } from "./request_run.ts";
import type { RequestOptions, VmRequest } from "./vm_request.ts";

/** Nobody gives up what must go on. */
const NEVER = new AbortController().signal;

/** What requests stand on. */
export interface RequestsParts extends RunParts {
  readonly leases: Leases;
}

/** All requests of this node. */
export class Requests {
  readonly #parts: RequestsParts;
  readonly #rentals: Rentals;
  /** Requests under way, by key: a repetition waits for the same. As many as the book lets begin. */
  readonly #underWay = new Map<string, Promise<Rental>>();

  constructor(parts: RequestsParts) {
    this.#parts = parts;
    this.#rentals = parts.rentals;
  }

  /**
   * Rents a VM, or takes up the one that the key names. A request with a key, or that nobody waits
   * for, goes on when its command is given up; any other is undone.
   *
   * @throws {OmertaError} `exists`, `no-provider`, `provider-full`, `vm-failed`, `unreachable`, …
   */
  async request(request: VmRequest, options: RequestOptions): Promise<Rental> {
    const isWanted = request.key !== null || !request.wait;
    return isWanted
      ? await orAborted(this.#once(request, { ...options, signal: NEVER }), options.signal)
      : await this.#once(request, options);
  }

  /**
   * Rents several alike. Where one fails, those that came are released, but for those with a key, which
   * stay for the repetition; and the others are given up.
   */
  async requestMany(
    request: VmRequest,
    count: number,
    options: RequestOptions,
  ): Promise<Rental[]> {
    const failed = new AbortController();
    const signal = AbortSignal.any([options.signal, failed.signal]);
    const requests = Array.from({ length: count }, async (_, i) => {
      const numbered = (text: string | null) => text === null ? null : `${text}-${i + 1}`;
      const one = { ...request, name: numbered(request.name), key: numbered(request.key) };
      try {
        return await this.request(one, { ...options, signal });
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    });
    const outcomes = await Promise.allSettled(requests);
    const done = outcomes.flatMap((each) => each.status === "fulfilled" ? [each.value] : []);
    if (!failed.signal.aborted) return done;
    const unwanted = done.filter(({ key }) => key === null);
    await Promise.allSettled(unwanted.map(({ id }) => this.#rentals.release(id, "person")));
    throw failed.signal.reason;
  }

  async #once(request: VmRequest, options: RequestOptions): Promise<Rental> {
    const { key } = request;
    const running = key === null ? undefined : this.#underWay.get(key);
    if (running !== undefined) return await running;
    const known = this.#rentals.book.withKey(key);
    if (known?.state === "ready") {
      await this.#parts.leases.check([known]);
      const checked = this.#rentals.latest(known);
      if (!isEnded(checked.state)) return checked;
    }
    const rented = this.#rent(request, options);
    if (key === null) return await rented;
    this.#underWay.set(key, rented);
    return await rented.finally(() => this.#underWay.delete(key));
  }

  async #rent(request: VmRequest, options: RequestOptions): Promise<Rental> {
    const { name, key } = request;
    const number = this.#rentals.begin({ name, key });
    try {
      await this.#releaseFormer(key);
      const run = new RequestRun(this.#parts, { request, number, options });
      return await run.run(this.#rentals.book.withKey(key));
    } finally {
      this.#rentals.take({ type: "given-up", request: number });
    }
  }

  /** Its provider would answer with the former VM of the key, until that is released there. */
  async #releaseFormer(key: string | null): Promise<void> {
    if (key === null) return;
    const former = this.#rentals.book.list().filter((rental) => rental.key === key);
    await Promise.allSettled(former.map(async ({ id, state }) => {
      if (state === "releasing") await this.#rentals.release(id, "request");
      else await this.#rentals.underRelease(id);
    }));
  }
}
