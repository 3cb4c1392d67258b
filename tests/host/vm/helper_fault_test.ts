/** What goes wrong around a VM: wrong specs, missing files, a QEMU of bad character, rude clients. */
import assert from "node:assert/strict";
import {
  type HelperClient,
  type HelperStatus,
  isHelperAlive,
  probeKvm,
  readHelperExit,
} from "../../../src/host/vm/helper.ts";
import {
  copyTool,
  newSeed,
  QEMU,
  rootTest,
  Tool,
  untilGone,
  Vm,
  vmObstacle,
  vmTest,
  withVm,
} from "./vm_rig.ts";
import { type Obstacle, testUnless, withSmallDisk } from "../scratch.ts";

/** Asks until the answer is as wished; the VM's lease bounds it. */
async function untilStatus(
  client: HelperClient,
  isWished: (status: HelperStatus) => boolean,
): Promise<HelperStatus> {
  for (;;) {
    const status = await client.status();
    if (isWished(status)) return status;
  }
}

interface Refusal {
  readonly name: string;
  readonly changes: Readonly<Record<string, string | number | undefined>>;
  readonly code: string;
  readonly message: RegExp;
}

const REFUSALS: readonly Refusal[] = [
  {
    name: "a QEMU that is not there",
    changes: { qemu: "/usr/bin/qemu-system-none" },
    code: "qemu-missing",
    message: /QEMU is not at \/usr\/bin\/qemu-system-none: No such file/,
  },
  {
    name: "a QEMU that is no program",
    changes: { qemu: "/etc/passwd" },
    code: "qemu-missing",
    message: /cannot be executed/,
  },
  {
    name: "a kernel that is not there",
    changes: { kernel: "/nowhere/kernel" },
    code: "image-missing",
    message: /cannot open \/nowhere\/kernel/,
  },
  {
    name: "an initramfs that is a directory",
    changes: { initrd: "/usr" },
    code: "vm-failed",
    message: /\/usr is no regular file/,
  },
  {
    name: "a kernel that is none",
    changes: { kernel: "/etc/passwd" },
    code: "vm-failed",
    message: /QEMU did not start: .*kernel/,
  },
  {
    name: "a seed that is not there",
    changes: { seed: "/nowhere/seed" },
    code: "vm-failed",
    message: /cannot open \/nowhere\/seed/,
  },
  {
    name: "a disk that is a device",
    changes: { disk: "/dev/zero" },
    code: "vm-failed",
    message: /cannot open|no regular file/,
  },
  {
    name: "an unknown key",
    changes: { colour: "red" },
    code: "internal",
    message: /unknown key 'colour'/,
  },
  {
    name: "a relative path",
    changes: { kernel: "kernel" },
    code: "internal",
    message: /kernel is no absolute path/,
  },
  {
    name: "a missing key",
    changes: { accel: undefined },
    code: "internal",
    message: /accel is missing/,
  },
  { name: "too many processors", changes: { cpus: 65 }, code: "bad-size", message: /cpus/ },
  {
    name: "a spec above 64 KiB",
    changes: { append: "x".repeat(65_000) },
    code: "internal",
    message: /too long|64 KiB/,
  },
];

for (const { name, changes, code, message } of REFUSALS) {
  vmTest(`${name} is refused, and nothing is left`, () =>
    withVm({}, async (vm) => {
      await assert.rejects(vm.start(changes), (error: Error) => {
        assert.equal((error as Error & { code: string }).code, code);
        assert.match(error.message, message);
        return true;
      });
      assert.equal(await isHelperAlive(vm.dir), false);
      assert.equal(vm.files().includes("ctl.sock"), false);
      assert.equal(vm.files().includes("exit.json.new"), false);
    }));
}

vmTest(
  "a second helper in one directory is refused, and the first is not disturbed",
  () =>
    withVm({}, async (vm) => {
      await vm.start();
      const seed = newSeed(vm);
      await assert.rejects(vm.start(), { code: "exists" });
      assert.ok(vm.files().includes("seed"), seed);
      const status = await vm.connected((client) => client.status());
      assert.equal(status.state, "running");
    }),
);

vmTest("a directory that others may write is refused", () =>
  withVm({}, async (vm) => {
    Deno.chmodSync(vm.dir, 0o777);
    await assert.rejects(vm.start(), { code: "vm-failed" });
  }));

