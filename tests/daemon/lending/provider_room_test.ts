/** What a provider lends is there: of the policy, of the machine, for this owner. */
import assert from "node:assert/strict";
import { type PeerKey, peerKey, splitPeerKey, type VmId } from "../../../src/base/mod.ts";
import { fitted } from "../../../src/daemon/lending/answers.ts";
import { BODY_BYTES_MAX, encodeBody, parseAnswer } from "../../../src/node/mod.ts";
import { VMS_PER_CALL_MAX } from "../../../src/market/mod.ts";
import { settle } from "../fake_time.ts";
import { DAY, HOUR, withProvider } from "./lend_rig.ts";
import { someNetwork } from "../stand.ts";

const MIB = 2 ** 20;

Deno.test(
  "a VM is refused where the machine has no memory or disk, though the policy would lend it",
  withProvider(async (rig) => {
    rig.room = { memoryBytes: 255 * MIB, storageBytes: 64 * MIB };
    const full = { code: "provider-full", message: /too little free memory/ };
    await assert.rejects(rig.reserve({ memoryBytes: 256 * MIB }), full);
    await assert.rejects(rig.reserve({ memoryBytes: 128 * MIB, storageBytes: 65 * MIB }), {
      code: "provider-full",
      message: /too little free disk/,
    });
    assert.equal(rig.provider.used().vms, 0);
    await rig.reserve({ memoryBytes: 128 * MIB, storageBytes: 64 * MIB });
  }),
);

Deno.test(
  "what is offered is what the machine has too, in steps",
  withProvider((rig) => {
    assert.equal(rig.provider.offer()["memoryBytes"], 2 ** 33 - 40 * MIB);
    rig.room = { memoryBytes: 300 * MIB, storageBytes: 100 * MIB };
    const { accepting, memoryBytes, storageBytes } = rig.provider.offer();
    assert.deepEqual([accepting, memoryBytes, storageBytes], [true, 256 * MIB, 64 * MIB]);
    rig.room = { memoryBytes: 50 * MIB, storageBytes: -1 };
    assert.deepEqual(
      [rig.provider.offer()["accepting"], rig.provider.offer()["storageBytes"]],
      [false, 0],
    );
    return Promise.resolve();
  }, { overheadBytes: 40 * MIB }),
);

Deno.test(
  "what was promised and not taken yet is not promised again: memory until it is touched, a disk until it is there",
  withProvider(async (rig) => {
    const wish = { memoryBytes: 512 * MIB, storageBytes: 64 * MIB };
    await rig.reserve(wish);
    await rig.reserve(wish);
    assert.deepEqual(rig.promised, { memoryBytes: 552 * MIB, storageBytes: 64 * MIB });
    const vm = await rig.ready(wish);
    await rig.reserve(wish);
    assert.deepEqual(rig.promised, { memoryBytes: 3 * 552 * MIB, storageBytes: 128 * MIB });
    const machine = rig.runner.machines.get(vm);
    assert.ok(machine);
    machine.residentBytes = 600 * MIB;
    await assert.rejects(rig.reserve(wish));
    assert.deepEqual(rig.promised, { memoryBytes: 3 * 552 * MIB, storageBytes: 192 * MIB });
  }, { overheadBytes: 40 * MIB }),
);

Deno.test(
  "a machine's overhead is used and counted, and a repeated request needs no room",
  withProvider(async (rig) => {
    const { vm } = await rig.reserve({ key: "k", memoryBytes: 512 * MIB });
    assert.equal(rig.provider.used().memoryBytes, 648 * MIB);
    rig.room = { memoryBytes: 0, storageBytes: 0 };
    assert.equal((await rig.reserve({ key: "k", memoryBytes: 512 * MIB })).vm, vm);
  }, { overheadBytes: 136 * MIB }),
);

Deno.test(
  "an owner starts as many VMs at once as there is room, and is told when to come again",
  withProvider(async (rig) => {
    await Promise.all([rig.reserve(), rig.reserve()]);
    await assert.rejects(rig.reserve(), { code: "provider-full", fields: { retryMs: 1_000 } });
    await assert.rejects(rig.reserve({ cpu: 9 }), { code: "provider-full", fields: {} });
  }, { maxVms: 2 }),
);

Deno.test(
  "what is granted is told: a lease within the policy's, the life that is left",
  withProvider(async (rig, time) => {
    const granted = await rig.reserve({ leaseMs: 100 * HOUR, key: "k" });
    assert.deepEqual([granted.leaseMs, granted.lifeMs], [2 * HOUR, DAY]);
    await rig.create(granted.vm);
    await settle();
    await time.advance(HOUR);
    const again = await rig.reserve({ leaseMs: 100 * HOUR, key: "k" });
    assert.deepEqual([again.existing, again.lifeMs], [true, 23 * HOUR]);
    assert.deepEqual([again.state.leaseLeftMs, again.state.lifeLeftMs], [2 * HOUR, 23 * HOUR]);
  }, { leaseMsMax: 2 * HOUR }),
);

Deno.test(
  "a member of another network with the same key is another owner, with the same share",
  withProvider(async (rig) => {
    const vm: VmId = await rig.ready({ key: "k" });
    const elsewhere: PeerKey = peerKey(
      someNetwork(rig.stand.random),
      splitPeerKey(rig.owner).node,
    );
    rig.renters.add(elsewhere);
    const notOwner = { code: "not-owner" };
    await assert.rejects(rig.release(vm, elsewhere), notOwner);
    await assert.rejects(rig.create(vm, {}, elsewhere), notOwner);
    await assert.rejects(
      rig.stand.ask(elsewhere, "vm.extend", { vm, leaseMs: HOUR }),
      notOwner,
    );
    assert.deepEqual(await rig.stand.ask(elsewhere, "vm.status", { vms: [vm] }), { vms: [] });
    const full = { code: "provider-full", message: /1 VM at once to one node/ };
    await assert.rejects(rig.reserve({ key: "k" }, elsewhere), full);
  }, { livingPerOwnerMax: 1 }),
);

Deno.test("the states of 64 VMs that failed at length fit into one answer, with a reason each", () => {
  const message = {
    vm: "a".repeat(16),
    state: "failed",
    leaseLeftMs: null,
    lifeLeftMs: null,
    bootMs: 86_400_000,
    reason: `it could not be run: ${"€".repeat(470)}`,
    endReason: "guest-exit",
  } as const;
  const vms = fitted(Array(VMS_PER_CALL_MAX).fill(message));
  const body = encodeBody({ vms });
  assert.ok(body.length <= BODY_BYTES_MAX, `${body.length} bytes`);
  assert.ok(vms.every(({ reason }) => reason?.startsWith("it could not be run: €")));
  assert.equal(parseAnswer("vm.status", body).ok, true);
  assert.ok((fitted([message])[0]?.reason?.length ?? 0) > 150);
});
