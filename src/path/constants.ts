/**
 * The times and bounds of paths, each with its origin.
 *
 * @module
 */

/** Between pings on a path that carries a tunnel. Source: overlay research §5.4 (1 s with traffic). */
export const PING_BUSY_MS = 1_000;
/** Between pings on a second path that is kept warm, and on the sessions with relays. */
export const PING_WARM_MS = 5_000;
/** Between pings that only keep a NAT's mapping. RFC 4787 §4.3 asks for ≥ 2 min; Linux gives 30 s. */
export const PING_HOLD_MS = 15_000;
/** The least wait for a pong, whatever the round trip: a peer may be busy for a moment. Guess. */
export const PONG_WAIT_MS = 400;
/** The wait where no round trip is known. Source: RFC 6298 §2.1. */
export const PONG_WAIT_UNKNOWN_MS = 1_000;
/** The longest wait before it is doubled. Guess: two hops by satellite with full buffers. */
export const PONG_WAIT_MS_MAX = 4_000;
/** Unanswered pings per path whose pong still counts when it comes late. */
export const PINGS_REMEMBERED_MAX = 8;
/** Pings from an unproven address that are answered for each one of ours: few, for it may be forged. */
export const PONGS_PER_PING = 4;
/** Misses in a row that let another path take over; one alone may be a busy peer. Guess. */
export const MISSES_DOUBT = 2;
/** Misses in a row that make a path dead: seven waits, 2.8 s, after the first unanswered ping. */
export const MISSES_DEAD = 3;
/** Paths kept per peer, proven or being tried; the oldest unproven gives way. */
export const PATHS_PER_PEER_MAX = 24;
/** An unproven path is forgotten after this. */
export const UNPROVEN_MS = 5_000;
/** When full pings go to a candidate, after the start. Source: overlay research §5.6. */
export const PUNCH_SCHEDULE_MS: readonly number[] = [0, 40, 80, 160, 320, 640, 1_000];
/** Probes to a candidate that no third party observed. Source: the design, "nobody can be aimed". */
export const UNVOUCHED_PROBES_MAX = 3;
/** Bytes to an address that only a record names: one first message. Source: the design. */
export const UNVOUCHED_BYTES_MAX = 1_400;
/** To one that answered a first message, until the session is proven: third messages. Guess. */
export const FINISH_DATAGRAMS_MAX = 16;
export const FINISH_BYTES_MAX = 8_000;
/** Bytes of a ping on the wire, in its session. */
export const PING_WIRE_BYTES = 96;
/** Whole attempts within a window of `ProbeBudget` at an address that was observed. Guess. */
export const VOUCHED_ATTEMPTS_MAX = 4;
/** Candidates taken from a peer. Source: overlay research §5.6 (at most 16). */
export const CANDIDATES_MAX = 16;
/** The opener's time to live: it must leave the own NAT and die before the peer's. Guess: 2. */
export const OPENER_TTL = 2;
/** Waits between attempts to become direct. Source: overlay research §5.6. */
export const PUNCH_BACKOFF_MS: readonly number[] = [5_000, 15_000, 60_000, 300_000, 1_800_000];
/** Peers with paths at one time; more are refused. */
export const PEERS_MAX = 16_384;
/** Answers of the last pings from which the loss is told. */
export const LOSS_WINDOW = 20;
