/**
 * What the tests of the renter's book share: a rental in every state, words of its provider, and a book
 * that writes down what it says.
 *
 * @module
 */
import type { Instant, NetworkId, NodeId, PeerKey, VmId } from "../../src/base/mod.ts";
import {
  providerOf,
  type ProviderWord,
  type Rental,
  RentalBook,
  type RentalCreated,
  type RentalEvent,
  type RentalOut,
  type RequestTimings,
  type VmState,
} from "../../src/market/mod.ts";
import { owner, small } from "./samples.ts";

export const SECOND = 1_000;
export const MINUTE = 60_000;
export const HOUR = 3_600_000;
/** When a test begins by the wall clock. */
export const START_MS = 1_795_132_800_000;

export const NO_TIMINGS: RequestTimings = {
  match: 1,
  reserve: 2,
  create: null,
  boot: null,
  network: null,
  ssh: null,
};

export const CREATED: RentalCreated = {
  tunnel: 88,
  wireguardKey: "11".repeat(32),
  sshHostKey: "22".repeat(32),
  user: "root",
};

/** A well-formed VM id, distinct for each number below 32 * 32. */
export function vmId(n: number): VmId {
  const letters = "abcdefghijklmnopqrstuvwxyz234567";
  return `${"a".repeat(14)}${letters[n >> 5]}${letters[n & 31]}` as VmId;
}

/** A rental as it is just reserved. */
export function reserved(changes: Partial<Rental> = {}): Rental {
  return {
    id: vmId(1),
    network: owner("n") as string as NetworkId,
    provider: owner("p") as NodeId,
    key: null,
    name: null,
    state: "reserved",
    request: small,
    privateKey: new Uint8Array(32).fill(1),
    localTunnel: 77,
    created: null,
    identityFile: "/home/me/.ssh/id_ed25519",
    accelerator: "tcg",
    isolation: "emulated",
    confinement: "full",
    imageDigest: "ab".repeat(32),
    leaseMs: HOUR,
    lifeMs: 24 * HOUR,
    providerKnown: false,
    dryRun: false,
    timings: NO_TIMINGS,
    reason: null,
    endReason: null,
    requestedAtMs: START_MS,
    readyAtMs: null,
    leaseExpiresAtMs: null,
    lifeEndsAtMs: null,
    checkedAtMs: START_MS,
    endedAtMs: null,
    ...changes,
  };
}

/** A rental in a state, with what it has in that. */
export function inState(state: VmState, changes: Partial<Rental> = {}): Rental {
  const isCreated = ["booting", "ready", "releasing", "failed", "lost"].includes(state);
  const isOver = ["released", "failed", "lost"].includes(state);
  return reserved({
    state,
    ...isCreated && {
      created: CREATED,
      leaseExpiresAtMs: START_MS + HOUR,
      lifeEndsAtMs: START_MS + 24 * HOUR,
    },
    ...state === "ready" && { readyAtMs: START_MS + SECOND },
    ...isOver && { endedAtMs: START_MS + MINUTE, endReason: "released" as const },
    ...changes,
  });
}

/** What a provider says of the sample. */
export function word(
  state: ProviderWord["state"],
  changes: Partial<ProviderWord> = {},
): ProviderWord {
  const nothing = { leaseLeftMs: null, lifeLeftMs: null, bootMs: null, reason: null };
  return { vm: vmId(1), state, ...nothing, endReason: null, ...changes };
}

export const PROVIDER: PeerKey = providerOf(reserved());

/** A book with a clock that the test moves, and what it said to each event. */
export class BookRig {
  readonly book = new RentalBook();
  nowMs = 0;
  /** Milliseconds by which the wall clock is wrong. */
  skewMs = 0;
  #request = 0;

  get unixMs(): number {
    return START_MS + this.nowMs + this.skewMs;
  }

  /** What the book says to an event. */
  take(event: RentalEvent): RentalOut[] {
    const out: RentalOut[] = [];
    this.book.handle({ ...event, unixMs: this.unixMs }, this.nowMs as Instant, out);
    return out;
  }

  /** The same as words: each output's type, and what it is about. */
  told(event: RentalEvent): string[] {
    return this.take(event).map(brief);
  }

  /** Begins with rentals of before. */
  restart(...rentals: Rental[]): RentalOut[] {
    return this.take({ type: "restart", rentals });
  }

  /** A request that got its VM. */
  reserve(changes: Partial<Rental> = {}): Rental {
    const rental = reserved(changes);
    const request = ++this.#request;
    this.take({ type: "requested", request, name: rental.name, key: rental.key });
    this.take({ type: "reserved", request, rental });
    this.take({ type: "given-up", request });
    return rental;
  }

  /** A VM that is created. */
  create(changes: Partial<Rental> = {}): Rental {
    const { id: vm } = this.reserve(changes);
    this.take({ type: "creating", vm });
    this.take({ type: "created", vm, created: CREATED, timings: NO_TIMINGS });
    return this.get(vm);
  }

  /** A VM that is ready. */
  ready(changes: Partial<Rental> = {}): Rental {
    const { id: vm } = this.create(changes);
    this.take({ type: "ready", vm });
    return this.get(vm);
  }

  get(vm: VmId = vmId(1)): Rental {
    const rental = this.book.get(vm);
    if (rental === undefined) throw new Error(`the book does not know ${vm}`);
    return rental;
  }

  /** Lets time pass; what the book said at each of its wake-ups, with the moment. */
  pass(ms: number): (readonly [atMs: number, told: string[]])[] {
    const end = this.nowMs + ms;
    const told: (readonly [number, string[]])[] = [];
    for (let next = this.book.wakeup(); next !== undefined && next.at <= end;) {
      this.nowMs = Math.max(this.nowMs, next.at);
      told.push([this.nowMs, this.told({ type: "wake" })]);
      next = this.book.wakeup();
    }
    this.nowMs = end;
    return told;
  }
}

function brief(out: RentalOut): string {
  switch (out.type) {
    case "write":
      return `write ${out.rental.state}`;
    case "renew":
      return `renew ${out.vms.length}`;
    default:
      return out.type;
  }
}
