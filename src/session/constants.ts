/**
 * The times and bounds of sessions, each with its origin.
 *
 * @module
 */
import type { HandshakeLimits, SessionLimits } from "./types.ts";

/** Bytes that a member shows in a handshake at most: message 2 must stay below message 1. */
export const PAYLOAD_SHOWN_BYTES_MAX = 900;
/** Bytes of the first handshake message, padded: no answer is larger. Source: the design. */
export const HELLO_BYTES = 1_200;

/** First wait before a handshake message is repeated; doubles. Source: the design's RPC; QUIC's 1 s is long. */
export const HANDSHAKE_RESEND_MS = 250;
/** A handshake of ours fails after this: 250 ms doubled, five sendings. Source: the contract, "about 5 s". */
export const HANDSHAKE_TIMEOUT_MS = 5_000;
/** An answered first message waits so long for the third; longer than the initiator tries. */
export const PENDING_MS = 10_000;
/** Paths on which one handshake of ours is tried at the same time. Guess. */
export const ATTEMPT_PATHS_MAX = 4;
/**
 * A hello is answered on the path on which it came first, which its finish then proves; on another one
 * only after this, when the first answer seems lost: then nothing is proven. Guess: three sendings.
 */
export const ELSEWHERE_MS = 1_000;
/** Repetitions of message 1 that are answered per handshake: sendings × paths, with reserve. */
export const REPLIES_MAX = 24;

/** The initiator renews a session after this, if it carried anything. WireGuard §6.2: 120 s. */
export const REKEY_AFTER_MS = 120_000;
/** No session is used after this. WireGuard §6.2: 180 s. */
export const REJECT_AFTER_MS = 180_000;
/** Between two attempts to renew: WireGuard §6.4 tries every 5 s. */
export const REKEY_RETRY_MS = 5_000;
/** A replaced session is read for so long. Source: the design. */
export const PREVIOUS_MS = 10_000;

/** First messages that are remembered, so that a repetition is no new handshake. Guess: 1 MiB. */
export const HELLOS_REMEMBERED_MAX = 8_192;
/** Source prefixes with a budget of their own; the longest unused gives way. */
export const SOURCES_MAX = 4_096;
/** Keys that we answer. 100 networks with two epochs and 100 invites each would not fit; guess. */
export const ACCEPTED_KEYS_MAX = 4_096;

/**
 * How often we tell somebody that an invite is over. Apart from the handshakes of members, so that nobody
 * spends those with it. Guess: a person tries again by hand, on four paths at once.
 */
export const REFUSAL_LIMITS: HandshakeLimits = {
  handshakesPerS: 20,
  handshakesBurst: 100,
  perSourcePerS: 1,
  perSourceBurst: 12,
  perRelayPerS: 5,
  perRelayBurst: 25,
};

/** Source of the figures: an X25519 costs 50 µs, a handshake 4 of them: 200/s are 4 % of a core. */
export const DEFAULT_LIMITS: SessionLimits = {
  peersMax: 16_384,
  joinersMax: 1_024,
  attemptsMax: 1_024,
  pendingMax: 2_048,
  handshakesPerS: 200,
  handshakesBurst: 400,
  perSourcePerS: 20,
  perSourceBurst: 60,
  perRelayPerS: 100,
  perRelayBurst: 200,
  // Guess: a directory of 6 000 records at once; and about a tenth of a core for each who floods.
  datagramsPerS: 1_000,
  datagramsBurst: 8_000,
};
