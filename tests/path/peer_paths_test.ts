import assert from "node:assert/strict";
import { seededRandom } from "../../src/base/mod.ts";
import {
  LOSS_WINDOW,
  MISSES_DEAD,
  PATHS_PER_PEER_MAX,
  PONG_WAIT_MS,
  UNPROVEN_MS,
} from "../../src/path/constants.ts";
import { lossOf, type PathState, PeerPaths, pongWaitMs, prove } from "../../src/path/peer_paths.ts";
import { at } from "./samples.ts";
import { asPath } from "../../src/wire/mod.ts";

const D = "192.0.2.1:9000";
const random = seededRandom(1);

function added(paths: PeerPaths, path = D, quiet = false): PathState {
  const state = paths.add(asPath(path), at(0), quiet);
  assert.ok(state);
  return state;
}

/** A proven path that was pinged at 0 with a round trip of 10 ms. */
function proven(): { paths: PeerPaths; state: PathState } {
  const paths = new PeerPaths();
  const state = added(paths);
  assert.ok(paths.ponged(state, paths.pinged(state, at(0), random), at(10)));
  return { paths, state };
}

/** Pings at each timer without an answer until the path is gone; the times of the pings. */
function untilDead(paths: PeerPaths, state: PathState): number[] {
  const pings: number[] = [];
  for (let i = 0; paths.get(state.path) !== undefined; i++) {
    assert.ok(i < 100, "the path does not end");
    const now = paths.timerAt(state);
    assert.ok(now !== null);
    paths.lapse(state, now);
    if (paths.get(state.path) === undefined) return pings;
    if (state.nextPingAt === null || now < state.nextPingAt) continue;
    paths.pinged(state, now, random);
    pings.push(now);
  }
  return pings;
}

Deno.test("a path is proven by the pong to its own ping, once", () => {
  const paths = new PeerPaths();
  const state = added(paths);
  const nonce = paths.pinged(state, at(0), random);
  assert.equal(paths.ponged(state, new Uint8Array(8), at(10)), false);
  assert.equal(state.provenAt, null);
  assert.equal(paths.ponged(state, nonce, at(10)), true);
  assert.deepEqual([state.provenAt, state.rttMs, state.heardAt], [10, 10, 10]);
  assert.equal(paths.ponged(state, nonce, at(11)), false);
});

Deno.test("a pong does not prove another path", () => {
  const paths = new PeerPaths();
  const nonce = paths.pinged(added(paths), at(0), random);
  const other = added(paths, "192.0.2.2:1");
  assert.equal(paths.ponged(other, nonce, at(10)), false);
});

Deno.test("a pong that comes after its time still counts, and is no loss after all", () => {
  const { paths, state } = proven();
  const late = paths.pinged(state, at(1_000), random);
  paths.lapse(state, at(1_000 + PONG_WAIT_MS));
  paths.pinged(state, at(1_000 + PONG_WAIT_MS), random);
  assert.deepEqual([state.misses, lossOf(state)], [1, 0.5]);
  assert.equal(paths.ponged(state, late, at(1_500)), true);
  assert.deepEqual([state.misses, lossOf(state), state.heardAt], [0, 0, 1_500]);
});

Deno.test("the pong to an older ping does not void that to a newer one", () => {
  const { paths, state } = proven();
  const [older, newer] = [0, 100].map((ms) => paths.pinged(state, at(1_000 + ms), random));
  assert.ok(older && newer);
  assert.equal(paths.ponged(state, older, at(1_700)), true);
  assert.equal(paths.ponged(state, newer, at(1_800)), true);
  assert.equal(paths.ponged(state, newer, at(1_800)), false);
});

Deno.test("a proven path ends after three waits that double: 400, 800 and 1600 ms", () => {
  const { paths, state } = proven();
  state.nextPingAt = at(1_000);
  assert.deepEqual(untilDead(paths, state), [1_000, 1_400, 2_200]);
  assert.deepEqual([state.misses, state.nextPingAt], [3, 3_800]);
});

Deno.test("the wait follows the round trip and its variation, as in RFC 6298", () => {
  const waits = (samples: readonly number[]) => {
    const paths = new PeerPaths();
    const state = added(paths);
    return samples.map((ms) => {
      paths.ponged(state, paths.pinged(state, at(0), random), at(ms));
      return Math.round(pongWaitMs(state));
    });
  };
  assert.equal(pongWaitMs(added(new PeerPaths())), 1_000);
  assert.deepEqual(waits([700, 700, 700]), [2_100, 1_750, 1_488]);
  assert.deepEqual(waits([50, 500]), [400, 631]);
  assert.deepEqual(waits([10]), [400]);
  assert.deepEqual(waits([3_000]), [4_000]);
});

