/** How a peer is reached: over a relay, straight, or with the right reason why not. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Instant,
  type NetworkId,
  type NodeId,
  type PeerKey,
  peerKey,
} from "../../src/base/mod.ts";
import {
  type ReachIn,
  ReachMachine,
  type ReachOut,
  type Sought,
  type Unreached,
} from "../../src/reach/mod.ts";
import { asPath } from "../../src/wire/mod.ts";

const NET = "net" as NetworkId;
const DIRECT = "198.51.100.7:9000";
const key = (name: string, network = NET): PeerKey => peerKey(network, name as NodeId);
const PEER = key("peer");
const HOME = [
  { peer: key("r1"), path: asPath("203.0.113.1:9000") },
  { peer: key("r2"), path: asPath("203.0.113.2:9000") },
];
const through = (relay: number, session = relay) =>
  `203.0.113.${relay}:9000#${session.toString(16).padStart(8, "0")}`;
const said = (code: string) => ({ code, message: `${code}, it says` });

type Of<T extends ReachOut["type"]> = Extract<ReachOut, { type: T }>;

/** A machine with two relays, its time and what came out of it. */
class Rig {
  now = 0 as Instant;
  readonly machine = new ReachMachine();
  #out: ReachOut[] = [];

  constructor(home: readonly (typeof HOME)[number][] = HOME) {
    this.do({ type: "network", network: NET });
    this.do({ type: "relays", network: NET, home });
  }

  do(input: ReachIn): ReachOut[] {
    const out: ReachOut[] = [];
    this.machine.handle(input, this.now, out);
    this.#out.push(...out);
    return out;
  }

  advance(ms: number): void {
    const end = this.now + ms;
    let at = this.machine.wakeup()?.at;
    for (; at !== undefined && at <= end; at = this.machine.wakeup()?.at) {
      this.now = Math.max(this.now, at) as Instant;
      this.do({ type: "wake" });
    }
    this.now = end as Instant;
  }

  take<T extends ReachOut["type"]>(type: T): Of<T>[] {
    const taken = this.#out.filter((output) => output.type === type) as Of<T>[];
    this.#out = this.#out.filter((output) => output.type !== type);
    return taken;
  }

  /** The one output of that type. */
  one<T extends ReachOut["type"]>(type: T): Of<T> {
    const [first, ...others] = this.take(type);
    assert.ok(first !== undefined && others.length === 0, `not one ${type}`);
    return first;
  }

  want(token: number, timeoutMs = 60_000, peer = PEER): void {
    this.do({ type: "want", token, peer, timeoutMs });
  }

  found(record: Partial<Sought> | null = null): void {
    const { token, peer } = this.one("find");
    const whole = record && { alias: null, addresses: [], relays: [], ...record };
    this.do({ type: "found", token, peer, record: whole });
  }

  /** The relay that is asked answers; its number. */
  allocated(session: number, address = DIRECT): string {
    const { token, peer, name } = this.one("ask");
    const result = { ok: true, answer: { session, address } } as const;
    this.do({ type: "answered", token, peer, name, result });
    return peer;
  }

  refused(code = "unreachable"): void {
    const { token, peer, name } = this.one("ask");
    const result = { ok: false, refused: said(code) } as const;
    this.do({ type: "answered", token, peer, name, result });
  }

  unanswered(failed: "timeout" | "gone" | "busy" | "malformed" = "timeout"): void {
    const { token, peer, name } = this.one("ask");
    this.do({ type: "answered", token, peer, name, result: { ok: false, failed } });
  }

  dialed(peer = PEER): void {
    this.do({ type: "dialed", token: this.one("dial").token, peer });
  }

  dialFailed(reason = "timeout"): void {
    this.do({ type: "dial-failed", token: this.one("dial").token, reason, detail: null });
  }

  /** Why the one who wants it does not get it. */
  why(): Unreached {
    return this.one("unreached").why;
  }
}

Deno.test("a peer with which there is a session is reached already", () => {
  const rig = new Rig();
  rig.do({ type: "peer-up", peer: PEER, grants: [], renewed: false });
  rig.want(1);
  assert.deepEqual(rig.one("reached"), { type: "reached", token: 1, peer: PEER });
  assert.deepEqual([rig.take("find"), rig.machine.wakeup()], [[], undefined]);
});

