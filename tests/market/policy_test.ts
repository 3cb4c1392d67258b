import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import {
  checkRequirements,
  defaultPolicy,
  isRequestKey,
  lendingPolicy,
  type LendingWish,
  type OwnersShare,
  type Policy,
  refusalOf,
  refusalOfMachine,
  type RequirementReason,
  type Requirements,
  requirementSentence,
  roomLeft,
  type Used,
} from "../../src/market/mod.ts";
import { GIB, MIB, owner, policy, small } from "./samples.ts";

const refusal = (
  lent: Policy,
  asked: Parameters<typeof refusalOf>[1],
  used: Used,
  share: OwnersShare,
) => refusalOf(lent, asked, { now: { used, share }, lasting: { used, share } });

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
  const least = { cpu: 1, memoryBytes: 128 * MIB, storageBytes: 0, image: "a", leaseMs: 30_000 };
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

Deno.test("a provider who says nothing lends half of the machine, a day, half of its VMs a person", () => {
  const lent = defaultPolicy({ cpus: 8, memoryBytes: 16 * GIB, storageBytes: 100 * GIB });
  strictEqual(lent.cpu, 4);
  strictEqual(lent.memoryBytes, 8 * GIB);
  strictEqual(lent.leaseMsMax, 24 * 3_600_000);
  strictEqual(lent.lifeMsMax, 24 * 3_600_000);
  deepStrictEqual([lent.maxVms, lent.startingPerOwnerMax, lent.livingPerOwnerMax], [4, 2, 2]);
  const large = defaultPolicy({ cpus: 64, memoryBytes: 64 * GIB, storageBytes: 0 });
  const smallest = defaultPolicy({ cpus: 2, memoryBytes: 2 * GIB, storageBytes: 0 });
  deepStrictEqual([smallest.cpu, smallest.maxVms, smallest.livingPerOwnerMax], [1, 1, 1]);
  deepStrictEqual([large.maxVms, large.livingPerOwnerMax], [32, 16]);
});

Deno.test("refusalOf() finds nothing against a VM that fits", () => {
  const asked = { owner: owner("b"), requirements: small };
  strictEqual(refusal(policy, asked, NOTHING, NO_SHARE), undefined);
  const exactly = { vms: 3, cpu: 3, memoryBytes: 4 * GIB - 512 * MIB, storageBytes: 8 * GIB };
  strictEqual(refusal(policy, asked, exactly, NO_SHARE), undefined);
});

