/**
 * A provider on a stand, with machines that a test ends, starts late, or loses, and members who rent.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { PeerKey, VmId } from "../../../src/base/mod.ts";
import { generateKeyPair } from "../../../src/crypto/mod.ts";
import type { LendingPorts } from "../../../src/daemon/lending/ports.ts";
import { Provider } from "../../../src/daemon/lending/provider.ts";
import { lendingPorts } from "../../../src/daemon/run/lending_ports.ts";
import { DryRunner } from "../../../src/host/vm/dry_runner.ts";
import { defaultPolicy, type MachineRoom, type Policy } from "../../../src/market/mod.ts";
import type { Answer, Question } from "../../../src/node/mod.ts";
import { MICRO } from "../../../src/vm/mod.ts";
import { FakeRunner } from "./fake_runner.ts";
import { type FakeTime, settle } from "../fake_time.ts";
import { someNetwork, somePeer, type Stand, withStand } from "../stand.ts";

export const MINUTE = 60_000;
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
/** The image's, whatever it is called. */
export const DIGEST = "ab".repeat(32);

/** How the provider of a test lends. */
export type Lends = Partial<Policy> & { readonly dryRunOnly?: boolean };

/** A provider on a stand, with two members who ask it. */
export class LendRig {
  readonly runner = new FakeRunner();
  readonly owner: PeerKey;
  readonly other: PeerKey;
  /** Who holds the grant. */
  readonly renters: Set<PeerKey>;
  readonly key: Uint8Array;
  changes = 0;
  /** What was promised and not taken yet, as the provider saw it when it was last asked. */
  promised: MachineRoom | undefined;
  /** What the machine has left. */
  room = { memoryBytes: 2 ** 40, storageBytes: 2 ** 40 };
  provider: Provider;

  constructor(readonly stand: Stand, public lends: Lends = {}) {
    const network = someNetwork(stand.random);
    this.owner = somePeer(stand.random, network);
    this.other = somePeer(stand.random, network);
    this.renters = new Set([this.owner, this.other]);
    this.key = generateKeyPair(stand.random).publicKey;
    stand.connected.add(this.owner);
    stand.answer("vm.event", () => ({}));
    this.provider = this.#open();
  }

  /** The node ends as by kill -9, and another has taken up what is there. */
  async restart(): Promise<void> {
    await this.begin();
  }

  /** The same; resolves when everything is taken up, and the provider is there before. */
  begin(): Promise<void> {
    this.provider.detach();
    this.stand.restart();
    this.stand.connected.add(this.owner);
    this.provider = this.#open();
    return this.provider.start();
  }

  reserve(changes: Partial<Question<"vm.reserve">> = {}, peer = this.owner) {
    return this.stand.ask(peer, "vm.reserve", {
      key: null,
      cpu: 1,
      memoryBytes: 2 ** 28,
      storageBytes: 0,
      image: "micro",
      leaseMs: HOUR,
      dryRun: false,
      ...changes,
    });
  }

  create(vm: string, changes: Partial<Question<"vm.create">> = {}, peer = this.owner) {
    return this.stand.ask(peer, "vm.create", {
      vm,
      tunnel: 77,
      wireguardKey: this.key,
      sshKeys: [sshKey(this.stand)],
      hostname: "vm-1",
      ...changes,
    });
  }

  /** A VM that boots. */
  async booting(changes: Partial<Question<"vm.reserve">> = {}): Promise<VmId> {
    const { vm } = await this.reserve(changes);
    await this.create(vm);
    await settle();
    return vm as VmId;
  }

  async ready(changes: Partial<Question<"vm.reserve">> = {}): Promise<VmId> {
    const vm = await this.booting(changes);
    this.become(vm);
    return vm;
  }

  /** Its guest serves. */
  become(vm: VmId): void {
    const machine = this.runner.machines.get(vm);
    assert.ok(machine);
    machine.isReady = true;
    machine.happens({ type: "ready", bootMs: 700 });
  }

  release(vm: string, peer = this.owner) {
    return this.stand.ask(peer, "vm.release", { vm });
  }

  async state(vm: string): Promise<Answer<"vm.status">["vms"][number] | undefined> {
    return (await this.stand.ask(this.owner, "vm.status", { vms: [vm] })).vms[0];
  }

  /** The states of which the owner was told, in order. */
  told(): string[] {
    return this.stand.called("vm.event").map(({ question }) => question.state);
  }

  row(vm: string) {
    return this.stand.store.hosted.get({ id: vm as VmId });
  }

  #views(): LendingPorts["views"] {
    const { views } = this.stand.context;
    return {
      isConnected: (peer) => views.isConnected(peer),
      holds: (peer, grant) => grant === "rent" && this.renters.has(peer),
      nameOf: (peer) => views.nameOf(peer),
    };
  }

  #open(): Provider {
    const { dryRunOnly = false, ...policy } = this.lends;
    const machine = { cpus: 8, memoryBytes: 2 ** 34, storageBytes: 2 ** 34 };
    return new Provider({
      ports: { ...lendingPorts(this.stand.context), views: this.#views() },
      runners: { real: dryRunOnly ? null : this.runner, dry: new DryRunner() },
      policy: {
        ...defaultPolicy(machine),
        startingPerOwnerMax: 4,
        livingPerOwnerMax: 4,
        ...policy,
      },
      ground: {
        checkImage: () => Promise.resolve({ digest: DIGEST, guest: MICRO }),
        roomLeft: (promised) => {
          this.promised = promised;
          return {
            memoryBytes: this.room.memoryBytes - promised.memoryBytes,
            storageBytes: this.room.storageBytes - promised.storageBytes,
          };
        },
      },
      onChange: () => void this.changes++,
    });
  }
}

/** A well-formed public key. */
function sshKey({ random }: Stand): string {
  const body = new Uint8Array(51);
  const view = new DataView(body.buffer);
  view.setUint32(0, 11);
  body.set(new TextEncoder().encode("ssh-ed25519"), 4);
  view.setUint32(15, 32);
  body.set(random.bytes(32), 19);
  return `ssh-ed25519 ${body.toBase64()}`;
}

type Test = (rig: LendRig, time: FakeTime) => Promise<void>;

/** Runs a test with a provider and two members who may rent. */
export function withProvider(test: Test, lends: Lends = {}): () => Promise<void> {
  return withStand(async (stand, time) => {
    const rig = new LendRig(stand, lends);
    await rig.provider.start();
    try {
      await test(rig, time);
    } finally {
      rig.provider.detach();
    }
  });
}