Deno.test("a peer is reached through a relay, which says where it sees the peer", () => {
  const rig = new Rig();
  rig.want(1);
  rig.found();
  assert.equal(rig.allocated(1), key("r1"));
  assert.deepEqual(rig.one("relay-saw"), {
    type: "relay-saw",
    relay: key("r1"),
    peer: PEER,
    address: DIRECT,
  });
  const [dial] = rig.take("dial");
  assert.deepEqual([dial?.type === "dial" && dial.addresses, dial?.type === "dial" && dial.named], [
    [through(1)],
    "record",
  ]);
  rig.do({ type: "dialed", token: dial?.token ?? 0, peer: PEER });
  assert.equal(rig.one("reached").token, 1);
  assert.deepEqual([rig.take("undial"), rig.machine.wakeup()], [[], undefined]);
});

Deno.test("the relay at which the peer is at home is asked first, and no relay for itself", () => {
  const rig = new Rig();
  rig.want(1);
  rig.found({ relays: [{ id: "r2" as NodeId }] });
  assert.equal(rig.one("ask").peer, key("r2"));
  const other = new Rig();
  other.want(1, 60_000, key("r1"));
  other.found();
  assert.equal(other.one("ask").peer, key("r2"));
});

Deno.test("where one relay cannot, the next is asked, each once", () => {
  const rig = new Rig();
  rig.want(1);
  rig.found();
  rig.refused();
  assert.equal(rig.allocated(2), key("r2"));
  rig.dialFailed();
  assert.deepEqual([rig.take("ask"), rig.why().reason], [[], "silent"]);
});

Deno.test("a relay that left while it answered is passed over", () => {
  const rig = new Rig();
  rig.want(1);
  rig.found();
  rig.do({ type: "relays", network: NET, home: HOME.slice(1) });
  rig.allocated(1);
  assert.deepEqual(rig.take("dial"), []);
  assert.equal(rig.one("ask").peer, key("r2"));
});

Deno.test("without a relay the addresses of the peer's record are tried, as a record's", () => {
  const rig = new Rig([]);
  rig.want(1);
  const addresses = [DIRECT, "192.168.1.9:9000"];
  rig.found({ addresses });
  const dial = rig.one("dial");
  const { token, ...how } = dial;
  assert.deepEqual(how, { type: "dial", network: NET, node: "peer", addresses, named: "record" });
  rig.do({ type: "dialed", token, peer: PEER });
  rig.one("reached");
});

Deno.test("where no relay leads to it the addresses of its record are tried, after them", () => {
  const rig = new Rig();
  rig.want(1);
  rig.found({ addresses: [DIRECT] });
  rig.refused();
  rig.unanswered();
  rig.dialed();
  rig.one("reached");
});

Deno.test("who is known to nobody is offline, and without a relay that is the reason", () => {
  const rig = new Rig();
  rig.want(1);
  rig.found();
  rig.refused();
  rig.refused();
  assert.equal(rig.why().reason, "offline");
  const alone = new Rig([]);
  alone.want(1);
  alone.found();
  assert.deepEqual(alone.why(), { reason: "no-relay", peer: PEER });
});

