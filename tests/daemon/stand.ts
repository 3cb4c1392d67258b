/**
 * What a use case of the node stands on in tests: a real store in a directory of its own, a clock that
 * the test moves, ports that say what the test says, and a native network that writes down what is asked.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type NetworkId,
  type NodeId,
  OmertaError,
  type PeerKey,
  peerKey,
  type Random,
  seededRandom,
  splitPeerKey,
} from "../../src/base/mod.ts";
import {
  generateIdentity,
  generateKeyPair,
  type Identity,
  networkIdOf,
} from "../../src/crypto/mod.ts";
import type { Context } from "../../src/daemon/run/context.ts";
import {
  type Called,
  type CalledBy,
  FakeCalls,
  FakeHolds,
  FakeRecords,
  FakeTimers,
  FakeViews,
} from "./fake_ports.ts";
import { statePaths } from "../../src/host/state/state.ts";
import { openStore, type Store } from "../../src/host/store/mod.ts";
import type { Answer, CallName, NodeIn, Question } from "../../src/node/mod.ts";
import type { Namer } from "../../src/path/mod.ts";
import type { HomeRelay } from "../../src/relay/mod.ts";
import { withDirectory } from "../host/scratch.ts";
import { FakeTime, settle } from "./fake_time.ts";

/** A Friday in 2026, Unix milliseconds. */
export const START_MS = 1_795_132_800_000;

/** A command to the native library. */
export interface Commanded {
  readonly op: string;
  readonly args: Readonly<Record<string, unknown>>;
}

/** A session that was begun. */
export interface Connected {
  readonly peer: NodeId | null;
  readonly path: string;
  /** Who named the address. */
  readonly named: Namer;
}

export type { Called };

/** The stand of one node. */
export class Stand {
  readonly random: Random;
  readonly identity: Identity;
  /** Milliseconds by which the wall clock is wrong. */
  wallSkewMs = 0;
  readonly commands: Commanded[] = [];
  readonly connects: Connected[] = [];
  /** Who answers where a session is begun; nobody does unless the test says so. */
  onConnect: (connect: Connected) => PeerKey | Promise<PeerKey> = () => {
    throw new OmertaError("unreachable", "Nobody answers there");
  };
  readonly inputs: NodeIn[] = [];
  readonly logged: string[] = [];
  /** What tasks in the background failed with. */
  readonly failures: unknown[] = [];
  holds = new FakeHolds();
  /** What the native library says to a command. */
  readonly answers = new Map<string, (args: unknown) => unknown>();
  readonly ports = new FakeCalls();
  readonly views: FakeViews;
  readonly records = new FakeRecords();
  /** The relays that are there. */
  readonly home: HomeRelay[] = [];
  store: Store;
  context: Context;
  readonly #time: FakeTime;
  readonly #dir: string;

  constructor(dir: string, time: FakeTime, seed = 1) {
    this.#dir = dir;
    this.#time = time;
    this.random = seededRandom(seed);
    this.identity = generateIdentity(this.random).identity;
    this.views = new FakeViews(this.identity.id);
    this.store = this.#openStore();
    this.context = this.#context();
  }

  /** Calls that went out. */
  get calls(): Called[] {
    return this.ports.made;
  }

  /** Peers with a session. */
  get connected(): Set<PeerKey> {
    return this.views.sessions;
  }

  /** The node was killed: what is not in the store is gone. Returns the context of the next run. */
  restart(): Context {
    this.store.close();
    this.ports.clear();
    this.views.clear();
    this.connected.clear();
    this.store = this.#openStore();
    return this.context = this.#context();
  }

  close(): void {
    this.store.close();
  }

  wallMs(): number {
    return START_MS + this.#time.now + this.wallSkewMs;
  }

  /** A peer asks what is served. @throws what the handler throws, an OmertaError as a refusal. */
  async ask<N extends CallName>(
    peer: PeerKey,
    name: N,
    question: Question<N>,
  ): Promise<Answer<N>> {
    return await this.ports.asked(peer, name, question);
  }

  /** Whether a kind of call is served. */
  serves(name: CallName): boolean {
    return this.ports.serves(name);
  }

  /** Answers our calls of that name from now on. */
  answer<N extends CallName>(
    name: N,
    answerer: (question: Question<N>, peer: PeerKey) => Answer<N> | Promise<Answer<N>>,
  ): void {
    this.ports.answer(name, answerer);
  }

  /** Calls of that name that went out. */
  called<N extends CallName>(name: N): CalledBy<N>[] {
    return this.calls.filter((call) => call.name === name) as unknown as CalledBy<N>[];
  }

  /** Commands of that name. */
  commanded(op: string): Readonly<Record<string, unknown>>[] {
    return this.commands.filter((command) => command.op === op).map(({ args }) => args);
  }

  #openStore(): Store {
    return openStore(`${this.#dir}/omerta.db`);
  }

  #context(): Context {
    const log = (level: string) => (message: string) =>
      void this.logged.push(`${level} ${message}`);
    const relays = {
      connected: (network: NetworkId) =>
        this.home.filter(({ peer }) => splitPeerKey(peer).network === network),
      isCutOff: () => this.home.length === 0,
    };
    this.holds = new FakeHolds();
    return {
      paths: statePaths(this.#dir),
      store: this.store,
      identity: this.identity,
      staticKey: generateKeyPair(this.random),
      calls: this.ports,
      holds: this.holds,
      views: this.views,
      view: { relays, pathsOf: () => [] } as unknown as Context["view"],
      records: this.records,
      timers: new FakeTimers(),
      sessions: {
        connect: (connect) => this.#connect(connect),
        disconnect: (peer, kind) => void this.inputs.push({ type: "disconnect", peer, kind }),
      },
      net: this.#net(),
      log: { error: log("error"), warn: log("warn"), info: log("info"), debug: log("debug") },
      random: this.random,
      now: () => this.#time.now,
      wallMs: () => this.wallMs(),
      background: (_what, task) => void task().catch((error) => this.failures.push(error)),
    };
  }

  async #connect({ peer, path, named }: Connected): Promise<PeerKey> {
    this.connects.push({ peer, path, named });
    return await this.onConnect({ peer, path, named });
  }

  #net(): Context["net"] {
    const command = (op: string, args: Readonly<Record<string, unknown>> = {}) => {
      this.commands.push({ op, args });
      return this.answers.get(op)?.(args) ?? { ok: true };
    };
    return {
      port: 9_000,
      send() {},
      heard() {},
      command: command as Context["net"]["command"],
      attach: async (plan) => void await command("tunnel.open", { ...plan }),
      close: () => Promise.resolve(),
    };
  }
}

/** Runs a test with a fresh stand and a clock of its own; nothing may be left in either. */
export function withStand(
  test: (stand: Stand, time: FakeTime, dir: string) => Promise<void>,
): () => Promise<void> {
  return () =>
    withDirectory(async (dir) => {
      using time = new FakeTime();
      const stand = new Stand(dir, time);
      try {
        await test(stand, time, dir);
        await settle();
      } finally {
        stand.close();
      }
      assert.deepEqual(stand.failures, []);
      assert.equal(time.pending, 0, "timers are left");
    });
}

/** A network's id that no authority has. */
export function someNetwork(random: Random) {
  return networkIdOf(generateIdentity(random).identity.publicKey);
}

/** A member of a network. */
export function somePeer(random: Random, network: ReturnType<typeof someNetwork>): PeerKey {
  return peerKey(network, generateIdentity(random).identity.id);
}
