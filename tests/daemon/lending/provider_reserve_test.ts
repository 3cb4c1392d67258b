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
import type { Context } from "../../../src/daemon/context.ts";
import type { CallHandler } from "../../../src/daemon/ports.ts";
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

interface Rig {
  readonly provider: Provider;
  readonly hashed: string[];
  /** The ids of the rows on the disk. */
  readonly rows: Set<string>;
  reserve(peer?: PeerKey): Promise<unknown>;
}

/** A provider without a machine; `image` is what hashing it comes to. */
function rig(policy: Partial<Policy> = {}, image: () => void = () => {}): Rig {
  const handlers = new Map<string, CallHandler<"vm.reserve">>();
  const hashed: string[] = [];
  const rows = new Set<string>();
  const context = {
    random,
    now: () => 0 as Instant,
    wallMs: () => 0,
    store: {
      hosted: {
        list: () => [],
        put: ({ id }: { id: string }) => void rows.add(id),
        delete: ({ id }: { id: string }) => void rows.delete(id),
      },
    },
    loop: {
      serve: (name: string, handler: CallHandler<"vm.reserve">) => void handlers.set(name, handler),
      machine: { isConnected: () => false },
    },
  } as unknown as Context;
  const machine = { cpus: 8, memoryBytes: 2 ** 34, storageBytes: 2 ** 34 };
  const provider = new Provider({
    context,
    runner: new DryRunner(),
    dryRunner: new DryRunner(),
    policy: { ...defaultPolicy(machine), ...policy },
    dryRunOnly: false,
    mayRent: (peer) => peer === owner,
    checkImage: (name) => {
      hashed.push(name);
      return Promise.resolve().then(image).then(() => ({
        digest: "ab".repeat(32),
        guest: MICRO,
      }));
    },
    roomLeft: () => ({ memoryBytes: 2 ** 40, storageBytes: 2 ** 40 }),
    onChange() {},
    aliasOf: () => null,
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