Deno.test("why not: offline, silent, no relay, no member, not wanted by a relay", () => {
  const record = { alias: "gpu" };
  const first = { type: "refused", relay: key("r1"), refused: said("unreachable") } as const;
  const cases: readonly (readonly [string, (rig: Rig) => void, Unreached])[] = [
    ["relays do not know it, and nobody answers at its address", (rig) => {
      rig.found({ ...record, addresses: [DIRECT] });
      rig.refused();
      rig.refused();
      rig.dialFailed();
    }, { reason: "offline", peer: PEER, alias: "gpu", first }],
    ["a relay knows it, and it does not answer", (rig) => {
      rig.found(record);
      rig.refused();
      rig.allocated(1);
      rig.dialFailed();
    }, { reason: "silent", peer: PEER, alias: "gpu", first }],
    ["a relay does not answer", (rig) => {
      rig.found(record);
      rig.refused();
      rig.unanswered();
    }, { reason: "silent", peer: PEER, alias: "gpu", first }],
    ["a relay has no room", (rig) => {
      rig.found(record);
      rig.refused();
      rig.refused("refused");
    }, {
      reason: "failed",
      failure: { type: "refused", relay: key("r2"), refused: said("refused") },
    }],
    ["a relay answers nonsense", (rig) => {
      rig.found(record);
      rig.unanswered("malformed");
      rig.refused();
    }, {
      reason: "failed",
      failure: { type: "unanswered", relay: key("r1"), failed: "malformed" },
    }],
    ["its membership does not hold", (rig) => {
      rig.found(record);
      rig.allocated(1);
      rig.dialFailed("unverified");
      rig.refused();
    }, {
      reason: "failed",
      failure: { type: "dial-failed", reason: "unverified", detail: null },
    }],
    ["who answers straight is no member, and a relay said something before", (rig) => {
      rig.found({ ...record, addresses: [DIRECT] });
      rig.refused();
      rig.refused();
      rig.dialFailed("refused");
    }, { reason: "failed", failure: first }],
    ["nothing may be sent to its address", (rig) => {
      rig.do({ type: "relays", network: NET, home: [] });
      rig.found({ ...record, addresses: [DIRECT] });
      rig.dialFailed("unwanted");
    }, { reason: "no-relay", peer: PEER }],
    ["who answers straight is no member, and there is no relay", (rig) => {
      rig.do({ type: "relays", network: NET, home: [] });
      rig.found({ ...record, addresses: [DIRECT] });
      rig.dialFailed("unverified");
    }, {
      reason: "failed",
      failure: { type: "dial-failed", reason: "unverified", detail: null },
    }],
  ];
  for (const [name, happens, why] of cases) {
    const rig = new Rig();
    rig.want(1);
    happens(rig);
    assert.deepEqual(rig.why(), why, name);
    assert.equal(rig.machine.wakeup(), undefined, name);
  }
});

Deno.test("a relay that came while its record was looked for is asked, too", () => {
  const rig = new Rig([]);
  rig.want(1);
  rig.do({ type: "relays", network: NET, home: HOME });
  rig.found();
  assert.equal(rig.one("ask").peer, key("r1"));
});

Deno.test("a peer in a network that is not joined is not looked for", () => {
  const rig = new Rig();
  rig.want(1, 1_000, key("peer", "other" as NetworkId));
  assert.deepEqual([rig.why(), rig.take("find")], [{ reason: "no-network" }, []]);
});

Deno.test("who wants a peer of a network that is left is told at once", () => {
  const rig = new Rig();
  rig.want(1);
  rig.found();
  rig.allocated(1);
  rig.do({
    type: "want-address",
    token: 2,
    network: NET,
    node: null,
    address: DIRECT,
    timeoutMs: 5_000,
  });
  rig.do({ type: "network-left", network: NET });
  const ended = rig.take("unreached").map(({ token, why }) => [token, why.reason]);
  assert.deepEqual(ended, [[1, "no-network"], [2, "no-network"]]);
  assert.equal(rig.take("undial").length, 2);
});

Deno.test("all who want one peer at a time share one attempt", () => {
  const rig = new Rig();
  for (const token of [1, 2, 3]) rig.want(token);
  rig.found();
  rig.want(4);
  rig.allocated(1);
  rig.dialed();
  assert.deepEqual(rig.take("reached").map(({ token }) => token), [1, 2, 3, 4]);
});

Deno.test("who gives up does not end the attempt of the others", () => {
  const rig = new Rig();
  rig.want(1);
  rig.want(2);
  rig.found();
  rig.do({ type: "unwant", token: 1 });
  rig.allocated(1);
  rig.dialed();
  assert.deepEqual(rig.take("reached").map(({ token }) => token), [2]);
  assert.deepEqual(rig.take("unreached"), []);
});

Deno.test("who is late is told so exactly then; the attempt goes on for who comes next", () => {
  const rig = new Rig();
  rig.want(1, 4_000);
  rig.found();
  rig.advance(3_999);
  assert.deepEqual(rig.take("unreached"), []);
  rig.advance(1);
  assert.deepEqual(rig.why(), { reason: "late" });
  rig.want(2);
  assert.deepEqual(rig.take("find"), [], "no second attempt");
  rig.allocated(1);
  rig.dialed();
  assert.deepEqual(rig.take("reached").map(({ token }) => token), [2]);
});

Deno.test("an attempt that failed is made anew by the next who wants the peer", () => {
  const rig = new Rig([]);
  rig.want(1);
  rig.found();
  rig.why();
  rig.do({ type: "relays", network: NET, home: HOME });
  rig.want(2);
  rig.found();
  rig.allocated(1);
  rig.dialed();
  assert.equal(rig.one("reached").token, 2);
});

