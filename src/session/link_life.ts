/**
 * The life of a session once its keys are there: it becomes current, is renewed, retires, ends.
 *
 * ```text
 *   ours, theirs ── first datagram ──▶ current ── a newer one ──▶ previous ── 10 s ──▶ gone
 *                                        │ 120 s: renewed, where it is ours to do and worth it
 *                                        └ 180 s, farewell ──▶ gone
 * ```
 *
 * It leaves out how the keys came about (`initiator.ts`, `responder.ts`).
 *
 * @module
 */
import { after, type Instant, unreachable } from "../base/mod.ts";
import { REJECT_AFTER_MS, REKEY_AFTER_MS, REKEY_RETRY_MS } from "./constants.ts";
import { armLink, endLink, endSession, type SessionCore, type Turn } from "./core.ts";
import { attemptWith, dropAttempt, failLink, finishDue, renew } from "./initiator.ts";
import { encodeFarewell } from "./layout.ts";
import type { Link, Slot } from "./link.ts";
import { linksOf, place, supersedes } from "./slots.ts";

/** The first datagram came on a link: it becomes current, unless another is to stay. */
export function promote<Member>(
  core: SessionCore<Member>,
  link: Link<Member>,
  turn: Turn<Member>,
): void {
  const { slot } = link.is;
  const { current } = slot;
  link.confirmedAt = turn.now;
  link.finishing = undefined;
  if (current !== undefined && !supersedes(link, current, core.self)) {
    return retire(core, link, turn);
  }
  if (current !== undefined) retire(core, current, turn);
  place(link, "current");
  armLink(core, link, turn.now);
  const attempt = attemptWith(core, slot, slot.node);
  if (attempt !== undefined) dropAttempt(core, attempt); // the peer was quicker than we
  tellEstablished(core, link, current !== undefined, turn);
}

/** Puts a link behind the current one, to be read for a while. */
function retire<Member>(core: SessionCore<Member>, link: Link<Member>, turn: Turn<Member>): void {
  const displaced = place(link, "previous");
  if (displaced !== undefined) endLink(core, displaced);
  armLink(core, link, turn.now);
}

function tellEstablished<Member>(
  core: SessionCore<Member>,
  link: Link<Member>,
  renewed: boolean,
  turn: Turn<Member>,
): void {
  const { slot, initiator, payload, member, provenPath } = link.is;
  const { peer, node, network, kind } = slot;
  core.established++;
  turn.out.push({
    type: "established",
    peer,
    node,
    network,
    kind,
    initiator,
    path: provenPath ?? link.heardPath,
    proven: provenPath !== undefined,
    payload: payload.slice(),
    member,
    renewed,
  });
}

/** Ends all sessions of one kind with a peer, and tells it. */
export function closeSlot<Member>(
  core: SessionCore<Member>,
  slot: Slot<Member>,
  reason: string,
  turn: Turn<Member>,
): void {
  const { current, ours } = slot;
  if (current !== undefined) {
    const payload = encodeFarewell({ kind: "left", reason });
    for (const path of new Set([current.sentPath, current.heardPath])) {
      turn.out.push({ type: "transmit", path, bytes: current.seal(payload) });
    }
  }
  endSession(core, slot, { reason: "closed" }, turn);
  if (ours !== undefined) failLink(core, ours, { reason: "closed" }, turn);
  for (const link of linksOf(slot)) endLink(core, link);
}

/** A link's deadline has come: what it means depends on its role. */
export function linkDue<Member>(
  core: SessionCore<Member>,
  link: Link<Member>,
  turn: Turn<Member>,
): void {
  switch (link.role) {
    case "ours":
      return finishDue(core, link, turn);
    case "theirs":
    case "previous":
      return endLink(core, link);
    case "current":
      return currentDue(core, link, turn);
    default:
      unreachable(link.role);
  }
}

/** Time to renew, if it is ours to do and worth it; or the end. */
function currentDue<Member>(
  core: SessionCore<Member>,
  link: Link<Member>,
  turn: Turn<Member>,
): void {
  const { createdAt, id, slot } = link.is;
  const rejectAt = after(createdAt, REJECT_AFTER_MS);
  if (turn.now >= rejectAt) return endSession(core, slot, { reason: "expired" }, turn);
  const again = Math.min(after(turn.now, REKEY_RETRY_MS), rejectAt) as Instant;
  core.timers.set(id, again, "session rekey");
  if (turn.now >= after(createdAt, REKEY_AFTER_MS) && link.isUsed) renew(core, link, turn);
}
