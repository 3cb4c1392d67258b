/** What was tried to reach a peer can be told afterwards, and takes bounded room. */
import assert from "node:assert/strict";
import { type NetworkId, type NodeId, peerKey, seededRandom } from "../../src/base/mod.ts";
import { ENTRIES_MAX, Histories, HISTORIES_MAX } from "../../src/path/history.ts";
import { encodePong } from "../../src/path/messages.ts";
import { PathMachine, type PathOut } from "../../src/path/mod.ts";
import { asPath } from "../../src/wire/mod.ts";
import { at } from "./samples.ts";
import { Pair } from "./pair.ts";

const peerOf = (i: number) => peerKey("n" as NetworkId, `p${i}` as NodeId);
const PEER = peerOf(0);
const RELAYED = asPath("198.51.100.1:9000#00000001");

Deno.test("a history keeps the newest events, with their age", () => {
  const histories = new Histories();
  for (let i = 0; i < ENTRIES_MAX + 3; i++) {
    histories.note(PEER, { type: "proven", path: asPath(`192.0.2.1:${i + 1}`), rttMs: i }, at(i));
  }
  const events = histories.of(PEER, at(100));
  assert.equal(events.length, ENTRIES_MAX);
  assert.deepEqual(events[0], { type: "proven", path: "192.0.2.1:4", rttMs: 3, agoMs: 97 });
  assert.deepEqual(histories.of(peerOf(1), at(100)), []);
});

Deno.test("histories are bounded: the peer of whom nothing was noted for longest gives way", () => {
  const histories = new Histories();
  for (let i = 0; i <= HISTORIES_MAX; i++) {
    histories.note(peerOf(i), { type: "moved", from: null, to: RELAYED }, at(i));
    histories.note(peerOf(1), { type: "moved", from: RELAYED, to: null }, at(i));
  }
  assert.deepEqual(histories.of(peerOf(0), at(0)), []);
  assert.equal(histories.of(peerOf(1), at(0)).length, ENTRIES_MAX);
  assert.equal(histories.of(peerOf(HISTORIES_MAX), at(0)).length, 1);
});

Deno.test("an upgrade is told: what was tried, what answered, where traffic went", () => {
  const pair = new Pair(1).upgraded();
  const events = pair.a.machine.history(pair.a.peer, pair.now);
  const told = events.map((event) => event.type);
  assert.deepEqual(told, ["proven", "moved", "tried", "proven", "moved"]);
  assert.ok(events.every(({ agoMs }) => agoMs >= 0));
});

Deno.test("a peer that is met only through a relay has reasons, also when it is gone", () => {
  const machine = new PathMachine(seededRandom(1));
  const out: PathOut[] = [];
  machine.handle(
    { type: "peer-up", peer: PEER, path: RELAYED, proven: true, punch: true },
    at(0),
    out,
  );
  const ping = out.find((each) => each.type === "send");
  assert.ok(ping?.type === "send");
  const bytes = encodePong(ping.payload.slice(1, 9), null);
  machine.handle({ type: "probe", peer: PEER, path: RELAYED, bytes }, at(10), out);
  const named = (address: string) => ({ address, source: "peer", vouchedBy: null }) as const;
  const candidates = [named("10.0.0.1:9"), named("fe80::1"), named("203.0.113.1:9")];
  machine.handle({ type: "punch", peer: PEER, candidates, startInMs: 0 }, at(20), out);
  for (let wakeup = machine.wakeup(); wakeup && wakeup.at < 10_000; wakeup = machine.wakeup()) {
    machine.handle({ type: "wake" }, wakeup.at, out);
  }
  machine.handle({ type: "punch", peer: PEER, candidates, startInMs: 0 }, at(11_000), out);
  machine.handle({ type: "peer-down", peer: PEER }, at(11_500), out);
  const told = machine.history(PEER, at(15_000)).map((event) => {
    return event.type === "refused" ? `${event.address} ${event.reason}` : event.type;
  });
  assert.deepEqual(told.slice(0, 5), [
    "proven",
    "moved",
    "10.0.0.1:9 foreign-network",
    "fe80::1 not-an-address",
    "tried",
  ]);
  assert.ok(told.includes("silenced") && told.includes("ended"), told.join(", "));
});
