/** A session that came up where its peer only says that it is. */
import assert from "node:assert/strict";
import type { PeerKey } from "../../src/base/mod.ts";
import { seededRandom } from "../../src/base/mod.ts";
import { UNPROVEN_MS, UNVOUCHED_PROBES_MAX } from "../../src/path/constants.ts";
import { encodePong, parseProbe } from "../../src/path/messages.ts";
import { Gate, PathMachine, type PathOut } from "../../src/path/mod.ts";
import { at } from "./samples.ts";
import { asPath } from "../../src/wire/mod.ts";

const PEER = "network/node" as PeerKey;
const VICTIM = asPath("198.51.100.66:53");

function begun(): { machine: PathMachine; out: PathOut[] } {
  const machine = new PathMachine(seededRandom(1));
  const out: PathOut[] = [];
  const up = { type: "peer-up", peer: PEER, path: VICTIM, proven: false, punch: true } as const;
  machine.handle(up, at(0), out);
  return { machine, out };
}

function wake(machine: PathMachine, untilMs: number, out: PathOut[]): void {
  for (let wakeup = machine.wakeup(); wakeup && wakeup.at <= untilMs; wakeup = machine.wakeup()) {
    machine.handle({ type: "wake" }, wakeup.at, out);
  }
}

Deno.test("an unproven path carries nothing but a few pings, and its peer is lost without it", () => {
  const { machine, out } = begun();
  assert.equal(machine.active(PEER), null);
  wake(machine, UNPROVEN_MS, out);
  const sent = out.filter(({ type }) => type === "send");
  assert.ok(sent.length >= 2 && sent.length <= UNVOUCHED_PROBES_MAX, `${sent.length} pings`);
  assert.deepEqual(out.filter(({ type }) => type === "routes"), [], "the data path heard of it");
  assert.deepEqual(out.at(-1), { type: "lost", peer: PEER });
});

Deno.test("an unproven path is used once a ping was answered there", () => {
  const { machine, out } = begun();
  const [ping] = out;
  assert.ok(ping?.type === "send");
  const probe = parseProbe(ping.payload);
  assert.ok(probe.ok);
  const bytes = encodePong(probe.value.nonce, null);
  machine.handle({ type: "probe", peer: PEER, path: VICTIM, bytes }, at(30), out);
  assert.equal(machine.active(PEER), VICTIM);
});

Deno.test("a renewal over an unproven path leaves the proven ones as they are", () => {
  const machine = new PathMachine(seededRandom(1));
  const out: PathOut[] = [];
  const up = { type: "peer-up", peer: PEER, punch: true } as const;
  machine.handle({ ...up, path: asPath("192.0.2.1:9000"), proven: true }, at(0), out);
  machine.handle({ ...up, path: VICTIM, proven: false }, at(10), out);
  assert.equal(machine.active(PEER), "192.0.2.1:9000");
});

/** The peer is reached on a path of its own, and a pong comes from where a victim may be. */
function answeredAt(nonceOf: (nonce: Uint8Array) => Uint8Array) {
  const gate = new Gate();
  const machine = new PathMachine(seededRandom(1), gate);
  const out: PathOut[] = [];
  const up = { type: "peer-up", peer: PEER, path: VICTIM, proven: false, punch: true } as const;
  machine.handle(up, at(0), out);
  const [ping] = out.splice(0);
  assert.ok(ping?.type === "send");
  const probe = parseProbe(ping.payload);
  assert.ok(probe.ok);
  const bytes = encodePong(nonceOf(probe.value.nonce), asPath("203.0.113.9:9"));
  machine.handle({ type: "probe", peer: PEER, path: VICTIM, bytes }, at(30), out);
  const spent = { path: VICTIM, by: PEER, bytes: 64, allowance: { datagrams: 1, bytes: 64 } };
  return { machine, out, refusal: gate.refusal(spent, at(30)) };
}

Deno.test("an address that answered is no victim: what it may get is counted no more", () => {
  const { machine, refusal } = answeredAt((nonce) => nonce);
  assert.deepEqual([machine.active(PEER), refusal], [VICTIM, null]);
});

Deno.test("an answer to what nobody asked proves nothing, says nothing and opens no address", () => {
  const { machine, out, refusal } = answeredAt((nonce) => nonce.map((byte) => byte ^ 1));
  assert.deepEqual([machine.active(PEER), out, refusal], [null, [], "address-spent"]);
});

Deno.test("peers on loopback are seen while one of them is there, and no longer", () => {
  const machine = new PathMachine(seededRandom(1));
  const path = asPath("127.0.0.1:9000");
  machine.handle({ type: "peer-up", peer: PEER, path, proven: true, punch: true }, at(0), []);
  assert.equal(machine.hasLoopback(), true);
  machine.handle({ type: "peer-down", peer: PEER }, at(10), []);
  assert.equal(machine.hasLoopback(), false);
});
