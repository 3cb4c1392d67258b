import { deepStrictEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import type { NodeId } from "../../src/base/mod.ts";
import { ItemStore } from "../../src/gossip/item_store.ts";
import { RECORDS_PER_PAGE } from "../../src/gossip/mod.ts";
import type { Item } from "../../src/gossip/types.ts";

const NOON = 1_000_000;
const LIFE = 60_000;
const SLACK = 10_000;
const OVER = NOON + LIFE + SLACK + 1;

const store = (itemsMax = 100) => new ItemStore<Item>({ itemsMax, clockSlackMs: SLACK });

function item(id: string, changes: Partial<Item> & { readonly says?: number } = {}): Item {
  const { says = 0, ...rest } = changes;
  const bytes = Uint8Array.of(says);
  return { id: id as NodeId, seq: 1, expiresAtMs: NOON + LIFE, roles: [], bytes, ...rest };
}

const ids = (items: readonly Item[]): string[] => items.map(({ id }) => id);

Deno.test("the newest item of a node wins, in whatever order they come", () => {
  const all = [1, 2, 3, 4].map((seq) => item("alice", { seq }));
  fc.assert(fc.property(fc.shuffledSubarray(all, { minLength: 1 }), (some) => {
    const items = store();
    for (const each of some) items.put(each, NOON);
    const newest = Math.max(...some.map(({ seq }) => seq));
    equal(items.get("alice" as NodeId, NOON)?.seq, newest);
    equal(items.size, 1);
  }));
});

Deno.test("put() says what an item was to the store", () => {
  const items = store();
  const outcomes = [
    item("alice", { seq: 5 }),
    item("alice", { seq: 5 }),
    item("alice", { seq: 4 }),
    item("alice", { seq: 5, says: 1 }),
    item("alice", { seq: 6 }),
  ].map((each) => items.put(each, NOON));
  deepStrictEqual(outcomes, ["new", "same", "stale", "conflict", "newer"]);
  equal(items.put(item("alice", { seq: 9 }), OVER), "expired");
});

Deno.test("an item that has expired is nowhere to be found, and does not block a younger start", () => {
  const items = store();
  items.put(item("alice", { seq: 9, roles: ["provider"] }), NOON);
  equal(items.get("alice" as NodeId, OVER - 1)?.seq, 9, "within the slack");
  equal(items.get("alice" as NodeId, OVER), undefined);
  deepStrictEqual([items.list(OVER), items.withRole("provider", OVER)], [[], []]);
  deepStrictEqual(items.page(null, OVER), { items: [], more: false });
  equal(items.put(item("alice", { expiresAtMs: OVER + LIFE }), OVER), "new");
});

Deno.test("sweep() drops what has expired and nothing else", () => {
  const items = store();
  items.put(item("alice"), NOON);
  items.put(item("bob", { expiresAtMs: OVER }), NOON);
  deepStrictEqual(items.sweep(NOON), []);
  deepStrictEqual(ids(items.sweep(OVER)), ["alice"]);
  deepStrictEqual([ids(items.list(OVER)), items.size], [["bob"], 1]);
});

Deno.test("items are found by role, as the newest of each node says", () => {
  const items = store();
  items.put(item("alice", { roles: ["provider"] }), NOON);
  items.put(item("bob", { roles: ["relay", "provider"] }), NOON);
  deepStrictEqual(ids(items.withRole("relay", NOON)), ["bob"]);
  deepStrictEqual(ids(items.withRole("provider", NOON)), ["alice", "bob"]);
  items.put(item("bob", { seq: 2, roles: ["provider"] }), NOON);
  deepStrictEqual(items.withRole("relay", NOON), []);
  items.put(item("alice", { seq: 0, roles: ["relay"] }), NOON);
  deepStrictEqual(items.withRole("relay", NOON), [], "an old one says nothing");
});

Deno.test("a full store drops the item that was not renewed for longest, with its roles", () => {
  const items = store(2);
  items.put(item("alice"), NOON);
  items.put(item("bob", { roles: ["relay"] }), NOON);
  items.put(item("alice", { seq: 8 }), NOON);
  items.put(item("ivan"), NOON);
  deepStrictEqual(ids(items.list(NOON)), ["alice", "ivan"]);
  deepStrictEqual(items.withRole("relay", NOON), []);
});

Deno.test("page() walks through all items in order, each once", () => {
  const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 6 }), { maxLength: 60 });
  fc.assert(fc.property(names, (all) => {
    const items = store();
    for (const name of all) items.put(item(name), NOON);
    const seen: string[] = [];
    for (let more = true; more;) {
      const page = items.page(seen.at(-1) ?? null, NOON);
      ok(page.items.length <= RECORDS_PER_PAGE);
      seen.push(...ids(page.items));
      more = page.more;
    }
    deepStrictEqual(seen, all.toSorted((a, b) => a < b ? -1 : 1));
  }));
});
