/** How well QEMU and its helper are confined: read from the kernel, and tried from inside. */
import assert from "node:assert/strict";
import { type HelperStatus, isHelperAlive, readHelperExit } from "../../../src/host/vm/helper.ts";
import { testUnless } from "../scratch.ts";
import {
  descriptors,
  missingHere,
  parentOf,
  rootTest,
  statusField,
  untilGone,
  type Vm,
  vmObstacle,
  vmTest,
  type VmWish,
  withVm,
} from "./vm_rig.ts";

const NAMESPACES = ["user", "net", "pid", "mnt", "ipc", "uts", "cgroup"];
const NOBODY = 65534;
const AS_NOBODY = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
const NO_NAMESPACES = [
  "user-ns",
  "pid-ns",
  "net-ns",
  "ipc-ns",
  "uts-ns",
  "cgroup-ns",
  "mount-ns",
  "private-root",
];

function assertPowerless(pid: number): void {
  for (const set of ["CapInh", "CapPrm", "CapEff", "CapAmb"]) {
    assert.equal(Number(`0x${statusField(pid, set)}`), 0, set);
  }
  assert.equal(statusField(pid, "NoNewPrivs"), "1");
  assert.equal(statusField(pid, "Seccomp"), "2");
  assert.match(Deno.readTextFileSync(`/proc/${pid}/limits`), /Max core file size +0 /);
}

/** One field of /proc/PID/stat by its number in proc(5), from 3 on. */
function statNumber(pid: number, field: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]?.split(" ") ?? [];
  return Number(fields[field - 3]);
}

/** Behind all that the machine's owner runs, and bounded in threads, whoever runs it. */
function assertModest(pid: number): void {
  assert.equal(statNumber(pid, 19), 5, "nice");
  assert.equal(statNumber(pid, 41), 3, "SCHED_BATCH");
  const { stdout } = new Deno.Command("ionice", { args: ["-p", String(pid)] }).outputSync();
  assert.equal(new TextDecoder().decode(stdout).trim(), "best-effort: prio 7");
  const limits = Deno.readTextFileSync(`/proc/${pid}/limits`);
  const threads = Number(/^Max processes +(\d+) /m.exec(limits)?.[1]);
  assert.ok(threads >= 192 && threads <= 32_768, `${threads} threads`);
}

function ownNamespaces(pid: number): string[] {
  const link = (of: number | string, name: string) => Deno.readLinkSync(`/proc/${of}/ns/${name}`);
  return NAMESPACES.filter((name) => link(pid, name) !== link("self", name));
}

function assertOnlyItsFiles(pid: number): void {
  const strange = descriptors(pid).map(([, target]) => target).filter((target) =>
    !/^(socket:|anon_inode:|pipe:|\/memfd:|\/dev\/null|\/dev\/kvm$)/.test(target)
  );
  assert.deepEqual(strange, []);
}

vmTest(
  "QEMU has no capabilities, no privileges to gain, only its files",
  () =>
    withVm({}, async (vm) => {
      await vm.start();
      const { qemuPid } = await vm.until("running");
      assertPowerless(qemuPid);
      assertOnlyItsFiles(qemuPid);
      assertModest(qemuPid);
    }),
);

const missing = vmObstacle() === undefined ? await missingHere() : [];
const lacking = missing.length > 0 ? `namespaces: no ${missing.join(", ")} here` : undefined;

testUnless(
  vmObstacle() ?? lacking,
  "QEMU has its own namespaces, and dies before others",
  () =>
    withVm({}, async (vm) => {
      await vm.start();
      const { qemuPid, level } = await vm.until("running");
      assert.equal(level, "full");
      assert.match(Deno.readTextFileSync(`/proc/${qemuPid}/limits`), /^Max processes +192 /m);
      assert.deepEqual(ownNamespaces(qemuPid), NAMESPACES);
      assert.equal(Deno.readTextFileSync(`/proc/${qemuPid}/oom_score_adj`).trim(), "800");
      assert.equal(statusField(qemuPid, "NSpid").split("\t")[1], "2", "1 is our own");
      assert.match(Deno.readTextFileSync(`/proc/${qemuPid}/net/dev`), /^[^:]*lo:[^:]*$/);
    }),
);

