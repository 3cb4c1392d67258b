/** The life of a relay's sessions: what keeps them, and what ends them. */
import assert from "node:assert/strict";
import { OmertaError, type PeerKey, splitPeerKey } from "../../../src/base/mod.ts";
import type { LoopEvent } from "../../../src/daemon/run/loop.ts";
import type { Networks } from "../../../src/daemon/networks/networks.ts";
import { RelayService } from "../../../src/daemon/mesh/relay_service.ts";
import type { Member } from "../../../src/membership/mod.ts";
import { SESSION_IDLE_MS } from "../../../src/relay/mod.ts";
import type { FakeTime } from "../fake_time.ts";
import { someNetwork, somePeer, type Stand, withStand } from "../stand.ts";
import { asPath } from "../../../src/wire/mod.ts";

const NOTHING = { packets: 0, bytes: 0 };

/** What the relay's owner said. */
const LIMITS = { sessions: 3, bytesPerS: 1_000_000, sessionBytesPerS: 400_000 };

interface Rig {
  readonly stand: Stand;
  readonly time: FakeTime;
  readonly service: RelayService;
  /** Registered members. */
  readonly a: PeerKey;
  readonly b: PeerKey;
  readonly c: PeerKey;
  /** What the native library counts as idle, by session. */
  readonly idle: Map<number, number>;
  allocate(from: PeerKey, to: PeerKey): Promise<number>;
}

function withRelay(test: (rig: Rig) => Promise<void>): () => Promise<void> {
  return withStand(async (stand, time) => {
    const network = someNetwork(stand.random);
    const [a, b, c] = [1, 2, 3].map((n) => {
      const peer = somePeer(stand.random, network);
      stand.paths.set(peer, `192.0.2.${n}:9000`);
      return peer;
    }) as [PeerKey, PeerKey, PeerKey];
    const idle = new Map<number, number>();
    stand.answer("relay.offer", () => ({}));
    stand.answers.set("relay.stats", () => ({
      sessions: [...idle].map(([session, idleMs]) => {
        return { session, idleMs, control: { packets: 3, bytes: 300 }, tunnel: NOTHING };
      }),
      dropped: { nested: 2 },
      total: { control: { packets: 7, bytes: 700 }, tunnel: NOTHING },
    }));
    const networks = { get: () => undefined, list: () => [] } as unknown as Networks;
    const member = (peer: PeerKey) => ({ ...splitPeerKey(peer), grants: [] }) as unknown as Member;
    const service = new RelayService(stand.context, {
      networks,
      peers: { member },
      limits: LIMITS,
    });
    const allocate = async (from: PeerKey, to: PeerKey) => {
      const question = { peer: splitPeerKey(to).node };
      return (await stand.ask(from, "relay.allocate", question)).session;
    };
    try {
      await test({ stand, time, service, a, b, c, idle, allocate });
    } finally {
      service.close();
    }
  });
}

function down(peer: PeerKey, reason: "left" | "closed" | "lost" | "expired"): LoopEvent {
  return { type: "peer-down", peer, kind: "epoch", reason, detail: null };
}

/** The sessions that the native library forwards, with their ends. */
function forwarded({ stand }: Rig): Map<unknown, unknown> {
  const sessions = new Map<unknown, unknown>();
  for (const { op, args } of stand.commands) {
    if (op === "relay.set") sessions.set(args["session"], [args["a"], args["b"]]);
    if (op === "relay.remove") sessions.delete(args["session"]);
  }
  return sessions;
}

Deno.test(
  "a pair has one session, whoever of the two asks for it",
  withRelay(async (rig) => {
    const session = await rig.allocate(rig.a, rig.b);
    assert.equal(await rig.allocate(rig.b, rig.a), session);
    assert.equal(forwarded(rig).size, 1);
  }),
);

Deno.test(
  "a session that carries something outlives an offer that gets lost",
  withRelay(async (rig) => {
    const session = await rig.allocate(rig.a, rig.b);
    rig.stand.answer("relay.offer", () => {
      throw new OmertaError("unreachable", "no answer in time");
    });
    await assert.rejects(rig.allocate(rig.a, rig.b), { code: "unreachable" });
    assert.ok(forwarded(rig).has(session));
    await assert.rejects(rig.allocate(rig.a, rig.c), { code: "unreachable" });
    assert.equal(forwarded(rig).size, 1, "a new one that nobody took is gone");
  }),
);

