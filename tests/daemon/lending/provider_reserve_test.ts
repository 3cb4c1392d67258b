/** What a provider does before it has promised anything. */
import assert from "node:assert/strict";
import {
  type Instant,
  OmertaError,
  type PeerKey,
  peerKey,
  seededRandom,
} from "../../../src/base/mod.ts";
import { generateIdentity, networkIdOf } from "../../../src/crypto/mod.ts";
import type { CallHandler } from "../../../src/daemon/ports.ts";
import type { LendingPorts } from "../../../src/daemon/lending/ports.ts";
import { Provider } from "../../../src/daemon/lending/provider.ts";
import { MICRO } from "../../../src/vm/mod.ts";
import { DryRunner } from "../../../src/host/vm/dry_runner.ts";
import { defaultPolicy, type Policy } from "../../../src/market/mod.ts";

const random = seededRandom(3);
const network = networkIdOf(generateIdentity(random).identity.publicKey);
const owner = peerKey(network, generateIdentity(random).identity.id);
const QUESTION = {
  key: null,
  cpu: 1,
  memoryBytes: 2 ** 28,
  storageBytes: 0,
  image: "micro",
  leaseMs: 60_000,
  dryRun: false,
};

type Reserve = CallHandler<"vm.reserve">;

interface Rig {
  readonly provider: Provider;
  readonly hashed: string[];
  /** The ids of the rows on the disk. */
  readonly rows: Set<string>;
  reserve(peer?: PeerKey): Promise<unknown>;
}

/** A provider without a machine; `image` is what hashing it comes to. */
function rig(policy: Partial<Policy> = {}, image: () => void = () => {}): Rig {
  const handlers = new Map<string, Reserve>();
  const hashed: string[] = [];
  const rows = new Set<string>();
  const log = () => {};
  const ports: LendingPorts = {
    calls: {
      serve: (name, handler) => void handlers.set(name, handler as unknown as Reserve),
      call: () => assert.fail("nobody is asked"),
    },
    holds: { claim() {}, drop() {} },
    views: {
      isConnected: () => false,
      holds: (peer, grant) => peer === owner && grant === "rent",
      nameOf: (peer) => peer,
    },
    clock: { now: () => 0 as Instant, wallMs: () => 0 },
    timers: { after: () => () => {} },
    tasks: { background: (_, task) => void task() },
    rows: {
      list: () => [],
      put: ({ id }) => void rows.add(id),
      delete: ({ id }) => void rows.delete(id),
      prune() {},
      together: (act) => act(),
    },
    ends: { open: () => Promise.resolve(), close() {} },
    random,
    log: { error: log, warn: log, info: log, debug: log },
  };
  const machine = { cpus: 8, memoryBytes: 2 ** 34, storageBytes: 2 ** 34 };
  const provider = new Provider({
    ports,
    runners: { real: new DryRunner(), dry: new DryRunner() },
    policy: { ...defaultPolicy(machine), ...policy },
    ground: {
      checkImage: (name) => {
        hashed.push(name);
        const checked = { digest: "ab".repeat(32), guest: MICRO };
        return Promise.resolve().then(image).then(() => checked);
      },
      roomLeft: () => ({ memoryBytes: 2 ** 40, storageBytes: 2 ** 40 }),
    },
    onChange() {},
  });
  return {
    provider,
    hashed,
    rows,
    async reserve(peer = owner) {
      try {
        return await handlers.get("vm.reserve")?.({ peer, kind: "epoch" }, QUESTION);
      } finally {
        provider.detach();
      }
    },
  };
}

Deno.test("a provider hashes the image before it promises a VM", async () => {
  const { reserve, hashed, rows } = rig();
  await reserve();
  assert.deepEqual([hashed, rows.size], [["micro"], 1]);
});

Deno.test("a provider hashes nothing for whom it does not lend to", async () => {
  const stranger = peerKey(network, generateIdentity(random).identity.id);
  for (const policy of [{ allow: [] }, { accepting: false }, { maxVms: 0 }]) {
    const { reserve, hashed } = rig(policy);
    await assert.rejects(reserve(), OmertaError);
    assert.deepEqual(hashed, [], JSON.stringify(policy));
  }
  const { reserve, hashed } = rig();
  await assert.rejects(reserve(stranger), { code: "not-allowed" });
  assert.deepEqual(hashed, []);
});

Deno.test("a provider gives back what it set aside when its image is damaged", async () => {
  const { provider, reserve, rows } = rig({}, () => {
    throw new OmertaError("image-corrupt", "The image is damaged");
  });
  await assert.rejects(reserve(), { code: "image-corrupt" });
  assert.equal(provider.used().vms, 0);
  assert.equal(rows.size, 0, "rows that are left");
});
