/**
 * The life of a VM as its node sees it: real QEMU, the image `micro`, real signals. What only C can
 * see (frames, parsers) is tested in `ffi/vm/tests`.
 */
import assert from "node:assert/strict";
import {
  connectHelper,
  type HelperClient,
  type HelperStatus,
  isHelperAlive,
  readHelperExit,
} from "../../../src/host/vm/helper.ts";
import { type Obstacle, say, testUnless } from "../scratch.ts";
import {
  attached,
  descriptors,
  newSeed,
  parentOf,
  rootObstacle,
  untilGone,
  vmTest,
  withVm,
} from "./vm_rig.ts";

/** What a VM leaves: words for people, and an empty lock. */
const LEFT = ["console", "exit.json", "helper.log", "lock"];

vmTest(
  "a VM boots until the guest says that it is ready, and stop leaves nothing",
  () =>
    withVm({}, async (vm) => {
      await vm.start();
      const status = await vm.until("ready");
      say(`  booted in ${status.bootMs} ms, level ${status.level}`);
      assert.equal(status.accel, "tcg");
      assert.match(status.qemu, /^\d+\.\d+\.\d+$/);
      assert.match(status.consoleTail, /^OMERTA-READY\r?$/m);
      assert.equal(await isHelperAlive(vm.dir), true);
      await untilGone([status.pid, status.qemuPid], () => vm.connected((client) => client.stop()));
      assert.deepEqual(await readHelperExit(vm.dir), {
        reason: "stop",
        detail: "stopped on request",
      });
      assert.equal(await isHelperAlive(vm.dir), false);
      assert.deepEqual(vm.files(), LEFT);
    }),
);

vmTest(
  "stop() answers when the lock is free and the files are gone",
  () =>
    withVm({}, async (vm) => {
      await vm.start();
      await vm.connected((client) => client.stop());
      assert.deepEqual(vm.files(), LEFT);
      assert.equal(await isHelperAlive(vm.dir), false);
      await assert.rejects(connectHelper(vm.dir), { code: "not-found" });
    }),
);

vmTest("watch() tells each state until the VM is gone", () =>
  withVm({}, async (vm) => {
    await vm.start();
    await vm.connected(async (client) => {
      const states: string[] = [];
      const ready = Promise.withResolvers<void>();
      const watch = await client.watch((status) => {
        if (status.state !== states.at(-1)) states.push(status.state);
        if (status.state === "ready") ready.resolve();
      });
      await ready.promise;
      await client.stop();
      await watch.ended;
      assert.deepEqual(states.slice(-4), ["running", "ready", "stopping", "gone"]);
    });
  }));

vmTest(
  "datagrams go both ways between guest and node, and the latest attachment wins",
  () =>
    withVm({}, async (vm) => {
      await vm.start();
      await attached(vm, (first) =>
        attached(vm, async (node) => {
          const datagram = await node.line(); // WireGuard's handshake initiation, type 1, 148 bytes
          assert.match(datagram, /^01000000[0-9a-f]{288}$/);
          await node.write(`${"00".repeat(1473)}\n${"ab".repeat(1472)}\n`);
          await node.line(); // the guest tries again after 5 s; by then both have been handled
          const status = await vm.connected((client) => client.status());
          assert.equal(status.attached, true);
          assert.equal(status.frames.in, 1);
          assert.ok(status.frames.out >= 2);
          assert.equal(status.dropped["node-size"], 1);
          await first.write("00\n");
          assert.equal(await first.line(), "refused", "the helper closed its end");
        }));
      const refused = Object.keys((await vm.connected((client) => client.status())).dropped);
      assert.deepEqual(refused.filter((reason) => reason === "protocol" || reason === "port"), []);
    }),
);

vmTest("a lease that nobody renews ends the VM", () =>
  withVm({ leaseMs: 3000 }, async (vm) => {
    await vm.start();
    const { pid, qemuPid } = await vm.connected((client) => client.status());
    await untilGone([pid, qemuPid], () => {});
    assert.equal((await readHelperExit(vm.dir))?.reason, "lease");
    assert.deepEqual(vm.files(), LEFT);
  }));

vmTest(
  "seed and disk lose their names at the start, so that no crash can leave them",
  () =>
    withVm({ disk: true }, async (vm) => {
      await vm.start();
      const { pid, qemuPid } = await vm.connected((client) => client.status());
      const names = vm.files().filter((name) => name === "seed" || name === "disk");
      assert.deepEqual(names, []);
      await untilGone([pid, qemuPid], () => Deno.kill(pid, "SIGKILL"));
      const left = vm.files();
      assert.deepEqual(left, ["console", "ctl.sock", "exit.json.new", "helper.log", "lock"]);
    }),
);

