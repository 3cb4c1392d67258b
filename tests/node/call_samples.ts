/**
 * A question and an answer of every call, as long as they may be where that matters.
 *
 * @module
 */
import { RECORDS_PER_PAGE } from "../../src/gossip/mod.ts";
import { type NodeId, type Random, seededRandom, toBase32 } from "../../src/base/mod.ts";
import { generateIdentity } from "../../src/crypto/mod.ts";
import type { Answer, CallName, Question, VmStateMessage } from "../../src/node/mod.ts";

export const random: Random = seededRandom(7);
export const node: NodeId = generateIdentity(random).identity.id;
export const vm: string = toBase32(random.bytes(10));
export const key: Uint8Array = random.bytes(32);
export const address = "[2001:db8::1]:9000";
const admission = { c: random.bytes(300), m: "home", q: 1, k: key };
export const state: VmStateMessage = {
  vm,
  state: "ready",
  leaseLeftMs: 1_000,
  lifeLeftMs: 86_400_000,
  bootMs: 700,
  reason: null,
  endReason: null,
};
export const ended: VmStateMessage = {
  vm,
  state: "failed",
  leaseLeftMs: null,
  lifeLeftMs: null,
  bootMs: null,
  reason: "it could not be run",
  endReason: "failed",
};

type Samples = {
  readonly [N in CallName]: { readonly question: Question<N>; readonly answer: Answer<N> };
};

export const SAMPLES: Samples = {
  "redeem": { question: { s: key }, answer: admission },
  "renew": { question: { c: random.bytes(300) }, answer: admission },
  "ping": { question: {}, answer: {} },
  "path.candidates": {
    question: { addresses: [address, "192.0.2.1:1"] },
    answer: { addresses: [] },
  },
  "record.publish": { question: { record: random.bytes(500) }, answer: {} },
  "record.list": {
    question: { after: null },
    answer: { records: Array(RECORDS_PER_PAGE).fill(random.bytes(1_024)), next: node },
  },
  "relay.allocate": { question: { peer: node }, answer: { session: 0xffff_ffff, address } },
  "relay.offer": { question: { session: 1, peer: node, address }, answer: {} },
  "vm.reserve": {
    question: {
      key: "build-1",
      cpu: 2,
      memoryBytes: 2 ** 31,
      storageBytes: 0,
      image: "micro",
      leaseMs: 3_600_000,
      dryRun: false,
    },
    answer: {
      vm,
      existing: false,
      state,
      accelerator: "kvm",
      isolation: "hardware",
      confinement: "full",
      imageDigest: "ab".repeat(32),
      leaseMs: 3_600_000,
      lifeMs: 86_400_000,
      dryRun: false,
    },
  },
  "vm.create": {
    question: {
      vm,
      tunnel: 7,
      wireguardKey: key,
      sshKeys: ["ssh-ed25519 AAAA"],
      hostname: "vm-1",
    },
    answer: { tunnel: 8, wireguardKey: key, sshHostKey: key, user: "root" },
  },
  "vm.status": { question: { vms: [vm] }, answer: { vms: [state, ended] } },
  "vm.renew": { question: { vms: [] }, answer: { vms: [] } },
  "vm.extend": { question: { vm, leaseMs: 60_000 }, answer: state },
  "vm.release": { question: { vm }, answer: ended },
  "vm.event": { question: ended, answer: {} },
};
