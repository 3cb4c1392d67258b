import assert from "node:assert/strict";
import type { Instant, Path, PeerKey } from "../../src/base/mod.ts";
import { type Endpoint, Native } from "../../src/sim/mod.ts";
import {
  asPath,
  CONTROL,
  directPath,
  encodeControl,
  encodeRelayed,
  encodeTunnel,
  encodeUint32,
  FROM_RELAY,
  parseFrame,
  TO_RELAY,
} from "../../src/wire/mod.ts";

const at = (ms: number) => ms as Instant;
const A: Endpoint = { ip: "203.0.113.1", port: 9_000 };
const B: Endpoint = { ip: "203.0.113.2", port: 9_000 };
const STRANGER: Endpoint = { ip: "203.0.113.3", port: 9_000 };
const PEER = "network/peer" as PeerKey;
const [ACTIVE, STANDBY] = [directPath(A), asPath("198.51.100.1:9000#00000007")];

/** A data path, and what it asks of its host. */
function rig() {
  const sent: { to: Endpoint; bytes: Uint8Array; ttl: number }[] = [];
  const controls: Path[] = [];
  const verdicts: string[] = [];
  const native = new Native({
    send: (to, bytes, ttl) => void sent.push({ to, bytes, ttl }),
    control: (path) => void controls.push(path),
    verdict: (type, _peer, path) => void verdicts.push(`${type} ${path}`),
  });
  return { native, sent, controls, verdicts };
}

/** The same with a peer on two paths, judged after 200 and 500 ms. */
function judged() {
  const lab = rig();
  const accept = [ACTIVE, STANDBY];
  lab.native.route(PEER, { active: ACTIVE, standby: STANDBY, accept, doubtMs: 200, deadMs: 500 });
  const tunnel = (ms: number) => lab.native.sendTunnel(PEER, 5, new Uint8Array(10), at(ms));
  const wakeUntil = (ms: number) => {
    for (let due = lab.native.wakeup(); due !== undefined && due.at <= ms;) {
      lab.native.wake(due.at);
      due = lab.native.wakeup();
    }
  };
  return { ...lab, tunnel, wakeUntil };
}

Deno.test("a control frame goes to the node where it names a known receiver, or none", () => {
  const { native, controls } = rig();
  const named = encodeControl(CONTROL.datagram, encodeUint32(77), new Uint8Array(20));
  native.receive(A, named, at(0));
  assert.deepEqual(controls, []);
  native.setReceivers([77], []);
  native.receive(A, named, at(0));
  assert.deepEqual(controls, [directPath(A)]);
  native.setReceivers([], [77]);
  native.receive(A, named, at(0));
  native.receive(B, encodeControl(CONTROL.hello, new Uint8Array(1_196)), at(0));
  assert.deepEqual(controls, [directPath(A), directPath(B)]);
});

Deno.test("what a relay brings comes on the path through it", () => {
  const { native, controls } = rig();
  const hello = encodeControl(CONTROL.hello, new Uint8Array(1_196));
  native.receive(A, encodeRelayed(FROM_RELAY, 7, hello), at(0));
  assert.deepEqual(controls, ["203.0.113.1:9000#00000007"]);
});

Deno.test("a relay forwards between the two ends of a session, and for nobody else", () => {
  const { native, sent } = rig();
  native.relaySet(7, directPath(A), directPath(B), at(0));
  const frame = encodeRelayed(TO_RELAY, 7, encodeTunnel(1, new Uint8Array(9)));
  native.receive(A, frame, at(10));
  native.receive(STRANGER, frame, at(20));
  native.receive(A, encodeRelayed(TO_RELAY, 8, encodeTunnel(1, new Uint8Array(9))), at(30));
  assert.deepEqual(sent.map(({ to }) => to), [B]);
  const parsed = parseFrame(sent[0]?.bytes ?? new Uint8Array());
  assert.ok(parsed.ok && parsed.value.type === "relayed" && !parsed.value.toRelay);
  assert.deepEqual(native.relayStats(at(50)), [{ session: 7, idleMs: 40 }]);
  native.relayRemove(7);
  native.receive(A, frame, at(60));
  assert.equal(sent.length, 1);
});

Deno.test("a tunnel frame is taken on an accepted path only, and sent on the active one", () => {
  const { native, sent, tunnel } = judged();
  let taken = 0;
  native.tunnelOpen(5, { peer: PEER, take: () => void taken++ });
  const frame = encodeTunnel(5, new Uint8Array(9));
  native.receive(STRANGER, frame, at(0));
  assert.equal(taken, 0);
  native.receive(A, frame, at(0));
  assert.equal(taken, 1);
  assert.ok(tunnel(1));
  assert.deepEqual(sent.map(({ to }) => to), [A]);
  native.route(PEER, { active: null, standby: null, accept: [], doubtMs: 0, deadMs: 0 });
  assert.equal(tunnel(2), false);
});

/** What happens to a path: a tunnel frame or a ping goes out, or something comes. */
type Step = readonly ["tunnel" | "ping" | "heard", number];

/** As the native library's own table says: `TestTheVerdictOnAPath` of `ffi/net`. */
const VERDICTS: readonly (readonly [string, readonly Step[], string])[] = [
  ["one unanswered frame is a doubt, and no proof", [["tunnel", 1_000]], "doubt"],
  ["a second one soon after is the same burst", [["tunnel", 1_000], ["tunnel", 1_100]], "doubt"],
  ["a second one after the doubt is proof", [["tunnel", 1_000], ["tunnel", 1_250]], "dead at 1550"],
  ["so is one much later", [["tunnel", 1_000], ["tunnel", 60_000]], "dead at 60300"],
  ["a ping is a second frame", [["tunnel", 1_000], ["ping", 1_210]], "dead at 1510"],
  ["a ping before the doubt is none", [["tunnel", 1_000], ["ping", 1_010]], "doubt"],
  ["anything heard ends it", [["tunnel", 1_000], ["heard", 1_100], ["tunnel", 1_050]], ""],
  [
    "what was heard before does not",
    [["heard", 900], ["tunnel", 1_000], ["tunnel", 1_250]],
    "dead at 1550",
  ],
];

for (const [name, steps, expected] of VERDICTS) {
  Deno.test(`silence: ${name}`, () => {
    const { native, tunnel, wakeUntil, verdicts } = judged();
    for (const [what, ms] of steps) {
      wakeUntil(ms);
      if (what === "tunnel") tunnel(ms);
      else if (what === "ping") native.send(ACTIVE, new Uint8Array(8), 0, at(ms));
      else native.heard(ACTIVE, at(ms));
    }
    const deadAt = Number(/[0-9]+/.exec(expected)?.[0] ?? 0);
    const doubt = expected === "" ? [] : [`path-doubt ${ACTIVE}`];
    wakeUntil(deadAt === 0 ? 120_000 : deadAt - 1);
    assert.deepEqual(verdicts, doubt);
    wakeUntil(120_000);
    assert.deepEqual(verdicts, deadAt === 0 ? doubt : [...doubt, `path-dead ${ACTIVE}`]);
  });
}

Deno.test("tunnels go over from a dead path to the standby", () => {
  const { tunnel, wakeUntil, sent } = judged();
  tunnel(1_000);
  tunnel(1_250);
  wakeUntil(2_000);
  tunnel(2_000);
  assert.equal(sent.at(-1)?.to.ip, "198.51.100.1");
});
