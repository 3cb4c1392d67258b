/**
 * The control frames of sessions, byte by byte; all numbers are big-endian.
 *
 * ```text
 * hello     6f 6d 01 01 | selector 8 | noise 1 { initiator's id 4, zeros 1120 } | mac 16   = 1200
 * reply     6f 6d 01 02 | receiver 4 | noise 2 { CBOR {i, k, s, p} }                       ≤ 1200
 * finish    6f 6d 01 03 | receiver 4 | noise 3 { CBOR {k, s, p, r?} }
 * refusal   6f 6d 01 07 | receiver 4 | reason, [a-z-]{1,32} | mac 16
 * datagram  6f 6d 01 08 | receiver 4 | counter 8 | ciphertext | tag 16                     ≤ 1232
 * ```
 *
 * `receiver` is the 32-bit id that the receiver chose for the session, `i` the responder's. `k` is the
 * Ed25519 key, `s` its signature over the sender's X25519 key (domain `static-key`), `p` what the
 * sender shows of its membership, `r` the receiver's id of the session that this one is to replace,
 * where the sender has one. The 16 bytes before the ciphertext are authenticated with it.
 *
 * Inside a datagram, an empty payload confirms a session; kind 5 ends one:
 *
 * ```text
 * farewell  05 | 1 left, 2 refused | reason, [a-z-]{1,32}
 * ```
 *
 * @module
 */
import { concatBytes, fail, ok, type Result } from "../base/mod.ts";
import {
  AEAD_TAG_BYTES,
  GATE_MAC_BYTES,
  type GateKey,
  gateMac,
  type Identity,
  KEY_BYTES,
  NOISE_OVERHEAD_BYTES,
  SELECTOR_BYTES,
  SIGNATURE_BYTES,
  timingSafeEqual,
  verify,
} from "../crypto/mod.ts";
import {
  type CborMap,
  CONTROL,
  CONTROL_HEADER_BYTES,
  decodeCborMap,
  encodeCbor,
  encodeControl,
  encodeUint32,
  type Field,
  MESSAGE,
  PAYLOAD_BYTES_MAX,
  readBytes,
  readInteger,
  readOptional,
  readUint32,
} from "../wire/mod.ts";
import { HELLO_BYTES, PAYLOAD_SHOWN_BYTES_MAX } from "./constants.ts";

/** What is mixed into every handshake: the version of this protocol. */
export const PROLOGUE = new TextEncoder().encode("omerta/1");

/** Bytes of a datagram before its ciphertext. */
export const DATAGRAM_HEADER_BYTES = CONTROL_HEADER_BYTES + 4 + 8;
/** Bytes of the longest datagram. */
export const DATAGRAM_BYTES_MAX = DATAGRAM_HEADER_BYTES + PAYLOAD_BYTES_MAX + AEAD_TAG_BYTES;

const SELECTOR_AT = CONTROL_HEADER_BYTES;
const HELLO_NOISE_AT = SELECTOR_AT + SELECTOR_BYTES;
const HELLO_NOISE_BYTES = HELLO_BYTES - HELLO_NOISE_AT - GATE_MAC_BYTES;
/** Bytes of the payload inside message 1. */
export const HELLO_PAYLOAD_BYTES = HELLO_NOISE_BYTES - (NOISE_OVERHEAD_BYTES[0] ?? 0);
const NAMED_AT = CONTROL_HEADER_BYTES + 4;
const REASON_CHARS_MAX = 32;
const utf8 = new TextEncoder();

/** The payload of message 1: our id of the session, padded. */
export function encodeHelloPayload(id: number): Uint8Array {
  return concatBytes(encodeUint32(id), new Uint8Array(HELLO_PAYLOAD_BYTES - 4));
}

/** The initiator's id in the payload of message 1; 0 is none. */
export function readHelloPayload(payload: Uint8Array): number {
  return payload.length === HELLO_PAYLOAD_BYTES ? readUint32(payload, 0) : 0;
}