Deno.test("a session that the peer began ends the attempt at every stage", () => {
  const stages: readonly ((rig: Rig) => void)[] = [
    () => {},
    (rig) => rig.found(),
    (rig) => (rig.found(), rig.allocated(1)),
    (rig) => (rig.found({ addresses: [DIRECT] }), rig.refused(), rig.refused()),
  ];
  for (const [stage, happens] of stages.entries()) {
    const rig = new Rig();
    rig.want(1);
    happens(rig);
    const dials = rig.take("dial").length;
    rig.do({ type: "peer-up", peer: PEER, grants: [], renewed: false });
    assert.equal(rig.one("reached").token, 1);
    assert.equal(rig.take("undial").length, dials, `stage ${stage}`);
    assert.equal(rig.machine.wakeup(), undefined);
  }
});

Deno.test("what is answered after the end is nobody's", () => {
  const rig = new Rig();
  rig.want(1);
  rig.found();
  const { token, peer, name } = rig.one("ask");
  rig.do({ type: "peer-up", peer: PEER, grants: [], renewed: false });
  rig.one("reached");
  const result = { ok: true, answer: { session: 1, address: DIRECT } } as const;
  assert.deepEqual(rig.do({ type: "answered", token, peer, name, result }), []);
  rig.do({ type: "peer-down", peer: PEER, reason: "lost" });
  rig.want(2);
  rig.one("find");
});

Deno.test("a dial that nobody ends is given up after eight seconds", () => {
  const rig = new Rig();
  rig.want(1);
  rig.found();
  rig.allocated(1);
  rig.advance(7_999);
  assert.deepEqual(rig.take("undial"), []);
  rig.advance(1);
  rig.one("undial");
  assert.equal(rig.one("ask").peer, key("r2"));
});

Deno.test("too many wants, or too many peers, are refused", () => {
  const rig = new Rig();
  for (let i = 0; i < 1_024; i++) rig.want(i, 1_000, key(`p${i}`));
  assert.deepEqual(rig.take("unreached"), []);
  rig.want(5_000, 1_000, key("one more"));
  assert.deepEqual(rig.why(), { reason: "busy" });
  for (let i = 1_024; i < 4_096; i++) rig.want(i, 1_000, key("p0"));
  assert.deepEqual(rig.take("unreached"), []);
  rig.want(5_001, 1_000, key("p0"));
  assert.deepEqual(rig.why(), { reason: "busy" });
});

// Addresses --------------------------------------------------------------------------------------

const ADDRESS = {
  type: "want-address",
  token: 1,
  network: NET,
  node: null,
  address: "host.example:9000",
  timeoutMs: 5_000,
} as const;

Deno.test("an address that a person names is dialed as a person's, and whoever answers counts", () => {
  const rig = new Rig();
  rig.do(ADDRESS);
  const { token, ...how } = rig.one("dial");
  const addresses = ["host.example:9000"];
  assert.deepEqual(how, { type: "dial", network: NET, node: null, addresses, named: "person" });
  rig.do({ type: "dialed", token, peer: key("who") });
  assert.deepEqual(rig.one("reached"), { type: "reached", token: 1, peer: key("who") });
});

Deno.test("an address at which nobody answers, or not in time, is not reached", () => {
  const rig = new Rig();
  rig.do(ADDRESS);
  rig.dialFailed("wrong-peer");
  const failure = { type: "dial-failed", reason: "wrong-peer", detail: null } as const;
  assert.deepEqual(rig.why(), { reason: "failed", failure });
  rig.do(ADDRESS);
  rig.advance(5_000);
  assert.deepEqual(rig.why(), { reason: "late" });
  rig.one("undial");
  rig.take("dial");
  rig.do(ADDRESS);
  rig.do({ type: "unwant", token: 1 });
  rig.one("undial");
  assert.deepEqual(rig.take("unreached"), []);
  rig.do({ ...ADDRESS, network: "other" as NetworkId });
  assert.deepEqual(rig.why(), { reason: "no-network" });
});

// State × input ----------------------------------------------------------------------------------

