/** What a relay's words do on the native data path, and what is shown of it. */
import assert from "node:assert/strict";
import { OmertaError } from "../../../src/base/mod.ts";
import { relayStatus } from "../../../src/daemon/api/relay.ts";
import { driveRelay } from "../../../src/daemon/run/relay_driver.ts";
import type { RelayStats } from "../../../src/host/net/commands.ts";
import type { NodeId } from "../../../src/base/mod.ts";
import type { LoopEvent } from "../../../src/daemon/run/loop.ts";
import { type Stand, withStand } from "../stand.ts";

const NOTHING = { packets: 0, bytes: 0 };
const LIMITS = { sessions: 3, bytesPerS: 1_000_000, sessionBytesPerS: 400_000 };

/** Drives the data path of a stand; returns what says something as the relay. */
function drive({ context: { net, log }, inputs }: Stand): (event: LoopEvent) => void {
  let emit: (event: LoopEvent) => void = () => assert.fail("nobody listens");
  const listen = (listener: (event: LoopEvent) => void) => {
    emit = listener;
    return () => {};
  };
  driveRelay({ loop: { listen, input: (input) => void inputs.push(input) }, net, log });
  return (event) => emit(event);
}

const STATS: RelayStats = {
  sessions: [{ session: 7, idleMs: 20, control: { packets: 3, bytes: 300 }, tunnel: NOTHING }],
  dropped: { nested: 2 },
  total: { control: { packets: 7, bytes: 700 }, tunnel: NOTHING },
};

Deno.test(
  "the data path is told what may be carried, and whom to forward to each other",
  withStand((stand) => {
    const emit = drive(stand);
    emit({ type: "relay-limits", limits: LIMITS });
    emit({ type: "relay-set", session: 7, a: "192.0.2.1:1", b: "192.0.2.2:2" });
    emit({ type: "relay-remove", session: 7 });
    const limits = { sessions: 3, bytesPerSecond: 1_000_000, sessionBytesPerSecond: 400_000 };
    assert.deepEqual(stand.commands, [
      { op: "relay.limits", args: limits },
      { op: "relay.set", args: { session: 7, a: "192.0.2.1:1", b: "192.0.2.2:2" } },
      { op: "relay.remove", args: { session: 7 } },
    ]);
    return Promise.resolve();
  }),
);

Deno.test(
  "a session that the data path ended by itself is removed nevertheless",
  withStand((stand) => {
    const emit = drive(stand);
    stand.answers.set("relay.remove", () => {
      throw new OmertaError("internal", "no such session");
    });
    emit({ type: "relay-remove", session: 7 });
    assert.deepEqual(stand.logged, ["debug a relay session was gone already"]);
    return Promise.resolve();
  }),
);

Deno.test(
  "the relay is told what the data path counts",
  withStand((stand) => {
    const emit = drive(stand);
    stand.answers.set("relay.stats", () => STATS);
    emit({ type: "relay-usage" });
    assert.deepEqual(stand.inputs, [{ type: "relay-used", sessions: STATS.sessions }]);
    return Promise.resolve();
  }),
);

Deno.test("status tells each pair's traffic, what was forwarded in all, and the limits", () => {
  const [a, b, c] = ["a", "b", "c"] as NodeId[] as [NodeId, NodeId, NodeId];
  const pairs = [{ session: 7, a, b }, { session: 8, a, b: c }];
  const shown = relayStatus({ limits: () => LIMITS, pairs: () => pairs }, () => STATS);
  assert.deepEqual(shown, {
    sessions: 2,
    limits: { sessions: 3, bytes_per_s: 1_000_000, session_bytes_per_s: 400_000 },
    forwarded: STATS.total,
    dropped: { nested: 2 },
    pairs: [
      { a, b, control: { packets: 3, bytes: 300 }, tunnel: NOTHING },
      { a, b: c, control: NOTHING, tunnel: NOTHING },
    ],
  });
});

Deno.test("a node that is no relay has no relay's status, and its data path is not asked", () => {
  const none = { limits: () => undefined, pairs: () => [] };
  assert.throws(() => relayStatus(none, () => assert.fail("asked")), { code: "no-node" });
});
