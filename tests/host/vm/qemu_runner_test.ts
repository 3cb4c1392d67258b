/** Helpers of before a restart that do not answer, for real: a stopped one, and one nobody reaches. */
import assert from "node:assert/strict";
import type { VmId } from "../../../src/base/mod.ts";
import { QemuRunner } from "../../../src/host/vm/qemu_runner.ts";
import { STUCK } from "../../../src/host/vm/vm_runner.ts";
import { isHelperAlive } from "../../../src/host/vm/helper.ts";
import { helperOf, killHelper } from "../../../src/host/vm/helper_kill.ts";
import { inDirectory } from "../scratch.ts";
import { untilGone, type Vm, vmTest, withVm } from "./vm_rig.ts";

/** How long a helper may take that does not answer: 3 s, and what a loaded machine adds. */
const DEADLINE_MS = 10_000;
const ID = "vm" as VmId;

/** The runner of the node that started after the VM of the test. */
function nextRunner({ dir, helper }: Vm): QemuRunner {
  const fail = () => Promise.reject(new Error("no image is needed"));
  const log = { error() {}, warn() {}, info() {}, debug() {} };
  return new QemuRunner({
    directory: dir.slice(0, dir.lastIndexOf("/")),
    helper,
    qemu: "/none",
    accelerator: () => "tcg",
    confinement: () => "full",
    least: "basic",
    doubt() {},
    images: { find: fail },
    log,
  });
}

async function timed<T>(task: Promise<T>): Promise<T> {
  const begin = performance.now();
  const value = await task;
  assert.ok(performance.now() - begin < DEADLINE_MS, "it took too long");
  return value;
}

/** Runs `test` with a VM that runs, and the process of its helper. */
async function withRunning(
  test: (vm: Vm, runner: QemuRunner, pid: number) => Promise<void>,
): Promise<void> {
  await withVm({ fake: "hang" }, async (vm) => {
    await vm.start();
    const pid = await helperOf(vm.dir);
    assert.ok(pid !== undefined);
    await test(vm, nextRunner(vm), pid);
  });
}

vmTest(
  "a stopped helper is known to be stuck within seconds, and can be taken up or killed later",
  () =>
    withRunning(async ({ dir }, runner, pid) => {
      assert.equal(await runner.pidOf(ID), pid);
      Deno.kill(pid, "SIGSTOP");
      assert.equal(await timed(runner.adopt(ID, () => {})), STUCK);
      await assert.rejects(runner.sweep(ID), { code: "vm-failed" });
      assert.equal(await isHelperAlive(dir), true);
      Deno.kill(pid, "SIGCONT");
      const found = await timed(runner.adopt(ID, () => {}));
      assert.ok(found !== null && found !== STUCK);
      assert.equal((await found.figures()).pid, pid);
      found.detach();
      Deno.kill(pid, "SIGSTOP");
      await untilGone([pid], async () => assert.equal(await runner.kill(ID), true));
      await runner.sweep(ID);
      assert.throws(() => Deno.statSync(dir), Deno.errors.NotFound);
      Deno.mkdirSync(dir); // the rig removes it
    }),
);

vmTest(
  "a helper whose socket is gone is ended before its directory is swept",
  () =>
    withRunning(async ({ dir }, runner, pid) => {
      Deno.removeSync(`${dir}/ctl.sock`);
      await untilGone([pid], async () => {
        assert.equal(await timed(runner.adopt(ID, () => {})), null);
        assert.equal(await isHelperAlive(dir), false);
      });
    }),
);

Deno.test(
  "who holds another file's lock, or none, is not killed",
  inDirectory(async (dir) => {
    assert.equal(await helperOf(dir), undefined);
    const lock = Deno.openSync(`${dir}/lock`, { write: true, create: true });
    lock.lockSync(true); // by this process, which is no helper
    assert.deepEqual([await helperOf(dir), await killHelper(dir)], [undefined, false]);
    lock.close();
    assert.equal(await killHelper(dir), true);
  }),
);
