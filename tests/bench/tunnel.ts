/**
 * Throughput of a tunnel between two processes with the native network, direct and relayed, beside the
 * same wireguard-go and netstack used bare. Each process has its own network namespace; rounds
 * alternate, so that a noisy machine troubles all alike.
 *
 *     scripts/bench tunnel
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { figure, heading, print, ratio, summarize, type Summary } from "./report.ts";
import {
  cpuSeconds,
  type Json,
  Lab,
  labProblem,
  type Peer,
  residentMib,
  type Talker,
  wireguardKeys,
} from "./net_lab.ts";

const ROUNDS = Number(Deno.env.get("OMERTA_BENCH_ROUNDS") ?? 5);
const ROUND_MS = 2000;
const MTU = 1280;
const LEFT = "fd00::1";
const RIGHT = "fd00::2";
const SESSION = 42;
/** Where the far end serves the benchmark's traffic (bench_ops.go). */
const LOAD_PORT = 5001;

type Direction = "down" | "up";

/** One way of joining two ends, and how to move bytes over it. */
interface Way {
  readonly name: string;
  readonly pids: readonly number[];
  run(direction: Direction): Promise<Json>;
}

/** Two ends of the native network with a tunnel between them. */
interface Pair {
  readonly left: Peer;
  readonly pids: readonly number[];
}

async function nativePair(
  options: { lab: Lab; spaces: string[]; library: string; relayed: boolean },
): Promise<Pair> {
  const { lab, spaces, library, relayed } = options;
  const ports = relayed ? [9101, 9102, 9103] : [9001, 9002];
  const peers = await Promise.all(
    spaces.map((space, i) => lab.peer(space, library, ports[i] ?? 0)),
  );
  const left = peers[0] as Peer;
  const right = peers.at(-1) as Peer;
  const paths = await pathsBetween(peers, relayed);
  const keys = [wireguardKeys(), wireguardKeys()] as const;
  await left.command("peer.set", { peer: "right", active: paths.toRight });
  await right.command("peer.set", { peer: "left", active: paths.toLeft });
  const common = { mode: "device", mtu: MTU, keepaliveS: 25 };
  await right.command("tunnel.open", {
    ...{ tunnel: 2, remote: 1, peer: "left", address: RIGHT, peerAddress: LEFT, ...common },
    ...{ privateKey: keys[1].privateKey, peerKey: keys[0].publicKey },
  });
  await right.command("bench.serve", { tunnel: 2 });
  await left.command("tunnel.open", {
    ...{ tunnel: 1, remote: 2, peer: "right", address: LEFT, peerAddress: RIGHT, ...common },
    ...{ privateKey: keys[0].privateKey, peerKey: keys[1].publicKey },
  });
  return { left, pids: peers.map((peer) => peer.talker.pid) };
}

/** Traffic made inside the process, as the bare one's is. */
function insideWay(name: string, { left, pids }: Pair): Way {
  return {
    name,
    pids,
    async run(direction) {
      await left.command("bench.load", { tunnel: 1, direction, ms: ROUND_MS });
      return await left.event("bench-done");
    },
  };
}

/** Traffic made by another process, through the stream socket, as ssh's is. */
function streamWay(lab: Lab, space: string, { left, pids }: Pair): Way {
  const client = lab.start(space, lab.build("stream", "./bench/stream"));
  return {
    name: "omerta, direct, from another process",
    pids: [...pids, client.pid],
    async run(direction) {
      const ticket = randomBytes(32).toString("hex");
      await left.command("ticket.add", { ticket, tunnel: 1, port: LOAD_PORT, ttlMs: 10_000 });
      await client.write({ socket: left.socket, ticket, direction, ms: ROUND_MS });
      return await client.read(() => true);
    },
  };
}

/** Where each end finds the other: in a row of two directly, in a row of three through the middle. */
async function pathsBetween(
  peers: readonly Peer[],
  relayed: boolean,
): Promise<{ toRight: string; toLeft: string }> {
  if (!relayed) return { toRight: "10.77.0.2:9002", toLeft: "10.77.0.1:9001" };
  const a = "10.77.0.1:9101";
  const b = "10.77.1.2:9103";
  await peers[1]?.command("relay.set", { session: SESSION, a, b });
  const session = SESSION.toString(16).padStart(8, "0");
  return { toRight: `10.77.0.2:9102#${session}`, toLeft: `10.77.1.1:9102#${session}` };
}

