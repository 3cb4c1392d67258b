/**
 * A renter and providers on stands of their own, whose calls reach each other: the real consumer and
 * the real providers, with machines and a native network that the test moves.
 *
 * @module
 */
import assert from "node:assert/strict";
import type {
  ConsumerReleaseResult,
  ConsumerRequestInput,
  ConsumerTrustInput,
  ConsumerTrustResult,
  SshTargetDoc,
  VmDoc,
} from "../../../src/api/nouns/consumer.ts";
import {
  OmertaError,
  type PeerKey,
  peerKey,
  splitPeerKey,
  type VmId,
} from "../../../src/base/mod.ts";
import { consumerMethods } from "../../../src/daemon/api/consumer.ts";
import type { TableParts } from "../../../src/daemon/api/parts.ts";
import type { Market } from "../../../src/daemon/renting/ports.ts";
import type { Renter } from "../../../src/daemon/renting/renter.ts";
import { noProvider } from "../../../src/daemon/renting/renting_errors.ts";
import { openRenter } from "../../../src/daemon/run/open_renter.ts";
import { NO_PATH } from "../../../src/daemon/api/path_doc.ts";
import { Provider } from "../../../src/daemon/lending/provider.ts";
import { lendingPorts } from "../../../src/daemon/run/lending_ports.ts";
import type { KeptTunnels } from "../../../src/daemon/streams/kept_tunnels.ts";
import { MICRO } from "../../../src/vm/mod.ts";
import { DryRunner } from "../../../src/host/vm/dry_runner.ts";
import {
  defaultPolicy,
  type FoundProvider,
  type Offer,
  UNKNOWN_OFFER,
} from "../../../src/market/mod.ts";
import type { CallName } from "../../../src/node/mod.ts";
import { withDirectory } from "../../host/scratch.ts";
import { FakeRunner } from "../lending/fake_runner.ts";
import { FakeTime, settle } from "../fake_time.ts";
import type { Lends } from "../lending/lend_rig.ts";
import { someNetwork, Stand } from "../stand.ts";

const CALLS: readonly CallName[] = [
  "vm.reserve",
  "vm.create",
  "vm.status",
  "vm.renew",
  "vm.extend",
  "vm.release",
];

/** A well-formed ssh public key. */
export const SSH_KEY = (() => {
  const head = Uint8Array.of(0, 0, 0, 11, ...new TextEncoder().encode("ssh-ed25519"), 0, 0, 0, 32);
  return `ssh-ed25519 ${Uint8Array.of(...head, ...new Uint8Array(32).fill(7)).toBase64()}`;
})();

/** A provider of the rig. */
export interface Lender {
  readonly stand: Stand;
  readonly runner: FakeRunner;
  readonly provider: Provider;
  readonly peer: PeerKey;
  /** Whether calls reach it. */
  isReachable: boolean;
  /** What it says of itself. */
  offer: Offer;
  /** Answers a call in its place: one of ill will. */
  readonly lies: Map<CallName, (question: unknown) => unknown>;
}

/** A request under way. */
export interface Requested {
  readonly done: Promise<VmDoc>;
  /** The phases in their order, and the sentences about them. */
  readonly phases: string[];
  readonly told: string[];
  abort(): void;
}

/** The renter with its providers. */
export class RentRig {
  readonly stand: Stand;
  readonly network;
  readonly lenders: Lender[] = [];
  tunnels: KeptTunnels;
  renter: Renter;
  /** The methods of the API about renting. */
  consumer: ConsumerApi;
  /** What a call waits for before it arrives, by name. */
  readonly held = new Map<CallName, Promise<void>>();
  reached = 0;
  /** The round trip to the lender of that number: each is farther than the one before. */
  rttMs: (i: number) => number | null = (i) => 10 * (i + 1);
  /** What looking up providers and names waits for. */
  lookups: Promise<void> = Promise.resolve();
  /** What keeps the node from ending, each with how many streams; and streams that are awaited. */
  readonly holds: (readonly [name: string, open: number])[] = [];
  readonly expected: number[] = [];
  /** Whether a member may lend. */
  mayProvide: (peer: PeerKey) => boolean = () => true;