vmTest(
  "the helper has locked itself, and holds nothing of QEMU's images",
  () =>
    withVm({}, async (vm) => {
      await vm.start();
      const { pid } = await vm.until("running");
      assert.equal(statusField(pid, "NoNewPrivs"), "1");
      assert.equal(statusField(pid, "Seccomp"), "2");
      const kill = 1 << 5; // CAP_KILL: QEMU has another user, where the helper is root
      assert.equal(Number(`0x${statusField(pid, "CapEff")}`) & ~kill, 0);
      const held = descriptors(pid).filter(([, target]) => /memfd|kernel|initrd|seed/.test(target));
      assert.deepEqual(held, []);
    }),
);

rootTest(
  "as root, each VM has a user of its own that nobody else is",
  () =>
    withVm({}, async (vm) => {
      await vm.start();
      const { pid, qemuPid } = await vm.until("running");
      const [uid = ""] = statusField(qemuPid, "Uid").split("\t");
      assert.equal(Number(uid), 1879048192 + pid);
      const own = [qemuPid, parentOf(qemuPid)];
      const others = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name))
        .filter((other) => other > 0 && !own.includes(other) && uidOf(other) === uid);
      assert.deepEqual(others, []);
    }),
);

function uidOf(pid: number): string {
  try {
    return statusField(pid, "Uid").split("\t")[0] ?? "";
  } catch {
    return ""; // it ended meanwhile
  }
}

/** What `prober` (see fake_qemu.c) could do. */
async function probeFromInside(vm: Vm): Promise<Record<string, string>> {
  await vm.start();
  const { consoleTail } = await vm.until("ready");
  const lines = consoleTail.split("\n").map((line) => line.trim().split(": "));
  return Object.fromEntries(lines.filter((parts) => parts.length === 2));
}

/** What must fail at every level. */
const NEVER = ["write /usr/x", "write /x", "write the initrd", "write the kernel"]
  .concat(
    "inet socket",
    "unix socket",
    "user namespace",
    "mount",
    "trace",
    "io_uring",
    "no death signal",
  )
  .concat("another death signal", "child", "child in a user namespace")
  .concat("child in a thread's namespace", "child by clone3");

/** What our own process 1 must be safe from, where there is one. */
const INIT = ["read /proc/1/root", "reach into init", "take init's lock"];

function assertConfined(result: Readonly<Record<string, string>>, more: readonly string[]): void {
  for (const what of [...NEVER, ...more]) assert.match(result[what] ?? "", /^E[A-Z]+$/, what);
  assert.equal(result["calls let through"], "none");
}

vmTest(
  "a program in QEMU's place can read its libraries, and do nothing else",
  () =>
    withVm({ fake: "prober" }, async (vm) => {
      const result = await probeFromInside(vm);
      assertConfined(result, [...INIT, "read /etc/passwd", "read /proc/sys", "become root"]);
      assert.equal(result["read /usr/bin/env"], "DONE");
      const tail = Deno.readTextFileSync(`${vm.dir}/console`);
      assert.match(tail, /core 0, fsize 0, files 256, pid 2,/);
    }),
);

rootTest(
  "a program in QEMU's place cannot reach into init, which has its user, without Landlock either",
  () =>
    withVm(
      { fake: "prober", by: [...AS_NOBODY, "tool", "without", "landlock"], uid: NOBODY },
      async (vm) => {
        assertConfined(await probeFromInside(vm), INIT);
      },
    ),
);

rootTest(
  "where a kernel gives no namespaces, Landlock still keeps the files",
  () =>
    withVm(
      { fake: "prober", by: [...AS_NOBODY, "tool", "without", "user-ns"], uid: NOBODY },
      async (vm) => {
        const result = await probeFromInside(vm);
        assertConfined(result, ["read /etc/passwd", "signal the parent"]);
      },
    ),
);

vmTest(
  "a program in QEMU's place is killed for a call of the x32 table",
  () =>
    withVm({ fake: "x32" }, async (vm) => {
      await assert.rejects(vm.start(), { message: "QEMU did not start: QEMU ended by signal 31" });
    }),
);

