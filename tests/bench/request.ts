/**
 * From `omerta consumer request` to the end of the first command over ssh, cold: no node of the renter runs,
 * both NATs are hard, all goes over the relay. Beside it, in turn, bare QEMU that boots the same image with the
 * same options until sshd listens in it (its console says so), which no renting could beat.
 *
 *     scripts/bench request
 *
 * @module
 */
import { guestSeed, parseManifest } from "../../src/vm/mod.ts";
import { generateKeyPair, identityFromSeed } from "../../src/crypto/mod.ts";
import {
  assertEquals,
  CAN_MAKE_NAMESPACES,
  Lab,
  OMERTA,
  startProvider,
  startRelay,
  until,
} from "../e2e/lab.ts";
import { figure, goal, heading, ratio, summarize } from "./report.ts";

const ROUNDS = 5;
/** Source: the project's own goal. */
const GOAL_OVER_BARE_MS = 500;
const MEMORY_MIB = 512;

const BUILD = new URL("../../build/", import.meta.url).pathname;
const IMAGE = `${BUILD}image/micro`;

/** What decides how fast QEMU is here, as the VM helper found it by a real boot. */
interface Machine {
  readonly accel: "kvm" | "tcg";
  readonly tsc_khz: number;
}

async function probeMachine(): Promise<Machine> {
  const child = new Deno.Command(`${BUILD}omerta-vm`, {
    args: ["probe"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const spec =
    `qemu=/usr/bin/qemu-system-x86_64\nkernel=${IMAGE}/kernel\ninitrd=${IMAGE}/initrd\n` +
    `append=${await kernelWords()}\ntimeout_ms=10000\n`;
  await writer.write(new TextEncoder().encode(spec));
  await writer.close();
  return JSON.parse(new TextDecoder().decode((await child.output()).stdout));
}

async function kernelWords(): Promise<string> {
  const manifest = parseManifest(await Deno.readFile(`${IMAGE}/manifest.json`));
  if (!manifest.ok) throw new Error(`the image is not built: ${manifest.reason}`);
  return manifest.value.append;
}

/** The image's initramfs with a seed before it, as the product makes one. */
async function writeInitrd(path: string): Promise<void> {
  const random = { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) };
  const [guest, renter] = [generateKeyPair(random), generateKeyPair(random)];
  const hostKeySeed = random.bytes(32);
  const seed = guestSeed({
    wgPrivateKey: guest.privateKey,
    peerPublicKey: renter.publicKey,
    address: "fd00::1",
    peerAddress: "fd00::2",
    hostKeySeed,
    hostPublicKey: identityFromSeed(hostKeySeed).publicKey,
    entropy: random.bytes(64),
    authorizedKeys: [],
    hostname: "bare",
  });
  await Deno.writeFile(path, seed);
  await Deno.writeFile(path, await Deno.readFile(`${IMAGE}/initrd`), { append: true });
}

/** Boots the image by QEMU alone; milliseconds until sshd listens in it. */
async function bootBare(machine: Machine, initrd: string): Promise<number> {
  const tcg = machine.accel === "tcg";
  const append = await kernelWords() + (tcg ? ` tsc_early_khz=${machine.tsc_khz}` : "");
  const args = [
    ...["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"],
    ...["-M", "microvm,mem-merge=off,dump-guest-core=off"],
    ...["-accel", tcg ? "tcg,thread=multi,tb-size=64" : "kvm"],
    ...["-cpu", tcg ? "max,la57=off,svm=off,avx=off,avx2=off" : "host,vmx=off,svm=off"],
    ...["-smp", "1", "-m", `${MEMORY_MIB}`],
    ...[
      "-netdev",
      "dgram,id=net,local.type=inet,local.host=127.0.0.1,local.port=0,remote.type=inet,remote.host=127.0.0.1,remote.port=9",
    ],
    ...["-device", "virtio-net-device,netdev=net,mac=52:54:00:12:34:56"],
    ...["-kernel", `${IMAGE}/kernel`, "-initrd", initrd, "-append", append],
    ...["-chardev", "stdio,id=serial,signal=off", "-serial", "chardev:serial"],
  ];
  const began = performance.now();
  const child = new Deno.Command("qemu-system-x86_64", { args, stdin: "null", stdout: "piped" })
    .spawn();
  let said = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    said += text;
    if (said.includes("OMERTA-READY")) break;
  }
  const ms = performance.now() - began;
  child.kill("SIGKILL");
  await child.status;
  if (!said.includes("OMERTA-READY")) {
    throw new Error(`bare QEMU did not come up: ${said.slice(-500)}`);
  }
  return ms;
}

/** One VM through everything; milliseconds until the first command over ssh has ended. */
async function rentOnce(lab: Lab, steps: Map<string, number[]>): Promise<number> {
  const began = performance.now();
  const words = ["consumer", "request", "--cpu", "1", "--memory", `${MEMORY_MIB}M`];
  const vm = await lab.consumer.json(words, { withinMs: 180_000 });
  const ssh = await lab.consumer.run(["consumer", "ssh", vm.id, "--", "true"]);
  const ms = performance.now() - began;
  assertEquals(ssh.code, 0, `status of ssh (${ssh.stderr})`);
  for (const [step, value] of [...Object.entries(vm.timings_ms), ["first command", ssh.ms]]) {
    steps.set(`${step}`, [...steps.get(`${step}`) ?? [], Number(value ?? 0)]);
  }
  await lab.consumer.json(["consumer", "release", vm.id]);
  await lab.consumer.json(["mesh", "stop"]);
  await lab.consumer.idle();
  await lab.provider.noVms();
  return ms;
}

const lab = await Lab.open(
  CAN_MAKE_NAMESPACES ? { provider: "hard", consumer: "hard" } : undefined,
);
try {
  const machine = await probeMachine();
  const initrd = `${lab.dir}/initrd`;
  await writeInitrd(initrd);
  const { invite } = await startRelay(lab.relay);
  await startProvider(lab.provider, invite);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  await lab.consumer.json(["mesh", "stop"]);
  await until("the provider's own probe", async () => {
    return (await lab.provider.json(["provider", "status"])).accelerator.kind !== null;
  });
  const [bare, rented, steps] = [[] as number[], [] as number[], new Map<string, number[]>()];
  for (let round = 0; round < ROUNDS; round++) {
    bare.push(await bootBare(machine, initrd));
    rented.push(await rentOnce(lab, steps));
  }
  const [own, theirs] = [summarize(rented), summarize(bare)];
  const over = own.median - theirs.median;
  heading(`Request to first command over ssh, cold, relayed (${machine.accel}; ${OMERTA})`);
  figure("bare QEMU until sshd listens", theirs, "ms");
  figure(
    "omerta request + omerta ssh",
    own,
    "ms",
    `${ratio(own.median, theirs.median)}; over bare: ${over.toFixed(0)} ms, ${
      goal(over, GOAL_OVER_BARE_MS, "ms")
    }`,
  );
  for (const [step, samples] of steps) figure(`  of which ${step}`, summarize(samples), "ms");
} finally {
  await lab.close();
}
