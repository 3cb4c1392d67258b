/**
 * Our side of a handshake that another begins. What is cheap comes first, and nothing that a stranger
 * sends costs a Diffie-Hellman or leaves a trace:
 *
 * ```text
 *   hello: length ▸ selector known (else turning_away.ts) ▸ MAC ▸ seen before? ▸ budgets ▸ open by the psk ▸ reply (3 X25519)
 *   finish: names a pending handshake ▸ opens (1 X25519) ▸ introduction ▸ verifyPeer ▸ link (theirs)
 * ```
 *
 * A repeated hello gets the same reply again; one whose handshake is over gets nothing. The link
 * replaces nothing until the first datagram comes on it. Sources can be forged, by members too: only
 * the path to which alone the reply went is proven by the finish, wherever the finish comes from.
 *
 * @module
 */
import { after, concatBytes, equalBytes, type Instant, type Path } from "../base/mod.ts";
import { isGateMacGood, NoiseHandshake, seal, sha256 } from "../crypto/mod.ts";
import { CONTROL, pathSource } from "../wire/mod.ts";
import { ELSEWHERE_MS, HELLO_BYTES, PENDING_MS, REPLIES_MAX } from "./constants.ts";
import {
  endLink,
  type Fault,
  makeRoom,
  meet,
  type Met,
  type Pending,
  type SessionCore,
  type Turn,
} from "./core.ts";
import {
  encodeDatagramHeader,
  encodeFarewell,
  encodeIntroduction,
  encodeNamed,
  PROLOGUE,
  readHelloPayload,
  splitHello,
} from "./layout.ts";
import { Link } from "./link.ts";
import { place } from "./slots.ts";
import { turnAway } from "./turning_away.ts";
import type { AcceptedKey, DropReason } from "./types.ts";

/** Finishes that do not open after which a handshake looks at no more: each costs an X25519. Guess. */
const BAD_FINISHES_MAX = 32;

/** Takes a hello from anybody. */
export function takeHello<Member>(
  core: SessionCore<Member>,
  frame: Uint8Array,
  path: Path,
  turn: Turn<Member>,
): void {
  const dropped = greet(core, frame, path, turn);
  if (dropped !== undefined) core.drops.count(dropped);
}

/** Takes a finish that names a pending handshake. */
export function takeFinish<Member>(
  core: SessionCore<Member>,
  pending: Pending,
  finish: { message: Uint8Array; path: Path },
  turn: Turn<Member>,
): void {
  if (pending.refusal !== undefined) return repeatRefusal(core, pending, finish, turn);
  const noise = pending.noise.clone();
  const payload = pending.badFinishes < BAD_FINISHES_MAX && noise.readMessage(finish.message);
  if (!payload || !payload.ok) {
    pending.badFinishes++;
    return core.drops.count("bad-handshake");
  }
  const staticKey = noise.remoteStatic ?? new Uint8Array();
  const shown = { payload: payload.value, staticKey, expected: undefined };
  const result = meet(core, pending.key, shown);
  if (!result.ok) return reject(core, pending, { ...finish, noise, fault: result.fault }, turn);
  const { met } = result;
  if (!makeRoom(core, { key: pending.key, node: met.node }, turn)) {
    core.drops.count("peers-full");
    return refuse(pending, { ...finish, noise, reason: "busy" }, turn);
  }
  accept(core, pending, { ...finish, noise, met }, turn);
}

/** Forgets a pending handshake; its hello stays known. */
export function dropPending<Member>(core: SessionCore<Member>, pending: Pending): void {
  core.release(pending.id);
  core.pending.delete(pending.id);
}

function greet<Member>(
  core: SessionCore<Member>,
  frame: Uint8Array,
  path: Path,
  turn: Turn<Member>,
): DropReason | undefined {
  if (frame.length !== HELLO_BYTES) return "bad-length";
  const { selector, message, mac } = splitHello(frame);
  const key = core.keys.get(selector.toHex());
  if (key === undefined) return turnAway(core, frame, path, turn);
  if (!isGateMacGood(key.macKey, frame)) return "bad-mac";
  const known = core.hellos.get(mac.toHex());
  if (known !== undefined) return repeatReply(core, known, path, turn);
  const budget = core.limiter.take(pathSource(path), turn.now);
  if (budget !== "taken") return budget;
  const pending = answer(core, key, { message, path }, turn.now);
  if (pending === undefined) return "bad-handshake";
  core.hellos.set(mac.toHex(), pending.id);
  keep(core, pending, turn.now);
  turn.out.push({ type: "transmit", path, bytes: pending.reply.slice() });
  return undefined;
}

