/**
 * What goes inside a session: the first byte of a payload says for whom it is.
 *
 * @example
 * ```ts
 * if (payload[0] === MESSAGE.ping) answerPing(payload); // payload: 1 to PAYLOAD_BYTES_MAX bytes
 * ```
 *
 * @module
 */

/**
 * First byte of a payload inside a session. Pings and pongs are of `path`, pieces and acks of `rpc`, farewells
 * of `session` itself.
 */
export const MESSAGE = { ping: 1, pong: 2, rpcPiece: 3, rpcAck: 4, farewell: 5 } as const;

/** Bytes of a payload in a session at most. Source: the design (datagram ≤ 1232 with its header). */
export const PAYLOAD_BYTES_MAX = 1_200;