vmTest("a helper that is not there is told as a damaged program", () =>
  withVm({}, async (vm) => {
    const { startHelper } = await import("../../../src/host/vm/helper.ts");
    const wish = { helper: "/nowhere/omerta-vm", dir: vm.dir, spec: "" };
    await assert.rejects(startHelper(wish), { code: "native-damaged" });
  }));

vmTest(
  "a QEMU that ends at once is told with its last words",
  () =>
    withVm({ fake: "early" }, async (vm) => {
      await assert.rejects(vm.start(), {
        code: "vm-failed",
        message: "QEMU did not start: this machine is unheard of",
      });
    }),
);

vmTest(
  "a QEMU whose libraries the private root lacks is started without one",
  () =>
    withVm({ fake: "no-library" }, async (vm) => {
      await vm.start();
      const { missing } = await vm.until("running");
      assert.ok(missing.includes("private-root") && missing.includes("landlock"));
    }),
);

vmTest("a QEMU that does not quit is killed", () =>
  withVm({ fake: "stubborn" }, async (vm) => {
    await vm.start();
    const { pid, qemuPid } = await vm.until("running");
    await untilGone([pid, qemuPid], () => vm.connected((client) => client.stop()));
    assert.equal((await readHelperExit(vm.dir))?.reason, "stop");
  }));

vmTest(
  "a QEMU that floods every channel delays neither answers nor the lease",
  () =>
    withVm({ fake: "flood", leaseMs: 3000 }, async (vm) => {
      await vm.start();
      const flooded = (status: HelperStatus) => (status.dropped["source-mac"] ?? 0) > 1000;
      const after = await vm.connected((client) => untilStatus(client, flooded));
      await untilGone([after.pid, after.qemuPid], () => {});
      assert.equal((await readHelperExit(vm.dir))?.reason, "lease");
      assert.ok(Deno.statSync(`${vm.dir}/console`).size <= 256 * 1024);
      assert.ok(Deno.statSync(`${vm.dir}/helper.log`).size <= 64 * 1024);
    }),
);

rootTest(
  "a disk that is full refuses a VM; one that fills later cannot hide why a VM ended",
  () =>
    withSmallDisk(64 * 1024, (disk) =>
      withVm({ fake: "flood", leaseMs: 3000 }, async (vm) => {
        const small = new Vm(`${disk}/vm`, vm.helper, vm.spec);
        Deno.mkdirSync(small.dir, { mode: 0o700 });
        fillDisk(`${disk}/ballast`);
        await assert.rejects(small.start(), { code: "disk-full" });
        Deno.removeSync(`${disk}/ballast`);
        await small.start({ seed: newSeed(vm) });
        const { pid, qemuPid } = await small.connected((client) => client.status());
        fillDisk(`${disk}/ballast`);
        await untilGone([pid, qemuPid], () => {});
        assert.equal((await readHelperExit(small.dir))?.reason, "lease");
      })),
);

function fillDisk(path: string): void {
  const file = Deno.openSync(path, { create: true, append: true });
  try {
    for (;;) file.writeSync(new Uint8Array(4096));
  } catch {
    file.close(); // full
  }
}

// --- a machine that stands still

vmTest(
  "a machine that QEMU stopped for a reason of its own has ended",
  () =>
    withVm({ fake: "stopped" }, async (vm) => {
      await vm.start();
      while (await isHelperAlive(vm.dir)); // until it ends by itself
      assert.deepEqual(await readHelperExit(vm.dir), {
        reason: "error",
        detail: "QEMU stopped the machine (internal-error)",
      });
    }),
);

vmTest(
  "a disk that stays full until the lease ends is told as the reason",
  () =>
    withVm({ fake: "full", leaseMs: 3000 }, async (vm) => {
      await vm.start();
      const isFull = ({ trouble }: HelperStatus) => trouble === "disk";
      const { pid, qemuPid, state } = await vm.connected((client) => untilStatus(client, isFull));
      assert.equal(state, "running");
      await untilGone([pid, qemuPid], () => {});
      assert.equal((await readHelperExit(vm.dir))?.reason, "disk");
    }),
);

vmTest(
  "a QEMU that greets and never answers is given up",
  () =>
    withVm({ fake: "mute" }, async (vm) => {
      await assert.rejects(vm.start(), {
        code: "vm-failed",
        message: "QEMU did not start: its monitor did not answer",
      });
    }),
);

const SMALL_BYTES = 8 * 1024 * 1024;

