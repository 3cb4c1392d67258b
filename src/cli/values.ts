/**
 * What people write after a flag, turned into values: numbers, sizes, durations, names, addresses.
 * Every parser is strict and answers a fault with a sentence that says what would be right; the
 * grammar puts the flag's name before it.
 *
 * @module
 */
import { type ErrorCode, OmertaError } from "../base/errors.ts";
import { isAlias, isId } from "../base/ids.ts";
import { hasControls, quoted as quotedUpTo } from "../base/text.ts";
import {
  formatDuration,
  formatSize,
  parseDuration,
  parseSize,
  unitSentence,
} from "../base/units.ts";
import type { Grant } from "../membership/mod.ts";
import type { NodeAtAddress } from "../api/nouns/common.ts";
import { nearest } from "./nearest.ts";

/** A value, or the sentence about what is wrong with the text. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string; readonly code: ErrorCode };

/** Reads a text that a person wrote. */
export type Parse<T> = (text: string) => Parsed<T>;

/** An inclusive range. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

const GRANTS: readonly Grant[] = ["rent", "provide", "relay", "admit"];

/** Longest free text that a flag takes, in characters: a guess, far above any sensible use. */
const TEXT_CHARS_MAX = 4096;
/** Characters of a word that are repeated in an error. Guess. */
const QUOTED_CHARS_MAX = 60;

function good<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

function bad(reason: string, code: ErrorCode = "usage"): Parsed<never> {
  return { ok: false, reason, code };
}

/** A word of the command line in quotes, to stand in a sentence. */
export function quoted(text: string): string {
  return quotedUpTo(text, QUOTED_CHARS_MAX);
}

/** The value, or the fault as an error about `what`. */
export function must<T>(what: string, parsed: Parsed<T>): T {
  if (parsed.ok) return parsed.value;
  throw new OmertaError(parsed.code, `Cannot use ${what}: ${parsed.reason}`);
}

/** Any text without control characters. */
export const plainText: Parse<string> = (text) => {
  if (text === "") return bad("it is empty");
  if (text.length > TEXT_CHARS_MAX) return bad("it is too long");
  return hasControls(text) ? bad("it holds control characters") : good(text);
};

/** An image: its name, or `sha256:` and its digest. */
export const image: Parse<string> = (text) => {
  if (!text.startsWith("sha256:")) return plainText(text);
  return /^sha256:[0-9a-f]{64}$/.test(text)
    ? good(text)
    : bad("a digest is sha256: and 64 of 0-9 a-f");
};

/** A path of a file or directory: anything but nothing. */
export const path: Parse<string> = (text) => {
  if (text === "") return bad("it is empty");
  return text.includes("\0") ? bad("a path has no NUL") : good(text);
};

/** A whole number in `range`. */
export function wholeNumber(range: Range): Parse<number> {
  return (text) => {
    if (!/^[0-9]{1,15}$/.test(text)) return bad(`${quoted(text)} is not a whole number`);
    const value = Number(text);
    return isWithin(value, range)
      ? good(value)
      : bad(`${text} is not from ${range.min} to ${range.max}`, "bad-size");
  };
}

/** A UDP port for a node; 0 means any. */
export const port: Parse<number> = (text) => {
  return /^[0-9]{1,5}$/.test(text) && Number(text) <= 65535
    ? good(Number(text))
    : bad(`${quoted(text)} is not a port: write a number from 0 to 65535`);
};

/** A port of a VM. */
export const guestPort: Parse<number> = (text) => {
  const parsed = port(text);
  return parsed.ok && parsed.value === 0 ? bad("port 0 does not exist") : parsed;
};

/** A size in bytes, in `range`. */
export function size(range: Range): Parse<number> {
  return (text) => {
    const parsed = parseSize(text);
    if (!parsed.ok) return bad(unitSentence("size", text, parsed.reason), "bad-size");
    return isWithin(parsed.value, range) ? good(parsed.value) : bad(
      `${quoted(text)} is ${beyond(parsed.value, range, ["too small", "too large", formatSize])}`,
      "bad-size",
    );
  };
}

