/** Every input of the path machine in every state of a peer, and what holds for any sequence. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type NetworkId,
  type NodeId,
  type Path,
  peerKey,
  seededRandom,
} from "../../src/base/mod.ts";
import { PATHS_PER_PEER_MAX, PING_HOLD_MS } from "../../src/path/constants.ts";
import { encodePong } from "../../src/path/messages.ts";
import { type Candidate, type PathIn, PathMachine, type PathOut } from "../../src/path/mod.ts";
import { at } from "./samples.ts";
import { asPath } from "../../src/wire/mod.ts";

const PEER = peerKey("n" as NetworkId, "p" as NodeId);
const DIRECT = asPath("192.0.2.1:9000");
const OTHER = asPath("192.0.2.2:9000");
const RELAYED = asPath("198.51.100.1:9000#00000001");
const CANDIDATE: Candidate = { address: OTHER, source: "peer", vouchedBy: null };
const PING = new Uint8Array(64).fill(1, 0, 1);

/** A machine with its clock, which answers pings on demand. */
class Rig {
  readonly machine = new PathMachine(seededRandom(1));
  now = at(0);
  readonly said: PathOut[] = [];

  take(input: PathIn): PathOut[] {
    const out: PathOut[] = [];
    this.machine.handle(input, this.now, out);
    this.said.push(...out);
    return out;
  }

  up(path: Path): this {
    this.take({ type: "peer-up", peer: PEER, path: path, proven: true, punch: true });
    return this;
  }

  /** Answers the last ping that was sent on a path. */
  answer(path: Path): PathOut[] {
    const ping = this.said.findLast((o) => o.type === "send" && o.path === path && o.ttl === 0);
    assert.ok(ping?.type === "send", `no ping to ${path}`);
    const bytes = encodePong(ping.payload.slice(1, 9), "203.0.113.9:9");
    return this.take({ type: "probe", peer: PEER, path: path, bytes });
  }

  /** Wakes at every timer until a moment. */
  until(ms: number): this {
    for (let wakeup = this.machine.wakeup(); wakeup !== undefined && wakeup.at <= ms;) {
      this.now = at(Math.max(this.now, wakeup.at));
      this.take({ type: "wake" });
      wakeup = this.machine.wakeup();
    }
    this.now = at(ms);
    return this;
  }
}

/** A peer in each of its states; time is a few milliseconds. */
const STATES = {
  unknown: () => new Rig(),
  relayed: (): Rig => {
    const rig = new Rig().up(RELAYED);
    rig.answer(RELAYED);
    return rig;
  },
  punching: (): Rig => {
    const rig = STATES.relayed();
    rig.take({ type: "punch", peer: PEER, candidates: [CANDIDATE], startInMs: 100 });
    return rig;
  },
  direct: (): Rig => {
    const rig = new Rig().up(RELAYED).up(DIRECT);
    rig.answer(RELAYED);
    rig.answer(DIRECT);
    return rig;
  },
  doubted: (): Rig => {
    const rig = STATES.direct();
    rig.take({ type: "path-dead", peer: PEER, path: DIRECT });
    return rig;
  },
} satisfies Record<string, () => Rig>;

