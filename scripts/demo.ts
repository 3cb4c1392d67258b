/**
 * The story that `scripts/demo` tells. Three parties, two kernel NATs between them, one real VM; run by
 * the command line only, as a person would. Each step is a line with its time; what does not hold ends
 * the story with the logs of all parties and a status of 1.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  CAN_MAKE_NAMESPACES,
  type Doc,
  type Host,
  Lab,
  type LabPlan,
  OMERTA,
  type Running,
  startProvider,
  startRelay,
  until,
} from "../tests/e2e/lab.ts";

/** Size of the file that goes into the VM. Source: the project's own promise. */
const FILE_BYTES = 20_000_000;

/** How the VM is asked for. */
const REQUEST = ["consumer", "request", "--cpu", "1", "--memory", "512M", "--name", "demo"];

/** A running relay and provider, and the invite that the relay printed. */
interface Parties {
  readonly relay: Running;
  readonly provider: Running;
  readonly invite: string;
  readonly providerId: string;
}

let roundBegan = performance.now();

/** Tells one step, with the time since the round began. */
function tell(text: string): void {
  const seconds = ((performance.now() - roundBegan) / 1000).toFixed(1).padStart(5);
  print(`${seconds} s  ${text}`);
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

// --- Rounds ------------------------------------------------------------------------------------

/** Both NATs give every destination another port: only the relay can join the two. */
async function relayedRound(lab: Lab): Promise<void> {
  const parties = await startParties(lab);
  const vm = await requestVm(lab, parties.invite);
  assertEquals(vm.path.kind, "relay", "the path");
  tell(`path to the provider: ${describePath(vm.path)}`);
  const before = await tunnelBytes(lab);
  await runCommands(lab.consumer, vm);
  await copyByScp(lab.consumer, vm);
  const carried = await tunnelBytes(lab) - before;
  assert(carried > FILE_BYTES, `the relay carried only ${carried} B of the tunnel`);
  tell(`relay: forwarded ${megabytes(carried)} of tunnel that it cannot read`);
  await releaseVm(lab, vm);
  await endParties(lab, parties);
}

/** Direct is possible, but forbidden at first; an ssh session lives through the upgrade. */
async function upgradedRound(lab: Lab): Promise<void> {
  await lab.setDirect(false);
  tell("a wall in the core forbids provider and consumer to talk directly, for now");
  const parties = await startParties(lab);
  const vm = await requestVm(lab, parties.invite);
  assertEquals(vm.path.kind, "relay", "the path");
  tell(`path to the provider: ${describePath(vm.path)}`);
  await runCommands(lab.consumer, vm);
  const session = await openSession(lab.consumer, vm);
  await lab.setDirect(true);
  tell("the wall is gone; the ssh session stays open");
  await upgrade(lab, parties.providerId);
  await session.echo("through the upgrade");
  const before = await tunnelBytes(lab);
  await copyByRsync(lab.consumer, vm);
  await session.echo("still the same session");
  await session.close();
  assertEquals(await tunnelBytes(lab), before, "tunnel bytes at the relay after the upgrade");
  tell("relay: its tunnel counters stood still meanwhile");
  await releaseVm(lab, vm);
  await endParties(lab, parties);
}

/** Without root there are no namespaces: everything on loopback. */
async function loopbackRound(lab: Lab): Promise<void> {
  const parties = await startParties(lab);
  // On loopback nothing keeps the two apart, so the consumer is told to stay on the relay.
  const vm = await requestVm(lab, parties.invite, { OMERTA_DIRECT: "never" });
  assertEquals(vm.path.kind, "relay", "the path to the provider");
  tell(`path to the provider: ${describePath(vm.path)}`);
  await runCommands(lab.consumer, vm);
  await copyByScp(lab.consumer, vm);
  const forwarded = await lab.relay.json(["relay", "status"]);
  tell(
    `relay: forwarded ${megabytes(forwarded.forwarded.tunnel.bytes)} of tunnel that it cannot read`,
  );
  await releaseVm(lab, vm);
  await endParties(lab, parties);
}

// --- Steps -------------------------------------------------------------------------------------

async function startParties(lab: Lab): Promise<Parties> {
  const relay = await startRelay(lab.relay);
  tell(`relay     omerta relay --port ${relay.port}: made a network, printed its invite`);
  const provider = await startProvider(lab.provider, relay.invite, ["--alias", "garage"]);
  tell("provider  omerta provider --join -: joined by the invite, lends this machine");
  return {
    relay: relay.node,
    provider: provider.node,
    invite: relay.invite,
    providerId: provider.ready.node.id,
  };
}

async function requestVm(
  lab: Lab,
  invite: string,
  env: Record<string, string> = {},
): Promise<Doc> {
  const began = performance.now();
  const vm = await lab.consumer.json([...REQUEST, "--join", "-"], {
    stdin: `${invite}\n`,
    env,
    withinMs: 180_000,
  });
  assertEquals(vm.state, "ready", "the state of the VM");
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  tell(`consumer  omerta consumer request: a VM after ${seconds} s (${describeTimings(vm)})`);
  return vm;
}

/** One-shot commands over ssh, and the status of the remote one. */
async function runCommands(consumer: Host, vm: Doc): Promise<void> {
  const began = performance.now();
  const first = await consumer.run(["consumer", "ssh", vm.id, "--", "uname", "-sr"]);
  assertEquals(first.code, 0, `status of ssh (${first.stderr})`);
  const ms = Math.round(performance.now() - began);
  tell(`consumer  omerta consumer ssh demo -- uname -sr: ${first.stdout.trim()} (${ms} ms)`);
  const second = await consumer.run(["consumer", "ssh", vm.id, "--", "exit 42"]);
  assertEquals(second.code, 42, "status of a remote `exit 42`");
}

async function copyByScp(consumer: Host, vm: Doc): Promise<void> {
  const { config, host } = await sshConfig(consumer, vm);
  await copyFile(
    consumer,
    host,
    config,
    "scp",
    (file) => ["-q", "-F", config, file, `${host}:/tmp/file`],
  );
}

async function copyByRsync(consumer: Host, vm: Doc): Promise<void> {
  const { config, host } = await sshConfig(consumer, vm);
  const viaSsh = ["-e", `ssh -F ${config}`];
  await copyFile(consumer, host, config, "rsync", (file) => [...viaSsh, file, `${host}:/tmp/file`]);
}

/** Sends a file of random bytes by a system program and compares its hash at the far end. */
async function copyFile(
  consumer: Host,
  host: string,
  config: string,
  program: string,
  args: (file: string) => string[],
): Promise<void> {
  const file = `${consumer.dir}/file`;
  const hash = await writeRandomFile(file);
  const began = performance.now();
  const copied = await consumer.exec(program, args(file));
  assertEquals(copied.code, 0, `status of ${program} (${copied.stderr})`);
  const seconds = (performance.now() - began) / 1000;
  const check = await consumer.exec("ssh", ["-F", config, host, "sha256sum", "/tmp/file"]);
  assertEquals(check.stdout.split(" ")[0], hash, "the hash of the copy");
  const rate = `${((FILE_BYTES * 8) / seconds / 1e6).toFixed(0)} Mb/s`;
  tell(
    `consumer  ${program} of ${megabytes(FILE_BYTES)}: ${
      seconds.toFixed(1)
    } s (${rate}), hashes equal`,
  );
}

/** Writes what `ssh-config` prints to a file; the file, and the name under which ssh knows the VM. */
async function sshConfig(consumer: Host, vm: Doc): Promise<{ config: string; host: string }> {
  const printed = await consumer.run(["consumer", "ssh-config", vm.id]);
  assertEquals(printed.code, 0, `status of ssh-config (${printed.stderr})`);
  const config = `${consumer.dir}/ssh_config`;
  await Deno.writeTextFile(config, printed.stdout);
  const host = /^Host +(\S+)/m.exec(printed.stdout)?.[1];
  assert(host !== undefined, `ssh-config names no host: ${printed.stdout}`);
  return { config, host };
}

/** An ssh session that stays open: each line sent comes back from the same shell. */
async function openSession(consumer: Host, vm: Doc) {
  const remote = 'echo "shell $$"; while read -r line; do echo "$$ $line"; done';
  const running = consumer.start(["consumer", "ssh", vm.id, "--", remote]);
  const shell = (await running.line("the shell's number", 30_000)).split(" ")[1];
  tell("consumer  an ssh session is open, over the relay");
  const echo = async (text: string) => {
    const began = performance.now();
    await running.write(`${text}\n`);
    assertEquals(await running.line("the echo", 30_000), `${shell} ${text}`, "the echo");
    const ms = Math.round(performance.now() - began);
    tell(`consumer  ssh session: "${text}" came back after ${ms} ms`);
  };
  const close = async () => {
    await running.closeInput();
    assertEquals((await running.ended).code, 0, "status of the ssh session");
  };
  return { echo, close };
}

/** Waits until both ends send to each other directly. */
async function upgrade(lab: Lab, providerId: string): Promise<void> {
  const ping = await lab.consumer.json(
    ["mesh", "ping", providerId, "--until-direct", "--timeout", "60s"],
  );
  assertEquals(ping.path.kind, "direct", "the path after mesh ping --until-direct");
  tell(
    `consumer  omerta mesh ping garage --until-direct: direct after ${
      Math.round(ping.direct_after_ms)
    } ms, ` +
      `rtt ${ping.path.rtt_ms?.toFixed(1)} ms`,
  );
  for (const host of [lab.consumer, lab.provider]) {
    await until(`${host.name} to send directly`, async () => {
      const { peers } = await host.json(["mesh", "peers"]);
      return peers.some((peer: Doc) =>
        peer.path.kind === "direct" && !peer.roles.includes("relay")
      );
    });
  }
}

async function releaseVm(lab: Lab, vm: Doc): Promise<void> {
  const { released } = await lab.consumer.json(["consumer", "release", vm.id]);
  assertEquals(released, [vm.id], "what was released");
  const again = await lab.consumer.run(["consumer", "release", vm.id]);
  assertEquals(again.code, 0, `status of a second release (${again.stderr})`);
  const { vms } = await lab.provider.json(["provider", "status"]);
  assertEquals(vms, [], "the VMs that the provider knows");
  await lab.provider.noVms();
  tell("consumer  omerta consumer release: no QEMU, no helper, no VM directory is left");
}

async function endParties(lab: Lab, parties: Parties): Promise<void> {
  await lab.consumer.json(["mesh", "stop"]);
  assertEquals((await parties.provider.stop()).code, 0, "status of the provider at SIGTERM");
  assertEquals((await parties.relay.stop()).code, 0, "status of the relay at SIGTERM");
  for (const host of [lab.consumer, lab.provider, lab.relay]) await host.idle();
  tell("all three ended at SIGTERM with status 0; no process is left");
}

// --- Small things --------------------------------------------------------------------------------

/** Bytes of tunnel that the relay has forwarded in all. */
async function tunnelBytes(lab: Lab): Promise<number> {
  return (await lab.relay.json(["relay", "status"])).forwarded.tunnel.bytes;
}

async function writeRandomFile(path: string): Promise<string> {
  const bytes = new Uint8Array(FILE_BYTES);
  for (let at = 0; at < FILE_BYTES; at += 65536) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(at + 65536, FILE_BYTES)));
  }
  await Deno.writeFile(path, bytes);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

