/** Crashes: whatever dies, VMs are adopted or swept, and nothing outlives its lease. */
import {
  assert,
  assertEquals,
  type Doc,
  type Host,
  type Lab,
  type Party,
  readProcess,
  startProvider,
  startRelay,
  until,
} from "./lab.ts";
import { e2e } from "./lab/e2e.ts";

const HARD = { provider: "hard", consumer: "hard" } as const;
const SMALL = ["--cpu", "1", "--memory", "256M"];

e2e("a provider killed while a VM runs adopts it again, under a living ssh session", {
  plan: HARD,
  binary: true,
}, async (lab) => {
  const provider = await ready(lab);
  const vm = await request(lab.consumer);
  const [helper] = lab.provider.helpers();
  const session = lab.consumer.start([
    "consumer",
    "ssh",
    vm.id,
    "--",
    "while read -r line; do echo got $line; done",
  ]);
  await session.write("one\n");
  assertEquals(await session.line("the first echo", 20_000), "got one", "the echo");
  await provider.node.stop("SIGKILL");
  assert(
    readProcess(helper?.pid ?? 0)?.started === helper?.started,
    "the helper died with the node",
  );
  await lab.provider.node(["provider"]);
  await session.write("two\n");
  assertEquals(await session.line("the echo after the restart", 30_000), "got two", "the echo");
  await session.closeInput();
  assertEquals((await session.ended).code, 0, "status of the session");
  const { vms } = await lab.provider.json(["provider", "status"]);
  assertEquals(
    vms.map((one: Doc) => [one.id, one.state]),
    [[vm.id, "ready"]],
    "VMs of the new node",
  );
  assertEquals(
    (await lab.consumer.json(["consumer", "release", vm.id])).released,
    [vm.id],
    "released",
  );
  await lab.provider.noVms();
});

e2e("a provider killed while a VM boots adopts or sweeps it", { plan: HARD }, async (lab) => {
  const provider = await ready(lab);
  const asking = lab.consumer.start(["consumer", "request", ...SMALL, "--key", "k", "--json"]);
  await until("a QEMU", () => lab.provider.qemus().length > 0);
  await provider.node.stop("SIGKILL");
  await lab.provider.node(["provider"]);
  await asking.ended;
  const vm = await lab.consumer.json(["consumer", "request", ...SMALL, "--key", "k"], {
    withinMs: 180_000,
  });
  assertEquals(vm.state, "ready", "the state of the VM of that key");
  assertEquals(lab.provider.vmDirectories().length, 1, "VM directories");
  assertEquals(lab.provider.qemus().length, 1, "QEMU processes");
  await lab.consumer.json(["consumer", "release", vm.id]);
  await lab.provider.noVms();
});

e2e("a provider killed while it releases a VM ends what it began", { plan: HARD }, async (lab) => {
  const provider = await ready(lab);
  const vm = await request(lab.consumer);
  const releasing = lab.consumer.start(["consumer", "release", vm.id]);
  await until("the release to begin", async () => {
    if (lab.provider.qemus().length === 0) return true;
    const { vms } = await lab.provider.json(["provider", "status"]);
    return vms.length === 0 || vms[0].state === "releasing";
  });
  await provider.node.stop("SIGKILL");
  await lab.provider.node(["provider"]);
  await releasing.ended;
  assertEquals(
    (await lab.consumer.run(["consumer", "release", vm.id])).code,
    0,
    "status of a repeated release",
  );
  await lab.provider.noVms();
});

e2e(
  "a helper that is killed takes its QEMU along, and the VM is lost",
  { plan: HARD },
  async (lab) => {
    await ready(lab);
    const vm = await request(lab.consumer);
    const qemu = lab.provider.qemus()[0];
    for (const { pid } of lab.provider.helpers()) Deno.kill(pid, "SIGKILL");
    await until(
      "QEMU's end",
      () => qemu !== undefined && readProcess(qemu.pid)?.started !== qemu.started,
    );
    await isLost(lab, vm);
  },
);

e2e("a QEMU that is killed ends its VM, and its owner learns it", { plan: HARD }, async (lab) => {
  await ready(lab);
  const vm = await request(lab.consumer);
  for (const { pid } of lab.provider.qemus()) Deno.kill(pid, "SIGKILL");
  await isLost(lab, vm);
});

e2e("a guest that powers itself off ends its VM", { plan: HARD }, async (lab) => {
  await ready(lab);
  const vm = await request(lab.consumer);
  await lab.consumer.run(["consumer", "ssh", vm.id, "--", "poweroff -f || reboot -f"], {
    withinMs: 60_000,
  });
  await isLost(lab, vm);
});

