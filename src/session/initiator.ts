/**
 * Our side of a handshake that we begin.
 *
 * ```text
 *   connect ─▶ attempt: hello on every path, again after 250 ms · 2ⁿ
 *      reply of the expected, verified peer ─▶ link (ours): finish and an empty datagram, again …
 *      first datagram back ─▶ established            (session_machine.ts)
 *      5 s over, or no path left ─▶ failed
 * ```
 *
 * A reply is read on a copy of the handshake: neither a forgery nor another member that answers at an
 * old address ends what may come through on another path. The third message, which tells who we are,
 * is sent to nobody but the expected peer.
 *
 * @module
 */
import { after, doubledMs, type NodeId, type Path } from "../base/mod.ts";
import { NoiseHandshake } from "../crypto/mod.ts";
import { CONTROL } from "../wire/mod.ts";
import {
  ATTEMPT_PATHS_MAX,
  HANDSHAKE_RESEND_MS,
  HANDSHAKE_TIMEOUT_MS,
  PAYLOAD_SHOWN_BYTES_MAX,
  REJECT_AFTER_MS,
} from "./constants.ts";
import {
  type Attempt,
  endLink,
  type Fault,
  gateName,
  makeRoom,
  meet,
  type Met,
  type SessionCore,
  tellFailure,
  type Turn,
} from "./core.ts";
import {
  encodeHello,
  encodeHelloPayload,
  encodeIntroduction,
  encodeNamed,
  PROLOGUE,
} from "./layout.ts";
import { Link } from "./link.ts";
import { place } from "./slots.ts";
import type { AcceptedKey, DropReason, FailReason, SessionIn, SessionKey } from "./types.ts";

/** Replies that do not open after which an attempt looks at no more: each costs an X25519. Guess. */
const BAD_REPLIES_MAX = 32;
const NOTHING = new Uint8Array();
/** How a path that was given up is counted. */
const DROP_OF_FAULT: Partial<Record<FailReason, DropReason>> = {
  unverified: "unverified",
  refused: "refused-key",
};

/** Takes `connect`. @throws {RangeError} When the payload is too long to be shown. */
export function connect<Member>(
  core: SessionCore<Member>,
  input: Extract<SessionIn, { type: "connect" }>,
  turn: Turn<Member>,
): void {
  if (input.payload.length > PAYLOAD_SHOWN_BYTES_MAX) {
    throw new RangeError(`Cannot show payload: it has ${input.payload.length} bytes`);
  }
  const key = { ...input.key, payload: input.payload.slice() };
  begin(core, { peer: input.peer, key, paths: [input.path], isRenewal: false }, turn);
}

/**
 * Renews a link before it is too old; what comes of it shows in the slot. Never where a datagram came
 * from last: its source may be forged, and a hello is large.
 */
export function renew<Member>(
  core: SessionCore<Member>,
  link: Link<Member>,
  turn: Turn<Member>,
): void {
  const key = newestKey(core, link.is.key);
  begin(core, { peer: link.is.slot.node, key, paths: [link.sentPath], isRenewal: true }, turn);
}

/** Takes a reply that names an attempt. */
export function takeReply<Member>(
  core: SessionCore<Member>,
  attempt: Attempt,
  reply: { message: Uint8Array; path: Path },
  turn: Turn<Member>,
): void {
  if (!attempt.paths.includes(reply.path)) return core.drops.count("wrong-path");
  const noise = attempt.noise.clone();
  const payload = attempt.badReplies < BAD_REPLIES_MAX && noise.readMessage(reply.message);
  if (!payload || !payload.ok) {
    attempt.badReplies++;
    return core.drops.count("bad-handshake");
  }
  const staticKey = noise.remoteStatic ?? NOTHING;
  const shown = { payload: payload.value, staticKey, expected: attempt.peer };
  const result = meet(core, attempt.key, shown);
  if (!result.ok) return giveUpPath(core, attempt, { path: reply.path, fault: result.fault }, turn);
  finish(core, attempt, { noise, met: result.met, path: reply.path }, turn);
}

/** The deadline of an attempt has come. */
export function attemptDue<Member>(
  core: SessionCore<Member>,
  attempt: Attempt,
  turn: Turn<Member>,
): void {
  if (turn.now >= after(attempt.begunAt, HANDSHAKE_TIMEOUT_MS)) {
    return failAttempt(core, attempt, attempt.fault ?? { reason: "timeout" }, turn);
  }
  sendHello(core, attempt, turn);
}

/** The deadline of an unconfirmed link of ours has come. */
export function finishDue<Member>(
  core: SessionCore<Member>,
  link: Link<Member>,
  turn: Turn<Member>,
): void {
  const { finishing } = link;
  if (finishing && turn.now < after(finishing.begunAt, HANDSHAKE_TIMEOUT_MS)) {
    return sendFinish(core, link, turn);
  }
  if (finishing === undefined) return endLink(core, link);
  linger(core, link, turn);
}

