/**
 * What a node seeks, as promises: sessions with peers, records of a network, and that its own are known.
 * The machine decides and keeps the time; here is only who waits.
 *
 * @module
 */
import { type NetworkId, type NodeId, OmertaError, type PeerKey } from "../../base/mod.ts";
import type { FindIn, FindSaid } from "../../node/mod.ts";
import type { CallOptions, NodeAt } from "../ports.ts";
import { type Naming, unreachedError } from "./reach_errors.ts";

/** How long reaching a peer may take unless the caller says otherwise. Guess. */
const REACH_MS = 10_000;

/** On what searches stand. */
export interface SearchParts extends Naming {
  /** Hands it to the machine, which ends it in one output with the same token. */
  input(input: FindIn): void;
}

/** An input that ends in an output, before it has a token. */
type Sought = FindIn extends infer In
  ? In extends { readonly token: number } ? Omit<In, "token"> : never
  : never;

interface Waiting {
  resolve(said: FindSaid): void;
  reject(error: OmertaError): void;
}

/** The searches of a running node. */
export class Searches {
  readonly #parts: SearchParts;
  readonly #waiting = new Map<number, Waiting>();
  #nextToken = 1;

  constructor(parts: SearchParts) {
    this.#parts = parts;
  }

  /**
   * Makes sure that there is a session with the peer.
   *
   * @throws {OmertaError} `unreachable`, `no-relay`, `no-network`, `not-member`, a relay's refusal.
   */
  async reach(
    peer: PeerKey,
    { timeoutMs = REACH_MS, signal }: CallOptions = {},
  ): Promise<PeerKey> {
    return this.#reached(await this.#seek({ type: "want", peer, timeoutMs }, signal));
  }

  /** A session with whoever listens at an address, named by a person. @throws {OmertaError} likewise. */
  async meet(
    network: NetworkId,
    { id, address }: NodeAt,
    { timeoutMs = REACH_MS, signal }: CallOptions = {},
  ): Promise<PeerKey> {
    const node = id as NodeId | null;
    const want = { type: "want-address", network, node, address, timeoutMs } as const;
    return this.#reached(await this.#seek(want, signal));
  }

  /**
   * Asks the relays of a network for all records; whether some came that are not of our time. Given up,
   * it leaves what came until then.
   */
  async list(
    network: NetworkId,
    { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<boolean> {
    try {
      const said = await this.#seek({ type: "list", network, timeoutMs }, signal);
      return said.type === "listed" && said.otherTimes;
    } catch (error) {
      if (signal?.aborted) return false;
      throw error;
    }
  }

  /** Waits until the relays that can be reached know our records. Throws nothing where it is given up. */
  async announce(timeoutMs: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#seek({ type: "announce", timeoutMs }, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** A search has ended. */
  ended(said: FindSaid): void {
    this.#waiting.get(said.token)?.resolve(said);
  }

  /** The node ends. */
  close(): void {
    for (const { reject } of this.#waiting.values()) {
      reject(new OmertaError("unreachable", "The node is ending"));
    }
    this.#waiting.clear();
  }

  #reached(said: FindSaid): PeerKey {
    if (said.type === "reached") return said.peer;
    if (said.type === "unreached") throw unreachedError(said.why, this.#parts);
    throw new TypeError(`Cannot take ${said.type} as the end of a want`);
  }

  async #seek(sought: Sought, signal: AbortSignal | undefined): Promise<FindSaid> {
    if (signal?.aborted) throw givenUp(signal.reason);
    const token = this.#nextToken++;
    const { promise, resolve, reject } = Promise.withResolvers<FindSaid>();
    const onAbort = () => {
      if (sought.type !== "list" && sought.type !== "announce") {
        this.#parts.input({ type: "unwant", token });
      }
      reject(givenUp(signal?.reason));
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#waiting.set(token, { resolve, reject });
    try {
      this.#parts.input({ ...sought, token });
      return await promise;
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#waiting.delete(token);
    }
  }
}

/** A person's reason stands; a timer's is that the peer is not there. */
function givenUp(reason: unknown): OmertaError {
  if (reason instanceof OmertaError) return reason;
  return new OmertaError("unreachable", "The peer was not reached in time");
}
