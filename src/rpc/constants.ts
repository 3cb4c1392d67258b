/**
 * The times and bounds of calls, each with its origin.
 *
 * @module
 */
import type { RpcLimits } from "./types.ts";

/** Bytes of a call's body at most, question and answer. Source: the design. */
export const RPC_BODY_BYTES_MAX = 16_384;
/** Characters of a method's name at most. */
export const RPC_METHOD_CHARS_MAX = 32;
/** Bytes of a message in one piece. Source: the design. */
export const RPC_PIECE_BYTES_MAX = 1_100;
/** First wait before unacknowledged pieces are repeated; doubles. Source: the design. */
export const RPC_RESEND_MS = 100;
/** The longest such wait: 100 ms · 2^6. Guess. */
export const RPC_RESEND_MS_MAX = 6_400;
/** Sendings of an answer: 100 ms to 6.4 s, about 19 s; then it waits to be asked for. */
export const RPC_ANSWER_SENDINGS_MAX = 9;
/** Once its question is acknowledged, a caller asks so often whether the answer got lost. Guess. */
export const RPC_POKE_MS = 5_000;
/** The longest time that a call may be given: as long as its answer is remembered. */
export const RPC_TIMEOUT_MS_MAX = 600_000;
/** An unacknowledged answer, and a running call, are remembered for so long. Source: the design. */
export const RPC_REMEMBER_MS = 600_000;
/** An acknowledged answer is forgotten, and its call's id kept so long against late pieces. Guess. */
export const RPC_TOMBSTONE_MS = 60_000;
/** An unfinished question is dropped after this without a new piece. Guess: 5 resends. */
export const RPC_ASSEMBLY_MS = 15_000;

/** Guesses: a provider serves a few owners with a few calls each, a relay some thousand members. */
export const DEFAULT_RPC_LIMITS: RpcLimits = {
  callsMax: 4_096,
  callsPerPeerMax: 256,
  inboundPerPeerMax: 64,
  rememberedPerPeerMax: 4_096,
  inboundMax: 32_768,
  inboundBytesMax: 32 * 1024 * 1024,
};
