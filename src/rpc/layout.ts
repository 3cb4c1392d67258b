/**
 * The payloads of calls, inside a session; all numbers are big-endian.
 *
 * ```text
 * piece  03 | call 16 | flags 1 | index 1 | count 1 | data ≤ 1100    flags: 1 answer · 2 poke
 * ack    04 | call 16 | flags 1 | pieces received, a bit each 4      flags: 1 answer · 2 unknown · 4 busy
 *
 * question = method's length 1 | method | body        answer = 0 done, 1 refused | body
 * ```
 *
 * Every piece but the last is full, so that a count bounds a size. A poke has no data: the caller asks
 * whether its answer got lost. `unknown` answers a poke for a call that is not remembered, `busy` a
 * question that was not taken.
 *
 * @module
 */
import { concatBytes, fail, ok, type Result } from "../base/mod.ts";
import { encodeUint32, MESSAGE, readUint32 } from "../wire/mod.ts";
import { RPC_BODY_BYTES_MAX, RPC_METHOD_CHARS_MAX, RPC_PIECE_BYTES_MAX } from "./constants.ts";

/** Bytes of a call's id. */
export const CALL_ID_BYTES = 16;
/** Pieces of the longest message. */
export const PIECES_MAX = Math.ceil(
  (1 + RPC_METHOD_CHARS_MAX + RPC_BODY_BYTES_MAX) / RPC_PIECE_BYTES_MAX,
);

const FLAGS_AT = 1 + CALL_ID_BYTES;
const PIECE_DATA_AT = FLAGS_AT + 3;
const ACK_BYTES = FLAGS_AT + 1 + 4;
const METHOD = /^[a-z][a-z0-9.-]{0,31}$/;

/** A piece of a question or answer; `data` is a view. */
export interface Piece {
  /** 32 hex digits. */
  readonly call: string;
  readonly isAnswer: boolean;
  readonly isPoke: boolean;
  readonly index: number;
  readonly count: number;
  readonly data: Uint8Array;
}

/** What a receiver has of a question or answer. */
export interface Ack {
  readonly call: string;
  /** Whether an answer is acknowledged, not a question. */
  readonly isAnswer: boolean;
  readonly verdict: "received" | "unknown" | "busy";
  /** A bit per piece. */
  readonly mask: number;
}

/** The bits of all pieces of a message. */
export function fullMask(count: number): number {
  return 2 ** count - 1;
}

/** Cuts a message into the data of its pieces; views of it. */
export function cutPieces(message: Uint8Array): Uint8Array[] {
  const count = Math.max(1, Math.ceil(message.length / RPC_PIECE_BYTES_MAX));
  return Array.from({ length: count }, (_, i) => {
    return message.subarray(i * RPC_PIECE_BYTES_MAX, (i + 1) * RPC_PIECE_BYTES_MAX);
  });
}

/** The payload of a piece. */
export function encodePiece(piece: Piece): Uint8Array {
  const flags = (piece.isAnswer ? 1 : 0) | (piece.isPoke ? 2 : 0);
  return concatBytes(
    Uint8Array.of(MESSAGE.rpcPiece),
    Uint8Array.fromHex(piece.call),
    Uint8Array.of(flags, piece.index, piece.count),
    piece.data,
  );
}

/** Parses a payload whose first byte is that of a piece. */
export function parsePiece(payload: Uint8Array): Result<Piece, "bad-piece"> {
  if (payload.length < PIECE_DATA_AT) return fail("bad-piece");
  const [flags = 0, index = 0, count = 0] = payload.subarray(FLAGS_AT);
  const piece = {
    call: payload.subarray(1, FLAGS_AT).toHex(),
    isAnswer: (flags & 1) !== 0,
    isPoke: (flags & 2) !== 0,
    index,
    count,
    data: payload.subarray(PIECE_DATA_AT),
  };
  return flags <= 2 && isPieceGood(piece) ? ok(piece) : fail("bad-piece");
}

/** The payload of an acknowledgement. */
export function encodeAck(ack: Ack): Uint8Array {
  const verdict = { received: 0, unknown: 2, busy: 4 }[ack.verdict];
  return concatBytes(
    Uint8Array.of(MESSAGE.rpcAck),
    Uint8Array.fromHex(ack.call),
    Uint8Array.of((ack.isAnswer ? 1 : 0) | verdict),
    encodeUint32(ack.mask),
  );
}

/** Parses a payload whose first byte is that of an acknowledgement. */
export function parseAck(payload: Uint8Array): Result<Ack, "bad-ack"> {
  if (payload.length !== ACK_BYTES) return fail("bad-ack");
  const flags = payload[FLAGS_AT] ?? 0;
  const verdict = VERDICTS.get(flags & ~1);
  if (verdict === undefined) return fail("bad-ack");
  const call = payload.subarray(1, FLAGS_AT).toHex();
  const mask = readUint32(payload, FLAGS_AT + 1);
  return ok({ call, isAnswer: (flags & 1) !== 0, verdict, mask });
}

/** The message of a question. @throws {TypeError | RangeError} On a bad method or too long a body. */
export function encodeQuestion(method: string, body: Uint8Array): Uint8Array {
  if (!METHOD.test(method)) throw new TypeError(`Cannot call method: its name is ${method}`);
  checkBody(body);
  return concatBytes(Uint8Array.of(method.length), new TextEncoder().encode(method), body);
}

/** Parses a whole question; `body` is a copy. */
export function parseQuestion(
  message: Uint8Array,
): Result<{ method: string; body: Uint8Array }, "bad-question"> {
  const bodyAt = 1 + (message[0] ?? 0);
  if (message.length < bodyAt || bodyAt > 1 + RPC_METHOD_CHARS_MAX) return fail("bad-question");
  const method = String.fromCharCode(...message.subarray(1, bodyAt));
  const body = message.slice(bodyAt);
  if (!METHOD.test(method) || body.length > RPC_BODY_BYTES_MAX) return fail("bad-question");
  return ok({ method, body });
}

/** The message of an answer. @throws {RangeError} On too long a body. */
export function encodeAnswer(isDone: boolean, body: Uint8Array): Uint8Array {
  checkBody(body);
  return concatBytes(Uint8Array.of(isDone ? 0 : 1), body);
}

/** Parses a whole answer; `body` is a copy. */
export function parseAnswer(
  message: Uint8Array,
): Result<{ isDone: boolean; body: Uint8Array }, "bad-answer"> {
  const status = message[0];
  const body = message.slice(1);
  if ((status !== 0 && status !== 1) || body.length > RPC_BODY_BYTES_MAX) return fail("bad-answer");
  return ok({ isDone: status === 0, body });
}

const VERDICTS = new Map<number, Ack["verdict"]>([[0, "received"], [2, "unknown"], [4, "busy"]]);

function isPieceGood(piece: Piece): boolean {
  const { index, count, isPoke, data } = piece;
  if (count < 1 || count > PIECES_MAX || index >= count) return false;
  if (isPoke) return data.length === 0 && index === 0;
  if (index < count - 1) return data.length === RPC_PIECE_BYTES_MAX;
  return data.length >= 1 && data.length <= RPC_PIECE_BYTES_MAX;
}

function checkBody(body: Uint8Array): void {
  if (body.length <= RPC_BODY_BYTES_MAX) return;
  throw new RangeError(`Cannot send body: it has ${body.length} bytes`);
}