/** Bytes a second, as `20M/s` or `20M`, in `range`. */
export function rate(range: Range): Parse<number> {
  const parse = size(range);
  return (text) => parse(text.replace(/\/s$/, ""));
}

/** A size that may also be 0: none. */
export function sizeOrNone(range: Range): Parse<number> {
  const some = size(range);
  return (text) => /^0+[KMGT]?$/i.test(text) ? good(0) : some(text);
}

/** `too large: at most 16T`. */
function beyond(
  value: number,
  { min, max }: Range,
  [less, more, format]: readonly [string, string, (value: number) => string],
): string {
  return value < min ? `${less}: at least ${format(min)}` : `${more}: at most ${format(max)}`;
}

/** A duration in milliseconds, in `range`. */
export function duration(range: Range): Parse<number> {
  return (text) => {
    const parsed = parseDuration(text);
    if (!parsed.ok) return bad(unitSentence("duration", text, parsed.reason));
    return isWithin(parsed.value, range) ? good(parsed.value) : bad(
      `${quoted(text)} is ${
        beyond(parsed.value, range, ["too short", "too long", formatDuration])
      }`,
      "bad-size",
    );
  };
}

function isWithin(value: number, { min, max }: Range): boolean {
  return value >= min && value <= max;
}

/** A name of ours: 1 to 32 of `a-z 0-9 -`. */
export const alias: Parse<string> = (text) => {
  return isAlias(text)
    ? good(text)
    : bad(`${quoted(text)} is not a name: use 1 to 32 of a-z, 0-9 and -, not - first`);
};

/** The key of a request: 1 to 64 visible ASCII characters. */
export const requestKey: Parse<string> = (text) => {
  return /^[\x21-\x7e]{1,64}$/.test(text)
    ? good(text)
    : bad(`${quoted(text)} is not a key: use 1 to 64 visible ASCII characters, no spaces`);
};

/** A whole node id: policy takes nothing less, for aliases are self-claimed. */
export const wholeId: Parse<string> = (text) => {
  return isId(text) ? good(text) : bad(`${quoted(text)} is not a whole node id (52 characters)`);
};

/** What names a peer, VM or network: an id, a prefix of one, or an alias. */
export const reference: Parse<string> = (text) => {
  return /^[a-z0-9][a-z0-9-]{0,63}$/.test(text)
    ? good(text)
    : bad(`${quoted(text)} is neither an id, nor the beginning of one, nor a name`);
};

/** One of a few words. */
export function oneOf<W extends string>(words: readonly W[]): Parse<W> {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found !== undefined) return good(found);
    const near = nearest(text, words);
    const meant = near === undefined ? "" : `; did you mean ${near}?`;
    const known = words.length === 1 ? `not ${words[0]}` : `none of ${words.join(", ")}`;
    return bad(`${quoted(text)} is ${known}${meant}`);
  };
}

/** Grants, separated by commas. */
export const grants: Parse<readonly Grant[]> = (text) => {
  const found = new Set<Grant>();
  for (const word of text.split(",")) {
    const grant = oneOf(GRANTS)(word);
    if (!grant.ok) return grant;
    found.add(grant.value);
  }
  return good(GRANTS.filter((grant) => found.has(grant)));
};

/**
 * An invite as it comes in from stdin: a terminal or mail program may have broken it into lines.
 */
export const pastedInvite: Parse<string> = (text) => invite(text.replace(/\s+/g, ""));

/** An invite by its outer form; the node looks inside. */
export const invite: Parse<string> = (text) => {
  return /^omerta:\/\/join\/[A-Za-z0-9_-]{16,8192}$/.test(text)
    ? good(text)
    : bad("it is not a whole omerta://join/… link", "bad-invite");
};

