/** Providers and VMs: the whole life of one, who may do what, and what a provider refuses. */
import {
  assert,
  assertEquals,
  assertMatch,
  type Doc,
  type Host,
  type Lab,
  startProvider,
  startRelay,
  until,
} from "./lab.ts";
import { e2e } from "./lab/e2e.ts";

const HARD = { provider: "hard", consumer: "hard" } as const;
const SMALL = ["--cpu", "1", "--memory", "256M"];

e2e("a VM behind a hard NAT is requested, used in every way, and released", {
  plan: HARD,
  binary: true,
}, async (lab) => {
  const { invite } = await startRelay(lab.relay);
  await startProvider(lab.provider, invite);
  const vm = await lab.consumer.json([
    "consumer",
    "request",
    ...SMALL,
    "--name",
    "box",
    "--join",
    "-",
  ], { stdin: invite, withinMs: 180_000 });
  assertReady(vm);
  assertEquals(vm.path.kind, "relay", "the path");
  await sshWorks(lab.consumer, vm);
  await proxyWorks(lab.consumer, vm);
  await forwardWorks(lab.consumer, vm);
  await copiesWork(lab, vm);
  await leaseMoves(lab.consumer, vm);
  const { vms } = await lab.provider.json(["provider", "status"]);
  assertEquals(
    vms.map((one: Doc) => [one.id, one.state]),
    [[vm.id, "ready"]],
    "VMs of the provider",
  );
  const { released } = await lab.consumer.json(["consumer", "release", "box"]);
  assertEquals(released, [vm.id], "released");
  await lab.provider.noVms();
  assertEquals(
    (await lab.consumer.run(["consumer", "release", vm.id])).code,
    0,
    "a second release",
  );
});

e2e("a VM has a disk at /data that belongs to it alone", { plan: HARD }, async (lab) => {
  const { invite } = await startRelay(lab.relay);
  await startProvider(lab.provider, invite);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  const first = await request(lab.consumer, ["--storage", "64M"]);
  const command = "echo kept > /data/file && sync && cat /data/file && df -k /data | tail -1";
  const written = await lab.consumer.run(["consumer", "ssh", first.id, "--", command]);
  assertMatch(written.stdout, /^kept\n/, "what /data keeps");
  await lab.consumer.json(["consumer", "release", first.id]);
  const second = await request(lab.consumer, ["--storage", "64M"]);
  const looked = await lab.consumer.run(["consumer", "ssh", second.id, "--", "ls /data"]);
  assert(!looked.stdout.includes("file"), "a new VM sees an old one's data");
  await lab.consumer.json(["consumer", "release", "--all"]);
  await lab.provider.noVms();
});

e2e("a request repeated with its key gives the same VM until that has ended", {}, async (lab) => {
  await dryProvider(lab);
  const words = ["consumer", "request", "--dry-run", "--key", "build-7"];
  const [one, two] = await Promise.all([lab.consumer.json(words), lab.consumer.json(words)]);
  const three = await lab.consumer.json(words);
  assertEquals([two.id, three.id], [one.id, one.id], "ids of the repetitions");
  assertEquals((await lab.consumer.json(["consumer", "list"])).vms.length, 1, "VMs");
  await lab.consumer.json(["consumer", "release", one.id]);
  const four = await lab.consumer.json(words);
  assert(four.id !== one.id, "a released VM came back");
});

e2e("a dry run goes the whole way without QEMU", { binary: true }, async (lab) => {
  await dryProvider(lab);
  const vm = await lab.consumer.json(["consumer", "request", "--dry-run"]);
  assertEquals(
    [vm.state, vm.dry_run, vm.ssh_command, vm.ssh_address],
    ["ready", true, null, null],
    "the VM",
  );
  const extended = await lab.consumer.json(["consumer", "extend", vm.id, "2h"]);
  assert(
    Date.parse(extended.lease_expires_at) > Date.now() + 7_100_000,
    `lease ends ${extended.lease_expires_at}`,
  );
  assertEquals(
    lab.provider.processes().filter(({ name }) => name.startsWith("qemu")),
    [],
    "QEMU processes",
  );
  assertEquals(
    (await lab.consumer.json(["consumer", "release", vm.id])).released,
    [vm.id],
    "released",
  );
  const { vms } = await lab.consumer.json(["consumer", "list"]);
  assertEquals(vms.filter((one: Doc) => one.state === "ready"), [], "VMs that are ready");
});

