/** A session that came up where its peer only says that it is. */
import assert from "node:assert/strict";
import type { PeerKey } from "../../src/base/mod.ts";
import { seededRandom } from "../../src/base/mod.ts";
import { UNPROVEN_MS, UNVOUCHED_PROBES_MAX } from "../../src/path/constants.ts";
import { encodePong, parseProbe } from "../../src/path/messages.ts";
import { PathMachine, type PathOut } from "../../src/path/mod.ts";
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
