/**
 * Every state in which a peer can be, against every input: what comes out, and what is dropped. `m` is
 * the machine under test, `p` its peer; what `p` sends is caught and delivered by hand.
 */
import assert from "node:assert/strict";
import { fail, ok } from "../../src/base/mod.ts";
import type { DropReason, SessionIn, SessionOut } from "../../src/session/mod.ts";
import { bytes, Node, World } from "./world.ts";
import { asPath } from "../../src/wire/mod.ts";

const CONTROL_NAMES = new Map([[1, "hello"], [2, "reply"], [3, "finish"], [8, "datagram"]]);
const UNKNOWN_ID = [1, 2, 3, 4];

/** One machine, its peer and the datagrams that the peer has sent it. */
class Scene {
  readonly world = new World();
  readonly m: Node;
  readonly p: Node;
  isRefusing = false;
  readonly caught: Uint8Array[] = [];

  constructor() {
    const verifyPeer = () => this.isRefusing ? fail("no") : ok("");
    this.m = this.world.node({ verifyPeer });
    this.p = this.world.node();
    this.world.filter = ({ to, bytes }) => {
      if (to !== this.m.address) return true;
      this.caught.push(bytes);
      return false;
    };
  }

  /** The last datagram of a type that the peer sent; one that names nobody where there is none. */
  frame(type: number): Uint8Array {
    return this.caught.findLast((frame) => frame[3] === type)?.slice() ??
      bytes(0x6f, 0x6d, 1, type, ...UNKNOWN_ID, ...new Uint8Array(96));
  }

  deliver(type: number): SessionOut<string>[] {
    return this.world.inject(this.m, this.p.address, this.frame(type));
  }

  settle(): void {
    this.world.run(100);
  }

  /** Delivers everything both ways until nothing is left, then catches again. */
  join(begin: () => void): void {
    const { filter } = this.world;
    this.world.filter = () => true;
    begin();
    this.settle();
    this.world.filter = filter;
  }
}

const STATES: Readonly<Record<string, (scene: Scene) => void>> = {
  idle: () => {},
  attempting: ({ m, p, world }) => {
    m.connect(p);
    world.run(100);
  },
  finishing: (scene) => {
    scene.m.connect(scene.p);
    scene.settle();
    scene.deliver(2);
    scene.settle();
  },
  lingering: (scene) => {
    scene.m.connect(scene.p);
    scene.settle();
    scene.deliver(2);
    scene.world.run(6000);
  },
  pending: (scene) => {
    scene.p.connect(scene.m);
    scene.settle();
    scene.deliver(1);
    scene.settle();
  },
  refused: (scene) => {
    scene.isRefusing = true;
    scene.p.connect(scene.m);
    scene.settle();
    scene.deliver(1);
    scene.world.filter = ({ to, bytes }) => {
      if (to === scene.m.address) scene.caught.push(bytes);
      return bytes[3] === 2;
    };
    scene.settle();
    scene.deliver(3);
  },
  unconfirmed: (scene) => {
    scene.p.connect(scene.m);
    scene.settle();
    scene.deliver(1);
    scene.settle();
    scene.deliver(3);
  },
  initiated: (scene) => scene.join(() => scene.m.connect(scene.p)),
  accepted: (scene) => scene.join(() => scene.p.connect(scene.m)),
  renewing: (scene) => {
    scene.join(() => scene.m.connect(scene.p));
    scene.m.connect(scene.p);
    scene.settle();
  },
  replaced: (scene) => {
    scene.join(() => scene.m.connect(scene.p));
    scene.p.send(scene.m, 9, 9);
    scene.settle();
    const onOld = scene.frame(8);
    scene.join(() => scene.m.connect(scene.p));
    scene.caught.push(onOld); // what "datagram" will deliver
  },
};

/** What is done to the machine; frames are the peer's own where it has sent such. */
const INPUTS: Readonly<Record<string, (scene: Scene) => SessionOut<string>[]>> = {
  connect: ({ m, p }) => m.connect(p),
  "new hello": (scene) => {
    const { world, m, p } = scene;
    const anew = new Node(world, asPath("10.9.9.9:9"), p.identity, {});
    anew.connect(m);
    world.run(20);
    return scene.deliver(1);
  },
  "same hello": (scene) => scene.deliver(1),
  reply: (scene) => scene.deliver(2),
  finish: (scene) => scene.deliver(3),
  datagram: (scene) => scene.deliver(8),
  payload: (scene) => {
    scene.p.send(scene.m, 9, 1);
    scene.settle();
    return scene.deliver(8);
  },
  farewell: (scene) => {
    scene.p.take({ type: "close", peer: scene.m.peer });
    scene.settle();
    return scene.deliver(8);
  },
  send: ({ m, p }) => {
    return m.take({ type: "send", peer: p.peer, path: p.address, payload: bytes(9) });
  },
  close: ({ m, p }) => m.take({ type: "close", peer: p.peer }),
  "no keys": ({ m }) => m.take({ type: "keys", keys: [] } satisfies SessionIn),
  wake: (scene) => {
    const { m, world } = scene;
    const wakeup = m.sessions.wakeup();
    if (wakeup !== undefined) world.now = wakeup.at;
    return m.take({ type: "wake" });
  },
};