  constructor(readonly dir: string, readonly time: FakeTime) {
    Deno.mkdirSync(`${dir}/renter`);
    this.stand = new Stand(`${dir}/renter`, time, 1);
    this.network = someNetwork(this.stand.random);
    for (const name of CALLS) {
      this.stand.answer(name, (question, peer) => this.#route(name, question, peer) as never);
    }
    this.stand.ports.onReach = (peer) => this.#reach(peer);
    ({ tunnels: this.tunnels, renter: this.renter, consumer: this.consumer } = this.#open());
  }

  /** The first lender. */
  get lender(): Lender {
    const [first] = this.lenders;
    assert.ok(first);
    return first;
  }

  get self(): PeerKey {
    return peerKey(this.network, this.stand.identity.id);
  }

  /** Adds a provider. */
  lend({ dryRunOnly = false, ...policy }: Lends = {}): Lender {
    const n = this.lenders.length + 2;
    Deno.mkdirSync(`${this.dir}/lender-${n}`);
    const stand = new Stand(`${this.dir}/lender-${n}`, this.time, 2 * n + 1);
    const peer = peerKey(this.network, stand.identity.id);
    stand.connected.add(this.self);
    stand.answer("vm.event", async (message) => await this.stand.ask(peer, "vm.event", message));
    const runner = new FakeRunner();
    const machine = { cpus: 8, memoryBytes: 2 ** 34, storageBytes: 2 ** 34 };
    const provider = new Provider({
      ports: {
        ...lendingPorts(stand.context),
        views: {
          isConnected: (peer) => stand.views.isConnected(peer),
          holds: () => true,
          nameOf: (peer) => stand.views.nameOf(peer),
        },
      },
      runners: { real: dryRunOnly ? null : runner, dry: new DryRunner() },
      policy: {
        ...defaultPolicy(machine),
        startingPerOwnerMax: 4,
        livingPerOwnerMax: 8,
        maxVms: 8,
        ...policy,
      },
      ground: {
        checkImage: () => Promise.resolve({ digest: "ab".repeat(32), guest: MICRO }),
        roomLeft: () => ({ memoryBytes: 2 ** 40, storageBytes: 2 ** 40 }),
      },
      onChange() {},
    });
    const lies = new Map();
    const lender = { stand, runner, provider, peer, isReachable: true, offer: UNKNOWN_OFFER, lies };
    this.lenders.push(lender);
    return lender;
  }

  /** The input of a request. */
  input(changes: Partial<ConsumerRequestInput> = {}): ConsumerRequestInput {
    return {
      network: null,
      cpu: 1,
      memoryBytes: 2 ** 28,
      storageBytes: 0,
      image: "micro",
      leaseMs: 3_600_000,
      sshPublicKey: SSH_KEY,
      identityFile: "/home/me/.ssh/id_ed25519",
      name: null,
      key: null,
      peer: null,
      provider: null,
      bootstrap: null,
      trust: [],
      isolation: null,
      minConfinement: null,
      queueMs: null,
      wait: true,
      dryRun: false,
      ...changes,
    };
  }

  /** Begins a request. */
  request(changes: Partial<ConsumerRequestInput> = {}): Requested {
    const controller = new AbortController();
    const [phases, told]: [string[], string[]] = [[], []];
    const done = this.consumer.request(this.input(changes), {
      signal: controller.signal,
      progress: (phase, text) => {
        if (phases.at(-1) !== phase) phases.push(phase);
        told.push(text);
      },
    });
    done.catch(() => {}); // the test looks at it later
    const abort = () => controller.abort(new OmertaError("timeout", "The command was given up"));
    return { done, phases, told, abort };
  }

  /** A request until its guest boots: the tunnel is being probed. */
  async booting(changes: Partial<ConsumerRequestInput> = {}): Promise<Requested> {
    const requested = this.request(changes);
    await settle();
    await settle();
    return requested;
  }

  /** The guest's ssh answers, or never will, on every tunnel that is probed. */
  async answer(ok = true): Promise<void> {
    for (const { probe } of this.stand.commanded("tunnel.probe")) {
      const times = ok ? { handshakeMs: 800, bannerMs: 900 } : { error: "timeout" };
      this.tunnels.onProbeDone({ type: "probe-done", probe: String(probe), ok, ...times });
    }
    await settle();
  }

  /** A VM that is ready. */
  async ready(changes: Partial<ConsumerRequestInput> = {}): Promise<VmDoc> {
    const requested = await this.booting(changes);
    await this.answer();
    return await requested.done;
  }

  /** The renter's node ended, and another one begins. */
  restart(): void {
    this.#end();
    this.stand.restart();
    Object.assign(this, this.#open());
  }

  row(id: string) {
    return this.stand.store.rentals.get({ id: id as VmId });
  }

  /** The machines that live at all providers. */
  machines(): number {
    return this.lenders.reduce((sum, { runner }) => sum + runner.machines.size, 0);
  }

  close(): void {
    this.#end();
    for (const { provider, stand } of this.lenders) {
      provider.detach();
      stand.close();
      assert.deepEqual(stand.failures, []);
    }
    this.stand.close();
    assert.deepEqual(this.stand.failures, []);
  }

  #end(): void {
    this.tunnels.end();
    this.renter.end();
  }

  #open(): Pick<RentRig, "tunnels" | "renter" | "consumer"> {
    const { context } = this.stand;
    const views: typeof context.views = {
      isConnected: (peer) => context.views.isConnected(peer),
      connected: () => context.views.connected(),
      member: (peer) => context.views.member(peer),
      rttMs: (peer) => context.views.rttMs(peer),
      nameOf: (peer) => context.views.nameOf(peer),
      listen: (listener) => context.views.listen(listener),
      holds: (peer) => this.mayProvide(peer),
      self: context.views.self,
    };
    const market = this.#market();
    const { renter, tunnels } = openRenter({ ...context, views }, market);
    const networks = { get: () => undefined, require: () => ({ row: { id: this.network } }) };
    const peers = { pathTo: () => NO_PATH };
    const node = { context, renter, tunnels, market, networks, peers };
    const hold = (name: string, open: number) => void this.holds.push([name, open]);
    const expect = (ms: number) => void this.expected.push(ms);
    const parts = { node, hold, expect } as unknown as TableParts;
    return { tunnels, renter, consumer: new ConsumerApi(consumerMethods(parts)) };
  }

  #market(): Market {
    const found = ({ peer, offer }: Lender, i: number): FoundProvider => {
      return { node: splitPeerKey(peer).node, offer, rttMs: this.rttMs(i) };
    };
    return {
      network: () => this.network,
      providers: async () => {
        await this.lookups;
        if (this.lenders.length > 0) return this.lenders.map(found);
        throw noProvider("home", "nobody");
      },
      resolve: async (_network, name) => {
        await this.lookups;
        const nodes = this.lenders.map(({ peer }) => splitPeerKey(peer).node);
        const node = [...nodes, this.stand.identity.id].find((node) => node === name);
        if (node !== undefined) return node;
        throw new OmertaError("not-found", "no such peer");
      },
      nameOf: (peer) => splitPeerKey(peer).node.slice(0, 8),
      meet: () => Promise.reject(new OmertaError("unreachable", "nobody is there")),
      networkName: () => "home",
      bootstrap: () => Promise.resolve(),
    };
  }

