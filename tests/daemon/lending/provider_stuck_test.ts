/** Machines that run and do not answer: they keep their room and nobody waiting. */
import assert from "node:assert/strict";
import type { VmId } from "../../../src/base/mod.ts";
import { settle } from "../fake_time.ts";
import { type LendRig, MINUTE, withProvider } from "./lend_rig.ts";

/** A VM that is ready, in the eyes of a node that started after its helper had stopped. */
async function stuckVm(rig: LendRig): Promise<VmId> {
  const vm = await rig.ready();
  rig.runner.stuck.add(vm);
  await rig.restart();
  return vm;
}

Deno.test(
  "a VM whose helper does not answer keeps its room, is shown, and calls are answered",
  withProvider(async (rig) => {
    const vm = await stuckVm(rig);
    const [view] = await rig.provider.views();
    assert.deepEqual([view?.stuck, view?.pid], ["its helper does not answer", 4_242]);
    assert.deepEqual([rig.provider.used().vms, rig.runner.swept], [1, []]);
    assert.equal((await rig.state(vm))?.state, "ready");
    assert.equal((await rig.reserve()).existing, false);
    assert.ok(rig.stand.logged.some((line) => /warn a VM is stuck/.test(line)));
  }),
);

Deno.test(
  "a helper that answers again is taken up, with a tunnel of its own",
  withProvider(async (rig, time) => {
    const vm = await stuckVm(rig);
    await rig.state(vm);
    rig.runner.stuck.clear();
    await time.advance(30_000);
    assert.equal((await rig.provider.views())[0]?.stuck, null);
    assert.equal(rig.stand.commanded("tunnel.open").length, 2);
    assert.equal((await rig.release(vm)).state, "released");
    assert.equal(rig.provider.used().vms, 0);
  }),
);

Deno.test(
  "a stuck VM ends by force: released, evicted, or when its lease ends",
  withProvider(async (rig, time) => {
    const released = await stuckVm(rig);
    assert.equal((await rig.release(released)).state, "released");
    const evicted = await stuckVm(rig);
    await rig.provider.evict(evicted);
    assert.match((await rig.state(evicted))?.reason ?? "", /took it back/);
    const lapsed = await stuckVm(rig);
    await time.advance(61 * MINUTE);
    assert.equal((await rig.state(lapsed))?.endReason, "expired");
    assert.deepEqual(rig.runner.swept, [released, evicted, lapsed]);
    assert.equal(rig.provider.used().vms, 0);
  }),
);

Deno.test(
  "what cannot be ended keeps its room and its directory until it can",
  withProvider(async (rig, time) => {
    const vm = await stuckVm(rig);
    rig.runner.isUndead = true;
    const released = rig.release(vm);
    await time.advance(11_000);
    assert.equal((await released).state, "releasing");
    assert.deepEqual([rig.provider.used().vms, rig.runner.swept], [1, []]);
    rig.runner.isUndead = false;
    await time.advance(30_000);
    assert.deepEqual([rig.provider.used().vms, rig.runner.swept], [0, [vm]]);
    assert.equal((await rig.state(vm))?.endReason, "released");
  }),
);

Deno.test(
  "a helper that fails to stop its VM is ended by force",
  withProvider(async (rig) => {
    const vm = await rig.ready();
    rig.runner.fails.stop = new Error("no answer");
    assert.equal((await rig.release(vm)).state, "released");
    assert.deepEqual([rig.runner.swept, rig.provider.used().vms], [[vm], 0]);
  }),
);

Deno.test(
  "a machine that no row knows is ended by force where it does not answer",
  withProvider(async (rig) => {
    const vm = await rig.ready();
    rig.stand.store.hosted.delete({ id: vm });
    rig.runner.stuck.add(vm);
    await rig.restart();
    assert.deepEqual(rig.runner.swept, [vm]);
  }),
);

Deno.test(
  "a VM that cannot be found yet keeps no other from being taken up",
  withProvider(async (rig) => {
    await rig.ready();
    await rig.ready();
    const [slow, quick] = rig.stand.store.hosted.list().map(({ id }) => id); // as they are read
    assert.ok(slow !== undefined && quick !== undefined);
    const found = Promise.withResolvers<void>();
    rig.runner.adopting.set(slow, found.promise);
    const restarted = rig.restart();
    await settle();
    assert.equal(rig.stand.commanded("tunnel.open").length, 3);
    assert.equal((await rig.state(quick))?.state, "ready");
    assert.equal((await rig.release(slow)).state, "releasing");
    found.resolve();
    await restarted;
    assert.equal((await rig.state(slow))?.state, "released");
  }),
);
