/**
 * What parts dial: the addresses of one node, tried together; the first that answers counts.
 *
 * ```text
 *   dial ── names? ──▶ resolve ── resolved, or RESOLVE_MS ──▶ connect × PATHS_MAX ─┬─ one answers ─▶ dialed
 *          └─ none ──────────────────────────────────────────────▲                 └─ none does ───▶ dial-failed
 * ```
 *
 * @module
 */
import {
  after,
  BoundedMap,
  type Dial,
  type Dialed,
  type NetworkId,
  type Path,
  Timers,
  type Wakeup,
} from "../base/mod.ts";
import type { SessionKey } from "../session/mod.ts";
import { parsePath } from "../wire/mod.ts";
import type { Connect, ConnectEnd } from "./connects.ts";
import type { Moment } from "./moment.ts";

/** Dials under way. Guess: more than relays of all networks; one more fails as `busy`. */
const DIALS_MAX = 1_024;
/** Addresses of one node that are tried at the same time. Source: the session core's own limit. */
const PATHS_MAX = 4;
/** Names that the host does not resolve in this time are not known. Guess. */
const RESOLVE_MS = 5_000;
/** Networks whose keys are known: more than anybody joins. Guess. */
const NETWORKS_MAX = 1_024;

/** With what this node shows itself in a network. */
export interface NetworkKey {
  readonly key: SessionKey;
  /** Our certificate. */
  readonly payload: Uint8Array;
}

/** On what dials stand. */
export interface DialGround<Owner, Turn> {
  nextToken(): number;
  admits(path: Path, named: Connect["named"]): boolean;
  /** Ends in `ended` with the same token. */
  connect(connect: Connect, turn: Turn): void;
  cancel(token: number): void;
  /** Ends in `resolved` with the same token. */
  resolve(token: number, names: readonly string[], turn: Turn): void;
  tell(owner: Owner, dialed: Dialed): void;
}

interface Dialing<Owner> {
  readonly owner: Owner;
  readonly order: Extract<Dial, { type: "dial" }>;
  /** Its connects under way. */
  readonly connects: Set<number>;
  /** The end that counts where all fail: that of the first address. */
  failure: ConnectEnd | undefined;
}

/** The dials of all parts. */
export class Dials<Owner, Turn extends Moment> {
  readonly #ground: DialGround<Owner, Turn>;
  readonly #networks = new BoundedMap<NetworkId, NetworkKey>(NETWORKS_MAX, "refuse");
  /** By a number of our own, which also names its `resolve`. */
  readonly #dials = new BoundedMap<number, Dialing<Owner>>(DIALS_MAX, "refuse");
  readonly #byConnect = new Map<number, number>();
  readonly #resolving = new Timers<number>();

  constructor(ground: DialGround<Owner, Turn>) {
    this.#ground = ground;
  }

  /** This node is a member of a network, or shows itself otherwise from now on. */
  network(network: NetworkId, key: NetworkKey): void {
    this.#networks.set(network, key);
  }

  /** It is no member any more: what was dialed there fails. */
  networkGone(network: NetworkId): void {
    this.#networks.delete(network);
    for (const [id, { order }] of [...this.#dials]) {
      if (order.network === network) this.#end(id, NO_NETWORK);
    }
  }

  begin(owner: Owner, order: Extract<Dial, { type: "dial" }>, turn: Turn): void {
    const fail = (reason: string) =>
      this.#ground.tell(owner, { type: "dial-failed", token: order.token, reason, detail: null });
    if (!this.#networks.has(order.network)) return fail(NO_NETWORK.reason);
    const id = this.#ground.nextToken();
    const dialing = { owner, order, connects: new Set<number>(), failure: undefined };
    if (!this.#dials.set(id, dialing)) return fail("busy");
    const names = order.addresses.filter((address) => !parsePath(address).ok);
    if (names.length === 0) return this.#connect(id, order.addresses, turn);
    this.#resolving.set(id, after(turn.now, RESOLVE_MS), "names of addresses");
    this.#ground.resolve(id, names, turn);
  }

  /** The part waits no longer. */
  undial(owner: Owner, token: number): void {
    for (const [id, dialing] of this.#dials) {
      if (dialing.owner === owner && dialing.order.token === token) return this.#forget(id);
    }
  }

  /** The addresses of the names, in their order; late ones find nobody. */
  resolved(id: number, addresses: readonly (readonly string[])[], turn: Turn): void {
    const dialing = this.#dials.get(id);
    if (dialing === undefined || dialing.connects.size > 0) return;
    const left = [...addresses];
    const found = dialing.order.addresses.flatMap((address) =>
      parsePath(address).ok ? [address] : left.shift() ?? []
    );
    this.#connect(id, found, turn);
  }

  /** A connect of ours has ended. */
  ended(token: number, end: ConnectEnd): void {
    const id = this.#byConnect.get(token);
    const dialing = id === undefined ? undefined : this.#dials.get(id);
    if (id === undefined || dialing === undefined) return;
    const isFirst = dialing.connects.values().next().value === token;
    if (!end.ok && isFirst) dialing.failure ??= end;
    dialing.connects.delete(token);
    this.#byConnect.delete(token);
    if (end.ok) this.#end(id, end);
    else if (dialing.connects.size === 0) this.#end(id, dialing.failure ?? end);
  }

  /** Goes on without the names that nobody resolved in time. */
  wake(turn: Turn): void {
    for (;;) {
      const id = this.#resolving.takeDue(turn.now);
      if (id === undefined) return;
      this.resolved(id, [], turn);
    }
  }

  wakeup(): Wakeup | undefined {
    return this.#resolving.next();
  }

  #connect(id: number, addresses: readonly string[], turn: Turn): void {
    this.#resolving.clear(id);
    const dialing = this.#dials.get(id);
    const network = dialing && this.#networks.get(dialing.order.network);
    if (dialing === undefined || network === undefined) return;
    const { node: peer, named } = dialing.order;
    const paths = [...new Set(addresses.flatMap(canonical))];
    const open = paths.filter((path) => this.#ground.admits(path, named));
    // Where none may be tried, the machine says why.
    const tried = (open.length > 0 ? open : paths).slice(0, PATHS_MAX);
    if (tried.length === 0) return this.#end(id, UNKNOWN);
    const connects = tried.map((path) => ({ token: this.#ground.nextToken(), path }));
    for (const { token } of connects) {
      dialing.connects.add(token);
      this.#byConnect.set(token, id);
    }
    for (const { token, path } of connects) {
      this.#ground.connect({ token, peer, path, named, ...network }, turn);
    }
  }

  #end(id: number, end: ConnectEnd | typeof NO_NETWORK | typeof UNKNOWN): void {
    const dialing = this.#dials.get(id);
    if (dialing === undefined) return;
    this.#forget(id);
    const { token } = dialing.order;
    this.#ground.tell(
      dialing.owner,
      end.ok
        ? { type: "dialed", token, peer: end.peer }
        : { type: "dial-failed", token, reason: end.reason, detail: end.detail },
    );
  }

  #forget(id: number): void {
    for (const token of this.#dials.get(id)?.connects ?? []) {
      this.#byConnect.delete(token);
      this.#ground.cancel(token);
    }
    this.#dials.delete(id);
    this.#resolving.clear(id);
  }
}

const NO_NETWORK = { ok: false, reason: "no-network", detail: null } as const;
const UNKNOWN = { ok: false, reason: "unresolved", detail: null } as const;

function canonical(text: string): Path[] {
  const parsed = parsePath(text);
  return parsed.ok ? [parsed.value] : [];
}