/** The whole first frame around a Noise message. */
export function encodeHello(gate: GateKey, message: Uint8Array): Uint8Array {
  const body = encodeControl(CONTROL.hello, gate.selector, message);
  return concatBytes(body, gateMac(gate.macKey, body));
}

/** The selector, Noise message and MAC of a first frame of the right length; views of it. */
export function splitHello(frame: Uint8Array): {
  selector: Uint8Array;
  message: Uint8Array;
  mac: Uint8Array;
} {
  return {
    selector: frame.subarray(SELECTOR_AT, HELLO_NOISE_AT),
    message: frame.subarray(HELLO_NOISE_AT, HELLO_BYTES - GATE_MAC_BYTES),
    mac: frame.subarray(HELLO_BYTES - GATE_MAC_BYTES),
  };
}

/**
 * The answer to a first frame whose gate is closed: why. Its MAC is over all before it and the MAC of that
 * first frame, so that it answers that one alone.
 */
export function encodeRefusal(
  gate: Pick<GateKey, "macKey">,
  { receiver, reason, hello }: { receiver: number; reason: string; hello: Uint8Array },
): Uint8Array {
  const body = encodeNamed(CONTROL.refusal, receiver, utf8.encode(reason));
  return concatBytes(body, refusalMac(gate, body, hello));
}

/** The reason in a refusal of our first frame `hello`. */
export function readRefusal(
  gate: Pick<GateKey, "macKey">,
  frame: Uint8Array,
  hello: Uint8Array,
): Result<string, "bad-length" | "bad-mac"> {
  const split = frame.length - GATE_MAC_BYTES;
  if (split <= NAMED_AT || split > NAMED_AT + REASON_CHARS_MAX) return fail("bad-length");
  const body = frame.subarray(0, split);
  if (!timingSafeEqual(frame.subarray(split), refusalMac(gate, body, hello))) {
    return fail("bad-mac");
  }
  const reason = String.fromCharCode(...body.subarray(NAMED_AT));
  return isReason(reason) ? ok(reason) : fail("bad-length");
}

function refusalMac(
  { macKey }: Pick<GateKey, "macKey">,
  body: Uint8Array,
  hello: Uint8Array,
): Uint8Array {
  return gateMac(macKey, concatBytes(body, splitHello(hello).mac));
}

/** A reply or finish frame to a receiver. */
export function encodeNamed(control: number, receiver: number, message: Uint8Array): Uint8Array {
  return encodeControl(control, encodeUint32(receiver), message);
}

/** The receiver and the rest (a view) of a reply or finish frame. */
export function splitNamed(
  frame: Uint8Array,
): Result<{ receiver: number; message: Uint8Array }, "bad-length"> {
  if (frame.length < NAMED_AT || frame.length > HELLO_BYTES) return fail("bad-length");
  const message = frame.subarray(NAMED_AT);
  return ok({ receiver: readUint32(frame, CONTROL_HEADER_BYTES), message });
}

/** The header of a datagram, which is authenticated with its ciphertext. */
export function encodeDatagramHeader(receiver: number, counter: number): Uint8Array {
  const high = Math.floor(counter / 2 ** 32);
  return encodeControl(
    CONTROL.datagram,
    encodeUint32(receiver),
    encodeUint32(high),
    encodeUint32(counter % 2 ** 32),
  );
}

/** A datagram's parts, views of it; a counter beyond 2^53 is as wrong as a length. */
export function splitDatagram(frame: Uint8Array): Result<{
  receiver: number;
  counter: number;
  header: Uint8Array;
  sealed: Uint8Array;
}, "bad-length"> {
  const short = frame.length < DATAGRAM_HEADER_BYTES + AEAD_TAG_BYTES;
  if (short || frame.length > DATAGRAM_BYTES_MAX) return fail("bad-length");
  const counter = readUint32(frame, NAMED_AT) * 2 ** 32 + readUint32(frame, NAMED_AT + 4);
  if (!Number.isSafeInteger(counter)) return fail("bad-length");
  return ok({
    receiver: readUint32(frame, CONTROL_HEADER_BYTES),
    counter,
    header: frame.subarray(0, DATAGRAM_HEADER_BYTES),
    sealed: frame.subarray(DATAGRAM_HEADER_BYTES),
  });
}

