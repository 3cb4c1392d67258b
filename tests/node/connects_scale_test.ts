/** What a knock costs does not grow with the sessions that are being begun: visits are counted. */
import assert from "node:assert/strict";
import type { Instant, NetworkId, NodeId, PeerKey } from "../../src/base/mod.ts";
import { type ConnectEnd, Connects } from "../../src/node/connects.ts";
import { Gate } from "../../src/path/mod.ts";
import type { SessionKey } from "../../src/session/mod.ts";
import { asPath } from "../../src/wire/mod.ts";
import { visits } from "../visits.ts";

const NOW = 0 as Instant;
const NETWORK = "n" as NetworkId;
const KEY = { network: NETWORK, kind: "epoch" } as SessionKey;
const nodeOf = (i: number) => `p${i}` as NodeId;
const pathOf = (i: number) => asPath(`198.51.${i >> 8}.${i & 255}:9000`);

/** So many connects under way, and how those ended that did. */
function connectsOf(size: number) {
  const ends = new Map<number, ConnectEnd>();
  const connects = new Connects<null>({
    gate: new Gate(),
    hasLoopback: () => false,
    begin: () => {},
    ended: (token, end) => void ends.set(token, end),
  });
  for (let i = 0; i < size; i++) {
    const at = { peer: i === 7 ? null : nodeOf(i), path: pathOf(i) };
    const how = { named: "person", key: KEY, payload: new Uint8Array() } as const;
    connects.begin({ token: i, ...at, ...how }, null);
  }
  return { connects, ends };
}

Deno.test("a knock and an end look at those only who are meant", () => {
  const [few, many] = [10, 1_000].map((size) => {
    const { connects, ends } = connectsOf(size);
    const count = visits(() => {
      assert.ok(connects.mayKnock(pathOf(5), { bytes: 1_200, message: "hello" }, NOW));
      const at = { network: NETWORK, kind: "epoch" } as const;
      const [peer, node, initiator] = ["n/p3" as PeerKey, nodeOf(3), true] as const;
      connects.established({ ...at, path: pathOf(7), peer, node, initiator }, null);
      connects.failed({ ...at, path: null, peer: nodeOf(5), reason: "timeout" }, null);
      connects.cancel(6);
    });
    assert.deepEqual([...ends.keys()].sort(), [3, 5, 7]);
    assert.equal(connects.mayKnock(pathOf(3), { bytes: 1_200, message: "hello" }, NOW), true);
    return count;
  });
  assert.equal(many, few);
});

Deno.test("who is met by a handshake of theirs ends no connect to a stranger", () => {
  const { connects, ends } = connectsOf(10);
  const at = { network: NETWORK, kind: "epoch", path: pathOf(7) } as const;
  connects.established(
    { ...at, peer: "n/p3" as PeerKey, node: nodeOf(3), initiator: false },
    null,
  );
  assert.deepEqual([...ends.keys()], [3]);
  connects.failed({ ...at, kind: "invite", peer: null, reason: "timeout" }, null);
  assert.deepEqual([...ends.keys()], [3]);
  connects.failed({ ...at, peer: null, reason: "timeout" }, null);
  assert.deepEqual([...ends.keys()], [3, 7]);
});
