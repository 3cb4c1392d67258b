/** `mesh ping`. */
import assert from "node:assert/strict";
import {
  type NodeId,
  OmertaError,
  type Path,
  type PeerKey,
  seededRandom,
} from "../../../src/base/mod.ts";
import { pingPeer } from "../../../src/daemon/api/pinging.ts";
import { asPath } from "../../../src/wire/mod.ts";
import { FakeCalls, FakeHolds } from "../fake_ports.ts";
import { FakeTime, settle } from "../fake_time.ts";

const NEVER = new AbortController().signal;
const PEER = "net/peer" as PeerKey;
const DIRECT = asPath("192.0.2.1:9000");
const RELAYED = asPath("203.0.113.1:9000#00000001");
const PING = { peer: PEER, count: 4, intervalMs: 100, untilDirect: false };

/** What a ping stands on; `paths` are those in use, one look after the other, at last the direct one. */
function rig(time: FakeTime, paths: Path[] = []) {
  const holds = new FakeHolds();
  const calls = new FakeCalls();
  const view = {
    pathsOf: () => {
      const path = paths.shift() ?? DIRECT;
      const relayed = path === RELAYED;
      return [{ path, relayed, rttMs: 1, loss: 0, provenForMs: 0, heardMsAgo: 0 }];
    },
    relayOf: () => null as NodeId | null,
    heardAt: () => null,
  };
  const clock = { now: () => time.now, wallMs: () => 1_795_132_800_000 + time.now };
  return { calls, holds, parts: { calls, holds, view, clock, random: seededRandom(1) } };
}

Deno.test("mesh ping asks so often, counts what is lost, and claims the paths meanwhile", async () => {
  using time = new FakeTime();
  const { calls, holds, parts } = rig(time);
  const answers = [10, null, 30, 20];
  calls.answer("ping", async () => {
    const rttMs = answers.shift() ?? null;
    if (rttMs === null) throw new OmertaError("unreachable", "no answer");
    await new Promise<void>((resolve) => void setTimeout(resolve, rttMs));
    return {};
  });
  const items: (number | null)[] = [];
  const item = ({ rtt_ms }: { rtt_ms: number | null }) => void items.push(rtt_ms);
  const pinged = pingPeer(parts, PING, { signal: NEVER, item });
  await settle();
  assert.equal(holds.of(PEER), "busy");
  await time.advance(1_000);
  const { sent, received, rtt_ms } = await pinged;
  assert.deepEqual([sent, received, items], [4, 3, [10, null, 30, 20]]);
  assert.deepEqual(rtt_ms, { min: 10, p50: 20, p99: 30, max: 30 });
  assert.equal(holds.of(PEER), "hold");
});

Deno.test("mesh ping --until-direct ends with the first answer over a direct path", async () => {
  using time = new FakeTime();
  const { calls, parts } = rig(time, [RELAYED, RELAYED]);
  calls.answer("ping", () => ({}));
  const ping = { ...PING, count: 100, untilDirect: true };
  const pinged = pingPeer(parts, ping, { signal: NEVER, item() {} });
  await time.advance(1_000);
  const { sent, direct_after_ms } = await pinged;
  assert.deepEqual([sent, direct_after_ms], [3, 200]);
});

Deno.test("mesh ping that nobody answers has no times, and one given up claims nothing", async () => {
  using time = new FakeTime();
  const { holds, parts } = rig(time);
  const lost = pingPeer(parts, PING, { signal: NEVER, item() {} });
  await time.advance(1_000);
  assert.deepEqual((await lost).rtt_ms, { min: null, p50: null, p99: null, max: null });
  const controller = new AbortController();
  const given = pingPeer(parts, PING, { signal: controller.signal, item() {} });
  given.catch(() => {});
  await settle();
  controller.abort(new OmertaError("timeout", "The command was given up"));
  await assert.rejects(given);
  assert.equal(holds.of(PEER), "hold");
});