const INPUTS = {
  "peer-up, same path": { type: "peer-up", peer: PEER, path: RELAYED, proven: true, punch: true },
  "peer-up, other path": { type: "peer-up", peer: PEER, path: OTHER, proven: true, punch: true },
  "peer-up, unproven": { type: "peer-up", peer: PEER, path: OTHER, proven: false, punch: true },
  "peer-down": { type: "peer-down", peer: PEER },
  "add-path": { type: "add-path", peer: PEER, path: OTHER },
  "remove-path": { type: "remove-path", peer: PEER, path: RELAYED },
  "ping, known path": { type: "probe", peer: PEER, path: RELAYED, bytes: PING },
  "ping, new path": { type: "probe", peer: PEER, path: OTHER, bytes: PING },
  "pong to nothing": {
    type: "probe",
    peer: PEER,
    path: RELAYED,
    bytes: encodePong(new Uint8Array(8), null),
  },
  "garbage": { type: "probe", peer: PEER, path: RELAYED, bytes: Uint8Array.of(1) },
  "heard": { type: "heard", peer: PEER, path: RELAYED },
  "demand": { type: "demand", peer: PEER, demand: "busy" },
  "punch": { type: "punch", peer: PEER, candidates: [CANDIDATE], startInMs: 0 },
  "punch at nothing": { type: "punch", peer: PEER, candidates: [], startInMs: 0 },
  "path-doubt": { type: "path-doubt", peer: PEER, path: RELAYED },
  "path-dead": { type: "path-dead", peer: PEER, path: RELAYED },
  "network-changed": { type: "network-changed" },
  "wake": { type: "wake" },
} satisfies Record<string, PathIn>;

type Row = Record<keyof typeof STATES, string>;
const same = (said: string): Row => ({
  unknown: "",
  relayed: said,
  punching: said,
  direct: said,
  doubted: said,
});

/** What comes out, by the types of the outputs and for `send` what is sent where. */
const TABLE: Record<keyof typeof INPUTS, Row> = {
  "peer-up, same path": { ...same(""), unknown: "routes moved ping:relay offer" },
  "peer-up, other path": { ...same("routes ping:other"), unknown: "routes moved ping:other" },
  "peer-up, unproven": { ...same("ping:other"), unknown: "ping:other" },
  "peer-down": same("routes"),
  "add-path": same("ping:other"),
  "remove-path": {
    unknown: "",
    relayed: "routes moved lost",
    punching: "routes moved lost",
    direct: "routes",
    doubted: "routes moved",
  },
  "ping, known path": same("pong:relay"),
  "ping, new path": same("pong:other ping:other"),
  "pong to nothing": same(""),
  "garbage": same(""),
  "heard": same(""),
  "demand": same(""),
  "punch": {
    ...same("opener:other ping:other"),
    punching: "ping:other",
  },
  "punch at nothing": same(""),
  "path-doubt": same("ping:relay"),
  "path-dead": { ...same("ping:relay"), doubted: "routes moved ping:relay" },
  "network-changed": {
    unknown: "",
    relayed: "ping:relay offer",
    punching: "ping:relay",
    direct: "ping:relay ping:direct",
    doubted: "ping:relay",
  },
  "wake": same(""),
};

const NAMES = new Map([[RELAYED, "relay"], [DIRECT, "direct"], [OTHER, "other"]]);

function described(output: PathOut): string {
  if (output.type === "offer-candidates") return "offer";
  if (output.type !== "send") return output.type;
  const kind = output.payload[0] === 2 ? "pong" : output.ttl > 0 ? "opener" : "ping";
  return `${kind}:${NAMES.get(output.path)}`;
}

for (const [name, input] of Object.entries(INPUTS)) {
  for (const [state, make] of Object.entries(STATES)) {
    const expected = TABLE[name as keyof typeof INPUTS][state as keyof typeof STATES];
    Deno.test(`${name} with a peer that is ${state} gives: ${expected || "nothing"}`, () => {
      assert.equal(make().take(input).map(described).join(" "), expected);
    });
  }
}

Deno.test("each demand has its own pause between the pings of the active path", () => {
  for (const [demand, ms] of [["hold", 15_000], ["warm", 5_000], ["busy", 1_000]] as const) {
    const rig = STATES.relayed();
    rig.take({ type: "demand", peer: PEER, demand });
    rig.answer(RELAYED);
    const pings = () => rig.said.filter((o) => o.type === "send" && o.path === RELAYED).length;
    const before = pings();
    rig.until(ms - 1);
    assert.equal(pings(), before, demand);
    rig.until(ms + 1);
    assert.ok(pings() > before, demand);
  }
});

