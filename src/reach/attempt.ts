/**
 * One attempt at a peer: which ways are left, what each that was gone led to, and what that says about
 * the peer in the end.
 *
 * @module
 */
import { type PeerKey, peerKey, splitPeerKey } from "../base/mod.ts";
import type { Failure, HomeRelay, Sought, Unreached } from "./types.ts";

/** What is awaited; `token` names the find, the ask or the dial. */
export type Stage =
  | { readonly type: "finding"; readonly token: number }
  | { readonly type: "asking"; readonly token: number; readonly relay: PeerKey }
  | { readonly type: "dialing"; readonly token: number; readonly relay: PeerKey | null };

/** The next way. */
export type Way =
  | { readonly type: "relay"; readonly relay: PeerKey }
  | { readonly type: "addresses"; readonly addresses: readonly string[] };

/** An attempt. */
export class Attempt {
  readonly peer: PeerKey;
  readonly wants = new Set<number>();
  stage: Stage;
  #record: Sought | null = null;
  #ways: Way[] = [];
  /** What the relays that were tried led to. */
  readonly #failures: Failure[] = [];

  constructor(peer: PeerKey, token: number) {
    this.peer = peer;
    this.stage = { type: "finding", token };
  }

  /**
   * Its record is there, or nowhere: relays that serve the peer first, then the other connected ones,
   * then the addresses that it names.
   */
  found(record: Sought | null, home: readonly HomeRelay[]): void {
    this.#record = record;
    const { network } = splitPeerKey(this.peer);
    const homes = new Set(record?.relays.map(({ id }) => peerKey(network, id)));
    const relays = home.map(({ peer }) => peer).filter((relay) => relay !== this.peer)
      .toSorted((a, b) => Number(homes.has(b)) - Number(homes.has(a)));
    const addresses = record?.addresses ?? [];
    this.#ways = relays.map((relay) => ({ type: "relay", relay }));
    if (addresses.length > 0) this.#ways.push({ type: "addresses", addresses });
  }

  /** Takes the next way; `undefined` where none is left. */
  nextWay(): Way | undefined {
    return this.#ways.shift();
  }

  /** The way that was gone led to nothing; says whether that ends the attempt. */
  failed(failure: Failure): Unreached | undefined {
    const isStraight = this.stage.type === "dialing" && this.stage.relay === null;
    if (!isStraight) this.#failures.push(failure);
    else if (!isUnreachable(failure)) {
      return { reason: "failed", failure: this.#failures[0] ?? failure };
    }
    return undefined;
  }

  /** Why the peer is not reached, when no way is left. */
  conclusion(hasRelay: boolean): Unreached {
    const failure = this.#failures.find((each) => !isUnreachable(each));
    if (failure !== undefined) return { reason: "failed", failure };
    if (!hasRelay) return { reason: "no-relay", peer: this.peer };
    const who = { peer: this.peer, alias: this.#record?.alias ?? null };
    const [first] = this.#failures;
    // A relay that did not say so itself knows where it is, and it is silent nevertheless.
    const isSilent = first === undefined || this.#failures.some(({ type }) => type !== "refused");
    if (isSilent) return { reason: "silent", ...who, first: first ?? null };
    return { reason: "offline", ...who, first };
  }
}

/** Reasons of a session that say something of the peer's membership, or of ours. */
const OF_MEMBERSHIP: readonly string[] = ["unverified", "bad-identity", "refused"];

/** Whether nobody answered, or a relay said that the peer is not there. */
function isUnreachable(failure: Failure): boolean {
  switch (failure.type) {
    case "refused":
      return failure.refused.code === "unreachable";
    case "unanswered":
      return failure.failed !== "malformed";
    case "relay-gone":
      return true;
    case "dial-failed":
      return !OF_MEMBERSHIP.includes(failure.reason);
  }
}
