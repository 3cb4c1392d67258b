/**
 * A loop around a machine that does what the test says, with calls over it.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type Instant,
  type NetworkId,
  type NodeId,
  OmertaError,
  type PeerKey,
  peerKey,
  type Wakeup,
} from "../../../src/base/mod.ts";
import { Loop } from "../../../src/daemon/run/loop.ts";
import { NodeCalls } from "../../../src/daemon/run/calls.ts";
import type { NetHost } from "../../../src/host/net/net.ts";
import type { Member } from "../../../src/membership/mod.ts";
import {
  encodeBody,
  type NodeIn,
  type NodeMachine,
  type NodeOut,
  parseRefusal,
} from "../../../src/node/mod.ts";
import type { SessionKey } from "../../../src/session/mod.ts";
import { FakeTime, settle } from "../fake_time.ts";
import { asPath } from "../../../src/wire/mod.ts";

/** Who is at the other end. */
export const PEER = peerKey("n".repeat(52) as NetworkId, "p".repeat(52) as NodeId);
/** A session that is to be begun. */
export const CONNECT = {
  peer: null,
  path: asPath("192.0.2.1:9000"),
  named: "person",
  key: {} as SessionKey,
  payload: new Uint8Array(),
} as const;

type Out = NodeOut<Member>;

/** Arguments of a native command. */
interface Command {
  readonly peer?: string;
  readonly active?: string | null;
  readonly doubtMs?: number;
  readonly deadMs?: number;
}

/** A loop around a machine that does what the test says. */
export class Rig {
  readonly inputs: NodeIn[] = [];
  readonly sent: string[] = [];
  /** Everything that was asked of the data path, in order. */
  readonly did: string[] = [];
  readonly commands: string[] = [];
  /** When the data path doubts, and gives up, a path. */
  readonly verdicts: (number | undefined)[][] = [];
  readonly defects: unknown[] = [];
  readonly loop: Loop;
  readonly calls: NodeCalls;
  wakeup: Wakeup | undefined;
  onReach: (peer: PeerKey) => Promise<PeerKey> = (peer) => Promise.resolve(peer);
  /** What the machine says to an input. */
  react: (input: NodeIn) => readonly Out[] = () => [];
  commandFails = false;
  keepFails = false;
  readonly logged: string[] = [];
  resolve: (name: string) => Promise<string[]> = () => Promise.resolve([]);
  /** Where the peer was proven to be. */
  source: string | undefined;

  constructor(time: FakeTime) {
    const machine = {
      handle: (input: NodeIn, _now: Instant, out: Out[]) => {
        this.inputs.push(input);
        out.push(...this.react(input));
      },
      wakeup: () => this.wakeup,
      view: { sourceOf: () => this.source },
    } as unknown as NodeMachine<Member>;
    const net = {
      send: (path: string) => {
        this.sent.push(path);
        this.did.push(`send ${path}`);
      },
      heard: (path: string) => void this.did.push(`heard ${path}`),
      command: (op: string, args: Command) => {
        this.did.push(`${op} ${JSON.stringify(args)}`);
        this.commands.push(`${op} ${args.active ?? "-"}`);
        this.verdicts.push([args.doubtMs, args.deadMs]);
        if (this.commandFails) throw new OmertaError("internal", "no such peer");
        return {};
      },
    } as unknown as NetHost;
    const onDefect = (error: unknown) => void this.defects.push(error);
    const note = (level: string) => (message: string) =>
      void this.logged.push(`${level} ${message}`);
    this.loop = new Loop({
      machine,
      net,
      now: () => time.now,
      onDefect,
      resolve: (name) => this.resolve(name),
      keep: (key, value) => {
        if (this.keepFails) throw new OmertaError("disk-full", "no room");
        this.did.push(`keep ${key} ${value}`);
      },
      log: { debug: note("debug"), info: note("info"), warn: note("warn"), error: note("error") },
    });
    const reach = (peer: PeerKey) => this.onReach(peer);
    const searches = { reach, meet: () => Promise.reject(new Error("nobody is met")) };
    this.calls = new NodeCalls({ loop: this.loop, searches, onDefect });
  }

  /** The token of the newest input of a type. */
  token(type: "call" | "connect"): number {
    const input = this.inputs.findLast((input) => input.type === type);
    assert.ok(input?.type === type);
    return input.token;
  }

  /** A peer asks; resolves with the answer that goes back. */
  async asked(name: string, body: object, kind: "epoch" | "invite" = "epoch") {
    const request: Out = {
      type: "request",
      peer: PEER,
      kind,
      call: "c",
      name,
      body: encodeBody(body),
    };
    this.react = () => [];
    const before = this.inputs.length;
    this.say(request);
    await settle();
    const answer = this.inputs.slice(before + 1).find(({ type }) => type === "answer");
    assert.ok(answer?.type === "answer", "no answer");
    return answer.ok
      ? { ok: true, body: answer.body }
      : { ok: false, ...parseRefusal(answer.body) };
  }

  /** The machine says something of its own accord. */
  say(...outputs: Out[]): void {
    const { react } = this;
    this.react = () => {
      this.react = react;
      return outputs;
    };
    this.loop.input({ type: "wake" });
  }
}

/** Runs a test with a loop and a clock of its own; no timer may be left. */
export function withLoop(
  test: (rig: Rig, time: FakeTime) => Promise<void> | void,
): () => Promise<void> {
  return async () => {
    using time = new FakeTime();
    const rig = new Rig(time);
    await test(rig, time);
    rig.loop.close();
    await settle();
    assert.equal(time.pending, 0, "timers are left");
  };
}
