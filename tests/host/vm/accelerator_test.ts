/** By what VMs are run: found out, kept where it is good, found out again where it is not. */
import assert from "node:assert/strict";
import { Accelerator, type AcceleratorParts } from "../../../src/host/vm/accelerator.ts";
import {
  confinementRemedy,
  isConfined,
  requireConfinement,
} from "../../../src/host/vm/confinement.ts";
import type { ProbeVerdict } from "../../../src/host/vm/helper.ts";
import { FakeTime, settle } from "../../daemon/fake_time.ts";

const GOOD: ProbeVerdict = {
  accel: "kvm",
  reason: "the guest booted under KVM",
  bootMs: 300,
  qemu: "10.0.0",
  tscKhz: 1,
  level: "full",
  missing: [],
  landlockAbi: 7,
};
const BAD: ProbeVerdict = {
  ...GOOD,
  accel: "tcg",
  bootMs: null,
  reason: "it did not boot in time",
};

/** A system whose KVM works or not. */
class System {
  readonly kept = new Map<string, unknown>();
  readonly probes: number[] = [];
  readonly changes: string[] = [];
  verdict: ProbeVerdict | Error = BAD;
  circumstances = "boot 1";
  accelerator: Accelerator | undefined;

  async open(programs = "qemu 1"): Promise<Accelerator> {
    const { kept } = this;
    const parts: AcceleratorParts = {
      store: {
        values: {
          get: (key: string) => kept.get(key),
          put: (key: string, value: unknown) => void kept.set(key, value),
          delete: (key: string) => void kept.delete(key),
        },
      },
      log: { error() {}, warn() {}, info() {}, debug() {} },
      programs,
      circumstances: () => this.circumstances,
      remedy: () => "add ann to group kvm",
      probe: (timeoutMs) => {
        this.probes.push(timeoutMs);
        const { verdict } = this;
        return verdict instanceof Error ? Promise.reject(verdict) : Promise.resolve(verdict);
      },
      wallMs: () => 1_795_000_000_000,
      onChange: () => void this.changes.push(this.accelerator?.kind ?? "none"),
    };
    return this.accelerator = await Accelerator.open(parts);
  }
}

function withSystem(test: (system: System, time: FakeTime) => Promise<void>) {
  return async () => {
    using time = new FakeTime();
    const system = new System();
    await test(system, time);
    system.accelerator?.close();
    assert.equal(time.pending, 0, "timers are left");
  };
}

Deno.test(
  "a good verdict is kept as long as programs and circumstances are the same",
  withSystem(async (system) => {
    system.verdict = GOOD;
    assert.equal((await system.open()).kind, "kvm");
    assert.deepEqual([(await system.open()).kind, system.probes.length], ["kvm", 1]);
    await system.open("qemu 2");
    system.circumstances = "boot 2";
    await system.open("qemu 2");
    assert.equal(system.probes.length, 3);
  }),
);

Deno.test(
  "a bad verdict is never kept: the next start tries again",
  withSystem(async (system) => {
    const first = await system.open();
    assert.deepEqual([first.kind, first.reason, first.remedy], [
      "tcg",
      "it did not boot in time",
      "add ann to group kvm",
    ]);
    first.close();
    system.verdict = GOOD;
    const second = await system.open();
    assert.deepEqual([second.kind, second.remedy, system.probes], ["kvm", null, [3_000, 3_000]]);
  }),
);

Deno.test(
  "a bad verdict that an older build kept is none",
  withSystem(async (system) => {
    const confinement = { level: "full", missing: [] };
    const bad = { kind: "tcg", probedAtMs: 1, reason: "too slow", confinement };
    system.kept.set("accelerator", { ...bad, of: "qemu 1 boot 1" });
    system.verdict = GOOD;
    assert.equal((await system.open()).kind, "kvm");
  }),
);

Deno.test(
  "a machine that was too slow at its boot is tried again behind, with more time, and told",
  withSystem(async (system, time) => {
    const accelerator = await system.open();
    await time.advance(14_000);
    assert.equal(system.probes.length, 1);
    await time.advance(2_000);
    assert.deepEqual(system.probes, [3_000, 30_000]);
    assert.deepEqual([accelerator.kind, system.changes], ["tcg", []]);
    system.verdict = GOOD;
    await time.advance(60_000);
    assert.deepEqual([accelerator.kind, system.changes], ["kvm", ["kvm"]]);
    assert.equal(time.pending, 0);
    assert.deepEqual([(await system.open()).kind, system.probes.length], ["kvm", 3]);
  }),
);

Deno.test(
  "a system without KVM is tried ever more seldom: eight times in the first four hours",
  withSystem(async (system, time) => {
    await system.open();
    await time.advance(4 * 3_600_000);
    assert.equal(system.probes.length, 8);
  }),
);

Deno.test(
  "a right to the device that comes later is used within seconds",
  withSystem(async (system, time) => {
    const accelerator = await system.open();
    await time.advance(2 * 3_600_000);
    system.circumstances = "the device has another mode";
    system.verdict = GOOD;
    await time.advance(16_000);
    assert.equal(accelerator.kind, "kvm");
  }),
);

Deno.test(
  "KVM that fails a VM is tried again, and given up where it works no more",
  withSystem(async (system, time) => {
    system.verdict = GOOD;
    const accelerator = await system.open();
    system.verdict = BAD;
    accelerator.doubt();
    accelerator.doubt();
    await settle();
    assert.deepEqual([accelerator.kind, system.changes, system.kept.size], ["tcg", ["tcg"], 0]);
    assert.equal(system.probes.length, 2);
    await time.advance(0);
  }),
);

Deno.test(
  "a probe that cannot run changes nothing, and comes again",
  withSystem(async (system, time) => {
    const accelerator = await system.open();
    system.verdict = new Error("no memory");
    await time.advance(16_000);
    assert.equal(accelerator.kind, "tcg");
    system.verdict = GOOD;
    await time.advance(120_000);
    assert.equal(accelerator.kind, "kvm");
  }),
);

Deno.test("what is confined worse than namespaces is lent only where its owner said so", () => {
  const weak = { level: "landlock", missing: ["user-ns", "net-ns"] } as const;
  assert.throws(() => requireConfinement(weak, null, "allow user namespaces"), {
    code: "weak-isolation",
    exit: 10,
    message: /"landlock" \(without user-ns, net-ns\)/,
    hint: /To mend it: allow user namespaces\. .*--accept-weak-isolation landlock$/,
  });
  requireConfinement(weak, "basic", null);
  requireConfinement(weak, "landlock", null);
  requireConfinement({ level: "namespaces", missing: ["own-uid"] }, null, null);
  assert.throws(() => requireConfinement(weak, "full", null), { code: "weak-isolation" });
  assert.equal(isConfined("full", "basic") && !isConfined("basic", "landlock"), true);
});

Deno.test("what is missing has a remedy that a person can follow", () => {
  const sysctl = "allow user namespaces to ordinary users (sysctl -w kernel.x=0)";
  assert.equal(confinementRemedy(["user-ns", "net-ns"], sysctl), sysctl);
  assert.match(confinementRemedy(["user-ns"], null) ?? "", /container/);
  assert.match(confinementRemedy(["private-root"], null) ?? "", /mounts are permitted/);
  assert.match(confinementRemedy(["landlock"], null) ?? "", /Linux 5\.13/);
  assert.equal(confinementRemedy(["oom-score"], null), null);
});