/** What a side says of itself inside message 2 or 3. */
export interface Introduction {
  /** The responder's id of the session; absent in message 3. */
  readonly id?: number | undefined;
  /** The receiver's id of the session that this one is to replace; absent in message 2. */
  readonly replaced?: number | undefined;
  /** The Ed25519 key. */
  readonly publicKey: Uint8Array;
  /** Over the X25519 key of the handshake. */
  readonly signature: Uint8Array;
  /** What membership shows. */
  readonly payload: Uint8Array;
}

/** Our static key as the identity signs it: made once, shown in every handshake. */
export function signStaticKey(identity: Identity, staticPublicKey: Uint8Array): Uint8Array {
  return identity.sign("static-key", staticPublicKey);
}

/** The payload of message 2 (with `id`) or 3. */
export function encodeIntroduction(introduction: Introduction): Uint8Array {
  const { id, replaced, publicKey, signature, payload } = introduction;
  return encodeCbor({
    k: publicKey,
    s: signature,
    p: payload,
    ...(id === undefined ? {} : { i: id }),
    ...(replaced === undefined ? {} : { r: replaced }),
  });
}

/**
 * Parses an introduction and checks that its key signed the handshake's static key.
 *
 * @param staticKey The X25519 key that the handshake proved.
 */
export function readIntroduction(
  bytes: Uint8Array,
  staticKey: Uint8Array,
): Result<Introduction, "bad-identity"> {
  const map = decodeCborMap(bytes, { bytesMax: HELLO_BYTES });
  if (!map.ok) return fail("bad-identity");
  const publicKey = readBytes(map.value, "k", KEY_BYTES);
  const signature = readBytes(map.value, "s", SIGNATURE_BYTES);
  const payload = readBytes(map.value, "p", { min: 0, max: PAYLOAD_SHOWN_BYTES_MAX });
  if (!publicKey.ok || !signature.ok || !payload.ok) return fail("bad-identity");
  if (!verify(publicKey.value, "static-key", staticKey, signature.value)) {
    return fail("bad-identity");
  }
  const id = readOptional(map.value, "i", readId);
  const replaced = readOptional(map.value, "r", readId);
  if (!id.ok || !replaced.ok) return fail("bad-identity");
  return ok({
    id: id.value,
    replaced: replaced.value,
    publicKey: publicKey.value,
    signature: signature.value,
    payload: payload.value,
  });
}

function readId(map: CborMap, name: string): Field<number> {
  return readInteger(map, name, { min: 1, max: 0xffff_ffff });
}

/** A farewell: why a session ends. */
export interface Farewell {
  readonly kind: "left" | "refused";
  readonly reason: string;
}

const FAREWELL_KINDS = ["left", "refused"] as const;
const REASON = /^[a-z-]{1,32}$/;

/** Whether text may be told to a peer as a reason. */
export function isReason(text: string): boolean {
  return REASON.test(text);
}

/** The payload of a farewell; a reason in another form is told as `other`. */
export function encodeFarewell(farewell: Farewell): Uint8Array {
  const kind = FAREWELL_KINDS.indexOf(farewell.kind) + 1;
  const reason = isReason(farewell.reason) ? farewell.reason : "other";
  return concatBytes(Uint8Array.of(MESSAGE.farewell, kind), utf8.encode(reason));
}

/** Parses a payload whose first byte is that of a farewell. */
export function parseFarewell(payload: Uint8Array): Result<Farewell, "bad-farewell"> {
  const kind = FAREWELL_KINDS[(payload[1] ?? 0) - 1];
  const reason = String.fromCharCode(...payload.subarray(2, 2 + 33));
  if (kind === undefined || payload.length > 2 + REASON_CHARS_MAX || !isReason(reason)) {
    return fail("bad-farewell");
  }
  return ok({ kind, reason });
}
