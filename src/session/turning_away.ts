/**
 * Invites that are over: whoever comes by one is told so, once in a while, and gets nothing else.
 *
 * ```text
 *   hello ▸ selector of an invite that is over ▸ MAC ▸ budget of its own ▸ id by the psk ▸ refusal
 * ```
 *
 * It costs no Diffie-Hellman, takes no place and leaves no trace; it is far shorter than the hello. What it
 * proves to the joiner is only that somebody who holds the same secret answered this very hello: enough
 * to give a path up, not to try no other.
 *
 * @module
 */
import type { Path } from "../base/mod.ts";
import { isGateMacGood, NoiseHandshake } from "../crypto/mod.ts";
import { pathSource } from "../wire/mod.ts";
import type { Attempt, SessionCore, Turn } from "./core.ts";
import { giveUpPath } from "./initiator.ts";
import { encodeRefusal, PROLOGUE, readHelloPayload, readRefusal, splitHello } from "./layout.ts";
import type { DropReason, RefusedKey } from "./types.ts";

/** Answers a hello by none of the keys that we accept; says how it is counted. */
export function turnAway<Member>(
  core: SessionCore<Member>,
  frame: Uint8Array,
  path: Path,
  turn: Turn<Member>,
): DropReason {
  const { selector, message } = splitHello(frame);
  const key = core.refused.get(selector.toHex());
  if (key === undefined) return "unknown-key";
  if (!isGateMacGood(key.macKey, frame)) return "bad-mac";
  const budget = core.refusalLimiter.take(pathSource(path), turn.now);
  if (budget !== "taken") return budget;
  const receiver = idOf(core, key, message);
  if (receiver === 0) return "bad-handshake";
  const bytes = encodeRefusal(key, { receiver, reason: key.reason, hello: frame });
  turn.out.push({ type: "transmit", path, bytes });
  return "refused-key";
}

/** Takes a refusal that names a handshake of ours. Only invites are ever over. */
export function takeRefusal<Member>(
  core: SessionCore<Member>,
  attempt: Attempt,
  refusal: { frame: Uint8Array; path: Path },
  turn: Turn<Member>,
): void {
  const { frame, path } = refusal;
  if (!attempt.paths.includes(path)) return core.drops.count("wrong-path");
  if (attempt.key.kind !== "invite") return core.drops.count("unknown-type");
  const reason = readRefusal(attempt.key, frame, attempt.hello);
  if (!reason.ok) return core.drops.count(reason.reason);
  giveUpPath(core, attempt, { path, fault: { reason: "refused", detail: reason.value } }, turn);
}

/** The id that the initiator chose, in message 1; 0: none. */
function idOf<Member>(
  { options: { staticKey, random } }: SessionCore<Member>,
  { psk }: RefusedKey,
  message: Uint8Array,
): number {
  const noise = new NoiseHandshake({
    initiator: false,
    prologue: PROLOGUE,
    staticKey,
    psk,
    random,
  });
  const hello = noise.readMessage(message);
  return hello.ok ? readHelloPayload(hello.value) : 0;
}
