import { deepStrictEqual } from "node:assert/strict";
import { findRental, type Rental } from "../../src/market/mod.ts";
import { inState, START_MS, vmId } from "./rental_samples.ts";

/** The id that a name means, or why it means none. */
function meant(all: readonly Rental[], name: string | null): string {
  const found = findRental(all, name);
  return found.ok ? found.value.id : found.reason;
}

const BOX = inState("ready", { id: vmId(1), name: "box" });

Deno.test("a VM is meant by its id, a prefix, its name, or alone", () => {
  for (const name of [BOX.id, BOX.id.slice(0, 4), "box", null]) {
    deepStrictEqual(meant([BOX], name), BOX.id);
  }
});

Deno.test("a name that means nothing, or more than one, says which", () => {
  const other = inState("ready", { id: vmId(2) });
  deepStrictEqual(meant([], null), "none-lives");
  deepStrictEqual(meant([BOX, other], null), "several-live");
  deepStrictEqual(meant([BOX, other], "none"), "unknown");
  deepStrictEqual(meant([BOX, other], BOX.id.slice(0, 3)), "unknown");
  deepStrictEqual(meant([BOX, other], BOX.id.slice(0, 4)), "ambiguous");
});

Deno.test("a prefix means the VM that lives before those that ended", () => {
  const ended = inState("lost", { id: vmId(2) });
  deepStrictEqual(meant([ended, BOX], BOX.id.slice(0, 4)), BOX.id);
  deepStrictEqual(meant([ended], ended.id.slice(0, 4)), ended.id);
});

Deno.test("a name means the VM that lives, then the one that ended last, in whatever order they are", () => {
  const [first, second] = [1, 2].map((n) => {
    return inState("lost", { id: vmId(n), name: "box", endedAtMs: START_MS + n });
  }) as [Rental, Rental];
  const lives = inState("ready", { id: vmId(3), name: "box" });
  for (const all of [[first, second], [second, first]]) {
    deepStrictEqual(meant(all, "box"), second.id);
    deepStrictEqual(meant([...all, lives], "box"), lives.id);
    deepStrictEqual(meant([lives, ...all], first.id), first.id);
  }
});
