/**
 * Links that carry a secret: invites and exported networks, as one word that survives any copying.
 *
 * ```text
 *   PREFIX base64url( CBOR map ++ first 4 bytes of SHA-256("omerta/1 link" ++ PREFIX ++ CBOR map) )
 * ```
 *
 * The sum is no proof of anything: it tells a typing error or a lost end from a wrong invite.
 *
 * @module
 */
import { concatBytes, equalBytes, fail, type Result } from "../base/mod.ts";
import { sha256 } from "../crypto/mod.ts";
import { type CborMap, decodeCborMap, encodeCbor } from "../wire/mod.ts";

/** Why a text is not a link of that kind. */
export type LinkReason = "not-a-link" | "too-long" | "damaged";

const SUM_BYTES = 4;
const utf8 = new TextEncoder();

/** The link of a map. */
export function encodeLink(prefix: string, map: CborMap): string {
  const body = encodeCbor(map);
  const bytes = concatBytes(body, linkSum(prefix, body));
  return prefix + bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** The map of a link; white space around it, which copying leaves, is let pass. */
export function decodeLink(
  prefix: string,
  text: string,
  charsMax: number,
): Result<CborMap, LinkReason> {
  if (text.length > charsMax) return fail("too-long");
  const trimmed = text.trim();
  if (!trimmed.startsWith(prefix)) return fail("not-a-link");
  const bytes = fromBase64url(trimmed.slice(prefix.length));
  if (bytes === undefined || bytes.length <= SUM_BYTES) return fail("damaged");
  const body = bytes.subarray(0, -SUM_BYTES);
  if (!equalBytes(bytes.subarray(-SUM_BYTES), linkSum(prefix, body))) return fail("damaged");
  const map = decodeCborMap(body, { bytesMax: charsMax });
  return map.ok ? map : fail("damaged");
}

function linkSum(prefix: string, body: Uint8Array): Uint8Array {
  return sha256(utf8.encode("omerta/1 link"), utf8.encode(prefix), body).slice(0, SUM_BYTES);
}

/** Bytes of the one canonical base64url text without padding. */
function fromBase64url(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return undefined;
  const bytes = Uint8Array.fromBase64(text, { alphabet: "base64url" });
  const again = bytes.toBase64({ alphabet: "base64url", omitPadding: true });
  return again === text ? bytes : undefined;
}