vmTest(
  "renew() lengthens a lease, never shortens it, never beyond the end of life",
  () =>
    withVm({ leaseMs: 30_000, lifeMs: 100_000 }, async (vm) => {
      await vm.start();
      await vm.connected(async (client) => {
        const shorter = await client.renew(1000);
        assert.ok(shorter.leaseLeftMs > 20_000 && shorter.leaseLeftMs <= 30_000);
        const longer = await client.renew(60_000);
        assert.ok(longer.leaseLeftMs > 50_000 && longer.leaseLeftMs <= 60_000);
        const most = await client.extend(500_000);
        assert.equal(most.leaseLeftMs, most.lifeLeftMs);
        assert.ok(most.lifeLeftMs <= 100_000);
      });
    }),
);

vmTest(
  "a VM lives as long as its lease was renewed for, and no longer",
  () =>
    withVm({ fake: "hang", leaseMs: 2000 }, async (vm) => {
      await vm.start();
      const { pid, qemuPid } = await vm.connected((client) => client.status());
      const renewedAt = await vm.connected(async (client) => {
        await until(client, ({ leaseLeftMs }) => leaseLeftMs < 1000);
        const at = performance.now();
        await client.renew(5000);
        const { state } = await until(client, ({ leaseLeftMs }) => leaseLeftMs < 2000);
        assert.equal(state, "running", "two seconds after the end of its first lease");
        return at;
      });
      await untilGone([pid, qemuPid], () => {});
      assert.ok(performance.now() - renewedAt > 4900, "it ended at the end of the second lease");
      assert.equal((await readHelperExit(vm.dir))?.reason, "lease");
    }),
);

/** Asks until the answer is as wished; the VM's lease bounds it. */
async function until(
  client: HelperClient,
  isWished: (status: HelperStatus) => boolean,
): Promise<HelperStatus> {
  for (;;) {
    const status = await client.status();
    if (isWished(status)) return status;
  }
}

vmTest(
  "a guest with two emulated CPUs keeps its time by their counters",
  () =>
    withVm({ append: "ignore_loglevel" }, async (vm) => {
      await vm.start({ cpus: 2 });
      const switched = /clocksource: Switched to clocksource (?!tsc-early)(\S+)/;
      const { consoleTail } = await vm.connected((client) =>
        until(client, ({ consoleTail }) => switched.test(consoleTail))
      );
      assert.equal(switched.exec(consoleTail)?.[1], "tsc");
      const console = Deno.readTextFileSync(`${vm.dir}/console`);
      assert.match(console, /smp: Brought up 1 node, 2 CPUs/);
    }),
);

vmTest(
  "the end of life comes whatever the lease",
  () =>
    withVm({ leaseMs: 1000, lifeMs: 3000 }, async (vm) => {
      await vm.start();
      const { pid, qemuPid } = await vm.connected((client) => client.renew(60_000));
      await untilGone([pid, qemuPid], () => {});
      assert.equal((await readHelperExit(vm.dir))?.reason, "life");
    }),
);

vmTest(
  "a helper that is killed takes QEMU with it and frees the lock",
  () =>
    withVm({}, async (vm) => {
      await vm.start();
      const { pid, qemuPid } = await vm.until("running");
      await untilGone([pid, qemuPid, parentOf(qemuPid)], () => Deno.kill(pid, "SIGKILL"));
      assert.equal(await isHelperAlive(vm.dir), false);
      assert.equal(await readHelperExit(vm.dir), undefined);
      await assert.rejects(connectHelper(vm.dir), { code: "not-found" });
    }),
);

vmTest("a directory whose helper was killed can be used again", () =>
  withVm({}, async (vm) => {
    await vm.start();
    const { pid, qemuPid } = await vm.until("running");
    await untilGone([pid, qemuPid, parentOf(qemuPid)], () => Deno.kill(pid, "SIGKILL"));
    await vm.start({ seed: newSeed(vm) });
    assert.equal((await vm.until("ready")).accel, "tcg");
  }));

vmTest("a QEMU that is killed is told in exit.json", () =>
  withVm({}, async (vm) => {
    await vm.start();
    const { pid, qemuPid } = await vm.until("running");
    await untilGone([pid, qemuPid], () => Deno.kill(qemuPid, "SIGKILL"));
    assert.deepEqual(await readHelperExit(vm.dir), {
      reason: "qemu-died",
      detail: "QEMU ended by signal 9",
    });
    assert.deepEqual(vm.files(), LEFT);
  }));