const STATES: Readonly<Record<string, () => Rig>> = {
  "nothing wanted": () => new Rig(),
  "finding": () => {
    const rig = new Rig();
    rig.want(1);
    return rig;
  },
  "asking": () => {
    const rig = new Rig();
    rig.want(1);
    rig.found();
    return rig;
  },
  "dialing": () => {
    const rig = new Rig();
    rig.want(1);
    rig.found();
    rig.allocated(1);
    return rig;
  },
  "connected": () => {
    const rig = new Rig();
    rig.do({ type: "peer-up", peer: PEER, grants: [], renewed: false });
    return rig;
  },
};

/** Tokens of the machine: 1 is the find, 2 the ask, 3 the dial. */
const INPUTS: Readonly<Record<string, ReachIn>> = {
  "network": { type: "network", network: NET },
  "network-left": { type: "network-left", network: NET },
  "relays": { type: "relays", network: NET, home: [] },
  "want": { type: "want", token: 2, peer: PEER, timeoutMs: 1_000 },
  "want-address": { ...ADDRESS, token: 3 },
  "unwant": { type: "unwant", token: 1 },
  "found": { type: "found", token: 1, peer: PEER, record: null },
  "peer-up": { type: "peer-up", peer: PEER, grants: [], renewed: false },
  "peer-moved": { type: "peer-moved", peer: PEER, path: asPath(DIRECT) },
  "peer-down": { type: "peer-down", peer: PEER, reason: "lost" },
  "answered": {
    type: "answered",
    token: 2,
    peer: key("r1"),
    name: "relay.allocate",
    result: { ok: true, answer: { session: 1, address: DIRECT } },
  },
  "dialed": { type: "dialed", token: 3, peer: PEER },
  "dial-failed": { type: "dial-failed", token: 3, reason: "timeout", detail: null },
  "wake": { type: "wake" },
};

/** What comes out at once, by state and input; nothing where nothing is named. */
const EXPECTED: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  "nothing wanted": { "want": ["find"], "want-address": ["dial"] },
  "finding": {
    "network-left": ["unreached"],
    "want-address": ["dial"],
    "found": ["ask"],
    "peer-up": ["reached"],
  },
  "asking": {
    "network-left": ["unreached"],
    "want-address": ["dial"],
    "peer-up": ["reached"],
    "answered": ["relay-saw", "dial"],
  },
  "dialing": {
    "network-left": ["undial", "unreached"],
    "want-address": ["dial"],
    "peer-up": ["undial", "reached"],
    "dialed": ["reached"],
    "dial-failed": ["ask"],
  },
  "connected": { "want": ["reached"], "want-address": ["dial"] },
};

for (const [state, make] of Object.entries(STATES)) {
  Deno.test(`state × input: ${state}`, () => {
    for (const [name, input] of Object.entries(INPUTS)) {
      const out = make().do(input).map(({ type }) => type);
      assert.deepEqual(out, EXPECTED[state]?.[name] ?? [], name);
    }
  });
}

