/** Tunnels that are kept: claimed, reached again, named. */
import assert from "node:assert/strict";
import { OmertaError, type PeerKey } from "../../../src/base/mod.ts";
import { KeptTunnels, type TunnelPlan } from "../../../src/daemon/streams/kept_tunnels.ts";
import { Tunnels } from "../../../src/daemon/streams/tunnels.ts";
import type { DevicePlan } from "../../../src/tunnel/mod.ts";
import { settle } from "../fake_time.ts";
import { someNetwork, somePeer, type Stand, withStand } from "../stand.ts";

const SECOND = 1_000;

function rig(stand: Stand) {
  const { context } = stand;
  const reached: PeerKey[] = [];
  const state = { isReachable: true };
  stand.ports.onReach = (peer) => {
    reached.push(peer);
    if (state.isReachable) return peer;
    throw new OmertaError("unreachable", "nobody answers");
  };
  const kept = new KeptTunnels({ ...context, tasks: context }, new Tunnels(context.net));
  const network = someNetwork(stand.random);
  const [bob, carol] = [somePeer(stand.random, network), somePeer(stand.random, network)];
  const plan = (tunnel: number, peer = bob): TunnelPlan => {
    return { name: `VM ${tunnel}`, device: { tunnel, peer } as DevicePlan };
  };
  const down = (peer = bob) => stand.views.emit({ type: "peer-down", peer, reason: "lost" });
  return { kept, reached, state, bob, carol, plan, down };
}

Deno.test(
  "each tunnel claims its peer's paths by its own name, until it is closed",
  withStand((stand) => {
    const { kept, bob, carol, plan } = rig(stand);
    kept.open(plan(1));
    kept.open(plan(1));
    kept.open(plan(2));
    assert.deepEqual([stand.holds.of(bob), stand.holds.of(carol)], ["busy", "hold"]);
    assert.deepEqual(stand.commanded("tunnel.open").length, 2);
    kept.close(1);
    assert.equal(stand.holds.of(bob), "busy");
    kept.close(2);
    kept.close(2);
    assert.equal(stand.holds.of(bob), "hold");
    assert.deepEqual(stand.commanded("tunnel.close").length, 2);
    return Promise.resolve();
  }),
);

Deno.test(
  "a tunnel is opened when its peer is reached, and not where nobody answers",
  withStand(async (stand) => {
    const { kept, state, plan, reached, bob } = rig(stand);
    state.isReachable = false;
    await assert.rejects(kept.connect(plan(1), {}), { code: "unreachable" });
    assert.deepEqual(stand.commanded("tunnel.open"), []);
    state.isReachable = true;
    await kept.connect(plan(1), {});
    assert.deepEqual([stand.commanded("tunnel.open").length, reached], [1, [bob, bob]]);
  }),
);

Deno.test(
  "the peer of an open tunnel is reached again, once at a time, until it is there",
  withStand(async (stand, time) => {
    const { kept, reached, state, plan, down, bob, carol } = rig(stand);
    kept.open(plan(1));
    state.isReachable = false;
    down();
    down();
    down(carol);
    await time.advance(10 * SECOND);
    const tries = reached.length;
    assert.ok(tries >= 6 && tries <= 12, `${tries} tries in 10 s`);
    assert.ok(reached.every((peer) => peer === bob));
    state.isReachable = true;
    await time.advance(3 * SECOND);
    assert.equal(reached.length, tries + 1);
    await time.advance(10 * SECOND);
    assert.equal(reached.length, tries + 1);
  }),
);

for (const [what, end] of [["closed", "close"], ["left by an ending node", "end"]] as const) {
  Deno.test(
    `the peer of a tunnel that is ${what} is wanted back no more`,
    withStand(async (stand, time) => {
      const { kept, reached, state, plan, down } = rig(stand);
      kept.open(plan(1));
      state.isReachable = false;
      down();
      await time.advance(SECOND);
      if (end === "close") kept.close(1);
      else kept.end();
      await time.advance(3 * SECOND);
      const tries = reached.length;
      down();
      await time.advance(10 * SECOND);
      assert.equal(reached.length, tries);
    }),
  );
}

Deno.test(
  "streams of a tunnel are told by its name, also of their end after its own",
  withStand(async (stand) => {
    const { kept, plan } = rig(stand);
    assert.equal(kept.nameOf(1), null);
    kept.open(plan(1));
    kept.close(1);
    assert.equal(kept.nameOf(1), "VM 1");
    await settle();
  }),
);

Deno.test(
  "no more tunnels are open than may be",
  withStand((stand) => {
    const { kept, plan } = rig(stand);
    for (let tunnel = 1; tunnel <= 4_096; tunnel++) kept.open(plan(tunnel));
    kept.open(plan(1));
    assert.throws(() => kept.open(plan(5_000)), { code: "refused" });
    kept.close(7);
    kept.open(plan(5_000));
    return Promise.resolve();
  }),
);
