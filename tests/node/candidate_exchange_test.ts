/** Two peers tell each other where they may be met directly. */
import assert from "node:assert/strict";
import type { Instant, NetworkId, NodeId, PartIn, PartOut, Path } from "../../src/base/mod.ts";
import { peerKey } from "../../src/base/mod.ts";
import {
  CandidateExchange,
  type ExchangeIn,
  type ExchangeOut,
} from "../../src/node/candidate_exchange.ts";
import { OwnAddresses } from "../../src/node/own_addresses.ts";
import type { Calls } from "../../src/node/mod.ts";
import { Gate, type Judged } from "../../src/path/mod.ts";
import { asPath, scopeOfPath } from "../../src/wire/mod.ts";

type Shapes = Calls<"path.candidates">;
type In = ExchangeIn | PartIn<Shapes, Shapes>;
type Out = ExchangeOut | PartOut<Shapes, Shapes>;

const PEER = peerKey("n" as NetworkId, "p" as NodeId);
const OWN = "192.0.2.1:9000";
const THEIRS = "198.51.100.7:9000";
const NOW = 1_000 as Instant;

/** An exchange of a node at `OWN`, whose peer is reached by `active`. */
class Rig {
  readonly exchange: CandidateExchange;
  /** Through which the candidates go before anything is sent there. */
  readonly gate: Gate;
  readonly #onLoopback: boolean;

  constructor(
    { direct = true, rttMs = 80, active = asPath("203.0.113.1:9000#00000001") }: {
      readonly direct?: boolean;
      readonly rttMs?: number | null;
      readonly active?: Path | null;
    } = {},
  ) {
    const own = new OwnAddresses();
    this.gate = new Gate(direct);
    this.#onLoopback = active !== null && scopeOfPath(active) === "loopback";
    const local = { addresses: [OWN], prefixes: [] };
    own.set(local, []);
    this.gate.local = local;
    this.exchange = new CandidateExchange({ own, direct, rttMs: () => rttMs });
  }

  take(input: In): Out[] {
    const out: Out[] = [];
    this.exchange.handle(input, NOW, out);
    return out;
  }

  /** What the gate leaves of a punch. */
  admitted({ candidates }: ExchangeOut): Extract<Judged, { type: "admitted" }>["target"][] {
    const judged = this.gate.candidates(candidates, this.#onLoopback);
    return judged.flatMap((each) => each.type === "admitted" ? [each.target] : []);
  }

  /** Our offer is answered so. */
  answered(result: Extract<In, { type: "answered" }>["result"]): Out[] {
    return this.take({ type: "answered", token: 1, peer: PEER, name: "path.candidates", result });
  }

  asked(...addresses: string[]): Out[] {
    const question = { addresses };
    return this.take({ type: "asked", call: 4, from: PEER, name: "path.candidates", question });
  }
}

/** The addresses at which a punch aims after the gate, and when it starts. */
function aims(rig: Rig, out: readonly Out[]): unknown[] {
  return out.flatMap((output) =>
    output.type === "punch"
      ? [[output.startInMs, rig.admitted(output).map(({ path }) => path)]]
      : []
  );
}

Deno.test("an offer asks the peer for its candidates and tells ours", () => {
  const rig = new Rig();
  const [first] = rig.take({ type: "offer", peer: PEER });
  const [second] = rig.take({ type: "offer", peer: PEER });
  assert.ok(first?.type === "ask" && second?.type === "ask");
  assert.deepEqual([first.peer, first.name, first.question], [
    PEER,
    "path.candidates",
    { addresses: [OWN] },
  ]);
  assert.notEqual(first.token, second.token);
});

Deno.test("its answer begins the punch at once: the other side has ours", () => {
  const rig = new Rig();
  const out = rig.answered({ ok: true, answer: { addresses: [THEIRS] } });
  assert.deepEqual(aims(rig, out), [[0, [THEIRS]]]);
});

for (
  const result of [
    { ok: false, failed: "timeout" },
    { ok: false, failed: "malformed" },
    { ok: false, refused: { code: "refused", message: "no" } },
  ] as const
) {
  const why = "failed" in result ? result.failed : result.refused.code;
  Deno.test(`an offer that ends as ${why} comes to nothing`, () => {
    assert.deepEqual(new Rig().answered(result), []);
  });
}

Deno.test("who is asked tells its own, and begins when the answer has arrived", () => {
  const rig = new Rig();
  const out = rig.asked(THEIRS);
  const answer = { addresses: [OWN] };
  assert.deepEqual(out[0], { type: "reply", call: 4, name: "path.candidates", ok: true, answer });
  assert.deepEqual(aims(rig, out), [[40, [THEIRS]]]);
  assert.deepEqual(aims(rig, new Rig({ rttMs: null }).asked(THEIRS)), [[0, [THEIRS]]]);
});

Deno.test("where a relay sees the peer it is met first, and harder than where it says to be", () => {
  const rig = new Rig();
  const seen = "198.51.100.9:4000";
  assert.deepEqual(rig.take({ type: "server-reflexive", peer: PEER, address: seen }), []);
  const [punch] = rig.answered({ ok: true, answer: { addresses: [THEIRS] } });
  assert.ok(punch?.type === "punch");
  const [first, second] = rig.admitted(punch);
  assert.deepEqual([first?.path, second?.path], [seen, THEIRS]);
  assert.ok((first?.probesMax ?? 0) > (second?.probesMax ?? 0));
});

Deno.test("a node that stays on its relay tells nothing and aims nowhere", () => {
  const rig = new Rig({ direct: false });
  const out = rig.asked(THEIRS);
  assert.ok(out[0]?.type === "reply" && out[0].ok);
  assert.deepEqual(out[0].answer, { addresses: [] });
  assert.deepEqual(aims(rig, out), [[40, []]]);
  const [ask] = rig.take({ type: "offer", peer: PEER });
  assert.deepEqual(ask?.type === "ask" && ask.question, { addresses: [] });
});

Deno.test("where nothing is to be aimed at, nobody aims", () => {
  const rig = new Rig();
  for (const address of [OWN, "127.0.0.1:9000", "10.0.0.1:9000", "0.0.0.0:1", "nonsense"]) {
    assert.deepEqual(aims(rig, rig.asked(address)), [[40, []]], address);
  }
});

Deno.test("on a machine of its own, a peer is met on loopback", () => {
  const active = asPath("127.0.0.1:9001#00000001");
  const rig = new Rig({ active });
  assert.deepEqual(aims(rig, rig.asked("127.0.0.1:9000")), [[40, ["127.0.0.1:9000"]]]);
});

Deno.test("the machine waits for nothing by itself, and passes over what is none of its own", () => {
  const rig = new Rig();
  assert.equal(rig.exchange.wakeup(), undefined);
  for (
    const input of [
      { type: "peer-up", peer: PEER, grants: [], renewed: false },
      { type: "peer-moved", peer: PEER, path: null },
      { type: "peer-down", peer: PEER, reason: "left" },
      { type: "dialed", token: 1, peer: PEER },
      { type: "dial-failed", token: 1, reason: "timeout", detail: null },
      { type: "wake" },
    ] as const
  ) {
    assert.deepEqual(rig.take(input), []);
  }
});
