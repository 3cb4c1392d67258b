/**
 * A renter's book of VMs: what it rents of whom, in which state, until when, and what is due. The twin of
 * `host_book.ts`, on the same table of states (`vm_state.ts`). Pure: it decides, and others write, call and
 * open tunnels as it says.
 *
 * ```text
 *  requested ──reserved──▶ reserved ──creating──▶ creating ──told──▶ booting ──ready──▶ ready
 *   (no id yet)               │                      │ created: its way in is known      │
 *      │ given-up             │ release              └────────────── release ───────────┤
 *      ▼                      ▼                                                          ▼
 *   forgotten              released ◀── released, told, answered without it, over ── releasing
 *                                                  unreleased: asked again at the next beat,
 *                                                  when its provider is there, and by its person
 *  any that lives:  dropped, told ──▶ failed     answered without it ──▶ lost     life over ──▶ released
 *  restart:         what was not created ──▶ failed     resume: what was not seen ready ──▶ finish
 *                                                       and what may have been created is released
 * ```
 *
 * A beat comes at a third of the shortest lease that lives: leases are renewed, releases that did not get
 * through are asked for again, and what no provider can still run, and none speaks of, is over. A provider that goes away while a VM
 * of it boots is waited for, then told as gone. What has ended stays for a while, then the oldest is
 * forgotten.
 *
 * Left out: what each event does to a rental (`rental_life.ts`), who is asked for a VM (`matching.ts`), how a
 * call reaches a provider, and how a tunnel is made.
 *
 * @module
 */
import {
  after,
  Buckets,
  type Instant,
  type Machine,
  type PeerKey,
  type Rate,
  Timers,
  unreachable,
  type VmId,
  type Wakeup,
} from "../base/mod.ts";
import { byLife, byProvider, isReachable, providerOf, type Rental } from "./rental.ts";
import type { RentalIn, RentalOut, RequestOrder, RequestRefusal } from "./rental_events.ts";
import { isNews, rentalAfter, type RentalChange } from "./rental_life.ts";
import { isEnded, isOver, isStarting } from "./vm_state.ts";

/** A living node gives a sign of life this often at least. Source: the design's lease rule. */
const BEAT_MS_MAX = 60_000;
/** No provider, and no damaged row, makes beats more frequent. Guess. */
const BEAT_MS_MIN = 1_000;
/** A provider that is gone for so long while a VM boots is given up. Guess: a restart takes 5 s. */
const GONE_MS = 15_000;

/** Only of a provider that was silent for so long is it believed that a VM is over: clocks err. Guess. */
const SILENT_MS = 300_000;

/** VMs that live, with requests under way; beyond that no request begins. Guess: 64 commands of 64 VMs. */
const LIVING_RENTALS_MAX = 4_096;
/** VMs that ended are remembered, the newest of them. Guess: what a page of `list --all` shows. */
const ENDED_RENTALS_MAX = 256;

/** How often a provider that says another thing each time has us write. Guess: a boot has five news. */
const WORDS_RATE: Rate = { perS: 0.2, burst: 16 };

type Of<T extends RentalIn["type"]> = Extract<RentalIn, { readonly type: T }>;

/** When an event is, by both clocks, and what it leads to. */
interface Turn {
  readonly unixMs: number;
  readonly now: Instant;
  readonly out: RentalOut[];
}

interface Entry {
  readonly rental: Rental;
  /** Whether its person released it: then nobody is to make another in its place. */
  readonly isGivenBack: boolean;
  /** Whether its provider is being asked to release it. */
  readonly isAsked: boolean;
  /** When its provider said something of it last. */
  readonly heardAt: Instant;
}

/** The renter's book of VMs. */
export class RentalBook implements Machine<RentalIn, RentalOut> {
  readonly #entries = new Map<VmId, Entry>();
  readonly #requests = new Map<number, RequestOrder>();
  readonly #words = new Buckets<VmId>(WORDS_RATE, LIVING_RENTALS_MAX);
  /** VMs whose creation was asked for when the node before ended, and not answered. */
  #cutOff: readonly VmId[] = [];
  /** Providers that went away while VMs of them start. */
  readonly #gone = new Timers<PeerKey>();
  #beatAt: Instant | undefined;

  handle(input: RentalIn, now: Instant, out: RentalOut[]): void {
    const turn = { unixMs: input.unixMs, now, out };
    switch (input.type) {
      case "restart":
        return this.#restart(input.rentals, turn);
      case "resume":
        return this.#resume(out);
      case "requested":
        return this.#requested(input);
      case "reserved":
        return this.#reserved(input, turn);
      case "given-up":
        return void this.#requests.delete(input.request);
      case "creating":
      case "created":
      case "ready":
      case "noted":
        return this.#change(input.vm, input, turn);
      case "dropped":
        return this.#dropped(input, turn);
      case "told":
        return this.#told(input, turn);
      case "answered":
        return this.#answered(input, turn);
      case "release":
        return this.#release(input, turn);
      case "released":
        this.#note(input.vm, { isAsked: false });
        return this.#change(input.vm, input, turn);
      case "unreleased":
        return this.#note(input.vm, { isAsked: false });
      case "peer-up":
        return this.#peerUp(input.peer, out);
      case "peer-down":
        return this.#peerDown(input.peer, now);
      case "wake":
        return this.#wake(turn);
      default:
        return unreachable(input);
    }
  }

