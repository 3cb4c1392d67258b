/**
 * A provider through whatever may happen to it, in any order: after each step the book, the machines and the
 * disk agree, and in the end nothing is left of what was lent.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { OmertaError, type VmId } from "../../../src/base/mod.ts";
import { isEnded } from "../../../src/market/mod.ts";
import { type FakeTime, settle } from "../fake_time.ts";
import { DAY, HOUR, type LendRig, MINUTE, withProvider } from "./lend_rig.ts";

/** Where a run stands. */
interface Run {
  readonly rig: LendRig;
  readonly time: FakeTime;
  /** Every VM that was ever reserved. */
  readonly vms: VmId[];
  /** Commands to the native library before this start of the node. */
  commandsBefore: number;
  /** What those machines wait for that are being started. */
  starting: PromiseWithResolvers<void> | null;
}

/** What may happen; `n` chooses to which VM, and how. */
type Step = (run: Run, n: number) => unknown;

/** One of them, or nothing where there is none. */
function pick<T>(all: readonly T[], n: number): T | undefined {
  return all[n % Math.max(1, all.length)];
}

/** What a call is refused with is no failure of the provider. */
async function refusable(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof OmertaError)) throw error;
  }
}

function machine({ rig }: Run, n: number) {
  return pick([...rig.runner.machines.values()].filter(({ isAlive }) => isAlive), n);
}

/** Machines that are being started are there, and later ones at once. */
function endStarting(run: Run): void {
  run.rig.runner.starting = Promise.resolve();
  run.starting?.resolve();
  run.starting = null;
}

const STEPS: Readonly<Record<string, Step>> = {
  "a VM is lent": async (run, n) => {
    await STEPS["reserve"]?.(run, 3 * n + 2); // by no key: it is another one
    await STEPS["create the newest"]?.(run, n);
    await settle();
    const found = run.rig.runner.machines.get(run.vms.at(-1) ?? "" as VmId);
    if (found?.isAlive) run.rig.become(found.start.id);
  },
  "a node begins to which no helper answers": async (run, n) => {
    for (const id of run.rig.runner.machines.keys()) run.rig.runner.stuck.add(id);
    await STEPS["the node is killed"]?.(run, n);
  },
  reserve: async (run, n) => {
    const key = pick(["a", "b", null], n) ?? null;
    const leaseMs = pick([MINUTE, HOUR], n) ?? HOUR;
    const storageBytes = pick([0, 2 ** 25], n) ?? 0;
    await refusable(
      run.rig.reserve({ key, leaseMs, storageBytes }).then(({ vm }) => run.vms.push(vm as VmId)),
    );
  },
  create: async ({ rig, vms }, n) => {
    const vm = pick(vms, n);
    if (vm !== undefined) await refusable(rig.create(vm));
  },
  "create the newest": async ({ rig, vms }) => {
    const vm = vms.at(-1);
    if (vm !== undefined) await refusable(rig.create(vm));
  },
  ready: (run, n) => {
    const found = machine(run, n);
    if (found !== undefined) run.rig.become(found.start.id);
  },
  crash: (run, n) => {
    const found = machine(run, n);
    if (found !== undefined) run.rig.runner.end(found, { reason: "failed", detail: "a crash" });
  },
  "power off": (run, n) => {
    const found = machine(run, n);
    if (found !== undefined) run.rig.runner.end(found, { reason: "guest-exit", detail: null });
  },
  ask: async ({ rig, vms }) => {
    const asked = [...new Set(vms)].slice(-8);
    await rig.stand.ask(rig.owner, "vm.renew", { vms: asked });
  },
  extend: async ({ rig, vms }, n) => {
    const vm = pick(vms, n);
    const leaseMs = HOUR;
    if (vm !== undefined) await refusable(rig.stand.ask(rig.owner, "vm.extend", { vm, leaseMs }));
  },
  release: ({ rig, vms }, n) => {
    const vm = pick(vms, n);
    if (vm !== undefined) void refusable(rig.release(vm));
  },
  evict: ({ rig, vms }, n) => {
    const vm = pick(vms, n);
    if (vm !== undefined) void refusable(rig.provider.evict(vm));
  },
  "a moment passes": ({ time }) => time.advance(1_000),
  "a reservation's time passes": ({ time }) => time.advance(11_000),
  "a short lease passes": ({ time }) => time.advance(MINUTE + 1_000),
  "the node is killed": async (run) => {
    run.commandsBefore = run.rig.stand.commands.length; // what was open is closed by the kernel
    await run.rig.restart();
  },
  "a helper hangs": ({ rig }, n) => {
    const found = pick([...rig.runner.machines.keys()], n);
    if (found !== undefined) rig.runner.stuck.add(found);
  },
  "renewals are not heard": ({ rig }, n) => void (rig.runner.isDeaf = n % 2 === 0),
  "nothing can be killed": ({ rig }, n) => void (rig.runner.isUndead = n % 2 === 0),
  "starting takes long, or no longer": (run) => {
    if (run.starting !== null) return endStarting(run);
    run.starting = Promise.withResolvers();
    run.rig.runner.starting = run.starting.promise;
  },
  "machines do not start": ({ rig }, n) => {
    if (n % 2 === 0) rig.runner.fails.start = new OmertaError("vm-failed", "QEMU is not there");
    else delete rig.runner.fails.start;
  },
  "machines do not stop": ({ rig }, n) => {
    if (n % 2 === 0) rig.runner.fails.stop = new Error("no answer");
    else delete rig.runner.fails.stop;
  },
  "the owner goes, or comes": ({ rig }, n) => {
    if (n % 2 === 0) rig.stand.connected.delete(rig.owner);
    else rig.stand.connected.add(rig.owner);
  },
};

