/**
 * The frames that share a node's one UDP port. All numbers are big-endian.
 *
 * ```text
 *   6f 6d 01 TYPE                body…      control: handshakes, session datagrams  ("om")
 *   6f 74 01 00   id (4)         datagram…  tunnel: one WireGuard datagram          ("ot")
 *   6f 72 01 DIR  session (4)    frame…     relayed: one frame that is not relayed  ("or")
 *   6f 66 …                                 reserved for fragments                  ("of")
 * ```
 *
 * Tunnel and relayed frames are moved by native code; this file knows them for tests, simulation and
 * the relay's own control path. Everything else is dropped and counted by the reason given here.
 *
 * @example
 * ```ts
 * const frame = parseFrame(bytes);
 * if (!frame.ok) return drops.count(frame.reason); // "short", "foreign" …
 * if (frame.value.type === "control") take(frame.value.control, frame.value.body);
 * ```
 *
 * @module
 */
import { concatBytes, fail, ok, type Result } from "../base/mod.ts";

/** The version byte of every frame. */
export const FRAME_VERSION = 1;

/** Types of control frames. */
export const CONTROL = {
  /** Handshake message 1, initiator to responder. */
  hello: 1,
  /** Handshake message 2, responder to initiator. */
  reply: 2,
  /** Handshake message 3, initiator to responder. */
  finish: 3,
  /** Reserved: the stateless cookie that a responder asks for under load. */
  cookie: 4,
  /** The stateless answer to message 1 of an invite that is over: why. */
  refusal: 7,
  /** A datagram of an established session. */
  datagram: 8,
} as const;

/** Direction byte of a relayed frame. */
export const TO_RELAY = 0;
/** Direction byte of a relayed frame that a relay has forwarded. */
export const FROM_RELAY = 1;

/** Bytes before the body of a control frame. */
export const CONTROL_HEADER_BYTES = 4;
/** Bytes before the inner datagram or frame of a tunnel or relayed frame. */
export const OUTER_HEADER_BYTES = 8;

/** A parsed frame; `body`, `datagram` and `inner` are views of the input. */
export type Frame =
  | { readonly type: "control"; readonly control: number; readonly body: Uint8Array }
  | { readonly type: "tunnel"; readonly id: number; readonly datagram: Uint8Array }
  | {
    readonly type: "relayed";
    readonly toRelay: boolean;
    readonly session: number;
    readonly inner: Uint8Array;
  };

/** Why bytes are no frame. */
export type FrameFault =
  | "short"
  | "foreign"
  | "version"
  | "reserved"
  | "flags"
  | "nested";

/** Parses one datagram of the UDP port. Views the input; copy what must be kept. */
export function parseFrame(bytes: Uint8Array): Result<Frame, FrameFault> {
  if (bytes.length < CONTROL_HEADER_BYTES) return fail("short");
  if (bytes[0] !== 0x6f) return fail("foreign");
  if (bytes[1] === 0x66) return fail("reserved");
  const parse = PARSERS.get(bytes[1] ?? 0);
  if (parse === undefined) return fail("foreign");
  if (bytes[2] !== FRAME_VERSION) return fail("version");
  return parse(bytes);
}

/** A control frame of a type with its body in parts. */
export function encodeControl(control: number, ...body: readonly Uint8Array[]): Uint8Array {
  return concatBytes(Uint8Array.of(0x6f, 0x6d, FRAME_VERSION, control), ...body);
}

/** A tunnel frame around one WireGuard datagram; `id` is the one that its receiver chose. */
export function encodeTunnel(id: number, datagram: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(0x6f, 0x74, FRAME_VERSION, 0), encodeUint32(id), datagram);
}

/** A relayed frame around one control or tunnel frame. */
export function encodeRelayed(
  direction: typeof TO_RELAY | typeof FROM_RELAY,
  session: number,
  inner: Uint8Array,
): Uint8Array {
  const head = Uint8Array.of(0x6f, 0x72, FRAME_VERSION, direction);
  return concatBytes(head, encodeUint32(session), inner);
}

/** Four big-endian bytes of an unsigned 32-bit number. */
export function encodeUint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** The unsigned 32-bit big-endian number at `offset`. @throws {RangeError} When it is not all there. */
export function readUint32(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(offset);
}

const PARSERS = new Map<number, (bytes: Uint8Array) => Result<Frame, FrameFault>>([
  [0x6d, parseControl],
  [0x74, parseTunnel],
  [0x72, parseRelayed],
]);

function parseControl(bytes: Uint8Array): Result<Frame, FrameFault> {
  const body = bytes.subarray(CONTROL_HEADER_BYTES);
  return ok({ type: "control", control: bytes[3] ?? 0, body });
}

function parseTunnel(bytes: Uint8Array): Result<Frame, FrameFault> {
  if (bytes.length < OUTER_HEADER_BYTES) return fail("short");
  if (bytes[3] !== 0) return fail("flags");
  const datagram = bytes.subarray(OUTER_HEADER_BYTES);
  return ok({ type: "tunnel", id: readUint32(bytes, 4), datagram });
}

function parseRelayed(bytes: Uint8Array): Result<Frame, FrameFault> {
  if (bytes.length < OUTER_HEADER_BYTES + CONTROL_HEADER_BYTES) return fail("short");
  if (bytes[3] !== TO_RELAY && bytes[3] !== FROM_RELAY) return fail("flags");
  const inner = bytes.subarray(OUTER_HEADER_BYTES);
  if (inner[0] !== 0x6f || (inner[1] !== 0x6d && inner[1] !== 0x74)) return fail("nested");
  const toRelay = bytes[3] === TO_RELAY;
  return ok({ type: "relayed", toRelay, session: readUint32(bytes, 4), inner });
}