vmTest(
  "a guest that resets itself has ended its VM",
  () =>
    withVm({ append: "omerta.probe=1" }, async (vm) => {
      await vm.start();
      const { pid, qemuPid } = await vm.connected((client) => client.status());
      await untilGone([pid, qemuPid], () => {});
      const exit = await readHelperExit(vm.dir);
      assert.deepEqual(exit, { reason: "guest-exit", detail: "the guest ended (guest-reset)" });
    }),
);

vmTest("SIGTERM ends a helper in good order", () =>
  withVm({}, async (vm) => {
    await vm.start();
    const { pid, qemuPid } = await vm.until("running");
    await untilGone([pid, qemuPid], () => Deno.kill(pid, "SIGTERM"));
    assert.equal((await readHelperExit(vm.dir))?.reason, "stop");
    assert.deepEqual(vm.files(), LEFT);
  }));

vmTest(
  "a helper outlives the node that started it, in a session of its own",
  () =>
    withVm({}, async (vm) => {
      const script = new URL("vm_starter.ts", import.meta.url).pathname;
      const node = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", script, vm.helper, vm.dir],
        env: { SPEC: JSON.stringify(vm.spec) },
        stdin: "null",
        stdout: "piped",
      }).spawn();
      const lines = node.stdout.getReader();
      assert.equal(new TextDecoder().decode((await lines.read()).value), "started\n");
      const { pid } = await vm.connected((client) => client.status());
      await untilGone([node.pid], async () => {
        node.kill("SIGKILL");
        await node.status; // reaped: a dead child is a process still
      });
      await lines.cancel();
      const status = await vm.until("ready");
      assert.equal(status.pid, pid);
      const stat = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]?.split(" ") ?? [];
      assert.equal(Number(stat[3]), pid, "it leads its session");
      assert.equal(stat[4], "0", "it has no terminal");
    }),
);

vmTest(
  "a disk is there for the guest, as large as it was given",
  () =>
    withVm({ disk: true }, async (vm) => {
      await vm.start();
      const status = await vm.until("ready");
      assert.match(
        Deno.readTextFileSync(`/proc/${status.qemuPid}/limits`),
        /Max file size +16777216/,
      );
      const isDisk = (target: string) => target.endsWith("/disk (deleted)");
      const fd = descriptors(status.qemuPid).find(([, target]) => isDisk(target));
      const disk = Deno.openSync(`/proc/${status.qemuPid}/fd/${fd?.[0]}`);
      const magic = new Uint8Array(2);
      disk.seekSync(1024 + 56, Deno.SeekMode.Start);
      disk.readSync(magic);
      disk.close();
      assert.deepEqual([...magic], [0x53, 0xef], "ext4, made by the guest");
    }),
);

vmTest("a disk is no faster than its rate", () =>
  withVm({ disk: true }, async (vm) => {
    await vm.start({ disk_ops: 20 });
    const { bootMs } = await vm.until("ready");
    // Formatting and mounting takes some 150 operations, which else are done in no time.
    assert.ok((bootMs ?? 0) > 5000, `it booted in ${bootMs} ms`);
  }));

vmTest(
  "what a guest sends beyond its rate is dropped, and counted as that",
  () =>
    withVm({ fake: "flood" }, async (vm) => {
      await vm.start({ wire_packets: 100 });
      await vm.connected((client) => until(client, ({ dropped }) => (dropped["rate"] ?? 0) > 100));
    }),
);

testUnless(
  rootObstacle() ?? groupObstacle(),
  "a helper leaves its node's control group for one beside it",
  () =>
    withGroup((group) =>
      withVm(
        { by: ["sh", "-c", `'echo 0 >${group}/node/cgroup.procs; exec "$@"'`, "-"] },
        async (vm) => {
          await vm.start();
          const { pid, qemuPid } = await vm.connected((client) => client.status());
          const [, own = ""] = /^0::(.*)$/m.exec(Deno.readTextFileSync(`/proc/${pid}/cgroup`)) ??
            [];
          assert.match(own, /\/omerta-test-\d+\/omerta-vms$/);
          await untilGone([pid, qemuPid], () => vm.connected((client) => client.stop()));
        },
      )
    ),
);

function groupMount(): string | undefined {
  return /^\S+ (\S+) cgroup2/m.exec(Deno.readTextFileSync("/proc/mounts"))?.[1];
}

function groupObstacle(): Obstacle {
  return groupMount() === undefined ? "cgroup2: none is mounted" : undefined;
}

/** A control group with one for a node in it. */
async function withGroup(test: (group: string) => Promise<void>): Promise<void> {
  const group = `${groupMount()}/omerta-test-${Deno.pid}`;
  Deno.mkdirSync(`${group}/node`, { recursive: true });
  try {
    await test(group);
  } finally {
    for (const name of ["/node", "/omerta-vms", ""]) Deno.removeSync(group + name);
  }
}