function nameOf(output: SessionOut<string>): string {
  switch (output.type) {
    case "transmit":
      return CONTROL_NAMES.get(output.bytes[3] ?? 0) ?? "?";
    case "established":
      return output.renewed ? "renewed" : "established";
    case "failed":
    case "closed":
      return `${output.type}:${output.reason}`;
    default:
      return output.type;
  }
}

function cell(state: string, input: string): string {
  const scene = new Scene();
  STATES[state]?.(scene);
  const before: Partial<Record<DropReason, number>> = scene.m.sessions.stats().dropped;
  const said = (INPUTS[input]?.(scene) ?? []).map(nameOf);
  const dropped = Object.entries(scene.m.sessions.stats().dropped)
    .filter(([reason, count]) => count !== before[reason as DropReason])
    .map(([reason]) => `-${reason}`);
  return [...said, ...dropped].join(" ");
}

const TABLE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  idle: {
    connect: "hello",
    "new hello": "reply",
    "same hello": "-bad-length",
    reply: "-unknown-session",
    finish: "-unknown-session",
    datagram: "-unknown-session",
    payload: "-unknown-session",
    farewell: "-unknown-session",
    send: "-no-session",
    close: "",
    "no keys": "",
    wake: "",
  },
  attempting: {
    connect: "",
    "new hello": "reply",
    "same hello": "-bad-length",
    reply: "finish datagram",
    finish: "-unknown-session",
    datagram: "-unknown-session",
    payload: "-unknown-session",
    farewell: "-unknown-session",
    send: "-no-session",
    close: "failed:closed",
    "no keys": "",
    wake: "hello",
  },
  finishing: {
    connect: "",
    "new hello": "reply",
    "same hello": "-bad-length",
    reply: "-unknown-session",
    finish: "-unknown-session",
    datagram: "established",
    payload: "established received",
    farewell: "failed:refused",
    send: "-no-session",
    close: "failed:closed",
    "no keys": "",
    wake: "finish datagram",
  },
  lingering: {
    connect: "hello",
    "new hello": "reply",
    "same hello": "-bad-length",
    reply: "-unknown-session",
    finish: "-unknown-session",
    datagram: "established",
    payload: "established received",
    farewell: "",
    send: "-no-session",
    close: "",
    "no keys": "",
    wake: "",
  },
  pending: {
    connect: "hello",
    "new hello": "reply",
    "same hello": "reply",
    reply: "-unknown-session",
    finish: "",
    datagram: "-unknown-session",
    payload: "-unknown-session",
    farewell: "-unknown-session",
    send: "-no-session",
    close: "",
    "no keys": "",
    wake: "",
  },
  refused: {
    connect: "hello",
    "new hello": "reply",
    "same hello": "reply",
    reply: "-unknown-session",
    finish: "datagram",
    datagram: "-unknown-session",
    payload: "-unknown-session",
    farewell: "-unknown-session",
    send: "-no-session",
    close: "",
    "no keys": "",
    wake: "",
  },
  unconfirmed: {
    connect: "hello",
    "new hello": "reply",
    "same hello": "-replayed-hello",
    reply: "-unknown-session",
    finish: "-duplicate-finish",
    datagram: "established datagram",
    payload: "established datagram",
    farewell: "established datagram",
    send: "-no-session",
    close: "",
    "no keys": "",
    wake: "",
  },
  initiated: {
    connect: "hello",
    "new hello": "reply",
    "same hello": "-bad-length",
    reply: "-unknown-session",
    finish: "-unknown-session",
    datagram: "-unknown-session",
    payload: "received",
    farewell: "closed:left",
    send: "datagram",
    close: "datagram closed:closed",
    "no keys": "",
    wake: "",
  },
  accepted: {
    connect: "hello",
    "new hello": "reply",
    "same hello": "-bad-length",
    reply: "-unknown-session",
    finish: "-unknown-session",
    datagram: "-unknown-session",
    payload: "received",
    farewell: "closed:left",
    send: "datagram",
    close: "datagram closed:closed",
    "no keys": "",
    wake: "closed:expired",
  },
  renewing: {
    connect: "",
    "new hello": "reply",
    "same hello": "-bad-length",
    reply: "finish datagram",
    finish: "-unknown-session",
    datagram: "-unknown-session",
    payload: "received",
    farewell: "closed:left",
    send: "datagram",
    close: "datagram closed:closed failed:closed",
    "no keys": "",
    wake: "hello",
  },
  replaced: {
    connect: "hello",
    "new hello": "reply",
    "same hello": "-bad-length",
    reply: "-unknown-session",
    finish: "-unknown-session",
    datagram: "received",
    payload: "received",
    farewell: "closed:left",
    send: "datagram",
    close: "datagram closed:closed",
    "no keys": "",
    wake: "",
  },
};

for (const state of Object.keys(STATES)) {
  Deno.test(`a machine whose peer is ${state} takes every input as the table says`, () => {
    const actual = Object.keys(INPUTS).map((input) => [input, cell(state, input)]);
    assert.deepEqual(Object.fromEntries(actual), TABLE[state]);
  });
}
