/**
 * The exchange of candidates: two peers that meet through a relay tell each other where they may be met
 * directly, and both begin at the same time.
 *
 * ```text
 *   we drive:  offer ─▶ ask path.candidates ─▶ answered ─▶ punch at once: the other side has ours
 *   it drives: asked ─▶ reply with ours ─▶ punch in half a round trip, when our answer has arrived
 * ```
 *
 * @module
 */
import { BoundedMap, type Instant, type Part, type PartIn, type PartOut } from "../base/mod.ts";
import { type PeerKey, unreachable } from "../base/mod.ts";
import type { Candidate } from "../path/mod.ts";
import type { OwnAddresses } from "./own_addresses.ts";
import type { Calls } from "./protocol/mod.ts";

/** Peers of which a relay said where it sees them; the oldest gives way. Guess. */
const SERVER_REFLEXIVE_MAX = 4_096;
/** A call for candidates ends after this: the next attempt follows anyway. Guess. */
const ANSWER_TIMEOUT_MS = 4_000;

/** Inputs of the exchange. */
export type ExchangeIn =
  /** It is time: the peer is reached through a relay, and we drive. */
  | { readonly type: "offer"; readonly peer: PeerKey }
  /** A relay sees the peer at that address. */
  | { readonly type: "server-reflexive"; readonly peer: PeerKey; readonly address: string };

/** Outputs of the exchange: both sides know each other's candidates. */
export interface ExchangeOut {
  readonly type: "punch";
  readonly peer: PeerKey;
  /** First where a relay sees the peer. */
  readonly candidates: readonly Candidate[];
  readonly startInMs: number;
}

type Shapes = Calls<"path.candidates">;

/** With what an exchange is made. */
export interface ExchangeOptions {
  readonly own: OwnAddresses;
  /** False: nobody is told where we are. */
  readonly direct: boolean;
  /** The round trip of the path to the peer, in milliseconds. */
  rttMs(peer: PeerKey): number | null;
}

/** Asks peers for their candidates, and tells ours. */
export class CandidateExchange implements Part<ExchangeIn, ExchangeOut, Shapes, Shapes> {
  readonly #options: ExchangeOptions;
  readonly #serverReflexive = new BoundedMap<PeerKey, string>(SERVER_REFLEXIVE_MAX, "evict-oldest");
  #nextToken = 1;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  handle(
    input: ExchangeIn | PartIn<Shapes, Shapes>,
    now: Instant,
    out: (ExchangeOut | PartOut<Shapes, Shapes>)[],
  ): void {
    switch (input.type) {
      case "offer":
        return this.#offer(input.peer, now, out);
      case "server-reflexive":
        this.#serverReflexive.set(input.peer, input.address);
        return;
      case "answered":
        if (input.result.ok) this.#punch(input.peer, input.result.answer.addresses, 0, out);
        return;
      case "asked": {
        const { call, name, from, question } = input;
        const answer = { addresses: this.#ownCandidates(now) };
        out.push({ type: "reply", call, name, ok: true, answer });
        const startInMs = (this.#options.rttMs(from) ?? 0) / 2;
        return this.#punch(from, question.addresses, startInMs, out);
      }
      case "peer-up":
      case "peer-moved":
      case "peer-down":
      case "dialed":
      case "dial-failed":
      case "wake":
        return; // The path machine says when.
      default:
        unreachable(input);
    }
  }

  wakeup(): undefined {
    return undefined;
  }

  #offer(peer: PeerKey, now: Instant, out: (ExchangeOut | PartOut<Shapes, Shapes>)[]): void {
    out.push({
      type: "ask",
      token: this.#nextToken++,
      peer,
      name: "path.candidates",
      question: { addresses: this.#ownCandidates(now) },
      timeoutMs: ANSWER_TIMEOUT_MS,
    });
  }

  #punch(
    peer: PeerKey,
    addresses: readonly string[],
    startInMs: number,
    out: (ExchangeOut | PartOut<Shapes, Shapes>)[],
  ): void {
    const seen = this.#serverReflexive.get(peer);
    const candidates: Candidate[] = addresses.map((address) => {
      return { address, source: "peer", vouchedBy: null };
    });
    if (seen !== undefined) {
      candidates.unshift({ address: seen, source: "peer", vouchedBy: "relay" });
    }
    out.push({ type: "punch", peer, candidates, startInMs });
  }

  #ownCandidates(now: Instant): string[] {
    return this.#options.direct ? this.#options.own.candidates(now) : [];
  }
}