/** The tunnels that are open in the native library of this start of the node. */
function openTunnels(run: Run): Set<unknown> {
  const open = new Set<unknown>();
  for (const { op, args } of run.rig.stand.commands.slice(run.commandsBefore)) {
    if (op === "tunnel.open") open.add(args["tunnel"]);
    if (op === "tunnel.close") open.delete(args["tunnel"]);
  }
  return open;
}

/** What holds whenever nothing is under way. */
async function checkAgreement({ rig }: Run): Promise<void> {
  const views = await rig.provider.views();
  const used = rig.provider.used();
  assert.equal(used.vms, views.length);
  assert.ok(used.memoryBytes <= rig.provider.policy.memoryBytes, "more is lent than there is");
  const living = new Map(views.map(({ vm, stuck }) => [vm.id, { vm, stuck }]));
  for (const { isAlive, start: { id } } of rig.runner.machines.values()) {
    if (isAlive) assert.ok(living.has(id), `the machine of ${id} runs, and nobody knows it`);
  }
  for (const { vm, stuck } of living.values()) {
    const row = rig.row(vm.id);
    assert.equal(row?.state, vm.state, `the row of ${vm.id}`);
    assert.equal(row?.endedAtMs, null);
    const runs = rig.runner.machines.get(vm.id)?.isAlive === true;
    const isUp = vm.state === "booting" || vm.state === "ready";
    if (isUp && stuck === null) assert.ok(runs, `nothing runs of ${vm.id}, which is ${vm.state}`);
  }
  for (const { id, state } of rig.stand.store.hosted.list()) {
    if (!isEnded(state)) assert.ok(living.has(id), `${id} lives on the disk alone`);
  }
}

/** Everything answers again, all is given back, and time passes. */
async function giveBack(run: Run): Promise<void> {
  const { rig, time } = run;
  Object.assign(rig.runner, { isDeaf: false, isUndead: false, fails: {} });
  rig.runner.stuck.clear();
  endStarting(run);
  for (const { id, state } of rig.provider.living()) {
    if (state !== "releasing") void refusable(rig.release(id)); // those end without another word
  }
  await time.advance(2 * MINUTE);
  assert.deepEqual(rig.provider.living().map(({ id, state }) => `${id} ${state}`), []);
  assert.deepEqual([...rig.runner.machines.keys()], [], "directories that nobody swept");
  assert.deepEqual([...openTunnels(run)], [], "tunnels that nobody closed");
  assert.equal(rig.stand.holds.of(rig.owner), "hold", "a claim on a path is left");
  rig.stand.wallSkewMs = 2 * DAY;
  await time.advance(MINUTE);
  assert.deepEqual(rig.stand.store.hosted.list(), [], "rows that nobody forgot");
}

const NAMES = Object.keys(STEPS);
const run = fc.array(fc.tuple(fc.constantFrom(...NAMES), fc.nat({ max: 11 })), {
  minLength: 5,
  maxLength: 60,
});

/** Where several things must come together, they do so here. */
const HARD: [string, number][][] = [
  [["a VM is lent", 0], ["machines do not stop", 0], ["nothing can be killed", 0], ["release", 0]],
  [["starting takes long, or no longer", 0], ["a VM is lent", 0], ["release", 0]],
  [["a VM is lent", 0], ["a node begins to which no helper answers", 0], ["evict", 0]],
  [["a VM is lent", 0], ["renewals are not heard", 0], ["extend", 0], ["a moment passes", 0]],
];

Deno.test("whatever happens, book, machines and disk agree, and in the end nothing is left", async () => {
  await fc.assert(
    fc.asyncProperty(run, (steps) =>
      withProvider(async (rig, time) => {
        const state: Run = { rig, time, vms: [], commandsBefore: 0, starting: null };
        for (const [name, n] of steps) {
          await STEPS[name]?.(state, n);
          await settle();
          await checkAgreement(state);
        }
        await giveBack(state);
      })()),
    {
      numRuns: 25,
      endOnFailure: true,
      examples: HARD.map((steps): [[string, number][]] => [steps]),
    },
  );
});