Deno.test("refusalOf() says in one sentence what stands against a VM", () => {
  const asked = (change: Partial<Requirements> = {}) => ({
    owner: owner("b"),
    requirements: { ...small, ...change },
  });
  const told = (...args: Parameters<typeof refusal>) => {
    const refused = refusal(...args);
    return refused === undefined ? "fits" : `${refused.code}: ${refused.message}`;
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
      "bad-size: a VM has 1 to 64 CPUs",
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
  deepStrictEqual(roomLeft(policy, used), { vms: 0, cpu: 0, memoryBytes: 0, storageBytes: 0 });
  deepStrictEqual(roomLeft(policy, { ...used, cpu: 3 }), {
    vms: 1,
    cpu: 1,
    memoryBytes: 3 * GIB,
    storageBytes: 8 * GIB,
  });
  strictEqual(roomLeft({ ...policy, accepting: false }, NOTHING).memoryBytes, 0);
  strictEqual(roomLeft({ ...policy, maxVms: 1 }, used).memoryBytes, 0);
});

Deno.test("a VM is counted with what running it takes, and no larger one is offered or promised", () => {
  const lent = { ...policy, overheadBytes: 136 * MIB };
  strictEqual(roomLeft(lent, NOTHING).memoryBytes, 4 * GIB - 136 * MIB);
  const asked = (memoryBytes: number) => ({
    owner: owner("b"),
    requirements: { ...small, memoryBytes },
  });
  strictEqual(refusal(lent, asked(4 * GIB - 136 * MIB), NOTHING, NO_SHARE), undefined);
  strictEqual(
    refusal(lent, asked(4 * GIB - 135 * MIB), NOTHING, NO_SHARE)?.message,
    "the provider lends 3.9G of memory in all",
  );
});

Deno.test("what is offered can be lent, on the smallest machine too", () => {
  for (const cpus of [1, 2, 3, 8]) {
    const machine = { cpus, memoryBytes: 2 * GIB, storageBytes: GIB };
    const lent = defaultPolicy(machine, 136 * MIB);
    let used: Used = NOTHING;
    for (let n = roomLeft(lent, used).vms; n > 0; n--) {
      const { memoryBytes } = roomLeft(lent, used);
      const requirements = { ...small, memoryBytes: Math.min(memoryBytes, 128 * MIB) };
      strictEqual(refusal(lent, { owner: owner("b"), requirements }, used, NO_SHARE), undefined);
      used = {
        vms: used.vms + 1,
        cpu: used.cpu + 1,
        memoryBytes: used.memoryBytes + requirements.memoryBytes + 136 * MIB,
        storageBytes: 0,
      };
      if (roomLeft(lent, used).memoryBytes < 128 * MIB) break;
    }
    ok(used.vms > 0, `${cpus} CPUs`);
  }
});

Deno.test("a refusal says when to ask again: soon where it passes by itself, never where it cannot", () => {
  const asked = { owner: owner("b"), requirements: small };
  const all = { used: { ...NOTHING, vms: 4 }, share: { living: 0, starting: 0 } };
  const none = { used: NOTHING, share: NO_SHARE };
  const starting = { used: { ...NOTHING, vms: 1 }, share: { living: 1, starting: 1 } };
  const cases = [
    [{ now: all, lasting: all }, 3_000],
    [{ now: all, lasting: none }, 1_000],
    [{ now: starting, lasting: starting }, 1_000],
    [{ now: { used: NOTHING, share: { living: 2, starting: 0 } }, lasting: none }, 1_000],
  ] as const;
  for (const [taken, retryMs] of cases) {
    const refused = refusalOf(policy, asked, taken);
    strictEqual(refused?.code, "provider-full");
    strictEqual(refused?.retryMs, retryMs, JSON.stringify(taken));
  }
  const vain = [
    refusalOf({ ...policy, maxVms: 0 }, asked, { now: none, lasting: none }),
    refusalOf({ ...policy, cpu: 0 }, asked, { now: none, lasting: none }),
    refusalOf({ ...policy, accepting: false }, asked, { now: all, lasting: all }),
  ];
  deepStrictEqual(vain.map((refused) => refused?.retryMs), [undefined, undefined, undefined]);
  ok(vain.every((refused) => refused !== undefined));
});

Deno.test("a machine without free memory or disk gets no further VM, whatever is lent", () => {
  const lent = { ...policy, overheadBytes: 136 * MIB };
  const room = { memoryBytes: 648 * MIB, storageBytes: GIB };
  const wanted = { ...small, memoryBytes: 512 * MIB, storageBytes: GIB };
  strictEqual(refusalOfMachine(lent, wanted, room), undefined);
  for (const less of [{ memoryBytes: 647 * MIB }, { storageBytes: GIB - 1 }]) {
    strictEqual(refusalOfMachine(lent, wanted, { ...room, ...less })?.code, "provider-full");
  }
  const diskless = { ...wanted, storageBytes: 0 };
  strictEqual(refusalOfMachine(lent, diskless, { ...room, storageBytes: -GIB }), undefined);
});

const GROUND = {
  cpus: 8,
  memoryBytes: 16 * GIB,
  storageBytes: 100 * GIB,
  overheadBytes: 136 * MIB,
  dryRun: false,
};
const NO_WISH = {
  maxVms: null,
  cpu: null,
  memoryBytes: null,
  storageBytes: null,
  maxLeaseMs: null,
  maxLifeMs: null,
  perOwner: null,
  allow: [],
};

Deno.test("lendingPolicy() lends as was said, and the default of the rest", () => {
  const lent = (wish: Partial<LendingWish>) => {
    const policy = lendingPolicy(GROUND, { ...NO_WISH, ...wish });
    if (!policy.ok) throw new Error(policy.reason);
    return policy.value;
  };
  deepStrictEqual(lent({}), defaultPolicy(GROUND, 136 * MIB));
  deepStrictEqual(lent({ cpu: 8 }).maxVms, 8);
  deepStrictEqual([lent({ maxVms: 99 }).maxVms, lent({ maxVms: 0 }).maxVms], [4, 0]);
  deepStrictEqual(lent({ perOwner: 3 }).livingPerOwnerMax, 3);
  deepStrictEqual(lent({ perOwner: 99 }).startingPerOwnerMax, 4);
  deepStrictEqual(lent({ storageBytes: 0 }).storageBytes, 0);
  const { leaseMsMax, lifeMsMax } = lent({ maxLifeMs: 3_600_000 });
  deepStrictEqual([leaseMsMax, lifeMsMax], [3_600_000, 3_600_000]);
  deepStrictEqual(lent({ maxLifeMs: 7 * 86_400_000 }).leaseMsMax, 86_400_000);
  deepStrictEqual(lent({ allow: [owner("c")] }).allow, [owner("c")]);
});

Deno.test("lendingPolicy() refuses what the machine has not, except for a dry run", () => {
  const beyond: readonly [Partial<LendingWish>, RegExp][] = [
    [{ cpu: 4_096 }, /^--cpu 4096 is more than this machine has: 8$/],
    [{ memoryBytes: 1_000 * 2 ** 40 }, /^--memory 1000T is more than this machine has: 16G$/],
    [{ storageBytes: 101 * GIB }, /^--storage 101G is more than is free here: 100G$/],
    [{ memoryBytes: 136 * MIB }, /^--memory 136M lends nothing/],
  ];
  for (const [wish, expected] of beyond) {
    const refused = lendingPolicy(GROUND, { ...NO_WISH, ...wish });
    match(refused.ok ? "lends it" : refused.reason, expected);
    strictEqual(lendingPolicy({ ...GROUND, dryRun: true }, { ...NO_WISH, ...wish }).ok, true);
  }
});
