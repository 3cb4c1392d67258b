/** The provider with machines that a test ends, starts late, or loses. */
import assert from "node:assert/strict";
import { OmertaError, type VmId } from "../../../src/base/mod.ts";
import type { Provider } from "../../../src/daemon/lending/provider.ts";
import { settle } from "../fake_time.ts";
import { DAY, DIGEST, HOUR, MINUTE, withProvider } from "./lend_rig.ts";
import { someNetwork, somePeer, type Stand } from "../stand.ts";

const SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJm9Cq0TPVQ7XkC8sx1yZcVzWuQyE6r2l0vB3d4e5f6g";

const held = () => Promise.withResolvers<void>();

Deno.test(
  "a VM goes from its reservation to its release, and its owner is told",
  withProvider(async (rig) => {
    const { vm, state, ...answer } = await rig.reserve();
    assert.deepEqual([state.state, state.lifeLeftMs], ["reserved", null]);
    assert.deepEqual(answer, {
      existing: false,
      accelerator: "tcg",
      isolation: "emulated",
      confinement: "full",
      imageDigest: DIGEST,
      leaseMs: HOUR,
      lifeMs: DAY,
      dryRun: false,
    });
    assert.equal(rig.runner.machines.size, 0);
    const created = await rig.create(vm);
    assert.deepEqual([created.user, created.wireguardKey.length, created.sshHostKey.length], [
      "root",
      32,
      32,
    ]);
    await settle();
    assert.equal((await rig.state(vm))?.state, "booting");
    assert.equal(rig.runner.only.start.requirements.image, DIGEST, "boots what was promised");
    const [tunnel] = rig.stand.commanded("tunnel.open");
    assert.deepEqual([tunnel?.["tunnel"], tunnel?.["remote"], tunnel?.["mode"]], [
      created.tunnel,
      77,
      "guest",
    ]);
    rig.become(vm as VmId);
    assert.deepEqual(await rig.state(vm), {
      vm,
      state: "ready",
      leaseLeftMs: HOUR,
      lifeLeftMs: DAY,
      bootMs: 700,
      reason: null,
      endReason: null,
    });
    const released = await rig.release(vm);
    assert.deepEqual(released, {
      vm,
      state: "released",
      leaseLeftMs: null,
      lifeLeftMs: null,
      bootMs: 700,
      reason: "it was released",
      endReason: "released",
    });
    assert.deepEqual(rig.runner.swept, [vm]);
    assert.deepEqual(rig.stand.commanded("tunnel.close"), [{ tunnel: created.tunnel }]);
    assert.deepEqual(rig.told(), ["booting", "ready", "released"]);
    assert.equal(rig.provider.used().vms, 0);
  }),
);

Deno.test(
  "the same key reserves the same VM, and creating it again starts nothing",
  withProvider(async (rig) => {
    const first = await rig.reserve({ key: "k" });
    const again = await rig.reserve({ key: "k" });
    assert.deepEqual([again.vm, again.existing], [first.vm, true]);
    const created = await rig.create(first.vm);
    await settle();
    assert.deepEqual(await rig.create(first.vm), created);
    await settle();
    assert.equal(rig.runner.machines.size, 1);
    assert.deepEqual((await rig.reserve({ key: "k" })).vm, first.vm);
  }),
);

Deno.test(
  "another owner's key, or none, reserves another VM",
  withProvider(async (rig) => {
    const { vm } = await rig.reserve({ key: "k" });
    assert.notEqual((await rig.reserve({ key: "k" }, rig.other)).vm, vm);
    assert.notEqual((await rig.reserve()).vm, (await rig.reserve()).vm);
  }),
);

Deno.test(
  "a key whose VM is being released gives a new one, while the old one still ends",
  withProvider(async (rig) => {
    const vm = await rig.ready({ key: "k" });
    const stopping = held();
    rig.runner.stopping = stopping.promise;
    const released = rig.release(vm);
    await settle();
    const next = await rig.reserve({ key: "k" });
    assert.notEqual(next.vm, vm);
    assert.equal(next.existing, false);
    stopping.resolve();
    assert.equal((await released).state, "released");
    assert.equal(rig.row(next.vm)?.key, "k");
  }),
);

