/**
 * Paths: how a datagram reaches a peer, as one canonical text.
 *
 * ```text
 *   203.0.113.7:9000              direct, by UDP
 *   203.0.113.7:9000#0a1b2c3d     through the relay at that address, its session as 8 hex digits
 *   203.0.113.7:9000~3            from our local socket 3                    (nothing makes these two
 *   t:203.0.113.7:443#0a1b2c3d    by a stream instead of UDP, to a relay      yet: they have their place)
 *
 *   path = ["t:"] IP ":" PORT ["~" SOCKET] ["#" SESSION]
 * ```
 *
 * A {@linkcode Path} is this text with a brand, not an object: it is the key of maps, it crosses to the
 * native library as it is, and two paths are equal when `===` says so. The brand keeps other strings out;
 * what stands in the text is asked of the functions here, and nobody else looks for `#` or `~`.
 *
 * @example
 * ```ts
 * const relay = directPath({ ip: "203.0.113.7", port: 9000 }); // "203.0.113.7:9000"
 * const path = relayedPath(relay, 0x0a1b2c3d); // "203.0.113.7:9000#0a1b2c3d"
 * isRelayed(path); // true
 * hopOf(path); // "203.0.113.7:9000": where its datagrams go
 * ```
 *
 * @module
 */
import { fail, ok, type Path, type Result } from "../base/mod.ts";
import {
  type Address,
  type AddressScope,
  addressScope,
  formatAddress,
  parseAddress,
  prefixOf,
} from "./address.ts";

/** What carries datagrams to the next hop: UDP, or a stream where UDP is blocked. */
export type Transport = "udp" | "stream";

/** What every path has. */
interface Hop {
  readonly transport: Transport;
  /** Of the next hop: the peer, or the relay. */
  readonly address: Address;
  /** Which of our sockets sends, 1 to 65535; absent: the node's main one. */
  readonly socket?: number;
}

/** What a path says. */
export type PathParts =
  | (Hop & { readonly via: "direct" })
  /** `session` is the relay's, an unsigned 32-bit number. */
  | (Hop & { readonly via: "relay"; readonly session: number });

const FORM = /^(t:)?([^#~]{1,64})(?:~([1-9][0-9]{0,4}))?(?:#([0-9a-f]{8}))?$/;

/** Parses the text of a path; one that is spelled otherwise is made canonical. */
export function parsePath(text: string): Result<Path, "bad-path"> {
  const parts = partsOf(text);
  return parts === undefined ? fail("bad-path") : ok(formatPath(parts));
}

/**
 * Takes text for a path without a look: for what the native library says and for addresses in
 * canonical text, both of which are paths. Anything else is for {@linkcode parsePath}.
 */
export function asPath(text: string): Path {
  return text as Path;
}

/** What a path says; `undefined` for text that was taken for a path and is none. */
export function pathParts(path: Path): PathParts | undefined {
  return partsOf(path);
}

/** The canonical text of a path. */
export function formatPath(parts: PathParts): Path {
  const transport = parts.transport === "stream" ? "t:" : "";
  const socket = parts.socket === undefined ? "" : `~${parts.socket}`;
  const session = parts.via === "relay" ? `#${parts.session.toString(16).padStart(8, "0")}` : "";
  return `${transport}${formatAddress(parts.address)}${socket}${session}` as Path;
}

/** The path straight to an address, by UDP from the main socket. */
export function directPath(address: Address): Path {
  return formatPath({ via: "direct", transport: "udp", address });
}

/**
 * The path through a relay by one of its sessions.
 *
 * @param relay The path to the relay itself, which is direct: relays do not stand in a row.
 * @throws {RangeError} Where `relay` is relayed or no path.
 */
export function relayedPath(relay: Path, session: number): Path {
  const parts = partsOf(relay);
  if (parts?.via !== "direct") {
    throw new RangeError(`Cannot relay through ${relay}: it is no direct path`);
  }
  return formatPath({ ...parts, via: "relay", session });
}

/** Whether the path leads through a relay. */
export function isRelayed(path: Path): boolean {
  return path.includes("#");
}

/** The next hop as `IP:PORT`, which all sessions of a relay share; text that is no path stays. */
export function hopOf(path: Path): string {
  const parts = partsOf(path);
  return parts === undefined ? path : formatAddress(parts.address);
}

/** The address of the next hop: of the peer, or of the relay; `undefined` for text that is no path. */
export function hopAddress(path: Path): Address | undefined {
  return partsOf(path)?.address;
}

/** Where the address of the next hop means something; text that is no path is `unusable`. */
export function scopeOfPath(path: Path): AddressScope {
  const address = hopAddress(path);
  return address === undefined ? "unusable" : addressScope(address.ip);
}

/** By what what comes along a path is limited. */
export interface PathSource {
  /** The prefix of the next hop, as `prefixOf` writes it; `?` for text that is no path. */
  readonly prefix: string;
  /** Of a relayed path: the clients of one relay do not share one budget. */
  readonly session?: number;
  /** Both as one key. */
  readonly key: string;
}

/** The source prefix, or for a relayed path the relay's prefix and session. */
export function pathSource(path: Path): PathSource {
  const parts = partsOf(path);
  const prefix = parts === undefined ? "?" : prefixOf(parts.address.ip);
  if (parts?.via !== "relay") return { prefix, key: prefix };
  return { prefix, session: parts.session, key: `${prefix}#${parts.session}` };
}

function partsOf(text: string): PathParts | undefined {
  const match = FORM.exec(text);
  const address = parseAddress(match?.[2] ?? "");
  const socket = match?.[3];
  if (!address.ok || Number(socket ?? 0) > 65_535) return undefined;
  const hop: Hop = {
    transport: match?.[1] === undefined ? "udp" : "stream",
    address: address.value,
    ...(socket === undefined ? {} : { socket: Number(socket) }),
  };
  const session = match?.[4];
  if (session === undefined) return { ...hop, via: "direct" };
  return { ...hop, via: "relay", session: parseInt(session, 16) };
}
