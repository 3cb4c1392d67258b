/**
 * The relay beside coturn, in one run: datagrams forwarded per second of the relay process's CPU time
 * while it is flooded, and what a relay adds to a round trip. Sender, relay and receiver have a network
 * namespace each, in a row; coturn runs with one relay thread, the client on a channel.
 *
 *     scripts/bench relay
 *
 * @module
 */
import { figure, heading, print, ratio, summarize, type Summary } from "./report.ts";
import { cpuSeconds, type Json, Lab, labProblem, run, type Talker } from "./net_lab.ts";

const ROUNDS = Number(Deno.env.get("OMERTA_BENCH_ROUNDS") ?? 5);
const FLOOD_MS = 2000;
/**
 * Payloads in bytes (small ones, and what a full WireGuard datagram is), whether the sender hands its
 * kernel many at once, as the native network does for a tunnel's data, and how many flows take turns,
 * each to a receiver of its own: one flow is what a relay can send on as large buffers, many are not.
 */
const LOADS = [
  { bytes: 200, aggregate: false, flows: 1 },
  { bytes: 1400, aggregate: false, flows: 1 },
  { bytes: 1400, aggregate: true, flows: 1 },
  { bytes: 200, aggregate: false, flows: 32 },
  { bytes: 1400, aggregate: false, flows: 32 },
];
const FLOWS_MAX = 32;
const PINGS = 1500;
const PING_PPS = 1000;
const SESSION = 42;
const ECHO_SESSION = 41;

const SENDER = "10.77.0.1";
const RELAY_LEFT = "10.77.0.2";
const RELAY_RIGHT = "10.77.1.1";
const RECEIVER = "10.77.1.2";
const PORTS = { sender: 7001, echo: 7003, sink: 7100, omerta: 9000, turn: 3478 };

/** A way from the sender to the receiver. */
interface Way {
  readonly name: string;
  readonly via: "omerta" | "turn" | "plain";
  readonly address: string;
  /** The relay's process; none where the kernel routes. */
  readonly pid: number | undefined;
}

interface Ends {
  readonly sender: Talker;
  readonly sink: Talker;
}

async function ask(talker: Talker, command: Json): Promise<Json> {
  await talker.write(command);
  const answer = await talker.read(() => true);
  if (answer["error"] !== undefined) throw new Error(`${command["do"]}: ${answer["error"]}`);
  return answer;
}

async function startRelay(lab: Lab, space: string): Promise<Way> {
  const library = lab.build("libomerta_net.so", "-buildmode=c-shared", ".");
  const peer = await lab.peer(space, library, PORTS.omerta);
  const a = `${SENDER}:${PORTS.sender}`;
  for (let flow = 0; flow < FLOWS_MAX; flow++) {
    const b = `${RECEIVER}:${PORTS.sink + flow}`;
    await peer.command("relay.set", { session: SESSION + flow, a, b });
  }
  await peer.command("relay.set", { session: ECHO_SESSION, a, b: `${RECEIVER}:${PORTS.echo}` });
  const address = `${RELAY_LEFT}:${PORTS.omerta}`;
  return { name: "omerta", via: "omerta", address, pid: peer.talker.pid };
}

async function startCoturn(lab: Lab, space: string): Promise<Way | undefined> {
  try {
    run("turnserver", "--version");
  } catch {
    print("coturn is not installed (Debian: coturn): no comparison");
    return undefined;
  }
  const listen = ["-L", RELAY_LEFT, "-p", String(PORTS.turn), "-E", RELAY_RIGHT];
  const quiet = ["-n", "--no-auth", "--no-tls", "--no-dtls", "--no-cli", "--log-file=/dev/null"];
  const pidfile = `--pidfile=${lab.dir}/turnserver.pid`;
  const talker = lab.start(space, "turnserver", ...quiet, ...listen, "-m", "1", pidfile);
  await untilListening(space, PORTS.turn);
  const address = `${RELAY_LEFT}:${PORTS.turn}`;
  return { name: "coturn", via: "turn", address, pid: talker.pid };
}