e2e("a consumer that vanishes loses its VM when the lease ends, with the provider down too", {
  plan: HARD,
}, async (lab) => {
  const provider = await ready(lab);
  await request(lab.consumer, ["--lease", "30s"]);
  for (const { pid } of lab.consumer.processes()) Deno.kill(pid, "SIGKILL");
  await provider.node.stop("SIGKILL"); // the helper alone must keep the promise
  await until("the end of QEMU", () => lab.provider.qemus().length === 0, 60_000);
  await until("the end of the helper", () => lab.provider.helpers().length === 0);
  await lab.provider.node(["provider"]);
  await lab.provider.noVms();
});

e2e("a consumer's node that is killed finds its VM again", { plan: HARD }, async (lab) => {
  await ready(lab);
  const vm = await request(lab.consumer);
  for (const { pid } of lab.consumer.processes()) Deno.kill(pid, "SIGKILL");
  const outcome = await lab.consumer.run(["consumer", "ssh", vm.id, "--", "echo back"]);
  assertEquals(
    [outcome.code, outcome.stdout],
    [0, "back\n"],
    `ssh after the restart (${outcome.stderr})`,
  );
  await lab.consumer.json(["consumer", "release", vm.id]);
  await lab.provider.noVms();
});

e2e("a relay that is killed and comes back carries its members on", { plan: HARD }, async (lab) => {
  const { node, invite } = await startRelay(lab.relay);
  await startProvider(lab.provider, invite);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  const vm = await request(lab.consumer);
  await node.stop("SIGKILL");
  await lab.relay.node(["relay", "--port", "9000"]);
  await until("ssh over the new relay", async () => {
    return (await lab.consumer.run(["consumer", "ssh", vm.id, "--", "true"], { withinMs: 60_000 }))
      .code === 0;
  }, 90_000);
  await lab.consumer.json(["consumer", "release", vm.id]);
  await lab.provider.noVms();
});

e2e(
  "an image with a flipped byte is put right before it is booted",
  { plan: HARD },
  async (lab) => {
    await ready(lab);
    const first = await request(lab.consumer);
    await lab.consumer.json(["consumer", "release", first.id]);
    const images = `${lab.provider.state}/images`;
    const whole = await hashes(images);
    assert(whole.size >= 3, `manifest, kernel and initrd expected in ${images}`);
    await flipBytes(images);
    const second = await request(lab.consumer);
    const healed = await hashes(images);
    for (const [file, hash] of whole) {
      assertEquals(
        healed.get(file),
        hash,
        `what was booted: ${file}`,
      );
    }
    await lab.consumer.json(["consumer", "release", second.id]);
    await lab.provider.noVms();
  },
);

e2e("a dry-run provider that is killed knows its VMs again", {}, async (lab) => {
  const { invite } = await startRelay(lab.relay);
  const { node } = await startProvider(lab.provider, invite, ["--dry-run"]);
  const vm = await lab.consumer.json(["consumer", "request", "--dry-run", "--join", "-"], {
    stdin: invite,
  });
  await node.stop("SIGKILL");
  await lab.provider.node(["provider", "--dry-run"]);
  const { vms } = await lab.provider.json(["provider", "status"]);
  assertEquals(vms.map((one: Doc) => one.id), [vm.id], "VMs after the restart");
  assertEquals(
    (await lab.consumer.json(["consumer", "release", vm.id])).released,
    [vm.id],
    "released",
  );
});

// ------------------------------------------------------------------------------------------------

/** A relay, a provider, a consumer that joined; the provider. */
async function ready(lab: Lab): Promise<Party> {
  const { invite } = await startRelay(lab.relay);
  const provider = await startProvider(lab.provider, invite);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  return provider;
}

async function request(host: Host, args: readonly string[] = []): Promise<Doc> {
  const vm = await host.json(["consumer", "request", ...SMALL, ...args], { withinMs: 180_000 });
  assertEquals(vm.state, "ready", "the state");
  return vm;
}

/** The VM ended by itself: its owner is told, ssh fails as a connection does, nothing is left. */
async function isLost(lab: Lab, vm: Doc): Promise<void> {
  await until("the VM's end to be known", async () => {
    const { state } = await lab.consumer.json(["consumer", "status", vm.id]);
    return state === "lost" || state === "failed" || state === "released";
  });
  const ssh = await lab.consumer.run(["consumer", "ssh", vm.id, "--", "true"]);
  assert(ssh.code !== 0, "ssh into a VM that has ended");
  assertEquals(
    (await lab.consumer.run(["consumer", "release", vm.id])).code,
    0,
    "status of release",
  );
  await lab.provider.noVms();
}

/** SHA-256 of every file below a directory, by path. */
async function hashes(directory: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) { for (const [file, hash] of await hashes(path)) found.set(file, hash); }
    else {
      const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
      found.set(path, new Uint8Array(digest).toHex());
    }
  }
  return found;
}

/** Flips one byte in the middle of every file below a directory. */
async function flipBytes(directory: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) {
      await flipBytes(path);
      continue;
    }
    await Deno.chmod(path, 0o600);
    const bytes = await Deno.readFile(path);
    const middle = bytes.length >> 1;
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    await Deno.writeFile(path, bytes);
  }
}
