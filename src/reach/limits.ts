/**
 * Bounds and times of reaching peers; those without a source are guesses.
 *
 * @module
 */

/** Bounds and times. */
export const REACH = {
  /** How long a record is looked for. */
  findMs: 10_000,
  /** How long a relay may take to join two members: it asks the other one. */
  allocateMs: 5_000,
  /** How long a session may take to come to be; the session core gives up earlier. */
  dialMs: 8_000,
  /** Attempts under way; whoever wants another peer is told that it is too much. */
  attemptsMax: 1_024,
  /** Who waits for a peer, over all. */
  wantsMax: 4_096,
  /** Peers with a session that are remembered. Source: as many as may have one. */
  peersMax: 16_384,
} as const;
