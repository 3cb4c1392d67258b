/** What use cases see of peers. */
import assert from "node:assert/strict";
import { type NetworkId, type NodeId, peerKey } from "../../../src/base/mod.ts";
import type { LoopEvent } from "../../../src/daemon/run/loop.ts";
import { NodeViews } from "../../../src/daemon/run/views.ts";
import type { PeerEvent } from "../../../src/daemon/ports.ts";
import type { Member } from "../../../src/membership/mod.ts";
import type { NodeView } from "../../../src/node/mod.ts";
import { asPath } from "../../../src/wire/mod.ts";

const PEER = peerKey("n" as NetworkId, "p" as NodeId);
const MEMBER = { grants: ["rent"] } as unknown as Member;

function rig() {
  const listeners = new Set<(event: LoopEvent) => void>();
  const members = new Map([[PEER, MEMBER]]);
  const view = {
    isConnected: (peer) => members.has(peer),
    connected: () => [...members.keys()],
    member: (peer) => members.get(peer),
    rttMs: () => 12,
  } as Pick<NodeView<Member>, "isConnected" | "connected" | "member" | "rttMs">;
  const views = new NodeViews("self" as NodeId, {
    view: view as NodeView<Member>,
    listen: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  }, () => "gpu (p)");
  const emit = (event: LoopEvent) => [...listeners].forEach((listener) => listener(event));
  return { views, emit, members };
}

const UP = {
  type: "peer-up",
  peer: PEER,
  member: MEMBER,
  path: asPath("192.0.2.1:1"),
  initiator: true,
} as const;

Deno.test("members are told of as they come and go, joiners and paths are not", () => {
  const { views, emit } = rig();
  const heard: PeerEvent[] = [];
  const end = views.listen((event) => heard.push(event));
  emit({ ...UP, kind: "epoch", renewed: true });
  emit({ ...UP, kind: "invite", renewed: false });
  emit({ type: "moved", peer: PEER, from: null, to: null });
  emit({ type: "peer-down", peer: PEER, kind: "invite", reason: "left", detail: null });
  emit({ type: "peer-down", peer: PEER, kind: "epoch", reason: "lost", detail: null });
  end();
  emit({ ...UP, kind: "epoch", renewed: false });
  assert.deepEqual(heard, [
    { type: "peer-up", peer: PEER, renewed: true },
    { type: "peer-down", peer: PEER, reason: "lost" },
  ]);
});

Deno.test("who is there holds what its certificate grants, who is not holds nothing", () => {
  const { views, members } = rig();
  assert.deepEqual([views.holds(PEER, "rent"), views.holds(PEER, "relay")], [true, false]);
  assert.deepEqual([views.isConnected(PEER), views.connected(), views.rttMs(PEER)], [
    true,
    [PEER],
    12,
  ]);
  assert.deepEqual([views.self, views.nameOf(PEER), views.member(PEER)], [
    "self",
    "gpu (p)",
    MEMBER,
  ]);
  members.clear();
  assert.deepEqual([views.holds(PEER, "rent"), views.member(PEER)], [false, undefined]);
});