/** A QEMU that tries to live on, with the jail as it is, and with its death signal alone. */
const OUTLIVING: readonly [string, VmWish][] = [
  ["a QEMU that was taken over", { fake: "outlive" }],
  ["where there is no PID namespace, it", {
    fake: "outlive",
    by: [...AS_NOBODY, "tool", "without", "namespaces,mounts,landlock"],
    uid: NOBODY,
  }],
];

for (const [who, wish] of OUTLIVING) {
  rootTest(`${who} does not outlive its helper`, () =>
    withVm(wish, async (vm) => {
      await vm.start();
      const { pid, qemuPid, consoleTail } = await vm.until("ready");
      assert.match(consoleTail, /^no death signal: EPERM\r?$/m);
      const program = String(vm.spec["qemu"]);
      assert.deepEqual(processesOf(program), [qemuPid]);
      await untilGone([pid, qemuPid], () => Deno.kill(pid, "SIGKILL"));
      assert.deepEqual(processesOf(program), []);
    }));
}

function processesOf(program: string): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name))
    .filter((pid) => pid > 0 && commandOf(pid).startsWith(`${program}\0`));
}

function commandOf(pid: number): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`);
  } catch {
    return ""; // it ended meanwhile
  }
}

rootTest(
  "the lock is not free before QEMU is dead, however its helper ended",
  () =>
    withVm({ fake: "outlive" }, async (vm) => {
      await vm.start();
      const { pid, qemuPid, missing } = await vm.until("ready");
      assert.equal(missing.includes("pid-ns"), false);
      const init = parentOf(qemuPid);
      Deno.kill(init, "SIGSTOP"); // so that QEMU lives for a while without a helper
      await untilGone([qemuPid, init], async () => {
        await untilGone([pid], () => Deno.kill(pid, "SIGKILL"));
        const isHeld = await isHelperAlive(vm.dir);
        Deno.kill(init, "SIGCONT");
        assert.equal(isHeld, true, "the lock is held");
      });
      assert.equal(await isHelperAlive(vm.dir), false);
    }),
);

interface Degraded {
  readonly name: string;
  readonly by: readonly string[];
  readonly uid?: number;
  readonly level: string;
  readonly missing: readonly string[];
}

const DEGRADED: readonly Degraded[] = [
  { name: "an ordinary user", by: AS_NOBODY, uid: NOBODY, level: "full", missing: [] },
  {
    name: "an ordinary user without user namespaces",
    by: [...AS_NOBODY, "tool", "without", "user-ns"],
    uid: NOBODY,
    level: "landlock",
    missing: NO_NAMESPACES,
  },
  {
    name: "an ordinary user in a container",
    by: [...AS_NOBODY, "tool", "without", "namespaces,mounts,landlock"],
    uid: NOBODY,
    level: "basic",
    missing: [...NO_NAMESPACES, "landlock"],
  },
  {
    name: "root without user namespaces",
    by: ["tool", "without", "user-ns"],
    level: "namespaces",
    missing: ["user-ns"],
  },
  {
    name: "root without Landlock",
    by: ["tool", "without", "landlock"],
    level: "namespaces",
    missing: ["landlock"],
  },
  {
    name: "root that may not mount",
    by: ["tool", "without", "mounts"],
    level: "landlock",
    missing: ["private-root"],
  },
  {
    name: "root of a user namespace that has no other users",
    by: ["unshare", "--user", "--map-root-user"],
    level: "namespaces",
    missing: ["own-uid"],
  },
];

for (const { name, by, uid, level, missing } of DEGRADED) {
  rootTest(
    `${name} reaches level ${level}, says what is missing, and boots`,
    () =>
      withVm({ by, ...(uid !== undefined && { uid }) }, async (vm) => {
        await vm.start();
        const status: HelperStatus = await vm.until("ready");
        const isOpen = missing.includes("pid-ns") && status.landlockAbi < 6; // to signals
        const expected = level === "landlock" && isOpen ? "basic" : level;
        assert.deepEqual([status.level, status.missing], [expected, missing]);
        assert.equal(status.landlockAbi === 0, missing.includes("landlock"));
        assertPowerless(status.qemuPid);
        assertModest(status.qemuPid);
        assertOnlyItsFiles(status.qemuPid);
        await vm.connected((client) => client.stop());
        assert.equal((await readHelperExit(vm.dir))?.reason, "stop");
      }),
  );
}
