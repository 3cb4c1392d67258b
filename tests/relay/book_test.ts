import assert from "node:assert/strict";
import {
  type Instant,
  type NetworkId,
  type NodeId,
  peerKey,
  seededRandom,
} from "../../src/base/mod.ts";
import {
  RelayBook,
  type RelayEnd,
  SESSION_IDLE_MS,
  SESSIONS_PER_MEMBER_MAX,
  SESSIONS_WITH_MEMBER_MAX,
} from "../../src/relay/mod.ts";

const at = (ms: number) => ms as Instant;
/** Each node at a port of its own. */
const addressOf = (node: string) => `192.0.2.1:${parseInt(node, 36) + 1}`;
const end = (node: string, address = addressOf(node), network = "net"): RelayEnd => ({
  peer: peerKey(network as NetworkId, node as NodeId),
  address,
});
const open = (book: RelayBook, a: RelayEnd, b: RelayEnd, now = 0) => {
  const result = book.allocate(a, b, at(now));
  assert.ok(result.ok);
  return result.value;
};

Deno.test("RelayBook gives a pair one session, whoever asks, with the newest addresses", () => {
  const book = new RelayBook(seededRandom(1));
  const first = open(book, end("a"), end("b"));
  const again = open(book, end("b", "192.0.2.2:9"), end("a", "192.0.2.1:7"));
  assert.equal(again.id, first.id);
  assert.deepEqual(book.all(), [again]);
});

Deno.test("RelayBook refuses a session with oneself, across networks and at one address", () => {
  const book = new RelayBook(seededRandom(1));
  const beside = end("b", end("a").address);
  assert.deepEqual(book.allocate(end("a"), beside, at(0)), { ok: false, reason: "same-address" });
  assert.deepEqual(book.allocate(end("a"), end("a"), at(0)), { ok: false, reason: "same-peer" });
  const foreign = end("b", "192.0.2.2:1", "other");
  assert.deepEqual(book.allocate(end("a"), foreign, at(0)), { ok: false, reason: "other-network" });
});

Deno.test("RelayBook refuses a member's session past its limit, and takes one when one ends", () => {
  const book = new RelayBook(seededRandom(1));
  const sessions = Array.from(
    { length: SESSIONS_PER_MEMBER_MAX },
    (_, i) => open(book, end("a"), end(`b${i}`)),
  );
  const more = () => book.allocate(end("a"), end("z"), at(0));
  assert.deepEqual(more(), { ok: false, reason: "member-limit" });
  assert.ok(sessions[0] !== undefined && book.remove(sessions[0].id) !== undefined);
  assert.ok(more().ok);
});

Deno.test("RelayBook lets a member be asked for more often than it may ask", () => {
  const book = new RelayBook(seededRandom(1));
  for (let i = 0; i < SESSIONS_WITH_MEMBER_MAX; i++) open(book, end(`a${i}`), end("provider"));
  const reason = "member-limit";
  assert.deepEqual(book.allocate(end("late"), end("provider"), at(0)), { ok: false, reason });
  assert.deepEqual(book.allocate(end("provider"), end("late"), at(0)), { ok: false, reason });
  assert.ok(book.allocate(end("late"), end("other"), at(0)).ok);
});

Deno.test("RelayBook moves a member's end in all of its sessions and in no other", () => {
  const book = new RelayBook(seededRandom(1));
  open(book, end("a"), end("b"));
  open(book, end("c"), end("a"));
  open(book, end("b"), end("c"));
  const moved = book.moved(end("a", "198.51.100.5:5"));
  assert.equal(moved.length, 2);
  assert.equal(book.moved(end("a", "198.51.100.5:5")).length, 0);
  const addresses = book.all().flatMap((s) => [s.a, s.b]).filter((e) => e.peer.endsWith("/a"));
  assert.ok(addresses.every((e) => e.address === "198.51.100.5:5"));
});

Deno.test("RelayBook closes a session that was idle for its whole time, and keeps a used one", () => {
  const book = new RelayBook(seededRandom(1));
  const idle = open(book, end("a"), end("b"));
  const busy = open(book, end("a"), end("c"));
  book.used(busy.id, 1_000, at(SESSION_IDLE_MS));
  assert.deepEqual(book.expire(at(SESSION_IDLE_MS)).map((s) => s.id), [idle.id]);
  assert.deepEqual(book.all().map((s) => s.id), [busy.id]);
});

Deno.test("RelayBook closes every session of a member that left, and no other", () => {
  const book = new RelayBook(seededRandom(1));
  open(book, end("a"), end("b"));
  open(book, end("c"), end("a"));
  const other = open(book, end("b"), end("c"));
  assert.equal(book.left(end("a").peer).length, 2);
  assert.deepEqual(book.all().map((s) => s.id), [other.id]);
  assert.deepEqual(book.left(end("a").peer), []);
});

Deno.test("RelayBook tells whether two members have a session", () => {
  const book = new RelayBook(seededRandom(1));
  const { id } = open(book, end("a"), end("b"));
  const [a, b] = [end("a").peer, end("b").peer];
  assert.deepEqual([book.joins(a, b), book.joins(b, a)], [true, true]);
  book.remove(id);
  assert.equal(book.joins(a, b), false);
});

Deno.test("RelayBook refuses a session past its own limit, and takes one when one ends", () => {
  const book = new RelayBook(seededRandom(1), 2);
  const [first] = [open(book, end("a"), end("b")), open(book, end("c"), end("d"))];
  assert.deepEqual(book.allocate(end("e"), end("f"), at(0)), { ok: false, reason: "relay-full" });
  open(book, end("b"), end("a"));
  book.remove(first.id);
  assert.ok(book.allocate(end("e"), end("f"), at(0)).ok);
});

Deno.test("RelayBook gives no two sessions one number, whatever the dice say", () => {
  const drawn = [1, 1, 2].map((n) => Uint8Array.of(0, 0, 0, n));
  const book = new RelayBook({ bytes: () => drawn.shift() ?? Uint8Array.of(9, 9, 9, 9) });
  const pairs = [["a", "b"], ["c", "d"]].map(([a = "", b = ""], i) =>
    open(book, end(a, `192.0.2.1:${i + 1}`), end(b, `192.0.2.2:${i + 1}`))
  );
  assert.equal(new Set(pairs.map(({ id }) => id)).size, 2);
  assert.equal(book.size, 2);
});