Deno.test(
  "a key whose reservation ran out unnoticed gives a new VM",
  withProvider(async (rig, time) => {
    const { vm } = await rig.reserve({ key: "k" });
    const late = time.advance(10_000); // the reservation's timer and the call come together
    const next = await rig.reserve({ key: "k" });
    await late;
    assert.equal(next.vm === vm, next.existing);
  }),
);

Deno.test(
  "nobody but its owner learns of a VM or does anything with it",
  withProvider(async (rig) => {
    const vm = await rig.ready();
    const stranger = rig.other;
    assert.deepEqual(await rig.stand.ask(stranger, "vm.status", { vms: [vm] }), { vms: [] });
    assert.deepEqual(await rig.stand.ask(stranger, "vm.renew", { vms: [vm] }), { vms: [] });
    const notOwner = { code: "not-owner" };
    await assert.rejects(rig.release(vm, stranger), notOwner);
    await assert.rejects(rig.create(vm, {}, stranger), notOwner);
    await assert.rejects(rig.stand.ask(stranger, "vm.extend", { vm, leaseMs: HOUR }), notOwner);
    assert.equal((await rig.state(vm))?.state, "ready");
  }),
);

Deno.test(
  "who holds no grant to rent gets nothing",
  withProvider(async (rig) => {
    const stranger = somePeer(rig.stand.random, someNetwork(rig.stand.random));
    await assert.rejects(rig.reserve({}, stranger), { code: "not-allowed" });
    await assert.rejects(rig.create("a".repeat(16), {}, stranger), { code: "not-allowed" });
  }),
);

Deno.test(
  "releasing twice is done, and releasing the unknown is not found",
  withProvider(async (rig) => {
    const vm = await rig.ready();
    await rig.release(vm);
    const endedAtMs = rig.row(vm)?.endedAtMs;
    assert.equal((await rig.release(vm)).state, "released");
    assert.deepEqual(rig.runner.swept, [vm]);
    assert.equal(rig.row(vm)?.endedAtMs, endedAtMs);
    await assert.rejects(rig.release("a".repeat(16)), { code: "not-found" });
  }),
);

Deno.test(
  "two releases at once stop the machine once and both answer when it is gone",
  withProvider(async (rig) => {
    const vm = await rig.ready();
    const both = await Promise.all([rig.release(vm), rig.release(vm)]);
    assert.deepEqual(both.map(({ state }) => state), ["released", "released"]);
    assert.deepEqual(rig.runner.swept, [vm]);
  }),
);

Deno.test(
  "a VM released while it starts is ended as soon as it runs",
  withProvider(async (rig) => {
    const starting = held();
    rig.runner.starting = starting.promise;
    const { vm } = await rig.reserve();
    await rig.create(vm);
    await settle();
    assert.equal((await rig.release(vm)).state, "releasing");
    starting.resolve();
    await settle();
    assert.deepEqual([rig.runner.machines.size, rig.told().at(-1)], [0, "released"]);
    assert.deepEqual(rig.stand.commanded("tunnel.open"), []);
  }),
);

Deno.test(
  "a VM that is ready before its start is told to be over is ready",
  withProvider(async (rig) => {
    rig.runner.whileStarting = (machine) => machine.happens({ type: "ready", bootMs: 5 });
    const vm = await rig.booting();
    const state = await rig.state(vm);
    assert.deepEqual([state?.state, state?.bootMs], ["ready", 5]);
  }),
);

Deno.test(
  "a VM that ends before its start is told to be over has failed, once",
  withProvider(async (rig) => {
    rig.runner.whileStarting = (machine) => {
      rig.runner.end(machine, { reason: "failed", detail: "QEMU died" });
    };
    const vm = await rig.booting();
    assert.deepEqual(rig.told(), ["failed"]);
    assert.equal((await rig.state(vm))?.reason, "it could not be run: QEMU died");
    assert.equal(rig.runner.machines.size, 0);
  }),
);