e2e(
  "a full provider is waited for, then refuses; whoever still waits gets what is given back",
  {},
  async (lab) => {
    await dryProvider(lab, ["--max-vms", "1"]);
    const first = await lab.consumer.json(["consumer", "request", "--dry-run"]);
    const error = await lab.consumer.fails(["consumer", "request", "--dry-run"], {
      exit: 6,
      code: "provider-full",
    });
    assertMatch(error.message, /1 VM/, "what is full");
    assert(error.waited_ms > 10_000, `it waited ${error.waited_ms} ms`);
    const { accepting, used } = await lab.provider.json(["provider", "status"]);
    assertEquals([accepting, used.vms], [false, 1], "accepting, used.vms");
    const waiting = lab.consumer.json(["consumer", "request", "--dry-run", "--timeout", "100s"]);
    await lab.consumer.json(["consumer", "release", first.id]);
    assertEquals((await waiting).state, "ready", "the state of who waited");
  },
);

e2e("more than the provider lends is refused with the reason", {}, async (lab) => {
  await dryProvider(lab, ["--memory", "512M", "--cpu", "1"]);
  for (const words of [["--memory", "4G"], ["--cpu", "64"]]) {
    await lab.consumer.fails(["consumer", "request", "--dry-run", ...words], {
      exit: 6,
      code: /^(provider-full|refused|not-allowed)$/,
    });
  }
});

e2e("a provider that allows only some refuses the others", {}, async (lab) => {
  const { invite, ready } = await startRelay(lab.relay);
  const { ready: offer } = await startProvider(lab.provider, invite, [
    "--dry-run",
    "--allow",
    ready.node.id,
  ]);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  await lab.consumer.fails(["consumer", "request", "--dry-run", "--peer", offer.node.id], {
    exit: 6,
    code: "not-allowed",
  });
});

e2e("no provider, or one that is gone, is unreachable", {}, async (lab) => {
  const { invite } = await startRelay(lab.relay);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  await lab.consumer.fails(["consumer", "request", "--dry-run"], { exit: 5, code: "no-provider" });
  const { node, ready } = await startProvider(lab.provider, invite, ["--dry-run"]);
  await lab.consumer.json(["consumer", "request", "--dry-run"]);
  await node.stop("SIGKILL");
  await lab.consumer.fails([
    "consumer",
    "request",
    "--dry-run",
    "--peer",
    ready.node.id,
    "--timeout",
    "30s",
  ], { exit: 5, code: /^(unreachable|no-provider)$/ });
});

e2e("where no relay answers, a request says that, not that nobody lends", {}, async (lab) => {
  const { node, invite } = await startRelay(lab.relay);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  await lab.consumer.run(["mesh", "stop"]);
  await node.stop("SIGKILL");
  await lab.consumer.fails(["consumer", "request", "--dry-run", "--timeout", "30s"], {
    exit: 5,
    code: "no-relay",
  });
});

e2e("a provider that came a moment ago is found by its id", {}, async (lab) => {
  const { invite } = await startRelay(lab.relay);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  const { ready } = await startProvider(lab.provider, invite, ["--dry-run"]);
  const vm = await lab.consumer.json([
    "consumer",
    "request",
    "--dry-run",
    "--peer",
    ready.node.id,
  ]);
  assertEquals([vm.state, vm.provider], ["ready", ready.node.id], "state and provider");
});

e2e("only the owner sees and releases a VM; the provider's owner evicts it", {}, async (lab) => {
  const invite = await dryProvider(lab);
  const vm = await lab.consumer.json(["consumer", "request", "--dry-run"]);
  const other = lab.addState(lab.consumer, "c2");
  await other.json(["network", "join", "-"], { stdin: invite });
  assertEquals((await other.json(["consumer", "list"])).vms, [], "VMs of somebody else");
  const outcome = await other.run(["consumer", "release", vm.id, "--json"]);
  assert(
    [3, 6].includes(outcome.code),
    `exit ${outcome.code} of a stranger's release: ${outcome.stdout}`,
  );
  assertEquals(
    (await lab.consumer.json(["consumer", "status", vm.id])).state,
    "ready",
    "the VM's state",
  );
  assertEquals((await lab.provider.json(["provider", "evict", vm.id])).evicted, [vm.id], "evicted");
  const after = await lab.consumer.json(["consumer", "status", vm.id]);
  assert(
    ["lost", "failed", "released"].includes(after.state),
    `state after eviction: ${after.state}`,
  );
});

