/**
 * What a relay carries at most, where its owner says nothing. Rates count bytes on the wire, both ways
 * together; the native data path drops what is beyond them, as any full line does.
 *
 * @module
 */

/** The limits of a relay. */
export interface RelayLimits {
  /** Sessions at one time. */
  readonly sessions: number;
  /** Of all sessions together. */
  readonly bytesPerS: number;
  /** Of each session. */
  readonly sessionBytesPerS: number;
}

const MIB = 1024 * 1024;

/**
 * Guesses: 4096 sessions cost under 2 MiB; 1.07 Gb/s fills the port of a usual server, and four pairs
 * at 268 Mb/s each, more than a tunnel through the internet mostly brings, are needed to take it all.
 */
export const RELAY_LIMITS: RelayLimits = {
  sessions: 4_096,
  bytesPerS: 128 * MIB,
  sessionBytesPerS: 32 * MIB,
};

/** What its owner said, and the default where that is `null`; no session has more than all have. */
export function relayLimits(
  said: { readonly [Limit in keyof RelayLimits]: number | null } | undefined,
): RelayLimits {
  const bytesPerS = said?.bytesPerS ?? RELAY_LIMITS.bytesPerS;
  const ofEach = said?.sessionBytesPerS ?? RELAY_LIMITS.sessionBytesPerS;
  return {
    sessions: said?.sessions ?? RELAY_LIMITS.sessions,
    bytesPerS,
    sessionBytesPerS: Math.min(ofEach, bytesPerS),
  };
}