rootTest(
  "a VM whose disk has no room on the host is refused before it starts",
  () =>
    withSmallDisk(SMALL_BYTES, (host) =>
      withVm({ fake: "hang" }, async (vm) => {
        const disk = sparseFile(`${host}/disk`, 2 * SMALL_BYTES);
        await assert.rejects(vm.start({ disk }), {
          code: "disk-full",
          message: "no room for the VM's disk of 16 MiB: No space left on device",
        });
        assert.deepEqual([...Deno.readDirSync(host)], [], "its room is free again");
      })),
);

rootTest(
  "what a VM was given of the disk is there, whatever fills the disk later",
  () =>
    withSmallDisk(SMALL_BYTES, (host) =>
      withVm({ leaseMs: 20_000 }, async (vm) => {
        await vm.start({ disk: sparseFile(`${host}/disk`, SMALL_BYTES / 2) });
        fillDisk(`${host}/ballast`);
        assert.equal((await vm.until("ready")).trouble, null);
      })),
);

/** As file systems are that cannot give room beforehand, such as NFS before 4.2. */
rootTest(
  "a guest whose disk the host cannot write stands still, and goes on when it can",
  () =>
    withSmallDisk(
      SMALL_BYTES,
      (host) =>
        withVm({ by: ["tool", "without", "fallocate"] }, async (vm) => {
          const disk = sparseFile(`${host}/disk`, 2 * SMALL_BYTES);
          fillDisk(`${host}/ballast`);
          await vm.start({ disk });
          await vm.connected(async (client) => {
            const full = await untilStatus(client, ({ trouble }) => trouble === "disk");
            assert.equal(full.state, "running");
            Deno.removeSync(`${host}/ballast`);
            const after = await untilStatus(client, ({ trouble }) => trouble === null);
            assert.notEqual(after.state, "stopping");
          });
          assert.equal((await vm.until("ready")).trouble, null);
        }),
    ),
);

function sparseFile(path: string, bytes: number): string {
  Deno.createSync(path).close();
  Deno.truncateSync(path, bytes);
  return path;
}

// --- the control socket

/** Sends bytes, and reads until the helper closes or `lines` lines have come. */
async function talk(vm: Vm, bytes: string, lines: number): Promise<string[]> {
  const connection = await Deno.connect({ transport: "unix", path: `${vm.dir}/ctl.sock` });
  try {
    await connection.write(new TextEncoder().encode(bytes));
    let text = "";
    const piece = new Uint8Array(32 * 1024);
    while (text.split("\n").length <= lines) {
      const count = await connection.read(piece).catch(() => null); // reset: as good as closed
      if (count === null) break;
      text += new TextDecoder().decode(piece.subarray(0, count));
    }
    return text.split("\n").slice(0, -1);
  } finally {
    connection.close();
  }
}

const answerOf = (line: string | undefined) => JSON.parse(line ?? "{}");

vmTest(
  "the control socket answers several requests in one piece, in order",
  () =>
    withVm({}, async (vm) => {
      await vm.start();
      const answers = await talk(vm, "status\nwhat\nrenew 5000\nattach\nrenew -1\nrenew\n", 6);
      const found = answers.map((line) => answerOf(line).code ?? answerOf(line).ok);
      assert.deepEqual(found, [true, "usage", true, "usage", "bad-size", "usage"]);
    }),
);

vmTest(
  "a request above 256 bytes, or with a NUL, is an error and harms nobody",
  () =>
    withVm({}, async (vm) => {
      await vm.start();
      const [long] = await talk(vm, "x".repeat(300), 9);
      assert.equal(answerOf(long).message, "the request is longer than 256 bytes");
      const [nul] = await talk(vm, "status\0\n", 1);
      assert.equal(answerOf(nul).message, "the request holds a NUL");
      assert.equal((await vm.connected((client) => client.status())).attached, false);
    }),
);

vmTest(
  "clients that connect without end push out the silent ones, never a watcher",
  () =>
    withVm({}, async (vm) => {
      await vm.start();
      await vm.connected(async (client) => {
        const states: string[] = [];
        const watch = await client.watch((status) => states.push(status.state));
        const silent: Deno.Conn[] = [];
        for (let i = 0; i < 40; i++) {
          silent.push(await Deno.connect({ transport: "unix", path: `${vm.dir}/ctl.sock` }));
        }
        assert.ok((await vm.connected((other) => other.status())).pid > 0);
        await vm.connected((other) => other.stop());
        await watch.ended;
        assert.equal(states.at(-1), "gone");
        for (const connection of silent) connection.close();
      });
    }),
);