e2e("a lease that nobody renews is reclaimed", {}, async (lab) => {
  await dryProvider(lab);
  await lab.consumer.json(["consumer", "request", "--dry-run", "--lease", "30s"]);
  for (const { pid } of lab.consumer.processes()) Deno.kill(pid, "SIGKILL");
  await until("the end of the lease", async () => {
    return (await lab.provider.json(["provider", "status"])).vms.length === 0;
  }, 60_000);
});

e2e("a request that runs out of time is undone", { plan: HARD }, async (lab) => {
  const { invite } = await startRelay(lab.relay);
  await startProvider(lab.provider, invite);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  const asking = lab.consumer.start(["consumer", "request", ...SMALL, "--timeout", "8s", "--json"]);
  const qemu = await until("a QEMU", () => lab.provider.qemus()[0], 30_000);
  Deno.kill(qemu.pid, "SIGSTOP"); // it will never be ready, however fast the machine is
  const { error } = JSON.parse(await asking.line("the error document", 60_000));
  assertEquals([error.code, error.exit, (await asking.ended).code], ["timeout", 7, 7], "the error");
  await lab.provider.noVms();
  const { vms } = await lab.consumer.json(["consumer", "list"]);
  assertEquals(
    vms.filter((one: Doc) => ["ready", "booting"].includes(one.state)),
    [],
    "living VMs",
  );
});

e2e("a request interrupted by its user is undone", { plan: HARD }, async (lab) => {
  const { invite } = await startRelay(lab.relay);
  await startProvider(lab.provider, invite);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  const asking = lab.consumer.start(["consumer", "request", ...SMALL]);
  await until("a QEMU", () => lab.provider.qemus().length > 0, 30_000);
  assertEquals((await asking.stop("SIGINT")).code, 130, "exit status at SIGINT");
  await lab.provider.noVms();
});

e2e("the verdict on KVM is that of a guest booted beside it", { plan: HARD }, async (lab) => {
  const { invite } = await startRelay(lab.relay);
  await startProvider(lab.provider, invite);
  const image = `${lab.provider.state}/images`;
  const kind = await bootsUnderKvm(lab.provider, image) ? "kvm" : "tcg";
  const { accelerator } = await until("the same verdict", async () => {
    const status = await lab.provider.json(["provider", "status"]);
    return status.accelerator.kind === kind ? status : undefined;
  }, 60_000);
  if (kind === "tcg") assert(accelerator.reason, "no reason for emulation");
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  const vm = await request(lab.consumer);
  assertEquals(vm.isolation, kind === "kvm" ? "hardware" : "emulated", "the VM's isolation");
  await lab.consumer.json(["consumer", "release", vm.id]);
});

e2e("a provider without QEMU says so", {}, async (lab) => {
  const { invite } = await startRelay(lab.relay);
  const path = await pathWithout(lab.dir, /^qemu/);
  await lab.provider.json(["network", "join", "-"], { stdin: invite });
  const error = await lab.provider.fails(["provider"], { exit: 10, code: "qemu-missing" }, {
    env: { PATH: path },
  });
  assertMatch(error.hint, /qemu-system-x86/, "the hint");
  const named = await lab.provider.fails(["provider"], { exit: 10, code: "qemu-missing" }, {
    env: { OMERTA_QEMU: "/nowhere/qemu" },
  });
  assertMatch(named.message, /OMERTA_QEMU names no program: \/nowhere\/qemu/, "what was named");
});

e2e("consumer ssh without OpenSSH says so", { plan: HARD }, async (lab) => {
  const { invite } = await startRelay(lab.relay);
  await startProvider(lab.provider, invite);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  const vm = await request(lab.consumer);
  const path = await pathWithout(lab.dir, /^ssh$/);
  const outcome = await lab.consumer.run(["consumer", "ssh", vm.id, "--", "true"], {
    env: { PATH: path },
  });
  assertEquals(outcome.code, 10, `exit status (${outcome.stderr})`);
  await lab.consumer.json(["consumer", "release", vm.id]);
});