/**
 * Only what came back may have been lost, and the peer may use this link from now on. So it is still
 * read, and the peer's next datagram confirms it; without that, the two ends could stay apart.
 */
function linger<Member>(core: SessionCore<Member>, link: Link<Member>, turn: Turn<Member>): void {
  const { key, slot, createdAt, begunAt } = link.is;
  const isRenewal = link.finishing?.isRenewal ?? true;
  link.finishing = undefined;
  core.timers.set(link.is.id, after(createdAt, REJECT_AFTER_MS), "unconfirmed session end");
  if ((slot.current?.confirmedAt ?? -1) >= begunAt) return; // the peer's own handshake came through
  const attempt = { peer: slot.node, key, path: link.heardPath, isRenewal };
  tellFailure(attempt, { reason: "timeout" }, turn);
}

/** Ends an unconfirmed link of ours and says why. */
export function failLink<Member>(
  core: SessionCore<Member>,
  link: Link<Member>,
  fault: Fault,
  turn: Turn<Member>,
): void {
  const { key, slot } = link.is;
  const isRenewal = link.finishing?.isRenewal ?? true;
  endLink(core, link);
  tellFailure({ peer: slot.node, key, path: link.heardPath, isRenewal }, fault, turn);
}

/** Ends an attempt and says why. */
export function failAttempt<Member>(
  core: SessionCore<Member>,
  attempt: Attempt,
  fault: Fault,
  turn: Turn<Member>,
): void {
  dropAttempt(core, attempt);
  tellFailure({ ...attempt, path: attempt.paths[0] ?? null }, fault, turn);
}

/** Ends an attempt without a word. */
export function dropAttempt<Member>(core: SessionCore<Member>, attempt: Attempt): void {
  core.release(attempt.id);
  core.attempts.delete(attemptName(attempt.key, attempt.peer));
}

/** The attempt with a peer, if one is under way. */
export function attemptWith<Member>(
  core: SessionCore<Member>,
  key: Pick<SessionKey, "network" | "kind">,
  peer: NodeId,
): Attempt | undefined {
  return core.attempts.get(attemptName(key, peer));
}

interface Plan {
  readonly peer: NodeId | null;
  readonly key: AcceptedKey;
  readonly paths: Path[];
  readonly isRenewal: boolean;
}

function begin<Member>(core: SessionCore<Member>, plan: Plan, turn: Turn<Member>): void {
  const { peer, key, paths, isRenewal } = plan;
  const path = paths[0] ?? null;
  const known = core.attempts.get(attemptName(key, peer));
  if (known !== undefined) return join(core, known, plan, turn);
  const finishing = peer && core.slots.find({ network: key.network, kind: key.kind, node: peer });
  if (finishing && finishing.ours?.finishing) {
    finishing.ours.finishing.isRenewal &&= isRenewal; // its end, good or bad, answers this too
    return;
  }
  if (peer === core.self) {
    return tellFailure({ ...plan, path }, { reason: "wrong-peer", detail: core.self }, turn);
  }
  if (core.attempts.size >= core.limits.attemptsMax) {
    return tellFailure({ ...plan, path }, { reason: "busy" }, turn);
  }
  const attempt = makeAttempt(core, plan, turn);
  core.attempts.set(attemptName(key, peer), attempt);
  core.hold(attempt.id, attempt);
  sendHello(core, attempt, turn);
}

/** Tries an attempt that is under way on more paths. */
function join<Member>(
  core: SessionCore<Member>,
  attempt: Attempt,
  plan: Plan,
  turn: Turn<Member>,
): void {
  attempt.isRenewal &&= plan.isRenewal;
  for (const path of plan.paths) {
    if (attempt.paths.includes(path) || attempt.paths.length >= ATTEMPT_PATHS_MAX) continue;
    attempt.paths.push(path);
    turn.out.push({ type: "transmit", path, bytes: attempt.hello.slice(), opens: "hello" });
  }
  core.timers.set(attempt.id, after(turn.now, HANDSHAKE_RESEND_MS), "handshake resend");
}

function makeAttempt<Member>(core: SessionCore<Member>, plan: Plan, turn: Turn<Member>): Attempt {
  const { staticKey, random } = core.options;
  const { psk } = plan.key;
  const id = core.freshId();
  const noise = new NoiseHandshake({ initiator: true, prologue: PROLOGUE, staticKey, psk, random });
  const message = noise.writeMessage(encodeHelloPayload(id));
  if (!message.ok) throw new TypeError("Cannot write message 1: it needs no key of the peer");
  return {
    type: "attempt",
    id,
    peer: plan.peer,
    key: plan.key,
    paths: plan.paths.slice(0, ATTEMPT_PATHS_MAX),
    noise,
    hello: encodeHello(plan.key, message.value),
    begunAt: turn.now,
    sendings: 0,
    badReplies: 0,
    isRenewal: plan.isRenewal,
    fault: undefined,
  };
}

