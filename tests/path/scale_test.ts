/** What a turn costs does not grow with the peers: visits are counted, not time. */
import assert from "node:assert/strict";
import {
  type Instant,
  type NetworkId,
  type NodeId,
  type PeerKey,
  peerKey,
  seededRandom,
} from "../../src/base/mod.ts";
import { encodePing, encodePong, parseProbe } from "../../src/path/messages.ts";
import { type PathIn, PathMachine, type PathOut } from "../../src/path/mod.ts";
import { asPath } from "../../src/wire/mod.ts";
import { visits } from "../visits.ts";

const FEW = 10;
const MANY = 1_000;
/** Turns over which a rebuild of the heap is spread. */
const TURNS = 1_000;

const peerOf = (i: number): PeerKey =>
  peerKey("n".repeat(52) as NetworkId, String(i).padStart(52, "a") as NodeId);
const pathOf = (i: number) => asPath(`198.51.${i >> 8 & 255}.${i & 255}:9000`);

/** A machine with so many peers whose pings are spread over their interval. */
function machineOf(size: number): { machine: PathMachine; now: Instant } {
  const machine = new PathMachine(seededRandom(1));
  let now = 0 as Instant;
  for (let i = 0; i < size; i++) {
    now = (i * 15_000 / size) as Instant;
    const [peer, path] = [peerOf(i), pathOf(i)];
    machine.handle({ type: "peer-up", peer, path, proven: true, punch: false }, now, []);
  }
  return { machine, now };
}

/** Answers the pings among what came out. */
function answer(machine: PathMachine, out: readonly PathOut[], now: Instant): void {
  for (const output of out) {
    if (output.type !== "send") continue;
    const probe = parseProbe(output.payload);
    if (!probe.ok || probe.value.type !== "ping") continue;
    const { peer, path } = output;
    const bytes = encodePong(probe.value.nonce, null);
    machine.handle({ type: "probe", peer, path, bytes }, now, []);
  }
}

/** What one peer may have done, as an input. */
const INPUTS: Readonly<Record<string, (i: number) => PathIn>> = {
  "heard": (i) => ({ type: "heard", peer: peerOf(i), path: pathOf(i) }),
  "a ping": (i) => {
    const bytes = encodePing(new Uint8Array(8));
    return { type: "probe", peer: peerOf(i), path: pathOf(i), bytes };
  },
  "path-doubt": (i) => ({ type: "path-doubt", peer: peerOf(i), path: pathOf(i) }),
  "demand": (i) => ({ type: "demand", peer: peerOf(i), demand: i % 2 === 0 ? "warm" : "hold" }),
  "peer-up again": (i) => {
    return { type: "peer-up", peer: peerOf(i), path: pathOf(i), proven: true, punch: false };
  },
};

for (const [what, inputOf] of Object.entries(INPUTS)) {
  Deno.test(`${what} costs as much with ${MANY} peers as with ${FEW}`, () => {
    const [few, many] = [FEW, MANY].map((size) => {
      const { machine, now } = machineOf(size);
      return visits(() => {
        for (let turn = 0; turn < TURNS; turn++) {
          machine.handle(inputOf(turn % size), now, []);
          machine.wakeup();
          machine.hasLoopback();
        }
      }) / TURNS;
    });
    assertFlat(few, many);
  });
}

Deno.test(`a wake costs as much with ${MANY} peers as with ${FEW}`, () => {
  const [few, many] = [FEW, MANY].map((size) => {
    const { machine } = machineOf(size);
    return visits(() => {
      for (let turn = 0; turn < TURNS; turn++) {
        const now = machine.wakeup()?.at ?? assert.fail("nothing is waited for");
        const out: PathOut[] = [];
        machine.handle({ type: "wake" }, now, out);
        answer(machine, out, now);
      }
    }) / TURNS;
  });
  assertFlat(few, many);
});

Deno.test("a peer that comes and goes costs as much with many as with few", () => {
  const [few, many] = [FEW, MANY].map((size) => {
    const { machine, now } = machineOf(size);
    return visits(() => {
      for (let turn = 0; turn < TURNS; turn++) {
        const peer = peerOf(turn % size);
        machine.handle({ type: "peer-down", peer }, now, []);
        machine.handle(INPUTS["peer-up again"]?.(turn % size) ?? assert.fail(), now, []);
      }
    }) / TURNS;
  });
  assertFlat(few, many);
});

/** Whoever is met for the first time costs a little more; a scan would cost thousands. */
function assertFlat(few = NaN, many = NaN): void {
  assert.ok(many <= few + 100, `${few} visits a turn with ${FEW} peers, ${many} with ${MANY}`);
}

Deno.test("visits() sees a scan", () => {
  const map = new Map(Array.from({ length: 100 }, (_, i) => [i, i]));
  assert.ok(visits(() => [...map.values()].filter((value) => value < 3)) >= 200);
  assert.ok(visits(() => map.get(3)) === 0);
});
