/**
 * Paths as text: how a datagram reaches a peer.
 *
 * ```text
 *   203.0.113.7:9000            direct
 *   203.0.113.7:9000#0a1b2c3d   through the relay at that address, its session as 8 hex digits
 * ```
 *
 * @module
 */
import { fail, ok, type Result } from "../base/mod.ts";
import { type Address, formatAddress, parseAddress, prefixOf } from "./address.ts";

/** A path in its canonical text. */
export type PathText = string;

/** A parsed path; `session` is there for a relayed one. */
export interface Path {
  /** Of the peer, or of the relay. */
  readonly address: Address;
  /** The relay session, an unsigned 32-bit number. */
  readonly session?: number;
}

/** Parses `IP:PORT`, `[V6]:PORT` or either with `#SSSSSSSS`. */
export function parsePath(text: string): Result<Path, "bad-path"> {
  const match = /^([^#]{1,64})(?:#([0-9a-f]{8}))?$/.exec(text);
  const address = match === null ? fail("bad-ip") : parseAddress(match[1] ?? "");
  if (!address.ok) return fail("bad-path");
  const session = match?.[2];
  if (session === undefined) return ok({ address: address.value });
  return ok({ address: address.value, session: parseInt(session, 16) });
}

/** The canonical text of a path. */
export function formatPath(path: Path): PathText {
  const address = formatAddress(path.address);
  if (path.session === undefined) return address;
  return `${address}#${path.session.toString(16).padStart(8, "0")}`;
}

/** Whether the path leads through a relay. */
export function isRelayed(path: string): boolean {
  return path.includes("#");
}

/**
 * The key by which what comes along a path is limited: the source prefix, or for a relayed path the
 * relay's prefix and session, so that the clients of one relay do not share one budget.
 */
export function pathSource(path: string): string {
  const parsed = parsePath(path);
  if (!parsed.ok) return "?";
  const prefix = prefixOf(parsed.value.address.ip);
  return parsed.value.session === undefined ? prefix : `${prefix}#${parsed.value.session}`;
}
