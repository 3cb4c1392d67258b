/** The gate for addresses that somebody else named: who may have which tried, how hard, and why not. */
import assert from "node:assert/strict";
import {
  CANDIDATES_MAX,
  PUNCH_SCHEDULE_MS,
  UNVOUCHED_PROBES_MAX,
  VOUCHED_ATTEMPTS_MAX,
} from "../../src/path/constants.ts";
import { type Candidate, Gate, type GateReason } from "../../src/path/mod.ts";
import { addressScope, asPath, prefixOf } from "../../src/wire/mod.ts";
import { at } from "./samples.ts";

/** An address of each scope, of which one is `attached` where that is asked. */
const ADDRESSES = {
  "global": "192.0.2.1",
  "private": "192.168.7.9",
  "cgnat": "100.64.0.1",
  "loopback": "127.0.0.1",
  "link-local": "169.254.1.1",
  "unusable": "0.0.0.0",
} as const;

type Scope = keyof typeof ADDRESSES;
type Answer = "few" | "all" | GateReason;

/**
 * What a candidate of the peer gets: by who knows it (nobody; a relay sees it; it lies in a network of
 * ours), and where the peer itself is on loopback (nobody; a relay).
 */
const CANDIDATES: Readonly<Record<Scope, readonly [Answer, Answer, Answer, Answer, Answer]>> = {
  "global": ["few", "all", "all", "few", "all"],
  "private": ["foreign-network", "all", "all", "foreign-network", "all"],
  "cgnat": ["foreign-network", "all", "all", "foreign-network", "all"],
  "loopback": ["foreign-loopback", "foreign-loopback", "foreign-loopback", "few", "all"],
  "link-local": ["link-local", "link-local", "link-local", "link-local", "link-local"],
  "unusable": ["unusable", "unusable", "unusable", "unusable", "unusable"],
};

/** Why no session is opened: of a record (plain; attached; peers are on loopback), of a person. */
const OPENINGS: Readonly<
  Record<Scope, readonly [...(GateReason | null)[]] & { readonly length: 4 }>
> = {
  "global": [null, null, null, null],
  "private": ["foreign-network", null, "foreign-network", null],
  "cgnat": ["foreign-network", null, "foreign-network", null],
  "loopback": ["foreign-loopback", "foreign-loopback", null, null],
  "link-local": ["link-local", "link-local", "link-local", null],
  "unusable": ["unusable", "unusable", "unusable", "unusable"],
};

function gateOf(ip: string, attached: boolean, direct = true): Gate {
  const gate = new Gate(direct);
  gate.local = { addresses: ["192.0.2.99:9000"], prefixes: attached ? [prefixOf(ip)] : [] };
  return gate;
}

function candidate(ip: string, vouched = false): Candidate {
  return { address: `${ip}:9000`, source: "peer", vouchedBy: vouched ? "relay" : null };
}

/** What the gate says of one candidate. */
function said(gate: Gate, candidate: Candidate, loopback: boolean): Answer {
  const [judged, ...rest] = gate.candidates([candidate], loopback);
  assert.ok(judged !== undefined && rest.length === 0);
  if (judged.type === "refused") return judged.reason;
  const { path, probesMax, windowProbesMax } = judged.target;
  assert.equal(path, candidate.address);
  const isAll = probesMax === PUNCH_SCHEDULE_MS.length;
  assert.equal(probesMax, isAll ? PUNCH_SCHEDULE_MS.length : UNVOUCHED_PROBES_MAX);
  assert.equal(windowProbesMax, probesMax * (isAll ? VOUCHED_ATTEMPTS_MAX : 1));
  return isAll ? "all" : "few";
}

for (const scope of Object.keys(ADDRESSES) as Scope[]) {
  const ip = ADDRESSES[scope];

  Deno.test(`a peer's candidate that is ${scope}`, () => {
    assert.equal(addressScope(ip), scope);
    const found = [
      said(gateOf(ip, false), candidate(ip), false),
      said(gateOf(ip, false), candidate(ip, true), false),
      said(gateOf(ip, true), candidate(ip), false),
      said(gateOf(ip, false), candidate(ip), true),
      said(gateOf(ip, false), candidate(ip, true), true),
    ];
    assert.deepEqual(found, CANDIDATES[scope]);
  });

  Deno.test(`a session at an address that is ${scope}`, () => {
    const path = asPath(`${ip}:9000`);
    const found = [
      gateOf(ip, false).refuses(path, "record", false),
      gateOf(ip, true).refuses(path, "record", false),
      gateOf(ip, false).refuses(path, "record", true),
      gateOf(ip, false).refuses(path, "person", false),
    ];
    assert.deepEqual(found, OPENINGS[scope]);
  });

  Deno.test(`behind relays only, at an address that is ${scope}, a person alone is heard`, () => {
    const expected = scope === "unusable" ? "unusable" : "stays-relayed";
    for (const attached of [false, true]) {
      for (const loopback of [false, true]) {
        const gate = gateOf(ip, attached, false);
        const path = asPath(`${ip}:9000`);
        assert.equal(said(gate, candidate(ip), loopback), expected);
        assert.equal(said(gate, candidate(ip, true), loopback), expected);
        assert.equal(gate.refuses(path, "record", loopback), expected);
        const person = scope === "unusable" ? "unusable" : null;
        assert.equal(gate.refuses(path, "person", loopback), person);
      }
    }
  });
}

