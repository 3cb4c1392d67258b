/**
 * The renter's book at work: events go in, and what it says is done: rows written, providers called, tunnels
 * opened and closed, host keys pinned, one timer set.
 *
 * ```text
 *   requests, people, providers' words, peers, the timer ──▶ book ──▶ rows · calls · tunnels · watchers
 *        ▲                                                               │
 *        └────────────── answered, released, unreleased ─────────────────┘
 * ```
 *
 * @module
 */
import { OmertaError, type PeerKey, splitPeerKey, type VmId } from "../../base/mod.ts";
import {
  findRental,
  isEnded,
  isReachable,
  type ProviderWord,
  type Rental,
  RentalBook,
  type RentalEvent,
  type RentalOut,
  type RequestOrder,
} from "../../market/mod.ts";
import type { KeptTunnels } from "../streams/kept_tunnels.ts";
import type { RentingPorts, SshFiles } from "./ports.ts";
import { fromRow, toRow } from "./rental_rows.ts";
import { hostKeyOf, tunnelOf } from "./rental_tunnel.ts";
import { hasEnded, notBegun, notMeant } from "./renting_errors.ts";

/** How long a release waits for its provider. Guess: a VM takes a second to end. */
const RELEASE_MS = 15_000;
/** How long a VM whose request was cut off may take to answer. Guess: its boot, 10-fold. */
const FINISH_MS = 120_000;

/** What is heard of a VM by whoever waits for it: a word of its provider, or that this is gone for long. */
export type RentalNews =
  | { readonly type: "word"; readonly word: ProviderWord }
  | { readonly type: "gone" };

/** With what the rentals are kept. */
export interface RentalsParts {
  readonly ports: RentingPorts;
  readonly tunnels: KeptTunnels;
  readonly ssh: SshFiles;
}

/** All that this node rents. */
export class Rentals {
  readonly #parts: RentalsParts;
  readonly #ports: RentingPorts;
  readonly #book = new RentalBook();
  readonly #watchers = new Map<VmId, Set<(news: RentalNews) => void>>();
  /** Releases under way. */
  readonly #releases = new Map<VmId, Promise<void>>();
  readonly #unlisten: () => void;
  #voidTimer: () => void = () => {};
  #nextRequest = 1;
  #isEnding = false;

  /** Begins with what the node before had written. */
  constructor(parts: RentalsParts) {
    this.#parts = parts;
    this.#ports = parts.ports;
    const { rows, calls, views } = parts.ports;
    this.take({ type: "restart", rentals: rows.rentals.list().map(fromRow) });
    calls.serve("vm.event", ({ peer }, word) => {
      this.take({ type: "told", from: peer, word });
      return {};
    });
    this.#unlisten = views.listen(({ type, peer }) => this.#inBackground({ type, peer }));
  }

  /** What is rented, to be looked at. */
  get book(): Pick<RentalBook, "get" | "list" | "living" | "withKey" | "isGivenBack"> {
    return this.#book;
  }

  /**
   * Takes an event, and does all that the book says to it.
   *
   * @throws {OmertaError} `disk-full` where a row could not be written; the rest is done all the same.
   */
  take(event: RentalEvent): void {
    const { clock } = this.#ports;
    const out: RentalOut[] = [];
    this.#book.handle({ ...event, unixMs: clock.wallMs() }, clock.now(), out);
    const failures: unknown[] = [];
    for (const each of out) {
      try {
        this.#perform(each);
      } catch (error) {
        failures.push(error);
      }
    }
    this.#setTimer();
    if (failures.length > 0) throw failures[0];
  }

  /**
   * Begins a request; `given-up` with its number ends it.
   *
   * @throws {OmertaError} `exists` where its name is taken, `refused` where too much is rented.
   */
  begin(order: RequestOrder): number {
    const refusal = this.#book.refusalOf(order);
    if (refusal !== null) throw notBegun(refusal, order.name);
    const request = this.#nextRequest++;
    const { name, key } = order;
    this.take({ type: "requested", request, name, key });
    return request;
  }

