/**
 * IP addresses and `IP:PORT` as text: strict parsing, one canonical form, scope, and the prefix by
 * which sources are limited. IPv4-mapped IPv6 (`::ffff:1.2.3.4`) is always plain IPv4. No names, no
 * zones, no leading zeros, never a silent `0.0.0.0`.
 *
 * Canonical IPv6 text follows RFC 5952 §4.
 *
 * @example
 * ```ts
 * parseAddress("[::FFFF:1.2.3.4]:5"); // { ok: true, value: { ip: "1.2.3.4", port: 5 } }
 * formatAddress({ ip: "2001:db8::1", port: 5 }); // "[2001:db8::1]:5"
 * addressScope("100.64.0.1"); // "cgnat"
 * prefixOf("1.2.3.4"); // "1.2.3.0/24"
 * ```
 *
 * @module
 */
import { fail, ok, type Result } from "../base/mod.ts";

/** An IP address and UDP port. */
export interface Address {
  /** Canonical text: dotted quads, or RFC 5952 without brackets. */
  readonly ip: string;
  /** 1 to 65535. */
  readonly port: number;
}

/**
 * Where an address means something. `unusable`: unspecified, multicast, reserved. The documentation
 * prefixes count as global: nothing routes them outside of labs, and labs use them.
 */
export type AddressScope =
  | "loopback"
  | "private"
  | "cgnat"
  | "link-local"
  | "global"
  | "unusable";

/** Why text is no address. */
export type AddressFault = "bad-ip" | "bad-port";

/** Parses `1.2.3.4:5` or `[2001:db8::1]:5`. */
export function parseAddress(text: string): Result<Address, AddressFault> {
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([0-9.]{7,15})):([0-9]{1,5})$/.exec(text);
  if (match === null) return fail(text.includes(":") ? "bad-ip" : "bad-port");
  const ip = parseIp(match[1] ?? match[2] ?? "");
  const port = Number(match[3]);
  if (!ip.ok) return ip;
  if (match[1] === undefined && ip.value.includes(":")) return fail("bad-ip");
  if (port < 1 || port > 65535 || match[3]?.startsWith("0")) return fail("bad-port");
  return ok({ ip: ip.value, port });
}

/** The canonical text of an address: `1.2.3.4:5` or `[2001:db8::1]:5`. */
export function formatAddress(address: Address): string {
  const ip = address.ip.includes(":") ? `[${address.ip}]` : address.ip;
  return `${ip}:${address.port}`;
}

/** Parses an IP address of either family to its canonical text. */
export function parseIp(text: string): Result<string, "bad-ip"> {
  const bytes = ipBytes(text);
  return bytes === undefined ? fail("bad-ip") : ok(formatIp(bytes));
}

/** The 4 or 16 bytes of an address, mapped IPv4 as 4; `undefined` where the text is no address. */
export function ipBytes(text: string): Uint8Array | undefined {
  const bytes = text.includes(":") ? ipv6Bytes(text) : ipv4Bytes(text);
  return bytes !== undefined && isMapped(bytes) ? bytes.subarray(12) : bytes;
}

/** The canonical text of 4 or 16 address bytes. @throws {RangeError} On any other length. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) {
    throw new RangeError(`Cannot format an IP: it has ${bytes.length} bytes`);
  }
  return isMapped(bytes) ? bytes.subarray(12).join(".") : formatIpv6(bytes);
}

/** Where the address means something. Text that is no address is `unusable`. */
export function addressScope(ip: string): AddressScope {
  const bytes = ipBytes(ip);
  if (bytes === undefined) return "unusable";
  return bytes.length === 4 ? scopeOfIpv4(bytes) : scopeOfIpv6(bytes);
}

/**
 * The prefix by which a source is limited: /24 of IPv4, /64 of IPv6.
 *
 * @returns `1.2.3.0/24`, `2001:db8::/64`, or `?` for text that is no address.
 */
export function prefixOf(ip: string): string {
  const bytes = ipBytes(ip)?.slice();
  if (bytes === undefined) return "?";
  const kept = bytes.length === 4 ? 3 : 8;
  return `${formatIp(bytes.fill(0, kept))}/${kept * 8}`;
}

function ipv4Bytes(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  const isPart = (part: string) => /^(?:0|[1-9][0-9]{0,2})$/.test(part) && Number(part) < 256;
  return parts.length === 4 && parts.every(isPart) ? Uint8Array.from(parts, Number) : undefined;
}

function ipv6Bytes(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = groupBytes(halves[0] ?? "", halves.length === 1);
  const tail = groupBytes(halves[1] ?? "", true);
  if (head === undefined || tail === undefined) return undefined;
  const zeros = 16 - head.length - tail.length;
  if (halves.length === 1 ? zeros !== 0 : zeros < 2) return undefined;
  return Uint8Array.from([...head, ...new Uint8Array(zeros), ...tail]);
}

/** Bytes of a run of groups; the last may be dotted IPv4 where the run ends the address. */
function groupBytes(run: string, isEnd: boolean): number[] | undefined {
  if (run === "") return [];
  const bytes: number[] = [];
  const groups = run.split(":");
  for (const [i, group] of groups.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = parseInt(group, 16);
      bytes.push(value >> 8, value & 255);
      continue;
    }
    const dotted = isEnd && i === groups.length - 1 ? ipv4Bytes(group) : undefined;
    if (dotted === undefined) return undefined;
    bytes.push(...dotted);
  }
  return bytes;
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes.length === 16 && bytes[10] === 255 && bytes[11] === 255 &&
    bytes.subarray(0, 10).every((byte) => byte === 0);
}

function formatIpv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => {
    return (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16);
  });
  const { start, length } = longestZeroRun(groups);
  if (length < 2) return groups.join(":");
  return `${groups.slice(0, start).join(":")}::${groups.slice(start + length).join(":")}`;
}

function longestZeroRun(groups: readonly string[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  for (const [i, group] of groups.entries()) {
    length = group === "0" ? length + 1 : 0;
    if (length > best.length) best = { start: i + 1 - length, length };
  }
  return best;
}

/** Source: IANA IPv4 Special-Purpose Address Registry (RFC 6890). */
function scopeOfIpv4(bytes: Uint8Array): AddressScope {
  const [a = 0, b = 0] = bytes;
  if (a === 127) return "loopback";
  if (a === 0 || a >= 224) return "unusable";
  if (a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168)) return "private";
  if (a === 100 && b >= 64 && b < 128) return "cgnat";
  if (a === 169 && b === 254) return "link-local";
  return "global";
}

/**
 * Source: IANA IPv6 Special-Purpose Address Registry (RFC 6890). 6to4 (2002::/16) and Teredo
 * (2001::/32) lead to an IPv4 address inside, perhaps a private one, by tunnels that nobody runs now
 * (RFC 7526): unusable.
 */
function scopeOfIpv6(bytes: Uint8Array): AddressScope {
  const [a = 0, b = 0, c = 0, d = 0] = bytes;
  if (a === 0x20 && b === 0x02) return "unusable";
  if (a === 0x20 && b === 0x01 && c === 0 && d === 0) return "unusable";
  if (a === 0xfe && (b & 0xc0) === 0x80) return "link-local";
  if ((a & 0xfe) === 0xfc) return "private";
  if (a === 0 && bytes.subarray(0, 15).every((byte) => byte === 0)) {
    return bytes[15] === 1 ? "loopback" : "unusable";
  }
  return (a & 0xe0) === 0x20 ? "global" : "unusable";
}