  /** When `wake` is due next. */
  wakeup(): Wakeup | undefined {
    const gone = this.#gone.next();
    const beat = this.#beatAt;
    if (beat === undefined || gone !== undefined && gone.at <= beat) return gone;
    return { at: beat, why: "signs of life" };
  }

  get(vm: VmId): Rental | undefined {
    return this.#entries.get(vm)?.rental;
  }

  /** All rentals that are remembered. */
  list(): readonly Rental[] {
    return [...this.#entries.values()].map(({ rental }) => rental);
  }

  /** Those that have not ended. */
  living(): readonly Rental[] {
    return this.list().filter(({ state }) => !isEnded(state));
  }

  /** The VM that a repeated request with that key gets; one that is to end is nothing it could want. */
  withKey(key: string | null): Rental | undefined {
    if (key === null) return undefined;
    return this.list().find((rental) => rental.key === key && !isOver(rental.state));
  }

  /** Whether its person released it. */
  isGivenBack(vm: VmId): boolean {
    return this.#entries.get(vm)?.isGivenBack ?? false;
  }

  /** Why a request cannot begin; a repetition of one whose VM lives always may. */
  refusalOf({ name, key }: RequestOrder): RequestRefusal | null {
    const living = this.living();
    if (name !== null) {
      const holder = living.find((rental) => rental.name === name);
      const isTaken = holder !== undefined && (key === null || holder.key !== key);
      const isWanted = [...this.#requests.values()].some((request) => request.name === name);
      if (isTaken || isWanted) return "name-taken";
    }
    const isRepeated = this.withKey(key) !== undefined;
    return isRepeated || this.#hasRoom(living.length) ? null : "full";
  }

  #hasRoom(living: number): boolean {
    return living + this.#requests.size < LIVING_RENTALS_MAX;
  }

  // A node's begin -------------------------------------------------------------------------------

  #restart(rentals: readonly Rental[], turn: Turn): void {
    for (const rental of rentals) this.#begin(rental, turn.now);
    this.#cutOff = this.living().flatMap(({ id, state, created }) => {
      return created === null && state !== "reserved" ? [id] : [];
    });
    for (const { id } of this.living()) this.#change(id, { type: "cut-off" }, turn);
    this.#forgetOldest(turn.out);
    this.#armBeat(turn.now);
  }

  #resume(out: RentalOut[]): void {
    this.#releaseAgain(() => true, out);
    for (const vm of this.#cutOff) this.#askRelease(vm, out);
    this.#cutOff = [];
    for (const rental of this.list()) {
      if (!isReachable(rental) || isOver(rental.state) || rental.readyAtMs !== null) continue;
      out.push({ type: "finish", rental });
    }
  }

  // Requests ---------------------------------------------------------------------------------------

  #requested({ request, name, key }: Of<"requested">): void {
    if (this.#requests.size < LIVING_RENTALS_MAX) this.#requests.set(request, { name, key });
  }

  #reserved({ request, rental }: Of<"reserved">, { now, out }: Turn): void {
    const before = this.get(rental.id);
    const isTaken = before !== undefined && !isEnded(before.state);
    if (!this.#requests.has(request) || isTaken || rental.state !== "reserved") return;
    this.#begin(rental, now);
    out.push({ type: "write", rental });
    this.#armBeat(now);
  }

  #begin(rental: Rental, heardAt: Instant): void {
    const isAsked = this.#entries.get(rental.id)?.isAsked ?? false; // of one with the same id, that ended
    this.#entries.set(rental.id, { rental, isGivenBack: false, isAsked, heardAt });
  }

  #dropped(input: Of<"dropped">, turn: Turn): void {
    const rental = this.get(input.vm);
    if (rental === undefined || isEnded(rental.state)) return;
    this.#change(input.vm, input, turn);
    this.#askRelease(input.vm, turn.out);
  }

  // Providers' words -------------------------------------------------------------------------------

  #told({ from, word }: Pick<Of<"told">, "from" | "word">, turn: Turn): void {
    const rental = this.get(word.vm as VmId);
    if (rental === undefined || providerOf(rental) !== from || isEnded(rental.state)) return;
    this.#note(rental.id, { heardAt: turn.now });
    const changed = rentalAfter(rental, { type: "told", word }, turn.unixMs);
    const mayWrite = () => isEnded(changed.state) || this.#words.take(rental.id, 1, turn.now);
    if (isNews(rental, changed) && mayWrite()) this.#put(changed, turn);
    else this.#note(rental.id, { rental: changed });
    turn.out.push({ type: "word", vm: rental.id, word });
  }

  #answered({ from, asked, words }: Of<"answered">, turn: Turn): void {
    for (const vm of asked) {
      const word = words.find((each) => each.vm === vm);
      if (word !== undefined) this.#told({ from, word }, turn);
      else if (this.#isOf(vm, from)) this.#change(vm, { type: "unknown" }, turn);
    }
  }

  #isOf(vm: VmId, provider: PeerKey): boolean {
    const rental = this.get(vm);
    return rental !== undefined && providerOf(rental) === provider;
  }

  // Ends -------------------------------------------------------------------------------------------

  #release({ vm, by }: Of<"release">, turn: Turn): void {
    const rental = this.get(vm);
    if (rental === undefined) return;
    if (by === "person") this.#note(vm, { isGivenBack: true });
    if (isEnded(rental.state)) return;
    if (rental.state !== "releasing") this.#change(vm, { type: "release" }, turn);
    this.#askRelease(vm, turn.out);
  }

  #releaseAgain(isMeant: (rental: Rental) => boolean, out: RentalOut[]): void {
    for (const rental of this.list()) {
      if (rental.state === "releasing" && isMeant(rental)) this.#askRelease(rental.id, out);
    }
  }

  /** Asks for a release, unless that is under way. */
  #askRelease(vm: VmId, out: RentalOut[]): void {
    const entry = this.#entries.get(vm);
    if (entry === undefined || entry.isAsked) return;
    this.#note(vm, { isAsked: true });
    out.push({ type: "release", peer: providerOf(entry.rental), vm });
  }

  // Time and peers ---------------------------------------------------------------------------------

  #peerUp(peer: PeerKey, out: RentalOut[]): void {
    this.#gone.clear(peer);
    this.#releaseAgain((rental) => providerOf(rental) === peer, out);
  }

  #peerDown(peer: PeerKey, now: Instant): void {
    if (this.#starting(peer).length === 0) return;
    this.#gone.set(peer, after(now, GONE_MS), "a provider is gone");
  }

  #starting(peer: PeerKey): Rental[] {
    return this.list().filter((each) => isStarting(each.state) && providerOf(each) === peer);
  }

  #wake(turn: Turn): void {
    for (let peer; (peer = this.#gone.takeDue(turn.now)) !== undefined;) {
      for (const { id } of this.#starting(peer)) turn.out.push({ type: "gone", vm: id });
    }
    if (this.#beatAt === undefined || turn.now < this.#beatAt) return;
    this.#beatAt = undefined;
    for (const { rental, heardAt } of [...this.#entries.values()]) {
      if (turn.now - heardAt >= SILENT_MS) this.#change(rental.id, { type: "over" }, turn);
    }
    const kept = this.list().filter(({ created, state }) => created !== null && !isOver(state));
    for (const [peer, own] of byProvider(kept)) {
      turn.out.push({ type: "renew", peer, vms: own.map(({ id }) => id) });
    }
    this.#releaseAgain(() => true, turn.out);
    this.#armBeat(turn.now);
  }

  /** The next beat is no later than the leases that live ask for. */
  #armBeat(now: Instant): void {
    const living = this.living();
    const at = after(now, beatMs(living.map(({ leaseMs }) => leaseMs)));
    if (living.length === 0) this.#beatAt = undefined;
    else if (this.#beatAt === undefined || at < this.#beatAt) this.#beatAt = at;
  }

  // Entries ----------------------------------------------------------------------------------------

  #change(vm: VmId, change: RentalChange, turn: Turn): void {
    const rental = this.get(vm);
    if (rental === undefined) return;
    const changed = rentalAfter(rental, change, turn.unixMs);
    if (changed !== rental) this.#put(changed, turn);
  }

  #note(vm: VmId, change: Partial<Entry>): void {
    const entry = this.#entries.get(vm);
    if (entry !== undefined) this.#entries.set(vm, { ...entry, ...change });
  }

  /** Keeps a rental that changed, and says what hangs on that. */
  #put(rental: Rental, { now, out }: Turn): void {
    const before = this.get(rental.id);
    this.#note(rental.id, { rental });
    out.push({ type: "write", rental });
    if (!isEnded(rental.state) && rental.created === before?.created) return;
    if (isEnded(rental.state)) out.push({ type: "close", rental });
    else if (isReachable(rental)) out.push({ type: "open", rental });
    out.push({ type: "reachable" });
    this.#forgetOldest(out);
    this.#armBeat(now);
  }

  #forgetOldest(out: RentalOut[]): void {
    const ended = this.list().filter(({ state }) => isEnded(state));
    for (const { id } of ended.toSorted(byLife).slice(ENDED_RENTALS_MAX)) {
      this.#entries.delete(id);
      out.push({ type: "forget", vm: id });
    }
  }
}

/** When the next signs of life are due: often enough for the shortest lease, whatever it is. */
function beatMs(leasesMs: readonly number[]): number {
  const wanted = Math.min(BEAT_MS_MAX, ...leasesMs.map((leaseMs) => leaseMs / 3));
  return Math.max(BEAT_MS_MIN, wanted);
}