async function untilListening(space: string, port: number): Promise<void> {
  while (!run("ip", "netns", "exec", space, "ss", "-lnu").includes(`:${port} `)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function open(ends: Ends, way: Way, port: number, flows = 1): Promise<void> {
  const session = port === PORTS.sink ? SESSION : ECHO_SESSION;
  const peer = `${RECEIVER}:${port}`;
  const relay = way.via === "plain" ? peer : way.address;
  const to = { relay, peer, session, flows };
  await ask(ends.sender, { do: "open", via: way.via, port: PORTS.sender, ...to });
}

interface Flooded {
  /** Datagrams forwarded per CPU second of the relay's process. */
  readonly perCpu: number;
  /** Gb of payload forwarded per CPU second of the relay's process. */
  readonly gbPerCpu: number;
  /** Datagrams forwarded per second. */
  readonly perSecond: number;
}

type Load = (typeof LOADS)[number];

async function flood(ends: Ends, way: Way, load: Load): Promise<Flooded> {
  if (way.pid === undefined) throw new TypeError("Cannot flood a relay that is no process");
  const { bytes, aggregate, flows } = load;
  await open(ends, way, PORTS.sink, flows);
  await ask(ends.sink, { do: "count" });
  const before = cpuSeconds(way.pid);
  await ask(ends.sender, { do: "send", bytes, ms: FLOOD_MS, aggregate });
  await new Promise((resolve) => setTimeout(resolve, 100)); // what is queued drains
  const cpu = cpuSeconds(way.pid) - before;
  const { packets } = await ask(ends.sink, { do: "count" });
  return {
    perCpu: packets / cpu,
    gbPerCpu: (packets * bytes * 8) / 1e9 / cpu,
    perSecond: packets / (FLOOD_MS / 1000),
  };
}

async function compareFloods(ends: Ends, ways: readonly Way[], load: Load): Promise<Json[]> {
  const rounds = new Map<Way, Flooded[]>(ways.map((way) => [way, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const way of ways) rounds.get(way)?.push(await flood(ends, way, load));
  }
  const how = load.flows === 1 ? "one flow" : `${load.flows} flows in turn`;
  const more = load.aggregate ? ", aggregated" : "";
  heading(`Relay flooded with datagrams of ${load.bytes} B, ${how}${more}`);
  const summaries = ways.map((way) => summarizeFloods(rounds.get(way) ?? []));
  const base = summaries.at(-1)?.perCpu.median ?? NaN;
  return ways.map((way, i) => {
    const { perCpu, gbPerCpu, perSecond } = summaries[i] ?? summarizeFloods([]);
    const thousand = {
      ...perCpu,
      median: perCpu.median / 1e3,
      min: perCpu.min / 1e3,
      max: perCpu.max / 1e3,
    };
    figure(
      `${way.name}: datagrams per CPU second`,
      thousand,
      "k",
      `${ratio(perCpu.median, base)} of coturn`,
    );
    figure(`${way.name}: payload per CPU second`, gbPerCpu, "Gb");
    return { way: way.name, ...load, perCpu, gbPerCpu, perSecond, ofCoturn: perCpu.median / base };
  });
}

function summarizeFloods(rounds: readonly Flooded[]): Record<keyof Flooded, Summary> {
  return {
    perCpu: summarize(rounds.map((round) => round.perCpu)),
    gbPerCpu: summarize(rounds.map((round) => round.gbPerCpu)),
    perSecond: summarize(rounds.map((round) => round.perSecond)),
  };
}

async function compareLatency(ends: Ends, ways: readonly Way[]): Promise<Json[]> {
  heading(`Round trip of 200 B, ${PING_PPS} a second: what a relay adds to the kernel's route`);
  const results: Json[] = [];
  let direct: Summary | undefined;
  for (const way of ways) {
    const rtts = await pings(ends, way);
    const one = summarize(rtts.map((rtt) => rtt / 2));
    const p99 = (rtts.toSorted((a, b) => a - b)[Math.floor(rtts.length * 0.99)] ?? NaN) / 2;
    direct ??= one;
    const added = one.median - direct.median;
    const remark = `p99 ${p99.toFixed(0)}, added ${added.toFixed(1)} µs`;
    figure(`${way.name}: one way`, one, "µs", remark);
    results.push({ way: way.name, oneWayUs: one, p99Us: p99, addedUs: added });
  }
  return results;
}

async function pings(ends: Ends, way: Way): Promise<number[]> {
  await open(ends, way, PORTS.echo);
  const { rttUs } = await ask(ends.sender, { do: "ping", bytes: 200, count: PINGS, pps: PING_PPS });
  return rttUs.slice(100); // the first warm up
}

async function main(): Promise<void> {
  const problem = labProblem();
  if (problem !== undefined) {
    print(`The benchmark of the relay cannot run here: ${problem}.`);
    return;
  }
  await using lab = new Lab();
  const program = lab.build("flood", "./bench/flood");
  const [a = "", r = "", b = ""] = lab.row("a", "r", "b");
  route(a, r, b);
  const ends = { sender: lab.start(a, program), sink: lab.start(b, program) };
  await ask(ends.sink, { do: "sink", port: PORTS.sink, flows: FLOWS_MAX });
  const omerta = await startRelay(lab, r);
  const coturn = await startCoturn(lab, r);
  const relays = coturn === undefined ? [omerta] : [omerta, coturn];
  const floods: Json[] = [];
  for (const load of LOADS) floods.push(...await compareFloods(ends, relays, load));
  const kernel: Way = { name: "the kernel's route", via: "plain", address: "", pid: undefined };
  await ask(lab.start(b, program), { do: "sink", port: PORTS.echo, echo: true });
  const latency = await compareLatency(ends, [kernel, ...relays]);
  if (Deno.args.includes("--json")) print(JSON.stringify({ benchmark: "relay", floods, latency }));
}

/** Lets the middle namespace route, for the round trip without a relay. */
function route(left: string, middle: string, right: string): void {
  run("ip", "netns", "exec", middle, "sysctl", "-qw", "net.ipv4.ip_forward=1");
  run("ip", "-n", left, "route", "add", "10.77.1.0/24", "via", RELAY_LEFT);
  run("ip", "-n", right, "route", "add", "10.77.0.0/24", "via", RELAY_RIGHT);
}

if (import.meta.main) await main();
