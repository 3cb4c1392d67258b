/**
 * Ids of our own, turned back into the keys that they are.
 *
 * @module
 */
import { publicKeyOf } from "../crypto/mod.ts";

/**
 * The key of an id that is good by the caller's duty: one of our own making, or checked before.
 *
 * @throws {TypeError} When the id is none.
 */
export function keyOfId(id: string): Uint8Array {
  const key = publicKeyOf(id);
  if (!key.ok) throw new TypeError(`Cannot read id as a key: current value is ${id}`);
  return key.value;
}
