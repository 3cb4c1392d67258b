/** Sessions that are to be begun: how many, at whose word, and which ones an end means. */
import assert from "node:assert/strict";
import type { Instant, NetworkId, NodeId } from "../../src/base/mod.ts";
import { type Connect, type ConnectEnd, Connects } from "../../src/node/connects.ts";
import { Gate } from "../../src/path/mod.ts";
import type { SessionKey } from "../../src/session/mod.ts";
import { asPath } from "../../src/wire/mod.ts";

const NOW = 0 as Instant;
const NETWORK = "n" as NetworkId;
const KEY = { network: NETWORK, kind: "epoch" } as SessionKey;
const NODE = "p" as NodeId;
const HELLO = { bytes: 1_200, message: "hello" } as const;
const pathOf = (i: number) => asPath(`198.51.${i >> 8}.${i & 255}:9000`);

function rig() {
  const ends: [number, ConnectEnd][] = [];
  const connects = new Connects<null>({
    gate: new Gate(),
    hasLoopback: () => false,
    begin: () => {},
    ended: (token, end) => void ends.push([token, end]),
  });
  const begin = (token: number, changes: Partial<Connect> = {}) => {
    const at = { peer: NODE, path: pathOf(1), named: "record", key: KEY } as const;
    connects.begin({ token, ...at, payload: new Uint8Array(), ...changes }, null);
  };
  return { connects, ends, begin };
}

Deno.test("no more sessions are begun at a time than the limit says, and one more when one ends", () => {
  const { connects, ends, begin } = rig();
  for (let token = 0; token <= 1_024; token++) begin(token);
  const busy = { ok: false, reason: "busy", detail: null } as const;
  assert.deepEqual(ends, [[1_024, busy]]);
  connects.cancel(0);
  begin(1_025);
  assert.equal(ends.length, 1);
});

Deno.test("a person's word opens an address that a record names too, for as long as it is meant", () => {
  const { connects, begin } = rig();
  begin(1);
  const knocks = (count: number) =>
    Array.from({ length: count }, () => connects.mayKnock(pathOf(1), HELLO, NOW));
  assert.deepEqual(knocks(2), [true, false], "a record's gets one first message");
  begin(2, { named: "person" });
  assert.deepEqual(knocks(2), [true, true]);
  connects.cancel(2);
  assert.deepEqual(knocks(1), [false]);
});

Deno.test("what a peer spends on addresses that it names is its own", () => {
  const { connects, begin } = rig();
  const other = "q" as NodeId;
  for (let i = 0; i < 40; i++) begin(i, { path: pathOf(i + 2) });
  const spent = Array.from({ length: 40 }, (_, i) => connects.mayKnock(pathOf(i + 2), HELLO, NOW));
  assert.equal(spent.at(-1), false);
  begin(99, { peer: other, path: pathOf(99) });
  assert.equal(connects.mayKnock(pathOf(99), HELLO, NOW), true);
});

Deno.test("the end of a handshake of one kind says nothing of the other kind with the same peer", () => {
  const { connects, ends, begin } = rig();
  begin(1);
  begin(2, { key: { ...KEY, kind: "invite" } });
  const failed = { network: NETWORK, path: pathOf(1), peer: NODE, reason: "timeout" } as const;
  connects.failed({ ...failed, kind: "invite" }, null);
  assert.deepEqual(ends.map(([token]) => token), [2]);
});
