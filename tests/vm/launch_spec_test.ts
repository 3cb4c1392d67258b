import { strictEqual, throws } from "node:assert/strict";
import { type LaunchSpec, launchSpec } from "../../src/vm/mod.ts";

const SIZE = { cpu: 2, memoryBytes: 512 * 2 ** 20, storageBytes: 0 };

const SPEC: LaunchSpec = {
  qemu: "/usr/bin/qemu-system-x86_64",
  kernel: "/state/images/x/kernel",
  initrd: "/state/images/x/initrd",
  seed: "/state/vms/a/seed",
  append: "console=ttyS0 quiet",
  size: SIZE,
  accel: "tcg",
  leaseMs: 3_600_000,
  lifeMs: 86_400_000,
};

Deno.test("launchSpec() writes one line for every field", () => {
  strictEqual(
    launchSpec({ ...SPEC, disk: "/state/vms/a/disk" }),
    `qemu=/usr/bin/qemu-system-x86_64
kernel=/state/images/x/kernel
initrd=/state/images/x/initrd
seed=/state/vms/a/seed
append=console=ttyS0 quiet
cpus=2
memory_mib=512
accel=tcg
disk=/state/vms/a/disk
lease_ms=3600000
life_ms=86400000
`,
  );
});

const RATES = { wirePackets: 1, wireBytes: 2, diskOps: 3, diskBytes: 4 };

Deno.test("launchSpec() writes the rates that it is given, and none otherwise", () => {
  const lines = "wire_packets=1\nwire_bytes=2\ndisk_ops=3\ndisk_bytes=4\n";
  strictEqual(launchSpec({ ...SPEC, rates: RATES }).includes(lines), true);
  strictEqual(launchSpec(SPEC).includes("wire_"), false);
});

Deno.test("launchSpec() leaves the disk out where there is none", () => {
  strictEqual(launchSpec(SPEC).includes("disk"), false);
});

const WRONG: readonly [string, Partial<LaunchSpec>][] = [
  ["a relative path", { qemu: "qemu-system-x86_64" }],
  ["a path with a line end", { seed: "/a\nqemu=/bin/sh" }],
  ["a path with a NUL", { disk: "/a\0" }],
  ["a command line with a line end", { append: "a\nb" }],
  ["no CPU", { size: { ...SIZE, cpu: 0 } }],
  ["half a CPU", { size: { ...SIZE, cpu: 0.5 } }],
  ["little memory", { size: { ...SIZE, memoryBytes: 2 ** 26 } }],
  ["a short lease", { leaseMs: 29_999 }],
  ["no rate", { rates: { ...RATES, diskOps: 0 } }],
  ["no life", { lifeMs: 0 }],
  ["endless life", { lifeMs: Infinity }],
  ["a long specification", { append: "a".repeat(70_000) }],
];

for (const [what, change] of WRONG) {
  Deno.test(`launchSpec() refuses ${what}`, () => {
    throws(() => launchSpec({ ...SPEC, ...change }), RangeError);
  });
}
