/**
 * From what a person types to the one thing that is meant: its whole id, a prefix of it of at least
 * 4 characters that fits no other, or its alias, in this order.
 *
 * Aliases are self-claimed, so the first thing that a name meant can be pinned; then it never means
 * another. A prefix that fits several is ambiguous, also where it is somebody's alias: nobody may
 * step between by choosing a name.
 *
 * @module
 */
import { fail, ok, PREFIX_CHARS_MIN, type Result } from "../base/mod.ts";

/** A thing with names: a node, a network, a VM. */
export interface Named {
  readonly id: string;
  readonly alias: string | null;
}

/** Why a name means nothing. */
export type NameReason = "not-found" | "ambiguous";

/**
 * Finds what `name` means among `things`.
 *
 * @param pinned The id that this name meant before; then it means that or nothing.
 */
export function resolveName<T extends Named>(
  name: string,
  things: Iterable<T>,
  pinned?: string,
): Result<T, NameReason> {
  const all = [...things];
  const exact = all.find(({ id }) => id === name);
  if (exact !== undefined) return ok(exact);
  if (pinned !== undefined) return only(all.filter(({ id }) => id === pinned));
  const byPrefix = name.length >= PREFIX_CHARS_MIN
    ? only(all.filter(({ id }) => id.startsWith(name)))
    : fail("not-found");
  if (byPrefix.ok || byPrefix.reason === "ambiguous") return byPrefix;
  return only(all.filter(({ alias }) => alias === name));
}

function only<T>(found: readonly T[]): Result<T, NameReason> {
  const [first, ...others] = found;
  if (first === undefined) return fail("not-found");
  return others.length === 0 ? ok(first) : fail("ambiguous");
}