vmTest("a client that never reads does not hold up the others", () =>
  withVm({}, async (vm) => {
    await vm.start();
    await vm.until("ready");
    const rude = await Deno.connect({ transport: "unix", path: `${vm.dir}/ctl.sock` });
    await rude.write(new TextEncoder().encode("status\n".repeat(2000))).catch(() => {}); // closed
    assert.equal((await vm.connected((client) => client.status())).state, "ready");
    rude.close();
  }));

rootTest("another user may not speak to the helper", () =>
  withVm({}, async (vm) => {
    await vm.start();
    Deno.chmodSync(vm.dir, 0o755);
    Deno.chmodSync(vm.dir.replace(/\/vm$/, ""), 0o755);
    Deno.chmodSync(`${vm.dir}/ctl.sock`, 0o777);
    const tool = copyTool(vm);
    const as = ["--reuid=65534", "--regid=65534", "--clear-groups", tool, "attach"];
    const command = new Deno.Command("setpriv", { args: [...as, `${vm.dir}/ctl.sock`] });
    const { code, stdout } = command.outputSync();
    assert.deepEqual([code, stdout.length], [1, 0], "hung up without an answer");
    assert.equal((await vm.connected((client) => client.status())).attached, false);
  }));

vmTest("only a unix datagram or seqpacket socket can be attached", () =>
  withVm({}, async (vm) => {
    await vm.start();
    const node = new Tool("attach", `${vm.dir}/ctl.sock`, "seqpacket");
    assert.equal(await node.line(), '{"ok":true}');
    await vm.connected((client) => client.stop());
    assert.equal(await node.line(), "end", "seqpacket tells that the VM is gone");
    await node.close();
  }));

// --- the probe

async function probe(vm: Vm, timeoutMs: number) {
  const { qemu, kernel, initrd } = vm.spec;
  const paths = { qemu: String(qemu), kernel: String(kernel), initrd: String(initrd) };
  return await probeKvm({ helper: vm.helper, ...paths, timeoutMs });
}

vmTest(
  "the probe comes back within its time, with a verdict and a reason",
  () =>
    withVm({}, async (vm) => {
      const verdict = await probe(vm, 10_000);
      assert.ok(verdict.accel === "kvm" ? (verdict.bootMs ?? 0) > 0 : verdict.bootMs === null);
      assert.match(verdict.reason, /KVM|\/dev\/kvm/);
      assert.match(verdict.qemu, /^\d+\.\d+\.\d+$/);
      assert.ok(verdict.tscKhz > 100_000);
    }),
);

interface Liar {
  readonly fake: string;
  readonly accel: string;
  readonly reason: RegExp;
}

/** They need a /dev/kvm that can be opened. */
const LIARS: readonly Liar[] = [
  { fake: "hang", accel: "tcg", reason: /did not boot in time under KVM/ },
  { fake: "stopped", accel: "tcg", reason: /internal error/ },
  { fake: "flood", accel: "tcg", reason: /did not boot in time under KVM/ },
  { fake: "marker", accel: "kvm", reason: /booted under KVM/ },
];

for (const { fake, accel, reason } of LIARS) {
  testUnless(
    vmObstacle() ?? kvmObstacle(),
    `the probe of a KVM like '${fake}' says ${accel} and leaves no process`,
    () =>
      withVm({ fake }, async (vm) => {
        const verdict = await probe(vm, 400);
        assert.equal(verdict.accel, accel);
        assert.match(verdict.reason, reason);
        assert.deepEqual(processesOf(String(vm.spec["qemu"])), []);
      }),
  );
}

vmTest("the probe tells a missing QEMU from a bad KVM", () =>
  withVm({}, async (vm) => {
    const { kernel, initrd } = vm.spec;
    const paths = { qemu: `${QEMU}-none`, kernel: String(kernel), initrd: String(initrd) };
    const wish = { helper: vm.helper, ...paths, timeoutMs: 1000 };
    await assert.rejects(probeKvm(wish), { code: "qemu-missing" });
  }));

function kvmObstacle(): Obstacle {
  try {
    Deno.openSync("/dev/kvm", { read: true, write: true }).close();
    return undefined;
  } catch {
    return "kvm: /dev/kvm cannot be opened";
  }
}

function processesOf(program: string): string[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => name)
    .filter((name) => /^\d+$/.test(name) && commandOf(name).startsWith(`${program}\0`));
}

function commandOf(pid: string): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`);
  } catch {
    return ""; // it ended meanwhile
  }
}
