/**
 * The address of a WireGuard key inside a tunnel: a unique local IPv6 address (RFC 4193, fd00::/8) of
 * which 120 bits come from the key, so that nobody hands out addresses and none clashes with a LAN.
 *
 * ```text
 *   fd ++ first 15 bytes of SHA-256("omerta/1 tunnel address" ++ public key)
 * ```
 *
 * @module
 */
import { concatBytes } from "../base/mod.ts";
import { KEY_BYTES, sha256 } from "../crypto/mod.ts";
import { formatIp } from "../wire/mod.ts";

/**
 * The inner address of a WireGuard public key, as canonical text (RFC 5952), without a prefix length.
 *
 * @throws {RangeError} When the key has not 32 bytes.
 */
export function tunnelAddress(publicKey: Uint8Array): string {
  if (publicKey.length !== KEY_BYTES) {
    throw new RangeError(`Cannot derive address: the key has ${publicKey.length} bytes`);
  }
  const hash = sha256(new TextEncoder().encode("omerta/1 tunnel address"), publicKey);
  return formatIp(concatBytes(Uint8Array.of(0xfd), hash.subarray(0, 15)));
}