/** wireguard-go and its netstack with nothing around them. */
async function bareWay(lab: Lab, program: string, spaces: readonly string[]): Promise<Way> {
  const keys = [wireguardKeys(), wireguardKeys()] as const;
  const ends: Talker[] = [];
  for (const [i, space] of spaces.entries()) {
    const end = lab.start(space, program);
    await end.write({
      privateKey: keys[i]?.privateKey,
      peerKey: keys[1 - i]?.publicKey,
      address: i === 0 ? LEFT : RIGHT,
      peerAddress: i === 0 ? RIGHT : LEFT,
      port: 9201 + i,
      endpoint: i === 0 ? "10.77.0.2:9202" : "10.77.0.1:9201",
      mtu: MTU,
    });
    await end.read((line) => "ready" in line);
    ends.push(end);
  }
  const left = ends[0] as Talker;
  return {
    name: "bare wireguard-go and netstack",
    pids: ends.map((end) => end.pid),
    async run(direction) {
      await left.write({ direction, ms: ROUND_MS });
      return await left.read((line) => "bytes" in line);
    },
  };
}

interface Measured {
  readonly gbps: Summary;
  readonly gbPerCpuSecond: Summary;
}

/** Alternates the ways, so that each round sees the same machine. */
async function measure(ways: readonly Way[], direction: Direction): Promise<Map<Way, Measured>> {
  const samples = new Map(
    ways.map((way) => [way, { gbps: [] as number[], perCpu: [] as number[] }]),
  );
  for (let round = -1; round < ROUNDS; round++) {
    for (const way of ways) {
      const before = way.pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
      const { bytes, ms, error } = await way.run(direction);
      if (error !== undefined) throw new Error(`${way.name}: ${error}`);
      const cpu = way.pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0) - before;
      if (round < 0) continue; // warms up
      samples.get(way)?.gbps.push((bytes * 8) / ms / 1e6);
      samples.get(way)?.perCpu.push((bytes * 8) / 1e9 / cpu);
    }
  }
  return new Map([...samples].map(([way, { gbps, perCpu }]) => [
    way,
    { gbps: summarize(gbps), gbPerCpuSecond: summarize(perCpu) },
  ]));
}

async function main(): Promise<void> {
  const problem = labProblem();
  if (problem !== undefined) {
    print(`The benchmark of tunnels cannot run here: ${problem}.`);
    return;
  }
  await using lab = new Lab();
  const library = lab.build("bench.so", "-tags", "bench", "-buildmode=c-shared", ".");
  const bare = lab.build("bare", "./bench/bare");
  const [a = "", r = "", b = ""] = lab.row("a", "r", "b");
  const direct = await nativePair({ lab, spaces: [a, r], library, relayed: false });
  const relayed = await nativePair({ lab, spaces: [a, r, b], library, relayed: true });
  const ways = [
    await bareWay(lab, bare, [a, r]),
    insideWay("omerta, direct", direct),
    insideWay("omerta, relayed", relayed),
    streamWay(lab, a, direct),
  ];
  const report: Json[] = [];
  for (const direction of ["down", "up"] as const) {
    const measured = await measure(ways, direction);
    report.push(...show(ways, measured, direction));
  }
  if (Deno.args.includes("--json")) print(JSON.stringify({ benchmark: "tunnel", report }));
}

function show(ways: readonly Way[], measured: Map<Way, Measured>, direction: Direction): Json[] {
  heading(`Tunnel, one TCP stream ${direction}, MTU ${MTU}, all on this machine's cores`);
  const base = measured.get(ways[0] as Way)?.gbps.median ?? NaN;
  return ways.map((way) => {
    const { gbps, gbPerCpuSecond } = measured.get(way) as Measured;
    const peak = Math.max(...way.pids.map((pid) => residentMib(pid).peak));
    figure(
      way.name,
      gbps,
      "Gb/s",
      `${ratio(gbps.median, base)} of bare, peak ${peak.toFixed(0)} MiB`,
    );
    figure("  per CPU second of all its processes", gbPerCpuSecond, "Gb");
    return {
      way: way.name,
      direction,
      gbps,
      gbPerCpuSecond,
      ofBare: gbps.median / base,
      peakMib: peak,
    };
  });
}

if (import.meta.main) await main();
