/** Whatever happens, in whatever order: every question and every dial of a part ends exactly once. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  after,
  type Instant,
  type NetworkId,
  type NodeId,
  type Part,
  type PartIn,
  type PartOut,
  peerKey,
} from "../../src/base/mod.ts";
import type { Connect, ConnectEnd } from "../../src/node/connects.ts";
import { type Calls, encodeBody } from "../../src/node/mod.ts";
import type { Moment } from "../../src/node/moment.ts";
import { type Mounted, PartHost } from "../../src/node/parts.ts";
import type { RpcResult } from "../../src/rpc/mod.ts";
import type { SessionKey } from "../../src/session/mod.ts";

const NETWORK = "n".repeat(52) as NetworkId;
const NODE = "p".repeat(52) as NodeId;
const PEER = peerKey(NETWORK, NODE);
const KEY = { key: { network: NETWORK, kind: "epoch" } as SessionKey, payload: new Uint8Array() };

type Made = Calls<"record.list">;
type Say = { readonly type: "say"; readonly output: PartOut<Made, Record<never, never>> };
type In = Say | PartIn<Made, Record<never, never>>;

/** Says what it is told to say, and counts what comes back. */
class Parrot implements Part<Say, never, Made> {
  readonly answered = new Map<number, number>();
  readonly dialed = new Map<number, number>();

  handle(input: In, _now: Instant, out: PartOut<Made, Record<never, never>>[]): void {
    if (input.type === "say") out.push(input.output);
    if (input.type === "answered") count(this.answered, input.token);
    if (input.type === "dialed" || input.type === "dial-failed") count(this.dialed, input.token);
  }

  wakeup(): undefined {
    return undefined;
  }
}

function count(ends: Map<number, number>, token: number): void {
  ends.set(token, (ends.get(token) ?? 0) + 1);
}

/** A node that lets the test decide how everything ends. */
class Rig {
  now = 0 as Instant;
  nextToken = 1;
  isConnected = true;
  readonly part = new Parrot();
  readonly calls: number[] = [];
  readonly connects: number[] = [];
  readonly resolves: number[] = [];
  readonly asked = new Set<number>();
  readonly dials = new Set<number>();
  readonly undialed = new Set<number>();
  readonly host: PartHost<Moment>;
  readonly mounted: Mounted<Say>;

  constructor() {
    this.host = new PartHost<Moment>({
      isConnected: () => this.isConnected,
      admits: () => true,
      rpc: (input) => void (input.type === "call" && this.calls.push(input.token)),
      connect: ({ token }: Connect) => void this.connects.push(token),
      cancel: (token) => this.#forget(this.connects, token),
      say: (output) => void (output.type === "resolve" && this.resolves.push(output.token)),
    });
    this.mounted = this.host.mount<Say, never, "record.list">({
      name: "parrot",
      part: this.part,
      serves: [],
      onOutput: () => {},
    });
    this.host.networks.network(NETWORK, KEY);
  }

  says(output: Say["output"]): void {
    this.mounted.input({ type: "say", output });
    this.run();
  }

  run(): void {
    this.host.run({ now: this.now });
  }

  endCall(index: number, result: RpcResult): void {
    const token = this.calls[index % this.calls.length];
    if (token === undefined) return;
    this.#forget(this.calls, token);
    this.host.done(token, result);
    this.host.done(token, result);
    this.run();
  }

  endConnect(index: number, end: ConnectEnd): void {
    const token = this.connects[index % this.connects.length];
    if (token === undefined) return;
    this.#forget(this.connects, token);
    this.host.connectEnded(token, end);
    this.run();
  }

  resolve(index: number, addresses: readonly (readonly string[])[]): void {
    const token = this.resolves[index % this.resolves.length];
    if (token === undefined) return;
    this.host.resolved(token, addresses, { now: this.now });
    this.run();
  }

  wait(ms: number): void {
    this.now = after(this.now, ms);
    this.host.wake({ now: this.now });
    this.run();
  }

  #forget(tokens: number[], token: number): void {
    const at = tokens.indexOf(token);
    if (at >= 0) tokens.splice(at, 1);
  }
}

type Step = (rig: Rig) => void;

const ANSWER = encodeBody({ records: [], next: null });
const result: fc.Arbitrary<RpcResult> = fc.constantFrom<RpcResult>(
  { ok: true, body: ANSWER },
  { ok: true, body: new Uint8Array([1, 2]) },
  { ok: false, reason: "refused", body: new Uint8Array() },
  { ok: false, reason: "timeout" },
  { ok: false, reason: "gone" },
  { ok: false, reason: "busy" },
);
const end: fc.Arbitrary<ConnectEnd> = fc.constantFrom<ConnectEnd>(
  { ok: true, peer: PEER },
  { ok: false, reason: "timeout", detail: null },
  { ok: false, reason: "unwanted", detail: null },
);
const address = fc.constantFrom(
  "192.0.2.1:1",
  "192.0.2.2:1",
  "[2001:db8::1]:1",
  "a.example:1",
  "x",
);
const index = fc.nat(20);

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.constant<Step>((rig) => {
    const token = rig.nextToken++;
    rig.asked.add(token);
    const name = "record.list";
    const question = { after: null };
    rig.says({ type: "ask", token, peer: PEER, name, question, timeoutMs: 1_000 });
  }),
  fc.array(address, { maxLength: 6 }).map((addresses): Step => (rig) => {
    const token = rig.nextToken++;
    rig.dials.add(token);
    rig.says({
      type: "dial",
      token,
      network: NETWORK,
      node: NODE,
      addresses,
      named: "record",
    });
  }),
  index.map((n): Step => (rig) => {
    const token = [...rig.dials][n % rig.dials.size];
    if (token === undefined) return;
    rig.undialed.add(token);
    rig.says({ type: "undial", token });
  }),
  fc.tuple(index, result).map(([n, ends]): Step => (rig) => rig.endCall(n, ends)),
  fc.tuple(index, end).map(([n, ends]): Step => (rig) => rig.endConnect(n, ends)),
  fc.tuple(index, fc.array(fc.array(fc.constant("198.51.100.1:1"), { maxLength: 2 }))).map(
    ([n, found]): Step => (rig) => rig.resolve(n, found),
  ),
  fc.nat(6_000).map((ms): Step => (rig) => rig.wait(ms)),
  fc.boolean().map((is): Step => (rig) => void (rig.isConnected = is)),
  fc.constant<Step>((rig) => {
    rig.host.networks.networkGone(NETWORK);
    rig.run();
  }),
  fc.constant<Step>((rig) => rig.host.networks.network(NETWORK, KEY)),
);

Deno.test("every question and every dial ends exactly once, whatever happens in between", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const rig = new Rig();
      for (const take of steps) take(rig);
      rig.wait(5_000); // names that nobody resolves
      while (rig.calls.length > 0) rig.endCall(0, { ok: false, reason: "timeout" });
      while (rig.connects.length > 0) {
        rig.endConnect(0, { ok: false, reason: "timeout", detail: null });
      }
      for (const token of rig.asked) assert.equal(rig.part.answered.get(token), 1, `ask ${token}`);
      for (const token of rig.dials) {
        const ends = rig.part.dialed.get(token) ?? 0;
        if (rig.undialed.has(token)) assert.ok(ends <= 1, `dial ${token} ended ${ends} times`);
        else assert.equal(ends, 1, `dial ${token}`);
      }
      assert.equal(rig.host.wakeup(), undefined, "something is still waited for");
    }),
    { numRuns: 500 },
  );
});