e2e("an ssh key that is none is refused before anything is asked for", {}, async (lab) => {
  await dryProvider(lab);
  const keys = [
    "",
    "garbage",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n",
    "ssh-ed25519 AAAA\nssh-ed25519 BBBB\n",
    'command="reboot" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJjQ',
    "ssh-ed25519 AAAA'; reboot #\n- yaml: x",
  ];
  for (const key of keys) {
    const file = `${lab.consumer.dir}/key.pub`;
    await Deno.writeTextFile(file, key);
    await lab.consumer.fails(["consumer", "request", "--dry-run", "--ssh-key", file], {
      exit: 2,
      code: "bad-ssh-key",
    });
  }
  assertEquals((await lab.consumer.json(["consumer", "list"])).vms, [], "VMs");
});

e2e(
  "one's own ssh key opens the VM, also when its file has a strange name",
  { plan: HARD },
  async (lab) => {
    const { invite } = await startRelay(lab.relay);
    await startProvider(lab.provider, invite);
    await lab.consumer.json(["network", "join", "-"], { stdin: invite });
    const key = `${lab.consumer.dir}/my 'key' %h "x"`;
    const made = await lab.consumer.exec("ssh-keygen", [
      "-q",
      "-t",
      "ed25519",
      "-N",
      "",
      "-C",
      'it\'s "me" %n',
      "-f",
      key,
    ]);
    assertEquals(made.code, 0, `ssh-keygen (${made.stderr})`);
    const vm = await request(lab.consumer, ["--ssh-key", `${key}.pub`]);
    const outcome = await lab.consumer.run(["consumer", "ssh", vm.id, "--", "echo in"]);
    assertEquals(outcome.stdout, "in\n", `stdout (${outcome.stderr})`);
    await lab.consumer.json(["consumer", "release", vm.id]);
  },
);

e2e("a provider that stops says which VMs live on, and until when", { plan: HARD }, async (lab) => {
  const { invite } = await startRelay(lab.relay);
  const { node } = await startProvider(lab.provider, invite);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  const vm = await request(lab.consumer);
  await node.stop();
  const said = await Deno.readTextFile(lab.provider.log);
  assertMatch(said, new RegExp(vm.id.slice(0, 8)), "what the provider said");
  const [again] = await lab.provider.node(["provider"]);
  await lab.consumer.json(["consumer", "release", vm.id]);
  await lab.provider.noVms();
  await again.stop();
});

// ------------------------------------------------------------------------------------------------

/** A relay, a dry provider, a consumer that joined; the invite. */
async function dryProvider(lab: Lab, args: readonly string[] = []): Promise<string> {
  const { invite } = await startRelay(lab.relay);
  await startProvider(lab.provider, invite, ["--dry-run", ...args]);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  return invite;
}

async function request(host: Host, args: readonly string[] = []): Promise<Doc> {
  const vm = await host.json(["consumer", "request", ...SMALL, ...args], { withinMs: 180_000 });
  assertReady(vm);
  return vm;
}

/** Whether the provider's own image says its first words under KVM: by QEMU alone, nothing of ours. */
async function bootsUnderKvm(host: Host, images: string): Promise<boolean> {
  const find = await host.exec("find", [images, "-name", "kernel", "-o", "-name", "initrd"]);
  const [initrd = "", kernel = ""] = find.stdout.trim().split("\n").sort();
  const { stdout } = await host.exec("timeout", [
    ...["-s", "KILL", "20", "qemu-system-x86_64", "-M", "microvm,accel=kvm", "-cpu", "host"],
    ...["-m", "256", "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio"],
    ...["-no-reboot", "-kernel", kernel, "-initrd", initrd],
    ...["-append", "console=ttyS0 panic=-1 reboot=t"],
  ]);
  return /Linux version/.test(stdout);
}

function assertReady(vm: Doc): void {
  assertEquals(vm.state, "ready", "the state");
  assertMatch(vm.ssh_host_key, /^ssh-ed25519 [A-Za-z0-9+/=]+$/, "the host key");
  assertMatch(vm.ssh_address, /^\[fd[0-9a-f:]+\]:22$/, "the address");
  assertMatch(vm.isolation, /^(hardware|emulated)$/, "the isolation");
  assert(vm.ssh_command.length > 1, "no ssh command");
}

