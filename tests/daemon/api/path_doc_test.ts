/** The path to a peer, and its last sight, as people see them. */
import assert from "node:assert/strict";
import type { Instant, NodeId, Path, PeerKey } from "../../../src/base/mod.ts";
import { lastSeenAt, NO_PATH, pathDoc } from "../../../src/daemon/api/path_doc.ts";
import type { PathView } from "../../../src/path/mod.ts";
import { asPath } from "../../../src/wire/mod.ts";

const WALL_MS = 1_795_132_800_000;
const PEER = "net/peer" as PeerKey;
const DIRECT = asPath("192.0.2.1:9000");
const RELAYED = asPath("203.0.113.1:9000#00000001");

function seen(paths: readonly PathView[], heardAt: number | null = null) {
  return {
    view: {
      pathsOf: () => [...paths],
      relayOf: (path: Path) => path === RELAYED ? "relay" as NodeId : null,
      heardAt: () => heardAt as Instant | null,
    },
    clock: { now: () => 60_000 as Instant, wallMs: () => WALL_MS },
  };
}

const view = (path: Path): PathView => ({
  path,
  relayed: path.includes("#"),
  rttMs: 12.34567,
  loss: 0.25,
  provenForMs: 5_000,
  heardMsAgo: 200,
});

Deno.test("a path is shown with its kind, next hop, times and, where known, its relay", () => {
  assert.deepEqual(pathDoc(seen([view(RELAYED), view(DIRECT)]), PEER), {
    kind: "relay",
    address: "203.0.113.1:9000",
    via: "relay",
    transport: "udp",
    rtt_ms: 12.346,
    loss: 0.25,
    mtu: 1_280,
    since_at: new Date(WALL_MS - 5_000).toISOString(),
  });
  const direct = pathDoc(seen([view(DIRECT)]), PEER);
  assert.deepEqual([direct.kind, direct.address, direct.via], ["direct", DIRECT, null]);
  const unmeasured = pathDoc(seen([{ ...view(DIRECT), rttMs: null }]), PEER);
  assert.equal(unmeasured.rtt_ms, null);
  assert.deepEqual(pathDoc(seen([]), PEER), NO_PATH);
});

Deno.test("the last sight of a peer is told by the wall clock; one never seen has none", () => {
  const at = lastSeenAt(seen([], 59_800), PEER);
  assert.equal(Date.parse(at ?? ""), WALL_MS - 200);
  assert.equal(lastSeenAt(seen([]), PEER), null);
});
