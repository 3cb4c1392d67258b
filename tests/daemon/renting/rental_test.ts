/** A rental's row and its document. */
import assert from "node:assert/strict";
import type { PathDoc } from "../../../src/api/nouns/mesh.ts";
import type { VmState } from "../../../src/market/mod.ts";
import { seededRandom, splitPeerKey, toBase32, type VmId } from "../../../src/base/mod.ts";
import { generateKeyPair } from "../../../src/crypto/mod.ts";
import { NO_PATH } from "../../../src/daemon/mesh/peers.ts";
import {
  fromRow,
  hasEnded,
  hostKeyOf,
  isOver,
  providerOf,
  type Rental,
  sshAddress,
  toRow,
  tunnelPlan,
  useOf,
  vmDocument,
} from "../../../src/daemon/renting/rental.ts";
import { timestamp, timestampOrNull } from "../../../src/host/time.ts";
import { findRental } from "../../../src/daemon/renting/rental_names.ts";
import { openStore } from "../../../src/host/store/mod.ts";
import { inDirectory } from "../../host/scratch.ts";
import { someNetwork, somePeer, START_MS } from "../stand.ts";

const random = seededRandom(9);
const peer = somePeer(random, someNetwork(random));
const { network, node: provider } = splitPeerKey(peer);
const guest = generateKeyPair(random);

const rental: Rental = {
  id: toBase32(random.bytes(10)) as VmId,
  network,
  provider,
  key: "build",
  name: "box",
  state: "ready",
  request: { cpu: 2, memoryBytes: 2 ** 30, storageBytes: 0, image: "micro", leaseMs: 3_600_000 },
  privateKey: generateKeyPair(random).privateKey,
  localTunnel: 77,
  created: {
    tunnel: 88,
    wireguardKey: guest.publicKey.toHex(),
    sshHostKey: random.bytes(32).toHex(),
    user: "root",
  },
  identityFile: "/home/me/.ssh/id_ed25519",
  accelerator: "kvm",
  isolation: "hardware",
  confinement: "namespaces",
  imageDigest: "ab".repeat(32),
  leaseMs: 1_800_000,
  lifeMs: 7_200_000,
  providerKnown: false,
  dryRun: false,
  timings: { match: 1, reserve: 2, create: 3, boot: 400, network: 50, ssh: 6 },
  reason: null,
  endReason: null,
  requestedAtMs: START_MS,
  readyAtMs: START_MS + 500,
  leaseExpiresAtMs: START_MS + 1_800_000,
  lifeEndsAtMs: START_MS + 7_200_000,
  checkedAtMs: START_MS + 600,
  endedAtMs: null,
};

const path: PathDoc = { ...NO_PATH, kind: "direct", address: "192.0.2.1:9000" };
const reserved: Rental = { ...rental, state: "reserved", created: null, readyAtMs: null };
const ended: Rental = { ...rental, state: "lost", reason: "it is gone", endedAtMs: START_MS + 9 };
const evicted: Rental = { ...ended, state: "released", endReason: "evicted" };
const dry: Rental = { ...rental, dryRun: true, accelerator: null, isolation: null };

for (const [what, each] of Object.entries({ ready: rental, reserved, ended, evicted, dry })) {
  Deno.test(
    `a rental that is ${what} is read from the disk as it was written`,
    inDirectory((dir) => {
      const store = openStore(`${dir}/omerta.db`);
      store.rentals.put(toRow(each));
      const [row] = store.rentals.list();
      store.close();
      assert.ok(row);
      const privateKey = hasEnded(each.state) ? new Uint8Array(32) : each.privateKey;
      assert.deepEqual(fromRow(row), { ...each, privateKey });
    }),
  );
}

Deno.test("the key of a VM that is being released is free on the disk", () => {
  assert.equal(toRow({ ...rental, state: "releasing" }).key, null);
  assert.equal(toRow(rental).key, "build");
});

Deno.test("of a VM that has ended no key stays on the disk", () => {
  assert.equal(toRow(ended).secrets, null);
  assert.deepEqual(toRow(rental).secrets, rental.privateKey);
});

Deno.test("the tunnel leads to the provider, with addresses that follow from the keys", () => {
  const plan = tunnelPlan(rental);
  assert.ok(plan);
  assert.deepEqual([plan.tunnel, plan.remote, plan.peer], [77, 88, providerOf(rental)]);
  assert.equal(sshAddress(rental), `[${plan.peerAddress}]:22`);
  assert.deepEqual([tunnelPlan(reserved), tunnelPlan(dry)], [null, null]);
});

