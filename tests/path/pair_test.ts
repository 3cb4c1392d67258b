/** Two path machines over a relay and a direct way: upgrade, death, return, budgets. */
import assert from "node:assert/strict";
import { A_SEEN, B_SEEN, type End, Pair, RELAYED } from "./pair.ts";
import { asPath } from "../../src/wire/mod.ts";
import type { Candidate } from "../../src/path/mod.ts";

const VICTIM = asPath("192.0.2.66:53");
/** How soon traffic must be on another path. Source: the project's goal for a dead path. */
const BACK_MS = 2_500;

/** Runs with many seeds; a failure names the one that fails. */
function everySeed(count: number, run: (seed: number) => void): void {
  for (let seed = 1; seed <= count; seed++) {
    try {
      run(seed);
    } catch (cause) {
      throw new Error(`seed ${seed}: ${cause instanceof Error ? cause.message : cause}`, { cause });
    }
  }
}

/** Each table of an end: its paths are accepted, and it never points to nowhere. */
function assertUnbroken(end: End): void {
  for (const { active, standby, accept } of end.heard("routes")) {
    assert.ok(active !== null && accept.includes(active), `no way at ${active}`);
    assert.ok(standby === null || (accept.includes(standby) && standby !== active));
  }
}

Deno.test("a relayed pair becomes direct within a second, and never has no path", () => {
  everySeed(20, (seed) => {
    const pair = new Pair(seed).begin().run(1_000);
    assert.deepEqual([pair.a.active, pair.b.active], [B_SEEN, A_SEEN]);
    for (const end of [pair.a, pair.b]) {
      assertUnbroken(end);
      assert.equal(end.heard("routes").at(-1)?.standby, RELAYED);
      assert.deepEqual(end.heard("moved").map(({ to }) => to), [RELAYED, end.active]);
    }
  });
});

Deno.test("a pair becomes direct on ways that lose a tenth and reorder", () => {
  everySeed(20, (seed) => {
    const pair = new Pair(seed);
    Object.assign(pair.relay, { loss: 0.1, delayMs: { min: 20, max: 90 } });
    Object.assign(pair.direct, { loss: 0.1, delayMs: { min: 5, max: 40 } });
    pair.begin().run(30_000);
    for (const end of [pair.a, pair.b]) {
      assert.ok(end.heard("moved").some(({ to }) => to === pair.other(end).seenAt));
      assert.equal(end.heard("lost").length, 0);
      assertUnbroken(end);
    }
  });
});

Deno.test("a direct path that dies gives way to the relayed one in time, and comes back", () => {
  everySeed(20, (seed) => {
    const pair = new Pair(seed).upgraded().run(seed * 97);
    pair.direct.up = false;
    pair.run(BACK_MS);
    assert.deepEqual([pair.a.active, pair.b.active], [RELAYED, RELAYED]);
    pair.direct.up = true;
    pair.run(30_000);
    assert.deepEqual([pair.a.active, pair.b.active], [B_SEEN, A_SEEN]);
    [pair.a, pair.b].forEach(assertUnbroken);
  });
});

Deno.test("a relayed path that dies takes nothing from a direct one", () => {
  const pair = new Pair(1).upgraded();
  pair.relay.up = false;
  pair.run(60_000);
  assert.deepEqual([pair.a.active, pair.b.active], [B_SEEN, A_SEEN]);
  assert.equal(pair.a.heard("routes").at(-1)?.standby, null);
});

Deno.test("a peer whose every path died is lost once, and then nothing is sent or waited for", () => {
  everySeed(20, (seed) => {
    const pair = new Pair(seed).upgraded().run(seed * 131);
    pair.direct.up = false;
    pair.relay.up = false;
    pair.run(20_000);
    for (const end of [pair.a, pair.b]) {
      assert.equal(end.heard("lost").length, 1);
      assert.deepEqual(end.heard("routes").at(-1)?.accept, []);
      assert.equal(end.active, null);
      assert.equal(end.machine.wakeup(), undefined);
    }
  });
});

Deno.test("a lost peer is found again by its next session", () => {
  const pair = new Pair(3).upgraded();
  Object.assign(pair.relay, { up: false });
  Object.assign(pair.direct, { up: false });
  pair.run(20_000);
  Object.assign(pair.relay, { up: true });
  Object.assign(pair.direct, { up: true });
  pair.begin().run(2_000);
  assert.deepEqual([pair.a.active, pair.b.active], [B_SEEN, A_SEEN]);
});

Deno.test("the data path's word that a path is dead moves traffic at once", () => {
  const pair = new Pair(1).upgraded();
  pair.direct.up = false;
  pair.a.take({ type: "path-dead", peer: pair.a.peer, path: B_SEEN });
  assert.equal(pair.a.active, RELAYED);
  assert.equal(pair.a.heard("routes").at(-1)?.active, RELAYED);
  pair.run(BACK_MS);
  assert.equal(pair.b.active, RELAYED);
});

