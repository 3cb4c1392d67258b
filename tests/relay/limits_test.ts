import assert from "node:assert/strict";
import { RELAY_LIMITS, relayLimits } from "../../src/relay/mod.ts";

const UNSAID = { sessions: null, bytesPerS: null, sessionBytesPerS: null };

Deno.test("a relay whose owner says nothing has the usual limits", () => {
  assert.deepEqual(relayLimits(undefined), RELAY_LIMITS);
  assert.deepEqual(relayLimits(UNSAID), RELAY_LIMITS);
});

Deno.test("what a relay's owner says stands, and the rest is as usual", () => {
  assert.deepEqual(relayLimits({ ...UNSAID, sessions: 7 }), { ...RELAY_LIMITS, sessions: 7 });
  const sessionBytesPerS = 5;
  assert.deepEqual(relayLimits({ ...UNSAID, sessionBytesPerS }), {
    ...RELAY_LIMITS,
    sessionBytesPerS,
  });
});

Deno.test("no session of a relay has more than all have together", () => {
  assert.equal(relayLimits({ ...UNSAID, bytesPerS: 9 }).sessionBytesPerS, 9);
  assert.equal(relayLimits({ ...UNSAID, bytesPerS: 9, sessionBytesPerS: 10 }).sessionBytesPerS, 9);
});
