/**
 * What a provider relies on in whatever runs its VMs, for each that does: the helper with a program in
 * QEMU's place, and the stand-in on which the provider's own tests rest.
 */
import assert from "node:assert/strict";
import type { VmId } from "../../../src/base/mod.ts";
import { QemuRunner } from "../../../src/host/vm/qemu_runner.ts";
import {
  type RunningVm,
  STUCK,
  type VmHappening,
  type VmRunner,
  type VmStart,
} from "../../../src/host/vm/vm_runner.ts";
import { connectHelper } from "../../../src/host/vm/helper.ts";
import { type Obstacle, testUnless } from "../scratch.ts";
import { type Vm, vmObstacle, withVm } from "./vm_rig.ts";
import { FakeRunner } from "../../daemon/lending/fake_runner.ts";

const ID = "aaaaaaaabbbbbbbb" as VmId;
const START: VmStart = {
  id: ID,
  requirements: {
    cpu: 1,
    memoryBytes: 256 * 2 ** 20,
    storageBytes: 0,
    image: "micro",
    leaseMs: 30_000,
  },
  lifeMs: 100_000,
  seed: new TextEncoder().encode("0707"),
};

/** A runner, and how to do to its machine what QEMU's crash does. */
interface Stage {
  readonly runner: VmRunner;
  crash(): Promise<void>;
}

interface Kind {
  readonly name: string;
  readonly obstacle: Obstacle;
  run(test: (stage: Stage) => Promise<void>): Promise<void>;
}

function qemuRunner({ dir, helper, spec }: Vm, directory: string): QemuRunner {
  const { kernel, initrd, append } = spec;
  const manifest = { append: String(append) };
  const image = { id: "", manifest, kernel: String(kernel), initrd: String(initrd) };
  return new QemuRunner({
    directory,
    helper,
    qemu: String(spec["qemu"]),
    accelerator: () => "tcg",
    confinement: () => "full",
    least: "basic",
    doubt() {},
    images: { find: () => Promise.resolve(image as never) },
    log: { error: () => assert.fail(`of ${dir}`), warn() {}, info() {}, debug() {} },
  });
}

async function onQemu(test: (stage: Stage) => Promise<void>): Promise<void> {
  await withVm({ fake: "hang" }, async (vm) => {
    const vms = `${vm.dir}s`;
    const runner = qemuRunner(vm, vms);
    const crash = async () => {
      const client = await connectHelper(`${vms}/${ID}`);
      Deno.kill((await client.status()).qemuPid, "SIGKILL");
      client.close();
    };
    try {
      await test({ runner, crash });
    } finally {
      await runner.kill(ID); // what a failed test left
    }
  });
}

async function onFake(test: (stage: Stage) => Promise<void>): Promise<void> {
  const runner = new FakeRunner();
  const crash = () => Promise.resolve(runner.end(runner.only, { reason: "failed", detail: "" }));
  await test({ runner, crash });
}

const KINDS: readonly Kind[] = [
  { name: "QEMU", obstacle: vmObstacle(), run: onQemu },
  { name: "a stand-in", obstacle: undefined, run: onFake },
];

/** A machine that runs, and its end when it comes. */
async function started(runner: VmRunner): Promise<[RunningVm, Promise<VmHappening>]> {
  const ended = Promise.withResolvers<VmHappening>();
  const vm = await runner.start(START, (happening) => {
    if (happening.type === "ended") ended.resolve(happening);
  });
  return [vm, ended.promise];
}

const leaseLeft = async (vm: RunningVm) => (await vm.figures()).leaseLeftMs;

function assertBetween(value: number, least: number, most: number): void {
  assert.ok(value > least && value <= most, `${value} is not between ${least} and ${most}`);
}

/** What must hold of every runner. */
const CONTRACT: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
  "a machine has the lease and the life that it was started with": async ({ runner }) => {
    const [vm] = await started(runner);
    const { leaseLeftMs, lifeLeftMs, pid } = await vm.figures();
    assertBetween(leaseLeftMs, 15_000, 30_000);
    assertBetween(lifeLeftMs, 85_000, 100_000);
    assert.equal(pid, await runner.pidOf(ID));
    await vm.stop();
  },
  "renew() moves the deadline, never back, and never beyond the life": async ({ runner }) => {
    const [vm] = await started(runner);
    await vm.renew(60_000);
    assertBetween(await leaseLeft(vm), 45_000, 60_000);
    await vm.renew(100);
    assertBetween(await leaseLeft(vm), 40_000, 60_000);
    await vm.renew(500_000);
    const { leaseLeftMs, lifeLeftMs } = await vm.figures();
    assert.equal(leaseLeftMs, lifeLeftMs);
    await vm.stop();
  },
  "stop() ends a machine, and its end is told as released": async ({ runner }) => {
    const [vm, ended] = await started(runner);
    assert.equal(await runner.isGone(ID), false);
    await vm.stop();
    const end = await ended;
    assert.equal(end.type === "ended" && end.reason, "released");
    assert.equal(await runner.isGone(ID), true);
  },
  "a machine that crashed is told as failed, and cannot be renewed": async (stage) => {
    const [vm, ended] = await started(stage.runner);
    await stage.crash();
    const end = await ended;
    assert.equal(end.type === "ended" && end.reason, "failed");
    await assert.rejects(vm.renew(60_000));
  },
  "what was let go runs on, and is found again with its deadline": async ({ runner }) => {
    const [vm] = await started(runner);
    await vm.renew(60_000);
    vm.detach();
    const found = await runner.adopt(ID, () => {});
    assert.ok(found !== null && found !== STUCK);
    assertBetween(await leaseLeft(found), 40_000, 60_000);
    await found.stop();
    assert.equal(await runner.adopt(ID, () => {}), null);
  },
  "what runs is not started again, nor swept; what is gone is": async ({ runner }) => {
    const [vm] = await started(runner);
    await assert.rejects(runner.start(START, () => {}));
    await assert.rejects(runner.sweep(ID));
    assert.deepEqual(runner.found(), [ID]);
    await vm.stop();
    await runner.sweep(ID);
    assert.deepEqual(runner.found(), []);
  },
};

for (const { name, obstacle, run } of KINDS) {
  for (const [sentence, test] of Object.entries(CONTRACT)) {
    testUnless(obstacle, `${name}: ${sentence}`, () => run(test));
  }
}