Deno.test("a path that the data path gave up wrongly is used again when it answers", () => {
  const pair = new Pair(1).upgraded();
  pair.a.take({ type: "path-dead", peer: pair.a.peer, path: B_SEEN });
  assert.equal(pair.a.active, RELAYED);
  pair.run(1_000);
  assert.equal(pair.a.active, B_SEEN);
});

Deno.test("a doubt of the data path asks at once, and an answer keeps the path", () => {
  const pair = new Pair(1).upgraded("hold");
  const before = pair.a.probesTo(B_SEEN);
  pair.a.take({ type: "path-doubt", peer: pair.a.peer, path: B_SEEN });
  assert.equal(pair.a.probesTo(B_SEEN), before + 1);
  pair.run(100);
  assert.equal(pair.a.active, B_SEEN);
});

Deno.test("a change of network doubts every path and begins the attempts anew", () => {
  const pair = new Pair(1).upgraded("hold");
  pair.direct.up = false;
  pair.a.take({ type: "network-changed" });
  pair.run(BACK_MS);
  assert.equal(pair.a.active, RELAYED);
  const { attempt } = pair.a.heard("offer-candidates").at(-1) ?? {};
  assert.equal(attempt, 1);
});

Deno.test("attempts that fail are repeated ever more rarely", () => {
  const pair = new Pair(1);
  pair.direct.up = false;
  pair.begin().run(600_000);
  const offers = pair.a.heard("offer-candidates");
  const waits = offers.slice(1).map((offer, i) => offer.at - (offers[i]?.at ?? 0));
  assert.deepEqual(waits.map((ms) => Math.round(ms / 1_000)), [5, 15, 60, 300]);
  assert.equal(pair.b.heard("offer-candidates").length, 0);
});

Deno.test("a direct path that lived is tried again at once and from the first pause on", () => {
  const pair = new Pair(1);
  pair.direct.up = false;
  pair.begin().run(100_000);
  pair.direct.up = true;
  pair.run(300_000);
  assert.equal(pair.a.active, B_SEEN);
  pair.direct.up = false;
  pair.run(30_000);
  const [first, second, third] = pair.a.heard("offer-candidates").slice(-3);
  assert.ok(first && second && third);
  assert.deepEqual([second.at - first.at, third.at - second.at], [5_000, 15_000]);
});

Deno.test("an address that nobody vouched for gets three probes and an opener, then silence", () => {
  for (const end of ["a", "b"] as const) {
    const pair = new Pair(1);
    pair.direct.up = false;
    pair[end].candidates = [{ address: VICTIM, source: "peer", vouchedBy: null }];
    pair.begin().run(4_900);
    assert.equal(pair[end].probesTo(VICTIM), 3);
    assert.equal(pair[end].heard("send").filter(({ path }) => path === VICTIM).length, 4);
  }
});

Deno.test("a peer that asks for attempts again and again aims nobody at a victim", () => {
  const pair = new Pair(1).begin();
  const { a } = pair;
  const candidates: Candidate[] = [{ address: VICTIM, source: "peer", vouchedBy: null }];
  for (let i = 0; i < 1_000; i++) {
    a.take({ type: "punch", peer: a.peer, candidates, startInMs: 0 });
    pair.run(10);
  }
  assert.ok(a.heard("send").filter(({ path }) => path === VICTIM).length <= 4);
});

Deno.test("a peer that forges the source of its pings gets a victim little", () => {
  const pair = new Pair(1).begin();
  const ping = new Uint8Array(64).fill(1, 0, 1);
  for (let i = 0; i < 100; i++) {
    pair.a.take({ type: "probe", peer: pair.a.peer, path: VICTIM, bytes: ping });
    pair.run(100);
  }
  const sent = pair.a.heard("send").filter(({ path }) => path === VICTIM);
  const pongs = sent.filter(({ payload }) => payload[0] === 2).length;
  assert.ok(pongs <= 20, `${pongs} pongs`);
  assert.ok(sent.length - pongs <= 3, `${sent.length - pongs} pings of ours`);
});

Deno.test("a peer that pings from ever new addresses costs no more memory than the limit", () => {
  const pair = new Pair(1).upgraded();
  const ping = new Uint8Array(64).fill(1, 0, 1);
  for (let i = 1; i < 2_000; i++) {
    pair.a.take({ type: "probe", peer: pair.a.peer, path: asPath(`192.0.2.1:${i}`), bytes: ping });
  }
  pair.run(10_000);
  assert.equal(pair.a.active, B_SEEN);
  assert.equal(pair.a.machine.views(pair.a.peer, pair.now).length, 2);
});
