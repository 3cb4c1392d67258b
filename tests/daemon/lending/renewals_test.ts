/** Signs of life on their way to helper and disk. */
import assert from "node:assert/strict";
import type { Instant, VmId } from "../../../src/base/mod.ts";
import { Renewals } from "../../../src/daemon/lending/renewals.ts";
import { settle } from "../fake_time.ts";
import { HOUR, MINUTE, withProvider } from "./lend_rig.ts";
import type { Stand } from "../stand.ts";

const ID = "a".repeat(16) as VmId;
const at = (ms: number) => ms as Instant;
const lease = (deadline: number, leaseMs = 1_000) => ({
  id: ID,
  deadline: deadline as Instant,
  leaseMs,
});

Deno.test("a deadline that moved by a tenth of the lease is due at once, a lesser move later", () => {
  const renewals = new Renewals();
  renewals.told(lease(1_000));
  renewals.note(lease(1_000), at(0));
  assert.equal(renewals.dueAt(), undefined);
  renewals.note(lease(1_099), at(99));
  assert.equal(renewals.dueAt(), 199);
  assert.deepEqual(renewals.take(at(198)), []);
  renewals.note(lease(1_100), at(100));
  assert.deepEqual([renewals.dueAt(), renewals.isNoted(ID)], [100, true]);
  assert.deepEqual([renewals.take(at(100)), renewals.take(at(100))], [[ID], []]);
  assert.equal(renewals.isNoted(ID), false);
});

Deno.test("further moves put nothing off, and what was put off by force comes back", () => {
  const renewals = new Renewals();
  renewals.told(lease(1_000));
  for (let now = 1; now < 90; now++) renewals.note(lease(1_000 + now), at(now));
  assert.deepEqual([renewals.take(at(100)), renewals.take(at(101))], [[], [ID]]);
  renewals.defer(ID, at(500));
  assert.deepEqual([renewals.take(at(499)), renewals.take(at(500))], [[], [ID]]);
  renewals.forget(ID);
  assert.equal(renewals.dueAt(), undefined);
});

/** Counts the rows of lent VMs that are written. */
function countWrites({ store }: Stand): () => number {
  let writes = 0;
  const put = store.hosted.put.bind(store.hosted);
  store.hosted.put = (row) => {
    writes++;
    put(row);
  };
  return () => writes;
}

Deno.test(
  "a storm of questions about a VM writes and tells its deadline ten times a lease, not at each",
  withProvider(async (rig, time) => {
    const vm = await rig.ready({ leaseMs: HOUR });
    const writes = countWrites(rig.stand);
    for (let n = 0; n < 360; n++) {
      await time.advance(10_000);
      await rig.stand.ask(rig.owner, "vm.status", { vms: [vm] });
      await rig.stand.ask(rig.owner, "vm.renew", { vms: [vm] });
    }
    await settle();
    assert.ok(writes() >= 9 && writes() <= 10, `${writes()} writes`);
    const { renewals } = rig.runner.only;
    assert.ok(renewals.length >= 9 && renewals.length <= 10, `${renewals.length} renewals`);
    assert.deepEqual(new Set(renewals), new Set([HOUR]));
  }),
);

Deno.test(
  "the last sign of life counts in full at the helper, a tenth of the lease later at the latest",
  withProvider(async (rig, time) => {
    const vm = await rig.ready({ leaseMs: 10 * MINUTE });
    await time.advance(30_000); // less than a tenth
    await rig.state(vm);
    assert.deepEqual(rig.runner.only.renewals, []);
    await time.advance(MINUTE);
    assert.deepEqual(rig.runner.only.renewals, [9 * MINUTE]);
  }),
);

Deno.test(
  "a helper has one renewal under way, however long it takes",
  withProvider(async (rig, time) => {
    const vm = await rig.ready({ leaseMs: 10 * MINUTE });
    const slow = Promise.withResolvers<void>();
    rig.runner.renewing = slow.promise;
    for (let i = 0; i < 5; i++) {
      await time.advance(2 * MINUTE);
      await rig.state(vm);
    }
    await time.advance(2_000);
    assert.equal(rig.runner.only.renewals.length, 1);
    slow.resolve();
    await time.advance(2_000);
    assert.equal(rig.runner.only.renewals.length, 2);
  }),
);

Deno.test(
  "a VM whose helper hears no renewal is looked for anew, before its lease ends",
  withProvider(async (rig, time) => {
    const vm = await rig.ready({ leaseMs: 10 * MINUTE });
    rig.runner.isDeaf = true;
    await time.advance(2 * MINUTE);
    await rig.state(vm);
    await time.advance(1);
    assert.match((await rig.provider.views())[0]?.stuck ?? "", /does not answer/);
    rig.runner.isDeaf = false;
    await time.advance(30_000);
    assert.equal((await rig.provider.views())[0]?.stuck, null);
    await rig.state(vm);
    await time.advance(MINUTE);
    assert.equal(rig.runner.only.renewals.length, 1);
    assert.equal((await rig.state(vm))?.state, "ready");
  }),
);
