/**
 * The flags of every command whose node is a relay: what it carries at most, and how that is written
 * again in a unit.
 *
 * @module
 */
import { formatSize, OmertaError } from "../base/mod.ts";
import type { RelayOptions } from "../daemon/options.ts";
import { type FlagValues, maybe } from "./flags.ts";
import { rate, wholeNumber } from "./values.ts";

/**
 * The least rate: a handshake's three messages, 3.4 kB at once, pass within the 50 ms for which the data
 * path lets a session run ahead.
 */
const RATE_MIN = 64 * 1024;
const RATE = rate({ min: RATE_MIN, max: 2 ** 40 });

/** What is carried. */
export const RELAY_FLAGS = {
  limitRate: maybe("SIZE/s", "bytes that all sessions carry together (default: 128M/s)", RATE),
  limitSessionRate: maybe("SIZE/s", "bytes that one session carries (default: 32M/s)", RATE),
  limitSessions: maybe(
    "N",
    "sessions at one time (default: 4096)",
    wholeNumber({ min: 1, max: 65_536 }),
  ),
};

/** The values of these flags. */
export type RelayFlags = FlagValues<typeof RELAY_FLAGS>;

/** What the node is told. */
export function relayOptions(flags: RelayFlags): RelayOptions {
  return {
    sessions: flags.limitSessions,
    bytesPerS: flags.limitRate,
    sessionBytesPerS: flags.limitSessionRate,
  };
}

/** The same flags as words. */
export function relayArguments(flags: RelayFlags): string[] {
  const { limitRate, limitSessionRate, limitSessions } = flags;
  return [
    ...limitRate === null ? [] : ["--limit-rate", String(limitRate)],
    ...limitSessionRate === null ? [] : ["--limit-session-rate", String(limitSessionRate)],
    ...limitSessions === null ? [] : ["--limit-sessions", String(limitSessions)],
  ];
}

/** @throws {OmertaError} `usage` where a limit is given to a node that is no relay. */
export function requireRelay(isRelay: boolean, flags: RelayFlags): void {
  if (isRelay || relayArguments(flags).length === 0) return;
  throw new OmertaError("usage", "A relay's limits mean nothing without --relay");
}

/** A rate as people read it. */
export function rateText(bytesPerS: number): string {
  return `${formatSize(bytesPerS)}/s`;
}
