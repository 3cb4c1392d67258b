/** Members who take all that a node remembers of calls do not take it from the others. */
import assert from "node:assert/strict";
import { type Instant, type PeerKey, seededRandom } from "../../src/base/mod.ts";
import { RpcMachine, type RpcOut } from "../../src/rpc/mod.ts";
import { encodeAck, encodePiece, encodeQuestion } from "../../src/rpc/layout.ts";
import { bytes } from "../session/world.ts";

const NOW = 0 as Instant;
let calls = 0;

/** Calls a machine as `name`; answers with `answerBytes`, acknowledged or not. Whether it was taken. */
function call(
  machine: RpcMachine,
  name: string,
  { answerBytes = 0, acknowledges = true } = {},
): boolean {
  const peer = `network/${name}` as PeerKey;
  const id = (calls++).toString(16).padStart(32, "0");
  const out: RpcOut[] = [];
  const hear = (bytes: Uint8Array) => machine.handle({ type: "message", peer, bytes }, NOW, out);
  const data = encodeQuestion("ping", bytes());
  hear(encodePiece({ call: id, isAnswer: false, isPoke: false, index: 0, count: 1, data }));
  if (!out.some(({ type }) => type === "request")) return false;
  const body = new Uint8Array(answerBytes);
  machine.handle({ type: "answer", peer, call: id, ok: true, body }, NOW, out);
  const mask = 2 ** 15 - 1;
  if (acknowledges) hear(encodeAck({ call: id, isAnswer: true, verdict: "received", mask }));
  return true;
}

Deno.test("a few peers that call without end leave room for the others", () => {
  const machine = new RpcMachine({ random: seededRandom(1) });
  for (let i = 0; i < 100_000; i++) call(machine, `greedy${i % 16}`);
  assert.equal(call(machine, "greedy1"), false);
  for (let i = 0; i < 200; i++) assert.ok(call(machine, "modest"), `call ${i}`);
});

Deno.test("a few peers that acknowledge no answer leave room for the others", () => {
  const machine = new RpcMachine({ random: seededRandom(1) });
  const greedy = { answerBytes: 16_000, acknowledges: false };
  for (let i = 0; i < 4_096; i++) call(machine, `greedy${i % 64}`, greedy);
  assert.equal(call(machine, "greedy1", greedy), false);
  for (let i = 0; i < 200; i++) assert.ok(call(machine, "modest"), `call ${i}`);
});