Deno.test("lapse() tells how a path ends: a mere try unanswered, a proven one dead", () => {
  const paths = new PeerPaths();
  const state = added(paths);
  assert.equal(paths.lapse(state, at(UNPROVEN_MS - 1)), null);
  assert.equal(paths.get(asPath(D)), state);
  assert.equal(paths.lapse(state, at(UNPROVEN_MS)), "unanswered");
  assert.equal(paths.get(asPath(D)), undefined);
  const { paths: others, state: lived } = proven();
  lived.misses = MISSES_DEAD;
  assert.equal(others.lapse(lived, at(20)), "dead");
  assert.equal(others.get(asPath(D)), undefined);
});

Deno.test("an answer forgets the misses before it", () => {
  const { paths, state } = proven();
  paths.pinged(state, at(1_000), random);
  paths.lapse(state, at(1_000 + PONG_WAIT_MS));
  assert.equal(state.misses, 1);
  paths.ponged(state, paths.pinged(state, at(2_000), random), at(2_020));
  assert.equal(state.misses, 0);
});

Deno.test("a slow path's pong is waited for three round trips", () => {
  const paths = new PeerPaths();
  const state = added(paths);
  paths.ponged(state, paths.pinged(state, at(0), random), at(300));
  paths.pinged(state, at(1_000), random);
  assert.equal(state.nextPingAt, 1_900);
});

Deno.test("the round trip is smoothed, and a much better one counts at once", () => {
  const { paths, state } = proven();
  const measure = (ms: number) => {
    paths.ponged(state, paths.pinged(state, at(0), random), at(ms));
    return state.rttMs;
  };
  assert.deepEqual([measure(18), measure(3), measure(3)], [11, 3, 3]);
});

Deno.test("loss is told of the newest pings only", () => {
  const { paths, state } = proven();
  assert.equal(lossOf(state), 0);
  state.answers.splice(0, 1, ...Array(LOSS_WINDOW).fill(false));
  paths.ponged(state, paths.pinged(state, at(0), random), at(10));
  assert.equal(state.answers.length, LOSS_WINDOW);
  assert.equal(lossOf(state), (LOSS_WINDOW - 1) / LOSS_WINDOW);
  assert.equal(lossOf(added(new PeerPaths())), null);
});

Deno.test("a quiet path has no timer but that of its end, until it is proven", () => {
  const paths = new PeerPaths();
  const state = added(paths, D, true);
  paths.pinged(state, at(0), random);
  assert.equal(paths.timerAt(state), UNPROVEN_MS);
  assert.equal(paths.lapse(state, at(1_000)), null);
  assert.equal(state.misses, 0);
  prove(state, at(1_000));
  assert.equal(paths.timerAt(state), 1_000);
});

Deno.test("a path that is known is not made anew", () => {
  const { paths, state } = proven();
  assert.equal(paths.add(asPath(D), at(50)), state);
  assert.equal(state.provenAt, 10);
});

Deno.test("the oldest try gives way when there is no room, and a proven path never", () => {
  const paths = new PeerPaths();
  prove(added(paths), at(0));
  for (let i = 1; i < 3 * PATHS_PER_PEER_MAX; i++) added(paths, `192.0.2.2:${i}`);
  assert.equal([...paths.all()].length, PATHS_PER_PEER_MAX);
  assert.ok(paths.get(asPath(D)));
  assert.equal(paths.get(asPath("192.0.2.2:1")), undefined);
  for (const state of paths.all()) prove(state, at(1));
  assert.equal(paths.add(asPath("192.0.2.3:1"), at(2)), undefined);
});

Deno.test("pings that wait for an answer are bounded", () => {
  const paths = new PeerPaths();
  const state = added(paths, D, true);
  const nonces = Array.from({ length: 100 }, () => paths.pinged(state, at(0), random));
  assert.equal(state.pending.size, 8);
  assert.equal(paths.ponged(state, nonces[0] ?? new Uint8Array(), at(1)), false);
  assert.equal(paths.ponged(state, nonces[99] ?? new Uint8Array(), at(1)), true);
});