function sendHello<Member>(core: SessionCore<Member>, attempt: Attempt, turn: Turn<Member>): void {
  for (const path of attempt.paths) {
    turn.out.push({ type: "transmit", path, bytes: attempt.hello.slice(), opens: "hello" });
  }
  const waitMs = doubledMs(HANDSHAKE_RESEND_MS, attempt.sendings++);
  const at = Math.min(turn.now + waitMs, attempt.begunAt + HANDSHAKE_TIMEOUT_MS);
  core.timers.set(attempt.id, at as typeof turn.now, "handshake resend");
}

/** A path led to somebody else, or to somebody who does not fit: the others may do better. */
export function giveUpPath<Member>(
  core: SessionCore<Member>,
  attempt: Attempt,
  given: { path: Path; fault: Fault },
  turn: Turn<Member>,
): void {
  core.drops.count(DROP_OF_FAULT[given.fault.reason] ?? "bad-identity");
  const rest = attempt.paths.filter((path) => path !== given.path);
  if (rest.length === 0) return failAttempt(core, attempt, given.fault, turn);
  attempt.paths = rest;
  attempt.fault = given.fault;
}

function finish<Member>(
  core: SessionCore<Member>,
  attempt: Attempt,
  reply: Reply<Member>,
  turn: Turn<Member>,
): void {
  const { noise, met, path } = reply;
  const { network, kind } = attempt.key;
  const current = core.slots.find({ network, kind, node: met.node })?.current;
  const replaced = current?.is.remoteId;
  const introduction = { ...core.introduce(attempt.key.payload), replaced };
  const message = noise.writeMessage(encodeIntroduction(introduction));
  const remoteId = met.introduction.id;
  if (!message.ok || remoteId === undefined) {
    return giveUpPath(core, attempt, { path, fault: { reason: "bad-identity" } }, turn);
  }
  if (!makeRoom(core, { key: attempt.key, node: met.node }, turn)) {
    return failAttempt(core, attempt, { reason: "busy" }, turn);
  }
  dropAttempt(core, attempt);
  const link = linkOf(core, attempt, { ...reply, remoteId, replaced: current?.is.id }, turn);
  const frame = encodeNamed(CONTROL.finish, remoteId, message.value);
  link.finishing = { frame, sendings: 0, begunAt: turn.now, isRenewal: attempt.isRenewal };
  core.hold(link.is.id, link);
  const displaced = place(link, "ours");
  if (displaced !== undefined) endLink(core, displaced);
  sendFinish(core, link, turn);
}

interface Reply<Member> {
  readonly noise: NoiseHandshake;
  readonly met: Met<Member>;
  readonly path: Path;
}

function linkOf<Member>(
  core: SessionCore<Member>,
  attempt: Attempt,
  reply: Reply<Member> & { remoteId: number; replaced: number | undefined },
  turn: Turn<Member>,
): Link<Member> {
  const { network, kind } = attempt.key;
  const { met, noise, path, remoteId, replaced } = reply;
  return new Link({
    id: attempt.id,
    remoteId,
    initiator: true,
    keys: noise.split(),
    slot: core.slots.obtain({ network, kind, node: met.node }),
    key: attempt.key,
    payload: met.introduction.payload,
    member: met.member,
    path,
    provenPath: path,
    replaced,
    begunAt: attempt.begunAt,
    createdAt: turn.now,
  });
}

/** The third message, and an empty datagram by which the peer sees that we hold the keys. */
function sendFinish<Member>(
  core: SessionCore<Member>,
  link: Link<Member>,
  turn: Turn<Member>,
): void {
  const { finishing } = link;
  if (finishing === undefined) return;
  const path = link.heardPath;
  turn.out.push({ type: "transmit", path, bytes: finishing.frame.slice(), opens: "finish" });
  turn.out.push({ type: "transmit", path, bytes: link.seal(NOTHING), opens: "finish" });
  const waitMs = doubledMs(HANDSHAKE_RESEND_MS, finishing.sendings++);
  const at = Math.min(turn.now + waitMs, finishing.begunAt + HANDSHAKE_TIMEOUT_MS);
  core.timers.set(link.is.id, at as typeof turn.now, "handshake finish resend");
}

/** The gate to renew with: the same, else another that we keep for that network. */
function newestKey<Member>(core: SessionCore<Member>, key: AcceptedKey): AcceptedKey {
  return core.keys.get(key.selector.toHex()) ?? core.firstKeys.get(gateName(key)) ?? key;
}

function attemptName(key: Pick<SessionKey, "network" | "kind">, peer: NodeId | null): string {
  return `${gateName(key)}/${peer ?? ""}`;
}
