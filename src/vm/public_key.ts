/**
 * A strict parser of OpenSSH public keys: what a renter hands over ends up in a guest's
 * `authorized_keys`, so a line is taken apart whole and only `TYPE BASE64` is put together again.
 *
 * ```
 *  ssh-ed25519                          string type | string key(32)
 *  ecdsa-sha2-nistp256 … 384 … 521      string type | string curve | string point(04 x y)
 *  ssh-rsa                              string type | mpint e | mpint n
 *  sk-ssh-ed25519@openssh.com           string type | string key(32) | string application
 *  sk-ecdsa-sha2-nistp256@openssh.com   the same as without sk- | string application
 * ```
 *
 * Whether a point lies on its curve is left to sshd, which only compares and verifies.
 * Source: RFC 4253 §6.6, RFC 5656 §3.1, RFC 8709 §4, OpenSSH PROTOCOL.u2f.
 *
 * @module
 */
import { fail, hasControls, ok, type Result } from "../base/mod.ts";

/** The key types that are accepted. DSA, certificates and unknown types are not. */
export type SshKeyType =
  | "ssh-ed25519"
  | "ecdsa-sha2-nistp256"
  | "ecdsa-sha2-nistp384"
  | "ecdsa-sha2-nistp521"
  | "ssh-rsa"
  | "sk-ssh-ed25519@openssh.com"
  | "sk-ecdsa-sha2-nistp256@openssh.com";

/** A public key: its type, and `TYPE BASE64` without options, comment or line end. */
export interface SshPublicKey {
  readonly type: SshKeyType;
  readonly line: string;
}

/** Why a text is not one public key. */
export type SshKeyReason =
  | "empty"
  | "too-long"
  | "private-key"
  | "several-keys"
  | "control-characters"
  | "options-or-unknown-type"
  | "bad-base64"
  | "type-mismatch"
  | "malformed"
  | "rsa-size";

/** Longest text that is looked at: a public key file with a long comment is far below. */
export const SSH_KEY_CHARS_MAX = 16 * 1024;

/** RSA moduli, in bits: below 2048 nobody should; 8192 is twice the largest that is usual, a guess. */
const RSA_BITS_MIN = 2048;
const RSA_BITS_MAX = 8192;
const ED25519_BYTES = 32;
/** Longest FIDO application name that is taken ("ssh:" and what a person appends): a guess. */
const APPLICATION_BYTES_MAX = 256;

type Fields = readonly Uint8Array[];
type BlobCheck = (fields: Fields) => SshKeyReason | undefined;

const BLOB_CHECKS: Readonly<Record<SshKeyType, BlobCheck>> = {
  "ssh-ed25519": (fields) => shape(fields, [isEd25519]),
  "ecdsa-sha2-nistp256": (fields) => shape(fields, [isText("nistp256"), isPoint(32)]),
  "ecdsa-sha2-nistp384": (fields) => shape(fields, [isText("nistp384"), isPoint(48)]),
  "ecdsa-sha2-nistp521": (fields) => shape(fields, [isText("nistp521"), isPoint(66)]),
  "ssh-rsa": checkRsa,
  "sk-ssh-ed25519@openssh.com": (fields) => shape(fields, [isEd25519, isApplication]),
  "sk-ecdsa-sha2-nistp256@openssh.com": (fields) =>
    shape(fields, [isText("nistp256"), isPoint(32), isApplication]),
};

/**
 * Parses the text of a public key file: exactly one key, perhaps a comment and one line end.
 * Options, further lines, control characters and anything after the key's own bytes are refused.
 */
export function parseSshPublicKey(text: string): Result<SshPublicKey, SshKeyReason> {
  if (text.length > SSH_KEY_CHARS_MAX) return fail("too-long");
  const line = text.replace(/\r?\n$/, "");
  const refused = refuseText(line);
  if (refused !== undefined) return fail(refused);
  const [type = "", base64 = ""] = line.split(" ");
  if (!isKeyType(type)) return fail("options-or-unknown-type");
  const blob = fromStrictBase64(base64);
  if (blob === undefined) return fail("bad-base64");
  const problem = checkBlob(type, blob);
  return problem === undefined ? ok({ type, line: `${type} ${base64}` }) : fail(problem);
}