function describePath(path: Doc): string {
  const rtt = path.rtt_ms === null ? "" : `, rtt ${path.rtt_ms.toFixed(1)} ms`;
  const via = path.via === null ? "" : ` via ${path.via.slice(0, 8)}…`;
  return `${path.kind}${via} at ${path.address}${rtt}`;
}

function describeTimings(vm: Doc): string {
  const steps = Object.entries(vm.timings_ms).filter(([, ms]) => ms !== null);
  const times = steps.map(([step, ms]) => `${step} ${(Number(ms) / 1000).toFixed(1)}`).join(", ");
  return `${vm.accelerator}; ${times}`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** What stood before a round must stand after it, and no more. */
async function namespacesOfLabs(): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir("/run/netns")).catch(() => []);
  return entries.map(({ name }) => name).filter((name) => name.startsWith(`omlab-${Deno.pid}-`));
}

interface Round {
  readonly title: string;
  readonly plan: LabPlan | undefined;
  tell(lab: Lab): Promise<void>;
}

const ROUNDS: readonly Round[] = CAN_MAKE_NAMESPACES
  ? [
    {
      title: "Both NATs are symmetric: only a relay can join provider and consumer.",
      plan: { provider: "hard", consumer: "hard" },
      tell: relayedRound,
    },
    {
      title: "Both NATs keep ports: the path becomes direct beneath a living ssh session.",
      plan: { provider: "easy", consumer: "easy" },
      tell: upgradedRound,
    },
  ]
  : [{ title: "Not root: everything on loopback.", plan: undefined, tell: loopbackRound }];

/** Plays one round in a lab of its own; whether it went well. */
async function play(round: Round): Promise<boolean> {
  print(`\n${round.title}`);
  roundBegan = performance.now();
  const lab = await Lab.open(round.plan);
  let isGood = true;
  try {
    if (lab.internet !== undefined) {
      tell("three hosts in network namespaces, two kernel NATs between");
    }
    await round.tell(lab);
  } catch (error) {
    isGood = false;
    tell(`FAILED: ${error instanceof Error ? error.message : error}`);
    print(lab.report());
  } finally {
    await lab.close();
  }
  const left = await namespacesOfLabs();
  assertEquals(left, [], "namespaces left behind");
  return isGood;
}

async function main(): Promise<void> {
  print(`Omerta, as ${OMERTA}`);
  let passed = 0;
  for (const round of ROUNDS) if (await play(round)) passed++;
  print(`\n${passed} passed, ${ROUNDS.length - passed} failed`);
  if (passed < ROUNDS.length) Deno.exit(1);
}

await main();
