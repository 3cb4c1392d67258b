/** How much the paths to a peer matter, by who uses them. */
import assert from "node:assert/strict";
import type { NetworkId, NodeId, PeerKey } from "../../../src/base/mod.ts";
import { peerKey } from "../../../src/base/mod.ts";
import { Demands } from "../../../src/daemon/mesh/demands.ts";
import type { LoopEvent } from "../../../src/daemon/run/loop.ts";
import type { Member } from "../../../src/membership/mod.ts";

const peer = (name: string) => peerKey("n" as NetworkId, name as NodeId);
const A = peer("a");
const B = peer("b");

function rig() {
  const said: string[] = [];
  const listeners: ((event: LoopEvent) => void)[] = [];
  const demands = new Demands({
    input(input) {
      if (input.type === "demand") said.push(`${input.peer.at(-1)} ${input.demand}`);
    },
    listen(listener) {
      listeners.push(listener);
      return () => {};
    },
  });
  const up = (peer: PeerKey, kind: "epoch" | "invite") => {
    const event = { type: "peer-up", peer, kind, path: "", initiator: true, renewed: false };
    for (const listener of listeners) listener({ ...event, member: {} as Member } as LoopEvent);
  };
  return { demands, said, up };
}

Deno.test("the greatest claim counts, and what is left when it is dropped", () => {
  const { demands, said } = rig();
  demands.claim(A, "relay", "warm");
  demands.claim(A, "VM 1", "busy");
  demands.claim(A, "VM 2", "busy");
  demands.drop(A, "VM 1");
  assert.equal(demands.of(A), "busy");
  demands.drop(A, "VM 2");
  assert.equal(demands.of(A), "warm");
  demands.drop(A, "relay");
  assert.deepEqual(said.at(-1), "a hold");
});

Deno.test("claims on one peer are nothing to another", () => {
  const { demands } = rig();
  demands.claim(A, "VM 1", "busy");
  assert.deepEqual([demands.of(A), demands.of(B)], ["busy", "hold"]);
});

Deno.test("dropping what nobody claimed says nothing", () => {
  const { demands, said } = rig();
  demands.drop(A, "VM 1");
  assert.deepEqual(said, []);
});

Deno.test("the same use claims once, by its last word", () => {
  const { demands } = rig();
  demands.claim(A, "VM 1", "busy");
  demands.claim(A, "VM 1", "warm");
  assert.equal(demands.of(A), "warm");
  demands.drop(A, "VM 1");
  assert.equal(demands.of(A), "hold");
});

Deno.test("a member's session that comes up finds its demand in force, a joiner's has none", () => {
  const { demands, said, up } = rig();
  demands.claim(A, "VM 1", "busy");
  said.length = 0;
  up(A, "epoch");
  up(B, "invite");
  assert.deepEqual(said, ["a busy"]);
});
