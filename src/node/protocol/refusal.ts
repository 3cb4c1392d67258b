/**
 * How a peer says no: a code of a closed set, a sentence, and perhaps when to ask again.
 *
 * @module
 */
import * as v from "valibot";
import type { ErrorCode } from "../../base/mod.ts";
import { encodeBody, parseBody } from "./body.ts";
import { count, text } from "./shapes.ts";

/**
 * The codes that a peer may put on a refusal. Any other would speak of this machine (`disk-full`,
 * `native-damaged`, `usage`), of which a peer knows nothing: it counts as `refused`.
 */
export const PEER_CODES = [
  "refused",
  "not-allowed",
  "not-member",
  "not-owner",
  "not-found",
  "unreachable",
  "unsupported",
  "provider-full",
  "bad-size",
  "image-missing",
  "image-corrupt",
  "vm-failed",
  "lease-ended",
  "invite-expired",
  "invite-used-up",
  "invite-revoked",
  "invite-unknown",
] as const satisfies readonly ErrorCode[];

/** Why the other side refused, in its words; read, the code is one of `PEER_CODES`. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  /** What stands against it passes by itself: ask again, no sooner. Absent: asking again is vain. */
  readonly retryMs?: number;
}

/** The longest wait that a refusal may name. Guess: an hour. */
const RETRY_MS_MAX = 3_600_000;
const refusalBody = v.strictObject({
  code: text(32),
  message: text(500),
  retryMs: v.optional(count(RETRY_MS_MAX)),
});

/** A refusal as it was read. */
export interface PeerRefusal extends Refusal {
  readonly code: (typeof PEER_CODES)[number];
}

/** The body of a refusal. */
export function encodeRefusal(refusal: Refusal): Uint8Array {
  const message = refusal.message.slice(0, 500).toWellFormed(); // cut within a character, perhaps
  const { code, retryMs } = refusal;
  if (retryMs === undefined) return encodeBody({ code, message });
  const waitMs = Math.min(RETRY_MS_MAX, Math.max(0, Math.ceil(retryMs)));
  return encodeBody({ code, message, retryMs: waitMs });
}

/** Parses a refusal; codes that no peer may use become `refused`. */
export function parseRefusal(body: Uint8Array): PeerRefusal {
  const parsed = parseBody(refusalBody, body);
  if (!parsed.ok) return { code: "refused", message: "the peer refused without a reason" };
  const { message, retryMs } = parsed.value;
  const code = PEER_CODES.find((known) => known === parsed.value.code) ?? "refused";
  return retryMs === undefined ? { code, message } : { code, message, retryMs };
}