Deno.test("a pong over a direct path tells where we are seen, one over a relay does not", () => {
  const rig = new Rig().up(RELAYED).up(DIRECT);
  const observed = (path: Path) => rig.answer(path).filter((o) => o.type === "observed");
  assert.deepEqual(observed(RELAYED), []);
  const expected = { type: "observed", peer: PEER, path: DIRECT, address: "203.0.113.9:9" };
  assert.deepEqual(observed(DIRECT), [expected]);
});

Deno.test("only the side that drives offers candidates", () => {
  const rig = new Rig();
  const out = rig.take({ type: "peer-up", peer: PEER, path: RELAYED, proven: true, punch: false });
  assert.ok(!out.some(({ type }) => type === "offer-candidates"));
});

Deno.test("a second session keeps the paths of the first", () => {
  const rig = STATES.direct().up(RELAYED);
  assert.equal(rig.machine.active(PEER), DIRECT);
  assert.equal(rig.machine.views(PEER, rig.now).length, 2);
});

Deno.test("views() tells the active path first, and what is known of each", () => {
  const rig = STATES.direct();
  rig.now = at(500);
  const [first, second] = rig.machine.views(PEER, rig.now);
  const known = { rttMs: 0, loss: 0, provenForMs: 500, heardMsAgo: 500 };
  assert.deepEqual(first, { path: DIRECT, relayed: false, ...known });
  assert.deepEqual(second, { path: RELAYED, relayed: true, ...known });
});

Deno.test("the data path is told once how patient to be with a slow path, and again when it is quick", () => {
  const rig = STATES.relayed();
  rig.take({ type: "demand", peer: PEER, demand: "busy" });
  const told = () => rig.said.flatMap((o) => o.type === "routes" ? [o.patienceMs] : []);
  const pongsAfter = (ms: number) => {
    for (let i = 0; i < 60; i++) {
      const due = rig.machine.wakeup()?.at ?? rig.now;
      rig.until(due);
      rig.until(due + ms);
      rig.answer(RELAYED);
    }
  };
  assert.deepEqual(told(), [400]);
  pongsAfter(700);
  const slow = told();
  assert.ok((slow.at(-1) ?? 0) > 700 && slow.length <= 5, `${slow}`);
  pongsAfter(10);
  assert.equal(told().at(-1), 400);
  assert.ok(told().length <= slow.length + 5);
});

Deno.test("a peer that says nothing is lost once, also when nobody needs it", () => {
  const rig = STATES.direct().until(PING_HOLD_MS + 5_000);
  assert.equal(rig.said.filter(({ type }) => type === "lost").length, 1);
  assert.equal(rig.machine.wakeup(), undefined);
});

const paths = fc.constantFrom(DIRECT, OTHER, RELAYED, "[2001:db8::1]:1");
const peers = fc.constantFrom(PEER, peerKey("n" as NetworkId, "q" as NodeId));
const candidates = fc.array(
  paths.map((address) => ({ address, source: "peer" as const, vouchedBy: null })),
  { maxLength: 4 },
);
const inputs: fc.Arbitrary<PathIn | "answer"> = fc.oneof(
  fc.constant("answer" as const),
  fc.record({
    type: fc.constant("peer-up" as const),
    peer: peers,
    path: paths,
    punch: fc.boolean(),
  }),
  fc.record({ type: fc.constant("peer-down" as const), peer: peers }),
  fc.record({
    type: fc.constantFrom("add-path", "remove-path", "heard", "path-dead", "path-doubt"),
    peer: peers,
    path: paths,
  }),
  fc.record({
    type: fc.constant("probe" as const),
    peer: peers,
    path: paths,
    bytes: fc.oneof(fc.constant(PING), fc.uint8Array({ maxLength: 70 })),
  }),
  fc.record({
    type: fc.constant("demand" as const),
    peer: peers,
    demand: fc.constantFrom("hold", "warm", "busy"),
  }),
  fc.record({
    type: fc.constant("punch" as const),
    peer: peers,
    candidates,
    startInMs: fc.nat({ max: 500 }),
  }),
  fc.constant({ type: "network-changed" as const }),
  fc.constant({ type: "wake" as const }),
) as fc.Arbitrary<PathIn | "answer">;
const steps = fc.array(fc.tuple(fc.nat({ max: 3_000 }), inputs), { maxLength: 60 });

