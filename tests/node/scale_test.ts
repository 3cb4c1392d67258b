/** What a turn of the whole node costs does not grow with its peers: visits are counted, not time. */
import assert from "node:assert/strict";
import { visits } from "../visits.ts";
import { type Host, World } from "./world.ts";

const FEW = 5;
const MANY = 120;

/** Visits of a node's machine, by the kind of its turns: for each turn, or for each output of a wake. */
interface Counts {
  readonly datagram: Count;
  readonly call: Count;
  readonly wake: Count;
  readonly wakeup: Count;
}

interface Count {
  visits: number;
  of: number;
}

/** Counts from now on. */
function counted({ machine }: Host): Counts {
  const fresh = () => ({ visits: 0, of: 0 });
  const counts = { datagram: fresh(), call: fresh(), wake: fresh(), wakeup: fresh() };
  const { handle, wakeup } = machine;
  machine.handle = (input, now, out) => {
    const before = out.length;
    const seen = visits(() => handle.call(machine, input, now, out));
    const count = counts[input.type as keyof Counts];
    if (count === undefined) return;
    count.visits += seen;
    count.of += input.type === "wake" ? out.length - before : 1; // one wake serves all who are due
  };
  machine.wakeup = () => {
    let next: ReturnType<typeof wakeup>;
    counts.wakeup.visits += visits(() => {
      next = wakeup.call(machine);
    });
    counts.wakeup.of++;
    return next;
  };
  return counts;
}

/** Half a minute of a node with sessions with so many, with pings of paths and calls. */
function countsOf(size: number): Counts {
  const world = new World();
  const hub = world.host();
  const peers = Array.from({ length: size }, () => world.host());
  for (const peer of peers) hub.connect(peer);
  world.run(1_000);
  assert.equal(hub.machine.view.connected().length, size);
  const counts = counted(hub);
  for (let i = 0; i < 30; i++) {
    const peer = peers[i % size] ?? assert.fail();
    const [asked, asking] = [peer.call(hub, "ping", {}), hub.call(peer, "ping", {})];
    world.run(1_000);
    assert.ok(peer.result(asked)?.ok && hub.result(asking)?.ok);
  }
  return counts;
}

Deno.test(`a turn costs as much with ${MANY} peers as with ${FEW}`, () => {
  const [few, many] = [countsOf(FEW), countsOf(MANY)];
  for (const kind of Object.keys(few) as (keyof Counts)[]) {
    const [a, b] = [few, many].map((counts) => counts[kind].visits / counts[kind].of);
    const what = `${kind}: ${a} visits with ${FEW} peers, ${b} with ${MANY}`;
    assert.ok(many[kind].of >= 10, what);
    assert.ok((b ?? NaN) <= (Number.isNaN(a) ? 100 : a ?? NaN) + 20, what);
  }
});