  /**
   * The rental of an id, a prefix of it or a name; `null`: the only living one.
   *
   * @throws {OmertaError} `not-found`, `ambiguous`.
   */
  find(name: string | null): Rental {
    const found = findRental(this.#book.list(), name);
    if (found.ok) return found.value;
    throw notMeant(found.reason, name, this.#book.living().length);
  }

  /** The same, where it lives. @throws {OmertaError} `lease-ended` as well. */
  findLiving(name: string | null): Rental {
    const rental = this.find(name);
    if (isEnded(rental.state)) throw hasEnded(rental);
    return rental;
  }

  /** A rental as it stands now. */
  latest(rental: Rental): Rental {
    return this.#book.get(rental.id) ?? rental;
  }

  /** Hears what is said of a VM. Returns what ends that. */
  watch(vm: VmId, watcher: (news: RentalNews) => void): () => void {
    const watchers = this.#watchers.get(vm) ?? new Set();
    this.#watchers.set(vm, watchers.add(watcher));
    return () => {
      watchers.delete(watcher);
      if (watchers.size === 0) this.#watchers.delete(vm);
    };
  }

  /** Releases a VM. @throws {OmertaError} why its provider did not do so yet. */
  async release(vm: VmId, by: "person" | "request"): Promise<void> {
    this.take({ type: "release", vm, by });
    const rental = this.#book.get(vm);
    if (rental !== undefined && !isEnded(rental.state)) await this.#releases.get(vm);
  }

  /** Resolves when the release of a VM that is under way has ended; it rejects where that failed. */
  async underRelease(vm: VmId): Promise<void> {
    await this.#releases.get(vm);
  }

  /** Pins the host keys of what can be reached, and no others. */
  pinHostKeys(): void {
    const reachable = this.#book.living().filter(isReachable);
    const known = reachable.map((rental) => ({ id: rental.id, hostKey: hostKeyOf(rental) ?? "" }));
    this.#parts.ssh.writeKnownHosts(known);
  }

  /** Gives no more signs of life: the VMs live on until their leases end. */
  end(): void {
    this.#isEnding = true;
    this.#voidTimer();
    this.#unlisten();
  }

  #perform(out: RentalOut): void {
    const { rows } = this.#ports;
    switch (out.type) {
      case "write":
        return rows.rentals.put(toRow(out.rental));
      case "forget":
        return void rows.rentals.delete({ id: out.vm });
      case "renew":
        return this.#renew(out.peer, out.vms);
      case "release":
        return this.#release(out.peer, out.vm);
      case "finish":
        return this.#finish(out.rental);
      case "open":
        return this.#open(out.rental);
      case "close":
        return this.#parts.tunnels.close(out.rental.localTunnel);
      case "reachable":
        return this.pinHostKeys();
      case "word":
        return this.#tell(out.vm, { type: "word", word: out.word });
      case "gone":
        return this.#tell(out.vm, { type: "gone" });
    }
  }

  #tell(vm: VmId, news: RentalNews): void {
    for (const watcher of [...this.#watchers.get(vm) ?? []]) watcher(news);
  }

  #open(rental: Rental): void {
    const plan = tunnelOf(rental);
    if (plan !== null) this.#parts.tunnels.open(plan);
  }

  #renew(peer: PeerKey, vms: readonly VmId[]): void {
    const { calls, tasks, log } = this.#ports;
    tasks.background("renew leases", async () => {
      try {
        const answer = await calls.ask(peer, "vm.renew", { vms: [...vms] });
        this.take({ type: "answered", from: peer, asked: vms, words: answer.vms });
      } catch (error) {
        log.debug("no lease was renewed", {
          provider: splitPeerKey(peer).node,
          error: String(error),
        });
      }
    });
  }

  #release(peer: PeerKey, vm: VmId): void {
    const { tasks, log } = this.#ports;
    const release = this.#askRelease(peer, vm);
    this.#releases.set(vm, release);
    tasks.background("release a VM", async () => {
      try {
        await release;
      } catch (error) {
        log.debug("a VM was not released", { vm, error: String(error) });
      } finally {
        if (this.#releases.get(vm) === release) this.#releases.delete(vm);
      }
    });
  }

  async #askRelease(peer: PeerKey, vm: VmId): Promise<void> {
    try {
      const options = { timeoutMs: RELEASE_MS };
      await this.#ports.calls.ask(peer, "vm.release", { vm }, options);
    } catch (error) {
      if (!(error instanceof OmertaError) || error.code !== "not-found") {
        this.take({ type: "unreleased", vm });
        throw error;
      }
    }
    this.take({ type: "released", vm });
  }

  #finish(rental: Rental): void {
    const plan = tunnelOf(rental);
    if (plan === null) return;
    const { tasks, timers } = this.#ports;
    const { tunnels } = this.#parts;
    tasks.background(`wait for VM ${rental.id}`, async () => {
      await tunnels.connect(plan, {});
      await tunnels.probeSsh(plan.device.tunnel, FINISH_MS, timers.signal(FINISH_MS));
      this.take({ type: "ready", vm: rental.id });
    });
  }

  #setTimer(): void {
    this.#voidTimer();
    const at = this.#isEnding ? undefined : this.#book.wakeup()?.at;
    if (at === undefined) return;
    const { clock, timers } = this.#ports;
    const waitMs = Math.max(0, at - clock.now());
    this.#voidTimer = timers.after(waitMs, () => this.#inBackground({ type: "wake" }));
  }

  /** An event that nobody waits for: what fails is logged. */
  #inBackground(event: RentalEvent): void {
    // deno-lint-ignore require-await -- what it throws is to be a rejection
    this.#ports.tasks.background("keep what is rented", async () => this.take(event));
  }
}