Deno.test("a document tells everything of a VM that is ready", () => {
  const doc = vmDocument(rental, { networkName: "home", path, sshCommand: ["ssh", "box"] });
  assert.deepEqual([doc.id, doc.name, doc.key, doc.state], [rental.id, "box", "build", "ready"]);
  assert.deepEqual([doc.accelerator, doc.isolation], ["kvm", "hardware"]);
  assert.deepEqual(doc.ssh_command, ["ssh", "box"]);
  assert.equal(doc.ssh_host_key, hostKeyOf(rental));
  assert.equal(doc.ready_at, timestamp(START_MS + 500));
  assert.deepEqual([doc.path, doc.timings_ms], [path, rental.timings]);
});

Deno.test("a document says null of what is not known, and never leaves a field out", () => {
  const doc = vmDocument(reserved, { networkName: "home", path: NO_PATH, sshCommand: null });
  assert.deepEqual(
    Object.keys(doc),
    Object.keys(vmDocument(rental, { networkName: "home", path, sshCommand: [] })),
  );
  assert.deepEqual([doc.ssh_address, doc.ssh_user, doc.ssh_host_key, doc.ready_at], [
    null,
    null,
    null,
    null,
  ]);
  assert.ok(Object.values(doc).every((value) => value !== undefined));
});

Deno.test("a document tells lease, life, image and network as they were granted", () => {
  const doc = vmDocument(rental, { networkName: "home", path, sshCommand: null });
  assert.deepEqual(doc.network, { id: network, name: "home" });
  assert.equal(doc.image_digest, `sha256:${"ab".repeat(32)}`);
  assert.deepEqual([doc.egress, doc.confinement, doc.provider_known], [
    "none",
    "namespaces",
    false,
  ]);
  assert.equal(doc.lease_ms, 1_800_000);
  assert.equal(doc.lease_expires_at, timestamp(START_MS + 1_800_000));
  assert.equal(doc.life_ends_at, timestamp(START_MS + 7_200_000));
  assert.equal(doc.end, null);
});

Deno.test("the end of a VM has a word of the closed list, its words, and its time", () => {
  const parts = { networkName: "home", path, sshCommand: null };
  const at = timestamp(START_MS + 9);
  assert.deepEqual(vmDocument(evicted, parts).end, { reason: "evicted", detail: "it is gone", at });
  assert.deepEqual(vmDocument(ended, parts).end, { reason: "lost", detail: "it is gone", at });
});

Deno.test("a dry run has no ssh and no isolation", () => {
  const doc = vmDocument(dry, { networkName: "home", path, sshCommand: ["ssh"] });
  assert.deepEqual([doc.ssh_command, doc.ssh_address, doc.ssh_host_key], [null, null, null]);
  assert.deepEqual([doc.accelerator, doc.isolation, doc.dry_run], [null, null, true]);
});

const STATES: Readonly<Record<VmState, readonly [ended: boolean, over: boolean]>> = {
  requested: [false, false],
  reserved: [false, false],
  creating: [false, false],
  booting: [false, false],
  ready: [false, false],
  releasing: [false, true],
  released: [true, true],
  failed: [true, true],
  lost: [true, true],
};

Deno.test("of every state it is known whether the VM has ended, or is to end", () => {
  for (const [state, expected] of Object.entries(STATES)) {
    assert.deepEqual([hasEnded(state as VmState), isOver(state as VmState)], expected, state);
  }
});

Deno.test("times are RFC 3339 in UTC, and unknown ones null", () => {
  assert.equal(timestamp(START_MS), "2026-11-20T00:00:00.000Z");
  assert.deepEqual([timestampOrNull(null), timestampOrNull(0)], [null, "1970-01-01T00:00:00.000Z"]);
});

Deno.test("each rental claims its provider's paths by its own name", () => {
  assert.notEqual(useOf(rental), useOf({ id: "a".repeat(16) as VmId }));
});

Deno.test("a name means the VM that lives, then the one that ended last, in whatever order they are", () => {
  const [first, second, living] = ["aaaa", "bbbb", "cccc"].map((id, n) => {
    return { ...ended, id: `${id}${rental.id.slice(4)}` as VmId, endedAtMs: START_MS + n };
  }) as [Rental, Rental, Rental];
  for (const all of [[first, second], [second, first]]) {
    assert.equal(findRental(all, "box").id, second.id);
    const lives = { ...living, state: "ready", endedAtMs: null } as const;
    assert.equal(findRental([...all, lives], "box").id, living.id);
    assert.equal(findRental([lives, ...all], first.id).id, first.id);
  }
});