/** One sentence that tells a person what is wrong with the key that they gave. */
export function sshKeySentence(reason: SshKeyReason): string {
  switch (reason) {
    case "empty":
      return "it is empty";
    case "too-long":
      return `it is longer than ${SSH_KEY_CHARS_MAX} characters`;
    case "private-key":
      return "it is a private key; give the file that ends in .pub";
    case "several-keys":
      return "it holds more than one line; give exactly one key";
    case "control-characters":
      return "it holds control characters";
    case "options-or-unknown-type":
      return `it does not begin with one of ${Object.keys(BLOB_CHECKS).join(", ")}`;
    case "bad-base64":
      return "its second word is not base64";
    case "type-mismatch":
      return "its first word names another type than the key itself";
    case "malformed":
      return "the key's bytes are not those of a key of that type";
    case "rsa-size":
      return `RSA keys must have ${RSA_BITS_MIN} to ${RSA_BITS_MAX} bits`;
  }
}

function refuseText(line: string): SshKeyReason | undefined {
  if (line.trim() === "") return "empty";
  if (line.startsWith("-----BEGIN ")) return "private-key";
  if (/[\r\n]/.test(line)) return "several-keys";
  if (hasControls(line)) return "control-characters";
  return undefined;
}

function isKeyType(text: string): text is SshKeyType {
  return Object.hasOwn(BLOB_CHECKS, text);
}

function fromStrictBase64(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined;
  try {
    return Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
  } catch {
    return undefined; // a wrong length or padding: the only way in which it can fail here
  }
}

function checkBlob(type: SshKeyType, blob: Uint8Array): SshKeyReason | undefined {
  const fields = splitStrings(blob);
  const [name, ...rest] = fields ?? [];
  if (name === undefined) return "malformed";
  return isText(type)(name) ? BLOB_CHECKS[type](rest) : "type-mismatch";
}

/** The length-prefixed strings of a blob, or `undefined` where they do not fill it exactly. */
function splitStrings(blob: Uint8Array): Uint8Array[] | undefined {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.length);
  const fields: Uint8Array[] = [];
  for (let offset = 0; offset < blob.length;) {
    if (offset + 4 > blob.length) return undefined;
    const end = offset + 4 + view.getUint32(offset);
    if (end > blob.length) return undefined;
    fields.push(blob.subarray(offset + 4, end));
    offset = end;
  }
  return fields;
}

function shape(
  fields: Fields,
  checks: readonly ((field: Uint8Array) => boolean)[],
): SshKeyReason | undefined {
  const fits = fields.length === checks.length &&
    fields.every((field, i) => checks[i]?.(field) === true);
  return fits ? undefined : "malformed";
}

function checkRsa(fields: Fields): SshKeyReason | undefined {
  const [exponent, modulus] = fields;
  const malformed = shape(fields, [isPositiveInteger, isPositiveInteger]);
  if (malformed !== undefined || exponent === undefined || modulus === undefined) {
    return "malformed";
  }
  const isOdd = (value: Uint8Array) => ((value.at(-1) ?? 0) & 1) === 1;
  if (!isOdd(exponent) || !isOdd(modulus) || bitLength(exponent) < 2) return "malformed";
  const bits = bitLength(modulus);
  return bits < RSA_BITS_MIN || bits > RSA_BITS_MAX ? "rsa-size" : undefined;
}

function isEd25519(field: Uint8Array): boolean {
  return field.length === ED25519_BYTES;
}

function isApplication(field: Uint8Array): boolean {
  return field.length <= APPLICATION_BYTES_MAX &&
    field.every((byte) => byte >= 0x20 && byte < 0x7f);
}

function isText(text: string): (field: Uint8Array) => boolean {
  return (field) => new TextDecoder().decode(field) === text;
}

/** An uncompressed curve point: 04, then two coordinates. */
function isPoint(coordinateBytes: number): (field: Uint8Array) => boolean {
  return (field) => field[0] === 4 && field.length === 1 + 2 * coordinateBytes;
}

/** RFC 4251 §5 `mpint`: positive, without a needless leading zero. */
function isPositiveInteger(field: Uint8Array): boolean {
  const [first = 0, second = 0] = field;
  if (field.length === 0 || first >= 0x80) return false;
  return first !== 0 || (field.length > 1 && second >= 0x80);
}

function bitLength(field: Uint8Array): number {
  const [first = 0, second = 0] = field;
  return first === 0
    ? (field.length - 2) * 8 + (32 - Math.clz32(second))
    : (field.length - 1) * 8 + (32 - Math.clz32(first));
}
