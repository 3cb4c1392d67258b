/**
 * The log of a node: one line per event, without secrets, and without the mesh's topology unless
 * someone asked for it (level `debug`).
 *
 *     2026-11-20T22:34:30.123Z info  joined a network network=abcd…
 *
 * `node.log` is 0600. When it passes 1 MiB its content moves to `node.log.1` by copying and
 * truncating, for a background node's stdout and stderr append to the same file: what a native
 * library says as it dies stands there, too. Whoever starts a node rotates as well, so that nodes
 * which die before they log anything do not fill the disk.
 *
 * @module
 */
import { oneLine } from "../base/text.ts";
import { PRIVATE_FILE } from "./files.ts";

/** From what always matters to what only a developer reads. */
export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;

/** One of `LOG_LEVELS`. */
export type LogLevel = typeof LOG_LEVELS[number];

/** Size at which a log is rotated. Source: the design §2. */
export const LOG_BYTES_MAX = 1 << 20;

/** Longest line, in characters. Guess: a stack trace fits. */
const LINE_CHARS_MAX = 4096;

/** What accompanies a message: shown as `name=value`. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where a node says what happens. */
export interface Log {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
}

/** Where lines go, and which. */
export interface LogOptions {
  /** Lines of this level and those before it in `LOG_LEVELS`. */
  readonly level: LogLevel;
  /** Milliseconds of the wall clock. */
  readonly nowMs: () => number;
  /** Takes a line without its end, and how much it matters. */
  readonly write: (line: string, level: LogLevel) => void;
}

/** Makes a log. */
export function createLog({ level, nowMs, write }: LogOptions): Log {
  const depth = LOG_LEVELS.indexOf(level);
  const say = (at: LogLevel) => (message: string, fields: LogFields = {}) => {
    if (LOG_LEVELS.indexOf(at) > depth) return;
    const text = oneLine(`${message}${formatFields(fields)}`);
    const shown = level === "debug" ? redactSecrets(text) : redactAddresses(redactSecrets(text));
    const line = `${new Date(nowMs()).toISOString()} ${at.padEnd(5)} ${shown}`;
    write(line.slice(0, LINE_CHARS_MAX), at);
  };
  return { error: say("error"), warn: say("warn"), info: say("info"), debug: say("debug") };
}

function formatFields(fields: LogFields): string {
  return Object.entries(fields).map(([name, value]) => ` ${name}=${formatValue(value)}`).join("");
}

function formatValue(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.stack ?? value.message);
  if (typeof value === "string" && /^[^\s"=]+$/.test(value)) return value;
  return JSON.stringify(value) ?? "undefined";
}

/** 64 hex digits, unless they name a file of the state by what it holds: those are no secret. */
const HEX_KEY = /(?<![0-9A-Za-z])(?<!\/(?:images|bin)\/)[0-9a-fA-F]{64}(?![0-9A-Za-z])/g;

/** Replaces invites, exported networks, 32-byte keys in hex or base64, and private key blocks. */
export function redactSecrets(text: string): string {
  return text
    .replace(/omerta:\/\/(join|network)\/[\w-]+/g, "omerta://$1/[secret]")
    .replace(/-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*-----|$)/gs, "[secret]")
    .replace(HEX_KEY, "[secret]")
    .replace(/(?<![0-9A-Za-z+/_-])[0-9A-Za-z+/_-]{43}=/g, "[secret]");
}

/** Replaces IP addresses, except those that every machine has: loopback and "any". */
export function redactAddresses(text: string): string {
  return text.replace(IPV4, (address) => isEverybodys(address) ? address : "[address]")
    .replace(IPV6, (address) => isEverybodys(address) ? address : "[address]");
}

const IPV4 = /(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)/g;
/** Either `::` somewhere, or all eight groups: a time of day has neither. */
const IPV6 =
  /(?<![\w:])(?:(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*)?::(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*)?)(?![\w:])/gi;

function isEverybodys(address: string): boolean {
  return /^(127\.|0\.0\.0\.0$|::1?$)/.test(address);
}

/** A writer that appends to a file and can be closed. */
export interface LogFile {
  write(line: string): void;
  close(): void;
}

/** Opens a log file, rotated at `bytesMax`. A disk that is full loses lines, not the node. */
export function openLogFile(path: string, bytesMax = LOG_BYTES_MAX): LogFile {
  const file = Deno.openSync(path, { append: true, create: true, mode: PRIVATE_FILE });
  let lost = 0;
  const append = (text: string) => {
    const bytes = new TextEncoder().encode(text);
    const { size } = file.statSync();
    if (size > 0 && size + bytes.length > bytesMax) rotate(path, file);
    writeAll(file, bytes);
  };
  return {
    write(line) {
      try {
        append(lost > 0 ? `(${lost} lines lost before this one)\n${line}\n` : `${line}\n`);
        lost = 0;
      } catch {
        lost++; // there is nowhere left to say it
      }
    },
    close: () => file.close(),
  };
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let offset = 0; offset < bytes.length;) offset += file.writeSync(bytes.subarray(offset));
}

/** What others append between copying and truncating is lost: a few lines at most. */
function rotate(path: string, file: Deno.FsFile): void {
  const older = `${path}.1`;
  Deno.copyFileSync(path, older);
  Deno.chmodSync(older, PRIVATE_FILE);
  file.truncateSync();
}

/** Rotates a log that has grown too long, by whoever is about to append to it. */
export function rotateLog(path: string, bytesMax = LOG_BYTES_MAX): void {
  try {
    using file = Deno.openSync(path, { append: true });
    if (file.statSync().size >= bytesMax) rotate(path, file);
  } catch {
    // There is none yet, or no room for its copy: whoever writes to it meets the same.
  }
}
