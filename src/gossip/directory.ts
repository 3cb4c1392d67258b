/**
 * The directory's answers: what a relay says to members that publish or read records.
 *
 * @module
 */
import type { Asked, Refused, Reply } from "../base/mod.ts";
import type { ItemPage } from "./item_store.ts";
import type { DoorReason, GossipCalls, Item } from "./types.ts";

/** What stands behind the answers. */
export interface Directory<I extends Item> {
  /** Whether this node is a directory at all. */
  readonly isServed: boolean;
  /** The items after an id. */
  page(after: string | null): ItemPage<I>;
  /** Takes what a member says of itself, or says why not. */
  publish(bytes: Uint8Array): Refused | undefined;
}

/** Answers one call. */
export function serve<I extends Item>(
  asked: Asked<GossipCalls>,
  directory: Directory<I>,
): Reply<GossipCalls> {
  const { call, name } = asked;
  if (!directory.isServed) {
    const message = `The peer does not serve ${JSON.stringify(name)}`;
    return { type: "reply", call, ok: false, refused: { code: "unsupported", message } };
  }
  if (asked.name === "record.publish") {
    const refused = directory.publish(asked.question.record);
    if (refused !== undefined) return { type: "reply", call, ok: false, refused };
    return { type: "reply", call, name: asked.name, ok: true, answer: {} };
  }
  const { items, more } = directory.page(asked.question.after);
  const next = more ? items.at(-1)?.id ?? null : null;
  const answer = { records: items.map(({ bytes }) => bytes), next };
  return { type: "reply", call, name: asked.name, ok: true, answer };
}

/** Why a record that a member publishes is not taken. */
export function refusalOf(reason: DoorReason): Refused {
  switch (reason) {
    case "not-own":
      return { code: "not-allowed", message: "A member publishes its own record only" };
    case "not-granted":
      return { code: "not-allowed", message: "A record says no more than its member may do" };
    default:
      return { code: "refused", message: `The record is refused: ${reason}` };
  }
}