async function sshWorks(host: Host, vm: Doc): Promise<void> {
  const outcome = await host.run([
    "consumer",
    "ssh",
    vm.id,
    "--",
    "cat; echo out; echo err >&2; exit 7",
  ], { stdin: "in\n" });
  assertEquals([outcome.code, outcome.stdout], [7, "in\nout\n"], "status and stdout of ssh");
  assertMatch(outcome.stderr, /err/, "stderr of ssh");
  const [program, ...args] = vm.ssh_command;
  const direct = await host.exec(program, [...args, "hostname"]);
  assertEquals(direct.code, 0, `status of ssh_command (${direct.stderr})`);
}

async function proxyWorks(host: Host, vm: Doc): Promise<void> {
  const proxy = host.start(["consumer", "proxy", vm.id, "22"]);
  assertMatch(await proxy.line("the ssh banner", 20_000), /^SSH-2\.0-/, "the banner");
  await proxy.stop();
}

async function forwardWorks(host: Host, vm: Doc): Promise<void> {
  const forward = host.start(["consumer", "forward", vm.id, "0:22", "--json"]);
  const { local } = JSON.parse(await forward.line("the listener", 20_000));
  const port = local.split(":").pop();
  const scan = await host.exec("ssh-keyscan", ["-t", "ed25519", "-p", port, "127.0.0.1"]);
  assert(
    scan.stdout.includes(vm.ssh_host_key),
    `the key through the forward: ${scan.stdout}${scan.stderr}`,
  );
  await forward.stop("SIGINT");
}

async function copiesWork(lab: Lab, vm: Doc): Promise<void> {
  const { consumer } = lab;
  const printed = await consumer.run(["consumer", "ssh-config", vm.id]);
  const host = /^Host +(\S+)/m.exec(printed.stdout)?.[1] ?? "";
  const [config, file] = [`${consumer.dir}/ssh_config`, `${consumer.dir}/file`];
  await Deno.writeTextFile(config, printed.stdout);
  await Deno.writeFile(file, crypto.getRandomValues(new Uint8Array(60_000)));
  for (
    const [program, ...args] of [["scp", "-q", "-F", config], ["rsync", "-e", `ssh -F ${config}`]]
  ) {
    const copied = await consumer.exec(program ?? "", [...args, file, `${host}:/tmp/copy`]);
    assertEquals(copied.code, 0, `status of ${program} (${copied.stderr})`);
    const back = await consumer.exec(program ?? "", [...args, `${host}:/tmp/copy`, `${file}.back`]);
    assertEquals(back.code, 0, `status of ${program} back (${back.stderr})`);
    const same = await consumer.exec("cmp", [file, `${file}.back`]);
    assertEquals(same.code, 0, `cmp after ${program}`);
    await Deno.remove(`${file}.back`);
  }
}

async function leaseMoves(host: Host, vm: Doc): Promise<void> {
  const extended = await host.json(["consumer", "extend", vm.id, "3h"]);
  const ms = Date.parse(extended.lease_expires_at) - Date.now();
  assert(ms > 10_700_000 && ms < 11_000_000, `after extend 3h the lease ends in ${ms} ms`);
  const { vms } = await host.json(["consumer", "list"]);
  assertEquals(vms.map((one: Doc) => one.id), [vm.id], "the list");
  assert(vms[0].checked_at !== null, "the list was not checked");
}

/** A PATH with links to every program of ours but those that match. */
async function pathWithout(dir: string, pattern: RegExp): Promise<string> {
  const path = `${dir}/bin-${pattern.source.replace(/\W/g, "")}`;
  await Deno.mkdir(path, { recursive: true });
  for (const from of (Deno.env.get("PATH") ?? "").split(":")) {
    for await (const { name } of entriesOf(from)) {
      if (!pattern.test(name)) {
        await Deno.symlink(`${from}/${name}`, `${path}/${name}`).catch(() => {});
      }
    }
  }
  return path;
}

async function* entriesOf(path: string): AsyncGenerator<Deno.DirEntry> {
  try {
    yield* Deno.readDir(path);
  } catch { /* PATH may name what is not there */ }
}