  #reach(peer: PeerKey): Promise<PeerKey> {
    this.reached++;
    if (this.#lenderOf(peer).isReachable) return Promise.resolve(peer);
    return Promise.reject(new OmertaError("unreachable", "The peer is not reached"));
  }

  async #route(name: CallName, question: unknown, peer: PeerKey): Promise<unknown> {
    await this.held.get(name);
    const lender = this.#lenderOf(peer);
    if (!lender.isReachable) throw new OmertaError("unreachable", "The peer did not answer");
    const lie = lender.lies.get(name);
    if (lie !== undefined) return await lie(question);
    return await lender.stand.ask(this.self, name, question as never);
  }

  #lenderOf(peer: PeerKey): Lender {
    const lender = this.lenders.find((lender) => lender.peer === peer);
    assert.ok(lender, "an unknown provider is asked");
    return lender;
  }
}

type Progress = (phase: string, text: string) => void;

/** The methods of the API about renting, as a command calls them. */
export class ConsumerApi {
  readonly #table: ReturnType<typeof consumerMethods>;

  constructor(table: ReturnType<typeof consumerMethods>) {
    this.#table = table;
  }

  request(
    input: ConsumerRequestInput,
    options: { signal: AbortSignal; progress: Progress },
  ): Promise<VmDoc> {
    return this.#call("consumer.request", input, options);
  }

