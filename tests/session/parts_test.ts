/** The small parts: replay window, timers, assemblies. Each against a model that is plainly right. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Instant, Timers } from "../../src/base/mod.ts";
import { REPLAY_WINDOW, ReplayWindow } from "../../src/session/replay_window.ts";
import { HandshakeLimiter } from "../../src/session/limiter.ts";
import { DEFAULT_LIMITS } from "../../src/session/mod.ts";

Deno.test("ReplayWindow takes each counter once and none that is too old", () => {
  const counter = fc.oneof(
    fc.nat(50),
    fc.nat(3 * REPLAY_WINDOW),
    fc.nat(100_000),
    fc.constantFrom(2 ** 32, 2 ** 53 - 1),
  );
  fc.assert(fc.property(fc.array(counter, { maxLength: 300 }), (counters) => {
    const window = new ReplayWindow();
    const seen = new Set<number>();
    for (const n of counters) {
      const isTooOld = Math.max(-1, ...seen) - n >= REPLAY_WINDOW;
      assert.equal(window.isFresh(n), !seen.has(n) && !isTooOld, `counter ${n}`);
      if (!window.isFresh(n)) continue;
      window.mark(n);
      seen.add(n);
    }
  }));
});

Deno.test("ReplayWindow takes a whole window backwards", () => {
  const window = new ReplayWindow();
  for (let n = REPLAY_WINDOW + 99; n >= 100; n--) {
    assert.ok(window.isFresh(n), `counter ${n}`);
    window.mark(n);
    assert.ok(!window.isFresh(n));
  }
  assert.ok(!window.isFresh(99));
});

Deno.test("Timers gives each key's last deadline, the earliest first", () => {
  const step = fc.oneof(
    fc.record({ type: fc.constant("set" as const), key: fc.nat(20), at: fc.nat(1000) }),
    fc.record({ type: fc.constant("clear" as const), key: fc.nat(20), at: fc.constant(0) }),
    fc.record({ type: fc.constant("take" as const), key: fc.constant(0), at: fc.nat(1000) }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
    const timers = new Timers<number>();
    const model = new Map<number, number>();
    for (const { type, key, at } of steps) {
      if (type === "set") {
        timers.set(key, at as Instant, "test");
        model.set(key, at);
      } else if (type === "clear") {
        timers.clear(key);
        model.delete(key);
      } else {
        const earliest = Math.min(Infinity, ...model.values());
        const due = timers.takeDue(at as Instant);
        assert.equal(
          due === undefined ? undefined : model.get(due),
          earliest <= at ? earliest : undefined,
        );
        if (due !== undefined) model.delete(due);
      }
      const next = Math.min(Infinity, ...model.values());
      assert.equal(timers.next()?.at ?? Infinity, next);
    }
  }));
});

Deno.test("HandshakeLimiter gives no more than its rates, whatever the pace", () => {
  const rates = { perSourcePerS: 2, perSourceBurst: 3, handshakesPerS: 5, handshakesBurst: 6 };
  const asks = fc.array(fc.record({ source: fc.nat(4), waitMs: fc.nat(300) }), { maxLength: 200 });
  fc.assert(fc.property(asks, (asks) => {
    const limiter = new HandshakeLimiter({ ...DEFAULT_LIMITS, ...rates });
    const taken = new Map<number, number>();
    let [now, all] = [0, 0];
    for (const { source, waitMs } of asks) {
      now += waitMs;
      if (limiter.take({ prefix: "", key: `${source}` }, now as Instant) !== "taken") continue;
      all++;
      taken.set(source, (taken.get(source) ?? 0) + 1);
    }
    assert.ok(all <= 6 + 5 * now / 1000);
    for (const count of taken.values()) assert.ok(count <= 3 + 2 * now / 1000);
  }));
});
