/** What a peer costs that goes does not grow with the calls of others: visits are counted, not time. */
import assert from "node:assert/strict";
import {
  type Instant,
  type NetworkId,
  type NodeId,
  type PeerKey,
  peerKey,
  seededRandom,
} from "../../src/base/mod.ts";
import { RpcMachine, type RpcOut } from "../../src/rpc/mod.ts";
import { visits } from "../visits.ts";

const NOW = 0 as Instant;
const peerOf = (i: number): PeerKey =>
  peerKey("n".repeat(52) as NetworkId, String(i).padStart(52, "a") as NodeId);

/** Two machines with one call of `size` peers each: one that asks, one that was asked. */
function machines(size: number): { asking: RpcMachine; asked: RpcMachine } {
  const asking = new RpcMachine({ random: seededRandom(1) });
  const asked = new RpcMachine({ random: seededRandom(2) });
  for (let i = 0; i < size; i++) {
    const [peer, out] = [peerOf(i), [] as RpcOut[]];
    const body = new Uint8Array();
    asking.handle(
      { type: "call", token: i, peer, method: "ping", body, timeoutMs: 9_000 },
      NOW,
      out,
    );
    for (const sent of out) {
      if (sent.type !== "send") continue;
      asked.handle({ type: "message", peer, bytes: sent.payload }, NOW, []);
    }
  }
  assert.equal(asked.stats().inbound, size);
  return { asking, asked };
}

Deno.test("a peer that goes takes its own calls with it, and nobody else's are looked at", () => {
  for (const side of ["asking", "asked"] as const) {
    const [few, many] = [10, 1_000].map((size) => {
      const machine = machines(size)[side];
      const out: RpcOut[] = [];
      const count = visits(() => machine.handle({ type: "peer-gone", peer: peerOf(3) }, NOW, out));
      assert.equal(out.length, side === "asking" ? 1 : 0);
      return count;
    });
    assert.equal(many, few);
  }
});
