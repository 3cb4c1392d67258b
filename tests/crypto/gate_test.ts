import assert from "node:assert/strict";
import { deriveGateKey, gateMac, isGateMacGood } from "../../src/crypto/mod.ts";

Deno.test("deriveGateKey() gives three unrelated values, the same each time", () => {
  const secret = new Uint8Array(32).fill(3);
  const gate = deriveGateKey(secret);
  assert.deepEqual(gate, deriveGateKey(secret.slice()));
  assert.equal(gate.selector.length, 8);
  assert.notDeepEqual(gate.macKey, gate.psk);
  assert.notDeepEqual(gate.psk, secret);
  assert.notDeepEqual(gate.selector, deriveGateKey(new Uint8Array(32)).selector);
  assert.throws(() => deriveGateKey(new Uint8Array(31)), RangeError);
});

Deno.test("isGateMacGood() accepts the MAC over all before it and nothing else", () => {
  const { macKey } = deriveGateKey(new Uint8Array(32).fill(3));
  const body = Uint8Array.of(1, 2, 3);
  const datagram = Uint8Array.from([...body, ...gateMac(macKey, body)]);
  assert.ok(isGateMacGood(macKey, datagram));
  for (let at = 0; at < datagram.length; at++) {
    const changed = datagram.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.ok(!isGateMacGood(macKey, changed), `byte ${at}`);
    assert.ok(!isGateMacGood(macKey, datagram.subarray(0, at)), `cut at ${at}`);
  }
});