Deno.test("what is no address, or no plain one, is no candidate", () => {
  const gate = gateOf("192.0.2.1", false);
  const bad = ["", "example.org:1", "192.0.2.1", "192.0.2.1:0", "t:192.0.2.1:9", "192.0.2.1:9~1"];
  for (const address of [...bad, "192.0.2.1:9#00000001"]) {
    const named: Candidate = { address, source: "peer", vouchedBy: "relay" };
    assert.equal(said(gate, named, true), "not-an-address", address);
  }
  assert.equal(gate.refuses(asPath("nonsense"), "person", true), "not-an-address");
});

Deno.test("our own address is tried for nobody", () => {
  const gate = gateOf("192.0.2.99", true);
  assert.equal(said(gate, candidate("192.0.2.99", true), false), "own-address");
  assert.equal(gate.refuses(asPath("192.0.2.99:9000"), "record", false), "own-address");
  assert.equal(gate.refuses(asPath("192.0.2.99:9000"), "person", false), null);
});

Deno.test("a way through a relay that we have is open, whoever named it", () => {
  const path = asPath("10.0.0.1:9000#00000001");
  for (const direct of [false, true]) {
    assert.equal(gateOf("10.0.0.1", false, direct).refuses(path, "record", false), null);
  }
});

Deno.test("an address counts once, whatever its spelling, and by the first word", () => {
  const gate = gateOf("192.0.2.1", false);
  const named = ["192.0.2.1:9000", "[::ffff:192.0.2.1]:9000", "[::ffff:c000:201]:9000"];
  const judged = gate.candidates(
    named.map((address, i) => ({ address, source: "peer", vouchedBy: i === 0 ? "relay" : null })),
    false,
  );
  assert.equal(judged.length, 1);
  assert.equal(judged[0]?.type === "admitted" && judged[0].target.probesMax, 7);
});

Deno.test("no more candidates are tried than the limit says, in the order given", () => {
  const gate = gateOf("192.0.2.1", false);
  const many = Array.from({ length: CANDIDATES_MAX + 5 }, (_, i) => candidate(`192.0.2.${i}`));
  const judged = gate.candidates(many, false);
  const admitted = judged.flatMap((each) => each.type === "admitted" ? [each.target.path] : []);
  assert.deepEqual(admitted, many.slice(0, CANDIDATES_MAX).map(({ address }) => address));
  const reasons = judged.flatMap((each) => each.type === "refused" ? [each.reason] : []);
  assert.deepEqual(reasons, Array.from({ length: 5 }, () => "too-many"));
});

Deno.test("candidates that may not be tried take no place from others", () => {
  const gate = gateOf("192.0.2.1", false);
  const useless = Array.from({ length: 50 }, (_, i) => candidate(`169.254.0.${i}`));
  const judged = gate.candidates([...useless, candidate("192.0.2.1")], false);
  const admitted = judged.flatMap((each) => each.type === "admitted" ? [each.target.path] : []);
  assert.deepEqual(admitted, ["192.0.2.1:9000"]);
});

Deno.test("pings and messages that open a session are paid from one budget", () => {
  const gate = gateOf("192.0.2.1", false);
  const path = asPath("192.0.2.1:9000");
  const ping = { path, by: "p", bytes: 96, allowance: { datagrams: 3, bytes: Infinity } };
  const hello = { path, named: "record", by: "p", bytes: 1_200, message: "hello" } as const;
  assert.equal(gate.takeOpening(hello, at(0)), null);
  assert.equal(gate.takeOpening(hello, at(1)), "address-spent"); // 1 400 bytes are its share
  assert.equal(gate.take(ping, at(2)), null);
  assert.equal(gate.take(ping, at(3)), null);
  assert.equal(gate.take(ping, at(4)), "address-spent");
  assert.equal(gate.takeOpening({ ...hello, named: "person" }, at(5)), null);
  gate.answered(path, at(6));
  assert.equal(gate.take(ping, at(7)), null);
});
