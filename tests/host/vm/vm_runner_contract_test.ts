/**
 * What a provider relies on in whatever runs its VMs: one table of statements, for each that does. They are
 * the helper with a program in QEMU's place, the dry run, and the stand-in on which the provider's own tests
 * rest. At the end, for each statement, a runner that breaks it: so none of them says nothing.
 */
import assert from "node:assert/strict";
import type { VmId } from "../../../src/base/mod.ts";
import { DryRunner } from "../../../src/host/vm/dry_runner.ts";
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
  seed: { form: "initramfs", bytes: new TextEncoder().encode("0707") },
};
/** No machine has this id. */
const NOBODY = "aaaaaaaacccccccc" as VmId;

/** A runner, and how to do to its machine what QEMU's crash does. */
interface Stage {
  readonly runner: VmRunner;
  crash(): Promise<unknown>;
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

/** A dry run has no machine that could crash: what comes nearest is an end by force. */
async function onDry(test: (stage: Stage) => Promise<void>): Promise<void> {
  const runner = new DryRunner();
  await test({ runner, crash: () => runner.kill(ID) });
}

const KINDS: readonly Kind[] = [
  { name: "QEMU", obstacle: vmObstacle(), run: onQemu },
  { name: "a dry run", obstacle: undefined, run: onDry },
  { name: "a stand-in", obstacle: undefined, run: onFake },
];

/** What became of a machine. */
interface Watched {
  readonly vm: RunningVm;
  /** Its first end. */
  readonly ended: Promise<Ended>;
  /** All that was told of its end. */
  readonly ends: readonly Ended[];
}

type Ended = Extract<VmHappening, { type: "ended" }>;

/** A machine that runs. */
async function started(runner: VmRunner): Promise<Watched> {
  const first = Promise.withResolvers<Ended>();
  const ends: Ended[] = [];
  const vm = await runner.start(START, (happening) => {
    if (happening.type !== "ended") return;
    ends.push(happening);
    first.resolve(happening);
  });
  return { vm, ended: first.promise, ends };
}

/** The machine of before a restart, which is there. */
async function adopted(runner: VmRunner): Promise<RunningVm> {
  const found = await runner.adopt(ID, () => {});
  assert.ok(found !== null && found !== STUCK);
  return found;
}

const leaseLeft = async (vm: RunningVm) => (await vm.figures()).leaseLeftMs;

function assertBetween(value: number, least: number, most: number): void {
  assert.ok(value > least && value <= most, `${value} is not between ${least} and ${most}`);
}

/** What must hold of every runner. */
const CONTRACT = {
  "a machine has the lease and the life that it was started with": async ({ runner }) => {
    const { vm } = await started(runner);
    const { leaseLeftMs, lifeLeftMs, pid } = await vm.figures();
    assertBetween(leaseLeftMs, 15_000, 30_000);
    assertBetween(lifeLeftMs, 85_000, 100_000);
    assert.equal(pid, await runner.pidOf(ID));
    assert.ok(vm.residentBytes() >= 0);
    await vm.stop();
  },
  "renew() moves the deadline, never back, and never beyond the life": async ({ runner }) => {
    const { vm } = await started(runner);
    await vm.renew(60_000);
    assertBetween(await leaseLeft(vm), 45_000, 60_000);
    await vm.renew(100);
    assertBetween(await leaseLeft(vm), 40_000, 60_000);
    await vm.renew(500_000);
    const { leaseLeftMs, lifeLeftMs } = await vm.figures();
    assert.equal(leaseLeftMs, lifeLeftMs);
    await vm.stop();
  },
  "stop() ends a machine, and its end is told once, as released": async ({ runner }) => {
    const { vm, ended, ends } = await started(runner);
    assert.equal(await runner.isGone(ID), false);
    await vm.stop();
    assert.equal((await ended).reason, "released");
    assert.equal(await runner.isGone(ID), true);
    assert.equal(ends.length, 1);
  },
  "a machine that crashed is told as failed, and has no figures and no lease": async (stage) => {
    const { vm, ended } = await started(stage.runner);
    await stage.crash();
    assert.equal((await ended).reason, "failed");
    await assert.rejects(vm.renew(60_000));
    await assert.rejects(vm.figures());
  },
  "kill() ends what runs by force, and its end is told as failed": async ({ runner }) => {
    const { ended } = await started(runner);
    assert.equal(await runner.kill(ID), true);
    assert.equal((await ended).reason, "failed");
    assert.equal(await runner.isGone(ID), true);
  },
  "what was let go runs on, and is found again with its deadline": async ({ runner }) => {
    const { vm } = await started(runner);
    await vm.renew(60_000);
    vm.detach();
    const found = await adopted(runner);
    assertBetween(await leaseLeft(found), 40_000, 60_000);
    await found.stop();
    assert.equal(await runner.adopt(ID, () => {}), null);
  },
  "who let go of a machine is not told of its end, who took it up is": async ({ runner }) => {
    const { vm, ends } = await started(runner);
    vm.detach();
    const told = Promise.withResolvers<VmHappening>();
    const found = await runner.adopt(ID, (happening) => {
      if (happening.type === "ended") told.resolve(happening);
    });
    assert.ok(found !== null && found !== STUCK);
    await found.stop();
    await told.promise;
    assert.deepEqual(ends, []);
  },
  "what runs is not started again, nor swept; what is gone is": async ({ runner }) => {
    const { vm } = await started(runner);
    await assert.rejects(runner.start(START, () => {}));
    await assert.rejects(runner.sweep(ID));
    assert.deepEqual(runner.found(), [ID]);
    await vm.stop();
    await runner.sweep(ID);
    assert.deepEqual(runner.found(), []);
  },
  "of a machine that never was there is nothing": async ({ runner }) => {
    assert.equal(await runner.adopt(NOBODY, () => {}), null);
    assert.equal(await runner.isGone(NOBODY), true);
    assert.equal(await runner.kill(NOBODY), true);
    assert.equal(await runner.pidOf(NOBODY), null);
    await runner.sweep(NOBODY);
    assert.deepEqual(runner.found(), []);
  },
} as const satisfies Readonly<Record<string, (stage: Stage) => Promise<void>>>;

type Statement = keyof typeof CONTRACT;
const STATEMENTS = Object.entries(CONTRACT) as [Statement, (stage: Stage) => Promise<void>][];

for (const { name, obstacle, run } of KINDS) {
  for (const [sentence, test] of STATEMENTS) {
    testUnless(obstacle, `${name}: ${sentence}`, () => run(test));
  }
}

/** Changes what runners and machines do, and leaves the rest to a dry run. */
function broken(
  change: (runner: DryRunner) => Partial<VmRunner>,
  changeVm: (vm: RunningVm) => Partial<RunningVm> = () => ({}),
): Stage {
  const dry = new DryRunner();
  const runner: VmRunner = {
    accelerator: null,
    confinement: null,
    start: async (vm, happens) => {
      const made = await dry.start(vm, happens);
      return { ...made, ...changeVm(made) };
    },
    adopt: (id, happens) => dry.adopt(id, happens),
    pidOf: () => dry.pidOf(),
    isGone: (id) => dry.isGone(id),
    kill: (id) => dry.kill(id),
    sweep: (id) => dry.sweep(id),
    found: () => dry.found(),
    ...change(dry),
  };
  return { runner, crash: () => dry.kill(ID) };
}

/** A machine whose end is told twice, or never, or otherwise. */
function telling(change: (told: Ended) => readonly Ended[]): () => Stage {
  return () =>
    broken((dry) => ({
      start: (vm, happens) =>
        dry.start(vm, (told) => {
          for (const each of told.type === "ended" ? change(told) : [told]) happens(each);
        }),
    }));
}

const nothing = () => Promise.resolve();

/** For each statement, runners that break it and are to be caught. */
const BREAKAGES: Readonly<Record<Statement, Readonly<Record<string, () => Stage>>>> = {
  "a machine has the lease and the life that it was started with": {
    "has no lease": () =>
      broken(() => ({}), (vm) => ({
        figures: async () => ({ ...await vm.figures(), leaseLeftMs: 0 }),
      })),
    "gives another process": () => broken(() => ({ pidOf: () => Promise.resolve(7) })),
  },
  "renew() moves the deadline, never back, and never beyond the life": {
    "renews nothing": () => broken(() => ({}), () => ({ renew: nothing })),
    "renews for ever": () =>
      broken(() => ({}), (vm) => ({
        figures: async () => {
          const figures = await vm.figures();
          return { ...figures, leaseLeftMs: figures.leaseLeftMs + 1 };
        },
      })),
  },
  "stop() ends a machine, and its end is told once, as released": {
    "tells it as failed": telling((told) => [{ ...told, reason: "failed" }]),
    "tells it twice": telling((told) => [told, told]),
    "is gone while it runs": () => broken(() => ({ isGone: () => Promise.resolve(true) })),
  },
  "a machine that crashed is told as failed, and has no figures and no lease": {
    "tells it as released": telling((told) => [{ ...told, reason: "released" }]),
    "renews the dead": () => broken(() => ({}), () => ({ renew: nothing })),
    "has figures of the dead": () =>
      broken(() => ({}), (vm) => {
        const figures = vm.figures();
        return { figures: () => figures };
      }),
  },
  "kill() ends what runs by force, and its end is told as failed": {
    "cannot": () => broken(() => ({ kill: () => Promise.resolve(false) })),
    "tells it as released": telling((told) => [{ ...told, reason: "released" }]),
  },
  "what was let go runs on, and is found again with its deadline": {
    "finds nothing": () => broken(() => ({ adopt: () => Promise.resolve(null) })),
    "ends what is let go": () => broken(() => ({}), (vm) => ({ detach: () => void vm.stop() })),
    "is stuck for ever": () => broken(() => ({ adopt: () => Promise.resolve(STUCK) })),
  },
  "who let go of a machine is not told of its end, who took it up is": {
    "finds nothing": () => broken(() => ({ adopt: () => Promise.resolve(null) })),
    "tells whoever began": () => {
      let first: (happening: VmHappening) => void = () => {};
      return broken((dry) => ({
        start: (vm, happens) => dry.start(vm, first = happens),
        adopt: (id, happens) =>
          dry.adopt(id, (told) => {
            first(told);
            happens(told);
          }),
      }));
    },
  },
  "what runs is not started again, nor swept; what is gone is": {
    "starts it again": () =>
      broken((dry) => {
        const made = new Map<VmId, Promise<RunningVm>>();
        const start: VmRunner["start"] = (vm, happens) => {
          const running = made.get(vm.id) ?? dry.start(vm, happens);
          made.set(vm.id, running);
          return running;
        };
        return { start };
      }),
    "sweeps what runs": () => broken(() => ({ sweep: nothing })),
    "finds nothing": () => broken(() => ({ found: () => [] })),
  },
  "of a machine that never was there is nothing": {
    "is stuck": () => broken(() => ({ adopt: () => Promise.resolve(STUCK) })),
    "waits for its end": () => broken(() => ({ isGone: () => Promise.resolve(false) })),
    "finds it": () => broken(() => ({ found: () => [NOBODY] })),
  },
};

for (const [sentence, test] of STATEMENTS) {
  for (const [how, stage] of Object.entries(BREAKAGES[sentence])) {
    Deno.test(`a runner that ${how} is caught: ${sentence}`, async () => {
      await assert.rejects(test(stage()), assert.AssertionError);
    });
  }
}
