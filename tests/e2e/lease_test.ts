/** Leases of real machines: what renews them keeps the machine itself, and without it the machine ends. */
import {
  assert,
  assertEquals,
  assertMatch,
  type Lab,
  startProvider,
  startRelay,
  until,
} from "./lab.ts";
import { e2e } from "./lab/e2e.ts";

const LEASE_MS = 30_000;

e2e("a VM outlives two leases with its renter's node, and ends one lease after it", {
  plan: { provider: "hard", consumer: "hard" },
}, async (lab) => {
  const { invite } = await startRelay(lab.relay);
  await startProvider(lab.provider, invite);
  // A node in the foreground: no command and no open session renews what its heartbeat does not.
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  await lab.consumer.node(["mesh", "run"]);
  const vm = await lab.consumer.json(
    ["consumer", "request", "--cpu", "1", "--memory", "256M", "--lease", `${LEASE_MS / 1000}s`],
    { withinMs: 180_000 },
  );
  const [qemu] = lab.provider.qemus();
  assert(qemu !== undefined, "no QEMU at the provider");
  await outlives(lab, Date.parse(vm.ready_at) + 2 * LEASE_MS + 5_000, qemu.pid);
  const ssh = await lab.consumer.run(["consumer", "ssh", vm.id, "--", "cat /proc/uptime"]);
  assertEquals(ssh.code, 0, `ssh after two leases (${ssh.stderr})`);
  assert(Number(ssh.stdout.split(" ")[0]) > 2 * LEASE_MS / 1000, `uptime ${ssh.stdout}`);
  for (const { pid } of lab.consumer.processes()) Deno.kill(pid, "SIGKILL");
  const diedAt = Date.now();
  await lab.provider.noVms(LEASE_MS + 30_000);
  const livedMs = Date.now() - diedAt;
  assert(livedMs > LEASE_MS / 3, `the VM ended ${livedMs} ms after its renter: its lease was cut`);
  assertEquals((await lab.provider.json(["provider", "status"])).vms, [], "VMs that are lent");
  const late = await lab.consumer.run(["consumer", "ssh", vm.id, "true"]);
  assertEquals(late.code, 7, `ssh after the lease (${late.stderr})`);
  assertMatch(late.stderr, /has ended: .*lease/, "why ssh failed");
});

/** Looks, until `atMs`, that the very same machine runs. */
async function outlives(lab: Lab, atMs: number, pid: number): Promise<void> {
  const alive = await until("two leases to be over", () => {
    if (!lab.provider.qemus().some((one) => one.pid === pid)) return "ended";
    return Date.now() > atMs && "lives";
  }, 4 * LEASE_MS);
  assertEquals(alive, "lives", "the machine before two leases were over");
}
