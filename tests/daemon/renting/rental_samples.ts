/**
 * Rentals in every condition, with keys that are keys.
 *
 * @module
 */
import { seededRandom, splitPeerKey, toBase32, type VmId } from "../../../src/base/mod.ts";
import { generateKeyPair } from "../../../src/crypto/mod.ts";
import type { Rental } from "../../../src/market/mod.ts";
import { someNetwork, somePeer, START_MS } from "../stand.ts";

const random = seededRandom(9);
const peer = somePeer(random, someNetwork(random));
export const { network, node: provider } = splitPeerKey(peer);
const guest = generateKeyPair(random);

export const rental: Rental = {
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

export const reserved: Rental = { ...rental, state: "reserved", created: null, readyAtMs: null };
export const ended: Rental = {
  ...rental,
  state: "lost",
  reason: "it is gone",
  endedAtMs: START_MS + 9,
};
export const evicted: Rental = { ...ended, state: "released", endReason: "evicted" };
export const dry: Rental = { ...rental, dryRun: true, accelerator: null, isolation: null };