function repeatReply<Member>(
  core: SessionCore<Member>,
  id: number,
  path: Path,
  turn: Turn<Member>,
): DropReason | undefined {
  const pending = core.pending.get(id);
  if (pending === undefined || pending.replies >= REPLIES_MAX) return "replayed-hello";
  if (path !== pending.repliedTo) {
    if (turn.now < after(pending.begunAt, ELSEWHERE_MS)) return "answered-elsewhere";
    pending.repliedTo = undefined;
  }
  pending.replies++;
  turn.out.push({ type: "transmit", path, bytes: pending.reply.slice() });
  return undefined;
}

/** Reads message 1 and writes message 2. */
function answer<Member>(
  core: SessionCore<Member>,
  key: AcceptedKey,
  { message, path }: { message: Uint8Array; path: Path },
  now: Instant,
): Pending | undefined {
  const { staticKey, random } = core.options;
  const { psk } = key;
  const noise = new NoiseHandshake({
    initiator: false,
    prologue: PROLOGUE,
    staticKey,
    psk,
    random,
  });
  const hello = noise.readMessage(message);
  const remoteId = hello.ok ? readHelloPayload(hello.value) : 0;
  if (remoteId === 0) return undefined;
  const id = core.freshId();
  const reply = noise.writeMessage(encodeIntroduction({ ...core.introduce(key.payload), id }));
  if (!reply.ok) return undefined;
  return {
    type: "pending",
    id,
    remoteId,
    key,
    noise,
    reply: encodeNamed(CONTROL.reply, remoteId, reply.value),
    repliedTo: path,
    begunAt: now,
    replies: 1,
    badFinishes: 0,
    refusal: undefined,
  };
}

/** Keeps a pending handshake; when there are too many, the oldest gives way. */
function keep<Member>(core: SessionCore<Member>, pending: Pending, now: Instant): void {
  const oldest = core.pending.size >= core.limits.pendingMax
    ? core.pending.values().next().value
    : undefined;
  if (oldest !== undefined) dropPending(core, oldest);
  core.pending.set(pending.id, pending);
  core.hold(pending.id, pending);
  core.timers.set(pending.id, after(now, PENDING_MS), "pending handshake end");
}

interface Finish {
  readonly message: Uint8Array;
  readonly path: Path;
  readonly noise: NoiseHandshake;
}

function accept<Member>(
  core: SessionCore<Member>,
  pending: Pending,
  finish: Finish & { met: Met<Member> },
  turn: Turn<Member>,
): void {
  const { network, kind } = pending.key;
  const { met, noise, path } = finish;
  core.pending.delete(pending.id);
  const link = new Link({
    id: pending.id,
    remoteId: pending.remoteId,
    initiator: false,
    keys: noise.split(),
    slot: core.slots.obtain({ network, kind, node: met.node }),
    key: pending.key,
    payload: met.introduction.payload,
    member: met.member,
    path,
    provenPath: pending.repliedTo,
    replaced: met.introduction.replaced,
    begunAt: pending.begunAt,
    createdAt: turn.now,
  });
  link.finishDigest = sha256(finish.message);
  core.hold(link.is.id, link);
  core.timers.set(link.is.id, after(turn.now, PENDING_MS), "unconfirmed session end");
  const displaced = place(link, "theirs");
  if (displaced !== undefined) endLink(core, displaced);
}

/** The introduction was bad, or our own, or membership does not accept it: the last is told so. */
function reject<Member>(
  core: SessionCore<Member>,
  pending: Pending,
  finish: Finish & { fault: Fault },
  turn: Turn<Member>,
): void {
  switch (finish.fault.reason) {
    case "unverified":
      core.drops.count("unverified");
      return refuse(pending, { ...finish, reason: finish.fault.detail ?? "other" }, turn);
    case "wrong-peer":
      core.drops.count("own-id"); // only we ourselves are the wrong peer of a responder
      return dropPending(core, pending);
    default:
      core.drops.count("bad-identity");
      dropPending(core, pending);
  }
}

/** Tells a peer that proved its key why it gets no session; repeated with its finish. */
function refuse<Member>(
  pending: Pending,
  finish: Finish & { reason: string },
  turn: Turn<Member>,
): void {
  const header = encodeDatagramHeader(pending.remoteId, 0);
  const payload = encodeFarewell({ kind: "refused", reason: finish.reason });
  const sealed = seal(finish.noise.split().send, { counter: 0, aad: header }, payload);
  const frame = concatBytes(header, sealed);
  pending.refusal = { frame, finishDigest: sha256(finish.message) };
  turn.out.push({ type: "transmit", path: finish.path, bytes: frame.slice() });
}

function repeatRefusal<Member>(
  core: SessionCore<Member>,
  pending: Pending,
  finish: { message: Uint8Array; path: Path },
  turn: Turn<Member>,
): void {
  const { refusal } = pending;
  if (!refusal || !equalBytes(refusal.finishDigest, sha256(finish.message))) {
    return core.drops.count("bad-handshake");
  }
  turn.out.push({ type: "transmit", path: finish.path, bytes: refusal.frame.slice() });
}