Deno.test("whatever happens, each want ends exactly once, and no later than it said", () => {
  const peers = ["a", "b", "c"].map((name) => key(name));
  const step = fc.oneof(
    fc.record({
      do: fc.constant("want" as const),
      peer: fc.nat(3),
      ms: fc.integer({ min: 1, max: 20_000 }),
    }),
    fc.record({ do: fc.constant("unwant" as const), token: fc.nat(10) }),
    fc.record({ do: fc.constant("answer" as const), how: fc.nat(3), which: fc.nat(5) }),
    fc.record({ do: fc.constant("time" as const), ms: fc.integer({ min: 1, max: 6_000 }) }),
    fc.record({ do: fc.constant("peer" as const), peer: fc.nat(2), isUp: fc.boolean() }),
    fc.record({ do: fc.constant("relays" as const), count: fc.nat(2) }),
    fc.record({ do: fc.constant("network" as const), isLeft: fc.boolean() }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const rig = new Rig();
    const wanted = new Map<number, number>();
    /** Finds, asks and dials that the rest of the node has not ended. */
    const open: (Of<"find"> | Of<"ask"> | Extract<ReachOut, { type: "dial" }>)[] = [];
    const look = () => {
      open.push(...rig.take("find"), ...rig.take("ask"), ...rig.take("dial"));
      for (const { token } of rig.take("undial")) {
        const at = open.findIndex((each) => each.type === "dial" && each.token === token);
        assert.ok(at >= 0, "only what is dialed is given up");
        open.splice(at, 1);
      }
      for (const { token } of [...rig.take("reached"), ...rig.take("unreached")]) {
        const until = wanted.get(token);
        assert.ok(until !== undefined, `${token} ended twice, or was never wanted`);
        assert.ok(rig.now <= until, `${token} ended late`);
        wanted.delete(token);
      }
    };
    const answer = (index: number, how: number) => {
      const [each] = open.splice(index % open.length, 1);
      if (each === undefined) return;
      const { token } = each;
      if (each.type === "find") {
        const record = { alias: null, addresses: how > 1 ? [DIRECT] : [], relays: [] };
        rig.do({ type: "found", token, peer: each.peer, record: how === 0 ? null : record });
      } else if (each.type === "ask") {
        const result = how > 0
          ? { ok: true, answer: { session: how, address: DIRECT } } as const
          : { ok: false, refused: said("unreachable") } as const;
        rig.do({ type: "answered", token, peer: each.peer, name: each.name, result });
      } else if (how > 1) {
        rig.do({ type: "dialed", token, peer: key(each.node ?? "who") });
      } else {
        const reason = how > 0 ? "timeout" : "unverified";
        rig.do({ type: "dial-failed", token, reason, detail: null });
      }
    };
    let next = 1;
    for (const each of steps) {
      if (each.do === "want") {
        const token = next++;
        wanted.set(token, rig.now + each.ms);
        const peer = peers[each.peer];
        if (peer === undefined) rig.do({ ...ADDRESS, token, timeoutMs: each.ms });
        else rig.want(token, each.ms, peer);
      } else if (each.do === "unwant") {
        rig.do({ type: "unwant", token: each.token });
        wanted.delete(each.token);
      } else if (each.do === "answer") answer(each.which, each.how);
      else if (each.do === "peer") {
        const peer = peers[each.peer] ?? PEER;
        if (each.isUp) rig.do({ type: "peer-up", peer, grants: [], renewed: false });
        else rig.do({ type: "peer-down", peer, reason: "lost" });
      } else if (each.do === "relays") {
        rig.do({ type: "relays", network: NET, home: HOME.slice(0, each.count) });
      } else if (each.do === "network") {
        rig.do({ type: each.isLeft ? "network-left" : "network", network: NET });
      } else {
        const end = rig.now + each.ms;
        for (; rig.now < end; look()) {
          const wake = Math.max(1, (rig.machine.wakeup()?.at ?? end) - rig.now);
          rig.advance(Math.min(end - rig.now, wake));
        }
      }
      look();
    }
    for (let i = 0; i < 1_000 && wanted.size > 0; i++, look()) {
      rig.advance(Math.max(1, (rig.machine.wakeup()?.at ?? 0) - rig.now));
    }
    assert.equal(wanted.size, 0);
  }));
});

Deno.test("who wants an address is told after the time of a dial that nobody answers there", () => {
  const rig = new Rig();
  const want = { token: 1, network: NET, node: null, address: DIRECT, timeoutMs: 60_000 } as const;
  rig.do({ type: "want-address", ...want });
  const { token } = rig.one("dial");
  rig.advance(8_000);
  assert.equal(rig.one("undial").token, token);
  assert.equal(rig.why().reason, "failed");
  assert.equal(rig.machine.wakeup(), undefined);
});

Deno.test("a network that is left ends what was wanted there, and nothing of another", () => {
  const rig = new Rig();
  const other = "other" as NetworkId;
  rig.do({ type: "network", network: other });
  rig.want(1);
  rig.want(2, 60_000, key("peer", other));
  rig.do({ type: "network-left", network: NET });
  assert.deepEqual(rig.take("unreached").map(({ token }) => token), [1]);
});

Deno.test("relays of a network that the node does not belong to make it none of its own", () => {
  const rig = new Rig();
  const other = "other" as NetworkId;
  rig.do({ type: "relays", network: other, home: HOME });
  rig.want(1, 60_000, key("peer", other));
  assert.deepEqual(rig.why(), { reason: "no-network" });
});

Deno.test("of more peers than may have a session the oldest is sought as any other", () => {
  const rig = new Rig();
  for (let i = 0; i <= 16_384; i++) {
    rig.do({ type: "peer-up", peer: key(`peer-${i}`), grants: [], renewed: false });
  }
  rig.want(1, 60_000, key("peer-1"));
  assert.equal(rig.take("reached").length, 1);
  rig.want(2, 60_000, key("peer-0"));
  assert.equal(rig.take("find").length, 1);
});
