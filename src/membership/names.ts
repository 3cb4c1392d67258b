/**
 * From what a person types to the one thing that is meant: its whole id, else its alias or a prefix of
 * its id that is long enough.
 *
 * ```text
 *   whole id ▸ what the name meant before (pinned), or nothing ▸ alias or prefix: exactly one thing
 * ```
 *
 * Aliases are self-claimed, and the beginning of a key can be ground. So neither goes before the other:
 * where an alias and a prefix mean different things, or either means several, the name is ambiguous.
 * Nobody steps between by choosing a name or a key; and whom a name meant first, it means for good.
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

/** How a name is read. */
export interface NameRules {
  /** The id that this name meant before; then it means that or nothing. */
  readonly pinned?: string;
  /** Characters of an id that name it. Default: those of peers and networks. */
  readonly prefixCharsMin?: number;
}

/** Finds what `name` means among `things`. */
export function resolveName<T extends Named>(
  name: string,
  things: Iterable<T>,
  { pinned, prefixCharsMin = PREFIX_CHARS_MIN }: NameRules = {},
): Result<T, NameReason> {
  const all = [...things];
  const exact = all.find(({ id }) => id === name);
  if (exact !== undefined) return ok(exact);
  const meant = pinned === undefined
    ? thingsNamed(name, all, prefixCharsMin)
    : all.filter(({ id }) => id === pinned);
  const [first, ...others] = meant;
  if (first === undefined) return fail("not-found");
  return others.length === 0 ? ok(first) : fail("ambiguous");
}

/** Everything that `name` may mean: by its alias, or by the beginning of its id. */
export function thingsNamed<T extends Named>(
  name: string,
  things: Iterable<T>,
  prefixCharsMin = PREFIX_CHARS_MIN,
): readonly T[] {
  const isBegun = name.length >= prefixCharsMin;
  return [...things].filter(({ id, alias }) => alias === name || isBegun && id.startsWith(name));
}
