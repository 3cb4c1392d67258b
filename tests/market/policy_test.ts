import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import {
  checkRequirements,
  defaultPolicy,
  isRequestKey,
  refusalOf,
  type RequirementReason,
  type Requirements,
  requirementSentence,
  roomLeft,
} from "../../src/market/mod.ts";
import { GIB, MIB, owner, policy, small } from "./samples.ts";

const NOTHING = { vms: 0, cpu: 0, memoryBytes: 0, storageBytes: 0 };
const NO_SHARE = { living: 0, starting: 0 };

const BAD: readonly [Partial<Requirements>, RequirementReason][] = [
  [{ cpu: 0 }, "bad-cpu"],
  [{ cpu: 1.5 }, "bad-cpu"],
  [{ cpu: NaN }, "bad-cpu"],
  [{ memoryBytes: 0 }, "bad-memory"],
  [{ memoryBytes: 2 ** 60 }, "bad-memory"],
  [{ storageBytes: -1 }, "bad-storage"],
  [{ storageBytes: 0.5 }, "bad-storage"],
  [{ image: "" }, "bad-image"],
  [{ image: "../micro" }, "bad-image"],
  [{ image: "a/b" }, "bad-image"],
  [{ image: "micro\n" }, "bad-image"],
  [{ image: "x".repeat(65) }, "bad-image"],
  [{ leaseMs: 29_999 }, "bad-lease"],
  [{ leaseMs: Infinity }, "bad-lease"],
];

Deno.test("checkRequirements() takes the least that has sense", () => {
  const least = { cpu: 1, memoryBytes: 1, storageBytes: 0, image: "a", leaseMs: 30_000 };
  deepStrictEqual(checkRequirements(least), { ok: true, value: least });
});

Deno.test("checkRequirements() names the field that has no sense, and a sentence tells what would have", () => {
  for (const [change, reason] of BAD) {
    const checked = checkRequirements({ ...small, ...change });
    deepStrictEqual(checked, { ok: false, reason }, JSON.stringify(change));
    match(requirementSentence(reason), /^[a-z].*[^.]$/);
  }
});

Deno.test("isRequestKey() takes printable ASCII without spaces, up to 64 characters", () => {
  for (const key of ["a", "build-17", "~!\"'", "x".repeat(64)]) {
    strictEqual(isRequestKey(key), true);
  }
  for (const key of ["", "a b", "a\n", "ä", "\u001b", "x".repeat(65)]) {
    strictEqual(isRequestKey(key), false);
  }
});

Deno.test("a provider who says nothing lends half of the machine, a day, two VMs a person", () => {
  const lent = defaultPolicy({ cpus: 8, memoryBytes: 16 * GIB, storageBytes: 100 * GIB });
  strictEqual(lent.cpu, 4);
  strictEqual(lent.memoryBytes, 8 * GIB);
  strictEqual(lent.leaseMsMax, 24 * 3_600_000);
  strictEqual(lent.lifeMsMax, 24 * 3_600_000);
  deepStrictEqual([lent.startingPerOwnerMax, lent.livingPerOwnerMax], [1, 2]);
  strictEqual(defaultPolicy({ cpus: 1, memoryBytes: GIB, storageBytes: 0 }).cpu, 1);
});

Deno.test("refusalOf() finds nothing against a VM that fits", () => {
  const asked = { owner: owner("b"), requirements: small };
  strictEqual(refusalOf(policy, asked, NOTHING, NO_SHARE), undefined);
  const exactly = { vms: 3, cpu: 3, memoryBytes: 4 * GIB - 512 * MIB, storageBytes: 8 * GIB };
  strictEqual(refusalOf(policy, asked, exactly, NO_SHARE), undefined);
});

Deno.test("refusalOf() says in one sentence what stands against a VM", () => {
  const asked = (change: Partial<Requirements> = {}) => ({
    owner: owner("b"),
    requirements: { ...small, ...change },
  });
  const told = (...args: Parameters<typeof refusalOf>) => {
    const refusal = refusalOf(...args);
    return refusal === undefined ? "fits" : `${refusal.code}: ${refusal.message}`;
  };
  const only = { ...policy, allow: [owner("c")] };
  const cases: readonly [string, string][] = [
    [
      told(only, asked(), NOTHING, NO_SHARE),
      "not-allowed: the provider does not lend to this node",
    ],
    [
      told({ ...policy, allow: [] }, asked(), NOTHING, NO_SHARE),
      "not-allowed: the provider does not lend to this node",
    ],
    [
      told({ ...policy, accepting: false }, asked(), NOTHING, NO_SHARE),
      "refused: the provider takes no new VMs now",
    ],
    [
      told(policy, asked({ cpu: 0 }), NOTHING, NO_SHARE),
      "bad-size: a VM has a whole number of CPUs, at least 1",
    ],
    [
      told(policy, asked({ cpu: 5 }), NOTHING, NO_SHARE),
      "provider-full: the provider lends 4 CPUs in all",
    ],
    [
      told(policy, asked({ memoryBytes: 5 * GIB }), NOTHING, NO_SHARE),
      "provider-full: the provider lends 4G of memory in all",
    ],
    [
      told(policy, asked({ storageBytes: 9 * GIB }), NOTHING, NO_SHARE),
      "provider-full: the provider lends 8G of disk in all",
    ],
    [
      told(policy, asked(), NOTHING, { living: 2, starting: 0 }),
      "provider-full: the provider lends 2 VMs at once to one node",
    ],
    [
      told(policy, asked(), NOTHING, { living: 1, starting: 1 }),
      "provider-full: the provider starts 1 VM at once for one node",
    ],
    [
      told(policy, asked(), { ...NOTHING, vms: 4 }, NO_SHARE),
      "provider-full: the provider lends 4 VMs, and all are taken",
    ],
    [
      told(policy, asked({ cpu: 2 }), { ...NOTHING, cpu: 3 }, NO_SHARE),
      "provider-full: the provider has 1 CPU left",
    ],
    [
      told(policy, asked(), { ...NOTHING, memoryBytes: 4 * GIB - 256 * MIB }, NO_SHARE),
      "provider-full: the provider has 256M of memory left",
    ],
    [
      told(policy, asked({ storageBytes: GIB }), { ...NOTHING, storageBytes: 8 * GIB }, NO_SHARE),
      "provider-full: the provider has 0B of disk left",
    ],
  ];
  for (const [actual, expected] of cases) strictEqual(actual, expected);
});

Deno.test("roomLeft() is never negative, and nothing where nothing new begins", () => {
  const used = { vms: 1, cpu: 6, memoryBytes: GIB, storageBytes: 0 };
  deepStrictEqual(roomLeft(policy, used), {
    vms: 3,
    cpu: 0,
    memoryBytes: 3 * GIB,
    storageBytes: 8 * GIB,
  });
  strictEqual(roomLeft({ ...policy, accepting: false }, NOTHING).memoryBytes, 0);
  strictEqual(roomLeft({ ...policy, maxVms: 1 }, used).memoryBytes, 0);
});