/** Holds after every step, whatever was said before. */
function assertSound(rig: Rig, out: readonly PathOut[]): void {
  for (const output of out) {
    if (output.type !== "routes") continue;
    const { active, standby, accept } = output;
    assert.ok(active === null ? accept.length === 0 && standby === null : accept.includes(active));
    assert.ok(standby === null || (accept.includes(standby) && standby !== active));
    assert.ok(accept.length <= PATHS_PER_PEER_MAX);
  }
  const down = out.filter(({ type }) => type === "lost");
  for (const { peer } of down as { peer: typeof PEER }[]) {
    assert.equal(rig.machine.active(peer), null);
  }
}

Deno.test("whatever comes in whatever order, tables are sound and timers move on", () => {
  fc.assert(
    fc.property(steps, (all) => {
      const rig = new Rig();
      for (const [waitMs, input] of all) {
        rig.until(rig.now + waitMs);
        const out = input === "answer" ? answerAny(rig) : rig.take(input);
        assertSound(rig, out);
        rig.take({ type: "wake" });
        const wakeup = rig.machine.wakeup();
        assert.ok(wakeup === undefined || wakeup.at > rig.now, `due again at once: ${wakeup?.why}`);
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("whatever comes, an address that answers nobody gets few pings in any minute", () => {
  fc.assert(fc.property(steps, (all) => {
    const rig = new Rig();
    for (const [, input] of all) {
      const isOwn = input !== "answer" && (input.type === "peer-up" || input.type === "add-path");
      if (input === "answer" || isOwn) continue; // what we found out by ourselves is no claim
      if (rig.said.length === 0) rig.up(RELAYED);
      rig.take(input);
      rig.until(rig.now + 10);
    }
    for (const address of [DIRECT, OTHER, "[2001:db8::1]:1"]) {
      const pings = rig.said.filter((o) => {
        return o.type === "send" && o.path === address && o.ttl === 0 && o.payload[0] === 1;
      });
      assert.ok(pings.length <= 6, `${pings.length} pings to ${address}`);
    }
  }));
});

/** Answers the newest ping of all. */
function answerAny(rig: Rig): PathOut[] {
  const ping = rig.said.findLast((o) => o.type === "send" && o.payload[0] === 1);
  if (ping?.type !== "send") return [];
  const bytes = encodePong(ping.payload.slice(1, 9), null);
  return rig.take({ type: "probe", peer: ping.peer, path: ping.path, bytes });
}

Deno.test("when the path in use misses an answer, its others are asked at once", () => {
  const rig = STATES.direct();
  rig.take({ type: "demand", peer: PEER, demand: "busy" });
  const sentTo = (path: Path) =>
    rig.said.filter((o) => o.type === "send" && o.path === path && o.ttl === 0).length;
  const before = { direct: sentTo(DIRECT), relayed: sentTo(RELAYED) };
  rig.take({ type: "path-doubt", peer: PEER, path: DIRECT });
  assert.equal(sentTo(DIRECT), before.direct + 1);
  const missedAt = rig.machine.wakeup()?.at ?? assert.fail();
  rig.until(missedAt);
  assert.equal(sentTo(RELAYED), before.relayed + 1);
});

Deno.test("a change of network has candidates offered as if for the first time", () => {
  const rig = STATES.relayed();
  const attempts = () => rig.said.flatMap((o) => o.type === "offer-candidates" ? [o.attempt] : []);
  while (attempts().at(-1) !== 2) rig.until(rig.machine.wakeup()?.at ?? assert.fail());
  rig.take({ type: "network-changed" });
  assert.equal(attempts().at(-1), 1);
});