Deno.test(
  "a VM that cannot be started has failed, and its owner learns why",
  withProvider(async (rig) => {
    rig.runner.fails.start = new OmertaError("disk-full", "There is no room for the VM's disk");
    const vm = await rig.booting();
    const [event] = rig.stand.called("vm.event");
    assert.deepEqual([event?.peer, event?.question.vm, event?.question.state], [
      rig.owner,
      vm,
      "failed",
    ]);
    assert.match(event?.question.reason ?? "", /no room for the VM's disk/);
    assert.deepEqual(rig.runner.swept, [vm]);
    assert.equal(rig.provider.used().vms, 0);
  }),
);

Deno.test(
  "a machine whose tunnel cannot be opened is ended",
  withProvider(async (rig) => {
    rig.stand.answers.set("tunnel.open", () => {
      throw new OmertaError("internal", "no socketpair");
    });
    await rig.booting();
    assert.deepEqual(rig.told(), ["failed"]);
    assert.equal(rig.runner.machines.size, 0);
  }),
);

Deno.test(
  "a VM that is released while its helper is slow to take the tunnel is released, not failed",
  withProvider(async (rig) => {
    const { promise, reject } = Promise.withResolvers<void>();
    const isAsked = Promise.withResolvers<void>();
    rig.stand.answers.set("tunnel.open", () => {
      isAsked.resolve();
      return promise;
    });
    rig.stand.answers.set("tunnel.close", () => {
      reject(new OmertaError("vm-failed", "the tunnel was closed"));
      return { ok: true };
    });
    const { vm } = await rig.reserve();
    await rig.create(vm);
    await isAsked.promise;
    await rig.release(vm);
    await settle();
    assert.equal((await rig.state(vm))?.state, "released");
    assert.equal(rig.runner.machines.size, 0);
    assert.deepEqual(rig.stand.logged.filter((line) => line.startsWith("error")), []);
  }),
);

const HOSTNAMES = ["", "-", "---", "💥", "a".repeat(32), "VM 1", "x\ny", "..", "é"];

Deno.test(
  "whatever the renter calls the VM, it starts or is refused, and never hangs",
  withProvider(async (rig) => {
    for (const hostname of HOSTNAMES) {
      const { vm } = await rig.reserve();
      await rig.create(vm, { hostname });
      await settle();
      assert.equal((await rig.state(vm))?.state, "booting", JSON.stringify(hostname));
      await rig.release(vm);
    }
  }),
);

Deno.test(
  "an ssh key that is none is refused, and the reservation stays",
  withProvider(async (rig) => {
    const { vm } = await rig.reserve();
    for (
      const line of ["", "ssh-ed25519 AAAA", 'command="x" ssh-ed25519 AAAA', SSH_KEY.slice(0, 40)]
    ) {
      await assert.rejects(rig.create(vm, { sshKeys: [line] }), { code: "bad-ssh-key" });
    }
    await rig.create(vm);
    await settle();
    assert.equal((await rig.state(vm))?.state, "booting");
  }),
);

// Leases -----------------------------------------------------------------------------------------

Deno.test(
  "a reservation that nobody uses ends after ten seconds, with nothing to stop",
  withProvider(async (rig, time) => {
    const { vm } = await rig.reserve();
    await time.advance(9_999);
    assert.equal(rig.provider.used().vms, 1);
    await time.advance(2);
    assert.equal(rig.provider.used().vms, 0);
    assert.match((await rig.state(vm))?.reason ?? "", /not used in time/);
    await assert.rejects(rig.create(vm), { code: "lease-ended" });
  }),
);

Deno.test(
  "a VM whose owner is silent ends with its lease",
  withProvider(async (rig, time) => {
    const vm = await rig.ready({ leaseMs: 10 * MINUTE });
    await time.advance(10 * MINUTE - 1_000);
    assert.equal(rig.runner.machines.size, 1);
    await time.advance(2_000);
    assert.equal(rig.runner.machines.size, 0);
    const state = await rig.state(vm);
    assert.deepEqual([state?.state, state?.leaseLeftMs], ["released", null]);
    assert.match(state?.reason ?? "", /lease ended/);
    assert.equal(rig.told().at(-1), "released");
  }),
);

Deno.test(
  "each sign of life renews the lease, here and at the helper",
  withProvider(async (rig, time) => {
    const vm = await rig.ready({ leaseMs: 10 * MINUTE });
    for (let i = 0; i < 10; i++) {
      await time.advance(8 * MINUTE);
      assert.equal((await rig.state(vm))?.leaseLeftMs, 10 * MINUTE);
    }
    assert.deepEqual(new Set(rig.runner.only.renewals), new Set([10 * MINUTE]));
    assert.equal((await rig.state(vm))?.state, "ready");
  }),
);

Deno.test(
  "no sign of life makes a VM older than the policy's life",
  withProvider(async (rig, time) => {
    const vm = await rig.ready({ leaseMs: HOUR });
    for (let i = 0; i < 5 && rig.runner.machines.size > 0; i++) {
      await time.advance(30 * MINUTE);
      await rig.state(vm);
    }
    const state = await rig.state(vm);
    assert.equal(state?.state, "released");
    assert.match(state?.reason ?? "", /longest life/);
  }, { lifeMsMax: 2 * HOUR }),
);

Deno.test(
  "an extension is granted up to the policy, to the helper as well",
  withProvider(async (rig) => {
    const vm = await rig.ready({ leaseMs: MINUTE });
    const { leaseLeftMs } = await rig.stand.ask(rig.owner, "vm.extend", { vm, leaseMs: 30 * DAY });
    assert.equal(leaseLeftMs, 2 * HOUR);
    await settle();
    assert.equal(rig.runner.only.renewals.at(-1), 2 * HOUR);
  }, { leaseMsMax: 2 * HOUR }),
);

Deno.test(
  "an extension moves no end to an earlier moment",
  withProvider(async (rig) => {
    const vm = await rig.ready({ leaseMs: HOUR });
    const { leaseLeftMs } = await rig.stand.ask(rig.owner, "vm.extend", { vm, leaseMs: 1_000 });
    assert.equal(leaseLeftMs, HOUR);
  }),
);

Deno.test(
  "evicting ends a VM whatever its owner wants, and tells the owner",
  withProvider(async (rig) => {
    const vm = await rig.ready();
    await rig.provider.evict(vm);
    assert.match((await rig.state(vm))?.reason ?? "", /owner took it back/);
    await assert.rejects(rig.provider.evict("a".repeat(16) as VmId), { code: "not-found" });
  }),
);

Deno.test(
  "a guest that powers itself off is released, one that does so before it served has failed",
  withProvider(async (rig) => {
    const ready = await rig.ready();
    rig.runner.end(rig.runner.only, { reason: "guest-exit", detail: null });
    await settle();
    assert.equal((await rig.state(ready))?.state, "released");
    const booting = await rig.booting();
    rig.runner.end(rig.runner.only, { reason: "guest-exit", detail: null });
    await settle();
    assert.equal((await rig.state(booting))?.state, "failed");
  }),
);

Deno.test(
  "an owner who is not there is not told, and learns it when asking",
  withProvider(async (rig) => {
    rig.stand.connected.clear();
    const vm = await rig.ready();
    assert.deepEqual(rig.told(), []);
    assert.equal((await rig.state(vm))?.state, "ready");
  }),
);

// Restarts ---------------------------------------------------------------------------------------

Deno.test(
  "a VM that lives is taken up after a restart, with its keys, tunnel and lease",
  withProvider(async (rig) => {
    const { vm } = await rig.reserve({ key: "k" });
    const created = await rig.create(vm);
    await settle();
    rig.become(vm as VmId);
    rig.runner.only.leaseLeftMs = 7 * MINUTE;
    await rig.restart();
    assert.equal((await rig.state(vm))?.state, "ready");
    assert.equal(rig.stand.commanded("tunnel.open").length, 2);
    assert.deepEqual(await rig.create(vm), created);
    assert.equal((await rig.reserve({ key: "k" })).vm, vm);
    assert.equal((await rig.release(vm)).state, "released");
    assert.equal(rig.runner.machines.size, 0);
  }),
);

Deno.test(
  "the helper's word about the lease counts, whatever the wall clock did",
  withProvider(async (rig, time) => {
    const vm = await rig.ready();
    for (const skewMs of [30 * DAY, -30 * DAY]) {
      rig.stand.wallSkewMs = skewMs;
      rig.runner.only.leaseLeftMs = 5 * MINUTE;
      await rig.restart();
      assert.equal((rig.provider as Provider).used().vms, 1);
    }
    await time.advance(5 * MINUTE + 1_000);
    assert.equal(rig.provider.used().vms, 0);
    assert.match((await rig.state(vm))?.reason ?? "", /lease ended/);
  }),
);

Deno.test(
  "a VM that was starting when the node was killed is taken up",
  withProvider(async (rig) => {
    const starting = held();
    rig.runner.starting = starting.promise;
    const { vm } = await rig.reserve();
    await rig.create(vm);
    await settle();
    await rig.restart();
    assert.equal((await rig.state(vm))?.state, "booting");
    rig.become(vm as VmId);
    assert.equal((await rig.state(vm))?.state, "ready");
    starting.resolve();
    await settle();
    assert.deepEqual([rig.runner.machines.size, (await rig.state(vm))?.state], [1, "ready"]);
  }),
);

Deno.test(
  "a node that ends while a VM starts lets go of the machine, and does not end it",
  withProvider(async (rig) => {
    const starting = held();
    rig.runner.starting = starting.promise;
    const { vm } = await rig.reserve();
    await rig.create(vm);
    await settle();
    const { only } = rig.runner;
    rig.provider.detach();
    starting.resolve();
    await settle();
    assert.deepEqual([only.isAlive, only.detached], [true, 1]);
    assert.deepEqual(rig.stand.commanded("tunnel.open"), []);
  }),
);

Deno.test(
  "a node that ends while a VM is taken up lets go of the machine, and does not end it",
  withProvider(async (rig) => {
    const vm = await rig.ready();
    const { only } = rig.runner;
    const figuring = held();
    rig.runner.figuring = figuring.promise;
    const begun = rig.begin();
    await settle();
    rig.provider.detach();
    rig.runner.fails = {
      figures: new OmertaError("vm-failed", "let go"),
      stop: new Error("let go"),
    };
    figuring.resolve();
    await begun;
    assert.deepEqual([only.isAlive, rig.row(vm)?.state, rig.runner.swept], [true, "ready", []]);
    assert.deepEqual(rig.stand.logged.filter((line) => line.includes("is lost")), []);
  }),
);

Deno.test(
  "a node that ends lets go of machines, and what happens to them then it ignores",
  withProvider(async (rig) => {
    const vm = await rig.ready();
    const { only } = rig.runner;
    rig.provider.detach();
    assert.deepEqual([only.isAlive, only.detached], [true, 1]);
    rig.runner.end(only, { reason: "failed", detail: null });
    await settle();
    assert.deepEqual([rig.row(vm)?.state, rig.runner.swept], ["ready", []]);
  }),
);

Deno.test(
  "a VM of which nothing is left after a restart is lost, and what remains is swept",
  withProvider(async (rig) => {
    const vm = await rig.ready();
    rig.runner.only.isAlive = false;
    await rig.restart();
    assert.deepEqual([rig.row(vm)?.state, rig.runner.swept], ["lost", [vm]]);
    assert.equal(rig.told().at(-1), "lost");
    assert.equal(rig.provider.used().vms, 0);
  }),
);

Deno.test(
  "a VM that was being released when the node was killed is ended by the next",
  withProvider(async (rig) => {
    const vm = await rig.ready();
    const stopping = held();
    rig.runner.stopping = stopping.promise;
    rig.release(vm).catch(() => {});
    await settle();
    rig.runner.stopping = Promise.resolve();
    await rig.restart();
    assert.deepEqual([rig.row(vm)?.state, rig.runner.machines.size], ["released", 0]);
    stopping.resolve();
  }),
);

Deno.test(
  "a machine that answers but tells nothing is not left running when it is given up",
  withProvider(async (rig) => {
    const vm = await rig.ready();
    const { only } = rig.runner;
    rig.runner.fails.figures = new Error("helper hangs");
    await rig.restart();
    assert.deepEqual([rig.row(vm)?.state, only.isAlive], ["lost", false]);
  }),
);

Deno.test(
  "machines that no row knows are ended",
  withProvider(async (rig) => {
    const vm = await rig.ready();
    const { only } = rig.runner;
    rig.stand.store.hosted.delete({ id: vm });
    await rig.restart();
    assert.deepEqual([only.isAlive, rig.runner.swept], [false, [vm]]);
  }),
);

Deno.test(
  "one VM whose tunnel cannot be opened does not keep the provider from starting",
  withProvider(async (rig) => {
    const [one, two] = [await rig.ready(), await rig.ready()];
    let isFirst = true;
    rig.stand.answers.set("tunnel.open", () => {
      if (!isFirst) return { ok: true };
      isFirst = false;
      throw new OmertaError("internal", "the helper ended just now");
    });
    await rig.restart();
    const states = [rig.row(one)?.state, rig.row(two)?.state];
    assert.deepEqual(states.toSorted(), ["lost", "ready"]);
  }),
);

Deno.test(
  "a row that cannot be read does not keep the provider from starting",
  withProvider(async (rig) => {
    const vm = await rig.ready();
    const row = rig.row(vm);
    assert.ok(row);
    rig.stand.store.hosted.put({ ...row, row: { ...row.row, state: "asleep" as "ready" } });
    await rig.restart();
    assert.equal(rig.provider.used().vms, 0);
    assert.deepEqual(
      rig.stand.store.setAside.map(({ table, key, column }) => [table, key, column]),
      [
        ["hosted", vm, "row"],
      ],
    );
    assert.equal(rig.runner.machines.size, 0);
  }),
);

// Dry runs ---------------------------------------------------------------------------------------

Deno.test(
  "a dry run goes through the whole protocol without a machine",
  withProvider(async (rig) => {
    const { vm, dryRun, accelerator } = await rig.reserve({ dryRun: true });
    assert.deepEqual([dryRun, accelerator], [true, null]);
    await rig.create(vm);
    await settle();
    assert.equal((await rig.state(vm))?.state, "ready");
    assert.deepEqual([rig.runner.machines.size, rig.stand.commanded("tunnel.open")], [0, []]);
    assert.equal((await rig.release(vm)).state, "released");
  }, { dryRunOnly: true }),
);

Deno.test(
  "a dry run keeps its lease over a restart, and ends with it",
  withProvider(async (rig, time) => {
    const { vm } = await rig.reserve({ dryRun: true, leaseMs: 10 * MINUTE });
    await rig.create(vm);
    await settle();
    await time.advance(4 * MINUTE);
    await rig.restart();
    assert.equal(rig.row(vm)?.state, "ready");
    await time.advance(6 * MINUTE + 1_000);
    assert.equal(rig.row(vm)?.state, "released");
  }, { dryRunOnly: true }),
);

Deno.test(
  "a dry run is served by a provider that runs dry only, and by it nothing else",
  withProvider(async (rig) => {
    await assert.rejects(rig.reserve({ dryRun: true }), {
      code: "refused",
      message: /no dry runs/,
    });
    assert.equal(rig.provider.used().vms, 0);
  }),
);

Deno.test(
  "a provider that runs dry serves no real request",
  withProvider(async (rig) => {
    await assert.rejects(rig.reserve(), { code: "refused", message: /runs dry/ });
    assert.deepEqual([rig.provider.used().vms, rig.provider.isDry], [0, true]);
  }, { dryRunOnly: true }),
);

Deno.test(
  "a dry run of before a restart takes no room of a provider that is real now",
  withProvider(async (rig) => {
    const { vm } = await rig.reserve({ dryRun: true });
    await rig.create(vm);
    await settle();
    rig.lends = {};
    await rig.restart();
    assert.deepEqual([rig.row(vm)?.state, rig.provider.used().vms], ["lost", 0]);
  }, { dryRunOnly: true }),
);

// A full disk --------------------------------------------------------------------------------------

/** No row of a lent VM can be written until the function that is returned is called. */
function fill({ store }: Stand): () => void {
  const put = store.hosted.put.bind(store.hosted);
  store.hosted.put = () => {
    throw new OmertaError("disk-full", "No space is left");
  };
  return () => void (store.hosted.put = put);
}

Deno.test(
  "a provider on a full disk promises nothing, and is itself again once there is room",
  withProvider(async (rig) => {
    const empty = fill(rig.stand);
    await assert.rejects(rig.reserve({ key: "k" }), { code: "disk-full" });
    assert.equal(rig.provider.used().vms, 0);
    empty();
    const { vm } = await rig.reserve({ key: "k" });
    const emptyAgain = fill(rig.stand);
    await assert.rejects(rig.create(vm), { code: "disk-full" });
    assert.deepEqual([rig.provider.used().vms, rig.runner.machines.size], [0, 0]);
    emptyAgain();
    assert.equal((await rig.state(await rig.ready()))?.state, "ready");
  }),
);

Deno.test(
  "a VM ends on a full disk as well: released, by its lease, or by itself",
  withProvider(async (rig, time) => {
    const [released, lapsed, ended] = [
      await rig.ready(),
      await rig.ready({ leaseMs: MINUTE }),
      await rig.ready(),
    ];
    fill(rig.stand);
    assert.equal((await rig.release(released)).state, "released");
    const machine = rig.runner.machines.get(ended);
    assert.ok(machine);
    rig.runner.end(machine, { reason: "guest-exit", detail: null });
    await time.advance(MINUTE + 1_000);
    assert.equal((await rig.state(lapsed))?.state, "released");
    assert.equal(rig.runner.machines.size, 0);
  }),
);

// Memory -----------------------------------------------------------------------------------------

Deno.test(
  "rows of VMs that ended long ago are forgotten",
  withProvider(async (rig, time) => {
    const vm = await rig.ready();
    await rig.release(vm);
    await time.advance(MINUTE);
    assert.ok(rig.row(vm));
    rig.stand.wallSkewMs = 2 * DAY;
    await time.advance(MINUTE);
    assert.equal(rig.row(vm), undefined);
  }),
);

Deno.test(
  "the world is told of every change that its offer shows",
  withProvider(async (rig) => {
    const before = rig.changes;
    const vm = await rig.ready();
    assert.ok(rig.changes > before);
    const during = rig.changes;
    await rig.release(vm);
    assert.ok(rig.changes > during);
  }),
);

Deno.test(
  "views() tells what machines say, and nothing of one that does not answer",
  withProvider(async (rig) => {
    await rig.ready();
    assert.equal((await rig.provider.views())[0]?.figures?.pid, 4_242);
    rig.runner.fails.figures = new Error("helper hangs");
    assert.equal((await rig.provider.views())[0]?.figures, null);
  }),
);

Deno.test(
  "a size that no VM can have is refused before anything is set aside",
  withProvider(async (rig) => {
    const sizes = [
      { cpu: 0 },
      { memoryBytes: 2 ** 20 },
      { storageBytes: 1 },
      { leaseMs: 1 },
      { image: "../../x" },
    ];
    for (const size of sizes) {
      const error = await rig.reserve(size).then(() => undefined, (error) => error);
      assert.ok(error instanceof OmertaError, JSON.stringify(size));
      assert.equal(error.fields["retryMs"], undefined, "asking again is vain");
    }
    assert.equal(rig.provider.used().vms, 0);
    assert.equal(rig.stand.store.hosted.count(), 0);
  }),
);