Deno.test(
  "a member that moved is forwarded to its new address",
  withRelay(async (rig) => {
    const session = await rig.allocate(rig.a, rig.b);
    rig.stand.emit({
      type: "moved",
      peer: rig.b,
      from: asPath("192.0.2.2:9000"),
      to: asPath("198.51.100.2:7"),
    });
    assert.deepEqual(forwarded(rig).get(session), ["192.0.2.1:9000", "198.51.100.2:7"]);
    rig.stand.emit({
      type: "moved",
      peer: rig.b,
      from: null,
      to: asPath("203.0.113.9:9000#00000001"),
    });
    assert.deepEqual(forwarded(rig).get(session), ["192.0.2.1:9000", "198.51.100.2:7"]);
  }),
);

Deno.test(
  "a member that left, or was put out, is forwarded to no more",
  withRelay(async (rig) => {
    for (const reason of ["left", "closed"] as const) {
      await rig.allocate(rig.a, rig.b);
      const kept = await rig.allocate(rig.a, rig.c);
      rig.stand.emit(down(rig.b, reason));
      assert.deepEqual([...forwarded(rig).keys()], [kept]);
      assert.equal(rig.service.status().sessions, 1);
    }
  }),
);

Deno.test(
  "a member that was lost for a moment keeps its sessions",
  withRelay(async (rig) => {
    const session = await rig.allocate(rig.a, rig.b);
    rig.stand.emit(down(rig.b, "lost"));
    rig.stand.emit(down(rig.b, "expired"));
    assert.ok(forwarded(rig).has(session));
  }),
);

Deno.test(
  "a joiner that leaves ends no member's session",
  withRelay(async (rig) => {
    const session = await rig.allocate(rig.a, rig.b);
    rig.stand.emit({ ...down(rig.b, "left"), kind: "invite" } as LoopEvent);
    assert.ok(forwarded(rig).has(session));
  }),
);

Deno.test(
  "a session that forwards nothing for its time is closed, one that forwards stays",
  withRelay(async (rig) => {
    const [quiet, used] = [await rig.allocate(rig.a, rig.b), await rig.allocate(rig.a, rig.c)];
    for (let ms = 0; ms <= SESSION_IDLE_MS; ms += 15_000) {
      rig.idle.set(quiet, rig.time.now).set(used, 1_000);
      await rig.time.advance(15_000);
    }
    assert.deepEqual([...forwarded(rig).keys()], [used]);
  }),
);

Deno.test(
  "status tells each pair's traffic, and what was forwarded in all",
  withRelay(async (rig) => {
    rig.idle.set(await rig.allocate(rig.a, rig.b), 0);
    await rig.allocate(rig.a, rig.c);
    const { sessions, forwarded, dropped, pairs } = rig.service.status();
    assert.deepEqual([sessions, dropped], [2, { nested: 2 }]);
    assert.deepEqual(forwarded.control, { packets: 7, bytes: 700 });
    assert.deepEqual(pairs.map(({ control }) => control.packets), [3, 0]);
    const named = pairs.flatMap(({ a, b }) => [a, b]);
    assert.ok(named.includes(splitPeerKey(rig.c).node));
  }),
);

Deno.test(
  "the data path is told the limits before anything is forwarded, and status shows them",
  withRelay(async (rig) => {
    await rig.allocate(rig.a, rig.b);
    const [first] = rig.stand.commands;
    const limits = { sessions: 3, bytesPerSecond: 1_000_000, sessionBytesPerSecond: 400_000 };
    assert.deepEqual(first, { op: "relay.limits", args: limits });
    assert.deepEqual(rig.service.status().limits, {
      sessions: 3,
      bytes_per_s: 1_000_000,
      session_bytes_per_s: 400_000,
    });
  }),
);

Deno.test(
  "a relay that is full refuses one more session, and says so",
  withRelay(async (rig) => {
    const d = somePeer(rig.stand.random, rig.a.split("/")[0] as ReturnType<typeof someNetwork>);
    rig.stand.paths.set(d, "192.0.2.4:9000");
    for (const [from, to] of [[rig.a, rig.b], [rig.a, rig.c], [rig.b, rig.c]] as const) {
      await rig.allocate(from, to);
    }
    await assert.rejects(rig.allocate(rig.a, d), (error) => {
      return error instanceof OmertaError && error.message.includes("no room");
    });
    await rig.allocate(rig.a, rig.b); // who has one keeps it
  }),
);
