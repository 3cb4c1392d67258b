/** What is known of peers: who is there, how they are met, and when they were heard. */
import assert from "node:assert/strict";
import type { Instant, NodeId, Path, PeerKey } from "../../src/base/mod.ts";
import { NodeView } from "../../src/node/views.ts";
import type { PathView } from "../../src/path/mod.ts";
import { asPath } from "../../src/wire/mod.ts";

const PEER = "net/peer" as PeerKey;
const RELAY = "net/relay" as PeerKey;
const AT = asPath("203.0.113.1:9000");
const THROUGH = asPath("203.0.113.1:9000#00000001");
const NOW = 60_000 as Instant;

/** A view over paths that the test says. */
function rig() {
  const paths: PathView[] = [];
  const sources = {
    paths: { views: () => paths, active: () => paths[0]?.path ?? null, rttMs: () => 7 },
    sessions: {},
    own: {},
    gate: {},
  };
  type Sources = ConstructorParameters<typeof NodeView<{ grants: readonly string[] }>>[0];
  const view = new NodeView<{ grants: readonly string[] }>(sources as unknown as Sources);
  return { view, paths };
}

const path = (of: Path): PathView => {
  return { path: of, relayed: false, rttMs: 7, loss: 0, provenForMs: 0, heardMsAgo: 200 };
};

Deno.test("members come and go, with the grants of their certificates", () => {
  const { view } = rig();
  const member = { grants: ["rent", "relay"] };
  view.noteUp(PEER, member, AT);
  assert.deepEqual([view.connected(), view.member(PEER)], [[PEER], member]);
  view.noteDown(PEER, NOW);
  assert.deepEqual([view.connected(), view.member(PEER)], [[], undefined]);
});

Deno.test("a relayed path names the relay that was met at its address, and no other", () => {
  const { view } = rig();
  view.noteUp(PEER, { grants: [] }, THROUGH);
  assert.equal(view.relayOf(THROUGH), null);
  view.noteUp(RELAY, { grants: ["relay"] }, AT);
  assert.equal(view.relayOf(THROUGH), "relay" as NodeId);
  assert.equal(view.relayOf(AT), null, "who is met directly needs no relay");
});

Deno.test("a peer was heard when its path was, else when it left", () => {
  const { view, paths } = rig();
  assert.deepEqual([view.heardAt(PEER, NOW), view.rttMs(PEER)], [null, null]);
  paths.push(path(AT));
  assert.deepEqual([view.heardAt(PEER, NOW), view.rttMs(PEER)], [NOW - 200, 7]);
  paths.length = 0;
  view.noteDown(PEER, NOW);
  assert.equal(view.heardAt(PEER, (NOW + 5_000) as Instant), NOW);
});