  async requestMany(
    input: ConsumerRequestInput & { count: number },
    options: { signal: AbortSignal; progress: Progress },
  ): Promise<readonly VmDoc[]> {
    const { vms } = await this.#call<{ vms: VmDoc[] }>("consumer.requestMany", input, options);
    return vms;
  }

  async list(network: string | null): Promise<VmDoc[]> {
    return (await this.#call<{ vms: VmDoc[] }>("consumer.list", { network })).vms;
  }

  status(vm: string | null): Promise<VmDoc> {
    return this.#call("consumer.status", { vm });
  }

  extend(vm: string, leaseMs: number, signal: AbortSignal): Promise<VmDoc> {
    return this.#call("consumer.extend", { vm, leaseMs }, { signal });
  }

  release(vms: string[], all: boolean, signal: AbortSignal): Promise<ConsumerReleaseResult> {
    return this.#call("consumer.release", { vms, all }, { signal });
  }

  trust(input: ConsumerTrustInput, signal: AbortSignal): Promise<ConsumerTrustResult> {
    return this.#call("consumer.trust", input, { signal });
  }

  async sshTargets(vm: string | null, all: boolean): Promise<SshTargetDoc[]> {
    const answer = await this.#call<{ targets: SshTargetDoc[] }>("consumer.sshTarget", { vm, all });
    return answer.targets;
  }

  async ticket(vm: string, port: number, signal: AbortSignal): Promise<string> {
    const question = { vm, port };
    return (await this.#call<{ ticket: string }>("consumer.ticket", question, { signal })).ticket;
  }

  /** Forwards until `signal` is aborted; `listening` gets each address. */
  async forward(
    vm: string,
    forwards: readonly { bind: string; port: number }[],
    { signal, item }: { signal: AbortSignal; item(item: unknown): void },
  ): Promise<void> {
    await this.#call("consumer.forward", { vm, forwards }, { signal, item });
  }

  async #call<Result>(
    name: keyof ReturnType<typeof consumerMethods>,
    input: unknown,
    options: { signal?: AbortSignal; progress?: Progress; item?(item: unknown): void } = {},
  ): Promise<Result> {
    const call = {
      signal: new AbortController().signal,
      item() {},
      ...options,
      progress: (text: string, { phase }: { phase: string }) => options.progress?.(phase, text),
    };
    const run = this.#table[name]?.run as ((...args: unknown[]) => Promise<Result>) | undefined;
    assert.ok(run, `${name} is no method`);
    return await run(input, call);
  }
}

/** Runs a test with a renter and so many providers; nothing may be left. */
export function withRenter(
  lenders: number,
  test: (rig: RentRig, time: FakeTime) => Promise<void>,
): () => Promise<void> {
  return () =>
    withDirectory(async (dir) => {
      using time = new FakeTime();
      const rig = new RentRig(dir, time);
      for (let i = 0; i < lenders; i++) rig.lend();
      try {
        await test(rig, time);
        await settle();
      } finally {
        rig.close();
      }
      assert.equal(time.pending, 0, "timers are left");
    });
}