/** `HOST:PORT` or `[V6]:PORT`, where HOST is a name or an IPv4 address. */
export const hostPort: Parse<string> = (text) => {
  const split = splitHostPort(text);
  if (split === undefined || split.port === undefined) {
    return bad(`${quoted(text)} is not an address: write HOST:PORT or [V6]:PORT`);
  }
  const { host, port } = split;
  return good(`${host}:${port}`);
};

/** `IP:PORT` or `[V6]:PORT`. */
export const ipPort: Parse<string> = (text) => {
  const split = splitHostPort(text);
  if (split?.port === undefined || !isIp(split.host)) {
    return bad(`${quoted(text)} is not an address: write IP:PORT or [V6]:PORT`);
  }
  return good(`${split.host}:${split.port}`);
};

/** `HOST`, `HOST:PORT`, `V6`, `[V6]` or `[V6]:PORT`: what a node is to advertise. */
export const advertised: Parse<string> = (text) => {
  const bare = isIpv6(text) ? `[${text}]` : text;
  const split = splitHostPort(bare);
  if (split === undefined) {
    return bad(`${quoted(text)} is not an address: write HOST, HOST:PORT or [V6]:PORT`);
  }
  return good(split.port === undefined ? split.host : `${split.host}:${split.port}`);
};

/** `[ID@]` and an address that `address` reads. */
export function nodeAt(address: Parse<string>): Parse<NodeAtAddress> {
  return (text) => {
    const at = text.indexOf("@");
    const id = at < 0 ? good(null) : wholeId(text.slice(0, at));
    if (!id.ok) return id;
    const place = address(text.slice(at + 1));
    return place.ok ? good({ id: id.value, address: place.value }) : place;
  };
}

/** A forwarded port: where to listen here, and the port of the VM. */
export interface Forward {
  readonly bind: string;
  readonly port: number;
}

/** `LOCAL:REMOTE`, `IP:LOCAL:REMOTE` or `[V6]:LOCAL:REMOTE`; without IP it listens on loopback. */
export const forward: Parse<Forward> = (text) => {
  const [, where = "127.0.0.1", local = "", remote = ""] =
    /^(?:(.+):)?([0-9]{1,5}):([0-9]{1,5})$/.exec(text) ?? [];
  const host = where === "localhost" ? "127.0.0.1" : where;
  const from = port(local);
  const to = guestPort(remote);
  if (!isIp(host) || !from.ok || !to.ok) {
    return bad(`${quoted(text)} is not LOCAL:REMOTE: write two ports, as 8080:80`);
  }
  return good({ bind: `${host}:${from.value}`, port: to.value });
};

/** Whether the text has the form `…:…` of a forward rather than of an id. */
export function looksLikeForward(text: string): boolean {
  return text.includes(":");
}

function splitHostPort(text: string): { host: string; port: string | undefined } | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::([0-9]{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const [, host = "", port] = match;
  if (!isIp(host) && !isHostName(host)) return undefined;
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65535)) return undefined;
  return { host, port: port === undefined ? undefined : String(Number(port)) };
}

function isIp(host: string): boolean {
  return host.startsWith("[") ? isIpv6(host.slice(1, -1)) : isIpv4(host);
}

function isIpv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 &&
    parts.every((part) => /^(?:0|[1-9][0-9]{0,2})$/.test(part) && Number(part) < 256);
}

/** The platform's own parser judges: URL takes no zone, no wrong group, no bare IPv4. */
function isIpv6(text: string): boolean {
  return /^[0-9a-fA-F:.]{2,45}$/.test(text) && text.includes(":") &&
    URL.canParse(`http://[${text}]/`);
}

/** RFC 1123 §2.1, with the lengths of RFC 1035 §2.3.4; a last label of digits would be an address. */
function isHostName(text: string): boolean {
  const labels = text.split(".");
  return text.length <= 253 && !/^[0-9]+$/.test(labels.at(-1) ?? "") &&
    labels.every((label) => /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label));
}
