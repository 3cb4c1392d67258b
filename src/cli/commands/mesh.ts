/**
 * `omerta mesh …`: run a node, see its peers and paths.
 *
 * @module
 */
import { formatDuration, OmertaError } from "../../base/mod.ts";
import type {
  MeshPingItem,
  MeshPingResult,
  MeshStatusResult,
  PeerDoc,
} from "../../api/nouns/mesh.ts";
import type { NodeStopResult } from "../../api/nouns/node.ts";
import { command, type Verbs } from "../command.ts";
import { hidden, maybe, option, toggle } from "../flags.ts";
import {
  bytes,
  count,
  facts,
  fromNow,
  millis,
  nodeName,
  pathText,
  shortId,
  shortIds,
  table,
  words,
} from "../format.ts";
import { NODE_FLAGS, runForeground } from "../foreground.ts";
import {
  RELAY_FLAGS,
  relayArguments,
  type RelayFlags,
  relayOptions,
  requireRelay,
} from "../relay_flags.ts";
import {
  LEND_FLAGS,
  lendArguments,
  type LendFlags,
  lendOptions,
  requireLender,
} from "../lend_flags.ts";
import { printUnit, type UnitPart } from "../systemd.ts";
import { duration, must, reference, wholeNumber } from "../values.ts";

const HOUR_MS = 3_600_000;

/** How many pings where nothing else is said. */
const PINGS = 4;

/** Pings until a path is direct: a minute of them, far above what any punching takes. */
const PINGS_UNTIL_DIRECT = 60;

/** How long a node may take to end. Source: farewells take 2 s at most; guess beyond. */
const END_TIMEOUT_MS = 15_000;

const run = command({
  purpose: "run a node in the foreground",
  details: ["It ends at SIGINT or SIGTERM, after its farewells, with status 0."],
  words: "",
  wordsMin: 0,
  wordsMax: 0,
  node: "itself",
  flags: {
    ...NODE_FLAGS,
    relay: toggle("also be a relay"),
    provider: toggle("also be a provider"),
    ...RELAY_FLAGS,
    ...LEND_FLAGS,
    systemd: toggle("print a systemd unit that runs this, and do nothing else"),
    background: hidden(toggle("started by a command: end when nobody needs it")),
  },
  examples: [
    "omerta mesh run",
    "omerta mesh run --port 9000 --relay --provider --alias rack-1",
    "omerta mesh run --relay --provider --systemd > /etc/systemd/system/omerta.service",
  ],
  exits: [5, 6, 8, 9, 10],
  async run(invocation) {
    const { flags } = invocation;
    const { relay, provider, background } = flags;
    requireRelay(relay, flags);
    requireLender(provider, flags);
    if (flags.systemd) return printUnit(invocation, unitPart(flags));
    await runForeground(invocation, {
      roles: { relay, provider },
      provider: provider ? lendOptions(flags) : null,
      ...relay ? { relay: relayOptions(flags) } : {},
      mode: background ? "background" : "foreground",
    });
  },
});

/** The roles again, and the flags of both, for a unit. */
function unitPart(
  flags: RelayFlags & LendFlags & { readonly relay: boolean; readonly provider: boolean },
): UnitPart {
  const { relay, provider } = flags;
  const roles = [...relay ? ["--relay"] : [], ...provider ? ["--provider"] : []];
  return {
    roles: { relay, provider },
    words: ["mesh", "run", ...roles],
    extra: [...relayArguments(flags), ...lendArguments(flags)],
  };
}

const status = command({
  purpose: "show this node: networks, NAT, endpoints, connections",
  words: "",
  wordsMin: 0,
  wordsMax: 0,
  node: "running",
  flags: {},
  examples: ["omerta mesh status", "omerta mesh status --json"],
  exits: [4],
  async run({ call, out, name }) {
    const result = await call("mesh.status", {});
    out.document(name, result, () => statusFacts(result));
  },
});

function statusFacts(status: MeshStatusResult): string[] {
  const { node, peers, nat } = status;
  const networks = status.networks.map(({ name, id }) => nodeName(id, name));
  return facts([
    ["node", node.alias === null ? node.id : `${node.alias} (${node.id})`],
    ["roles", words(node.roles)],
    ["version", `${node.version}, pid ${node.pid}, up ${formatDuration(node.uptime_s * 1000)}`],
    ["port", `${node.port} (UDP)`],
    ["memory", bytes(status.memory_bytes)],
    ["networks", words(networks)],
    ["NAT, IPv4", natText(nat.ipv4)],
    ["NAT, IPv6", natText(nat.ipv6)],
    ["endpoints", listed(status.endpoints.map(({ address, source }) => `${address} (${source})`))],
    [
      "peers",
      `${peers.known} known, ${peers.connected} connected: ${peers.direct} direct, ${peers.relayed} relayed`,
    ],
    [
      "relays",
      listed(
        status.relays.map(({ id, role, rtt_ms }) => `${shortId(id)} (${role}, ${millis(rtt_ms)})`),
      ),
    ],
  ]);
}

/** Things that are several words each. */
function listed(items: readonly string[]): string {
  return items.length === 0 ? "-" : items.join(", ");
}

function natText({ mapping, filtering, observers }: MeshStatusResult["nat"]["ipv4"]): string {
  return `mapping ${mapping}, filtering ${filtering} (${count(observers, "observer")})`;
}

const peers = command({
  purpose: "list the peers that this node knows, with the path to each",
  words: "",
  wordsMin: 0,
  wordsMax: 0,
  node: "running",
  flags: {},
  examples: ["omerta mesh peers", "omerta mesh peers --json"],
  exits: [3, 4],
  async run({ call, out, name, terminal, globals: { network } }) {
    const result = await call("mesh.peers", { network });
    out.document(name, result, () => peerTable(result.peers, terminal.now()));
  },
});

function peerTable(peers: readonly PeerDoc[], nowMs: number): string[] {
  if (peers.length === 0) return ["no peers known yet"];
  const short = shortIds(peers.map(({ id }) => id));
  const rows = peers.map((peer) => [
    peer.alias ?? "-",
    short.get(peer.id) ?? peer.id,
    words(peer.roles),
    pathText(peer.path),
    fromNow(peer.last_seen_at, nowMs),
  ]);
  return table(["ALIAS", "ID", "ROLES", "PATH", "SEEN"], rows);
}

const ping = command({
  purpose: "measure the way to a peer",
  words: "PEER",
  wordsMin: 1,
  wordsMax: 1,
  node: "running",
  flags: {
    count: maybe("N", `how many (default: ${PINGS})`, wholeNumber({ min: 1, max: 100_000 })),
    interval: option("T", "time from one to the next", {
      parse: duration({ min: 10, max: HOUR_MS }),
      initial: 1000,
      shown: "1s",
    }),
    untilDirect: toggle(
      `end when the path is direct; exit 7 after --count (then ${PINGS_UNTIL_DIRECT}) pings`,
    ),
  },
  examples: [
    "omerta mesh ping rack-1",
    "omerta mesh ping rack-1 --until-direct --timeout 20s --json",
  ],
  exits: [3, 4, 5, 7],
  async run({ words: [word = ""], flags, call, out, name, globals: { network } }) {
    const { interval: intervalMs, untilDirect } = flags;
    const input = {
      network,
      peer: must("PEER", reference(word)),
      count: flags.count ?? (untilDirect ? PINGS_UNTIL_DIRECT : PINGS),
      intervalMs,
      untilDirect,
    };
    const result = await call("mesh.ping", input, (item) => out.lines([pingLine(item)]));
    checkPing(result, untilDirect);
    out.document(name, result, () => pingSummary(result));
  },
});

function pingLine({ seq, rtt_ms, path }: MeshPingItem): string {
  return `${seq}  ${rtt_ms === null ? "no answer" : millis(rtt_ms)}  ${pathText(path)}`;
}

/** No answer, or no direct path where one was asked for, is a failure that holds the figures. */
function checkPing(result: MeshPingResult, untilDirect: boolean): void {
  const fields = { ...result };
  if (result.received === 0) {
    const message = `The peer ${shortId(result.peer)} answered none of ${
      count(result.sent, "ping")
    }`;
    const hint = "See 'omerta mesh peers': its path, and when it was last seen.";
    throw new OmertaError("unreachable", message, { hint, fields });
  }
  if (untilDirect && result.direct_after_ms === null) {
    const message = `The path to ${shortId(result.peer)} is not direct after ${
      count(result.sent, "ping")
    }`;
    const hint = "It works over a relay. Some pairs of NATs permit nothing else.";
    throw new OmertaError("timeout", message, { hint, fields });
  }
}

function pingSummary({ sent, received, rtt_ms, path, direct_after_ms }: MeshPingResult): string[] {
  const { min, p50, p99, max } = rtt_ms;
  return [
    `${sent} sent, ${received} received; min ${millis(min)}, median ${millis(p50)}, p99 ${
      millis(p99)
    }, max ${millis(max)}`,
    `path: ${pathText(path)}`,
    ...direct_after_ms === null ? [] : [`direct after ${formatDuration(direct_after_ms)}`],
  ];
}

const stop = command({
  purpose: "end the node of this state",
  details: ["Virtual machines that it lends live on until their leases end."],
  words: "",
  wordsMin: 0,
  wordsMax: 0,
  node: "running",
  ignoresInvite: true,
  flags: {},
  examples: ["omerta mesh stop", "omerta mesh stop --state /srv/omerta"],
  exits: [7],
  async run({ call, out, name, node, terminal }) {
    const stopped = await orNothing(call("node.stop", {}));
    if (stopped !== null && !await node.gone(END_TIMEOUT_MS)) throw stillThere(stopped);
    const document = {
      stopped: stopped !== null,
      pid: stopped?.pid ?? null,
      vms: stopped?.vms ?? [],
    };
    out.document(name, document, () => stopLines(stopped, node.state, terminal.now()));
  },
});

/** Nothing that runs is nothing to stop: done. */
async function orNothing(call: Promise<NodeStopResult>): Promise<NodeStopResult | null> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof OmertaError && error.code === "no-node") return null;
    throw error;
  }
}

function stillThere({ pid }: NodeStopResult): OmertaError {
  const message = `The node ${pid} was told to end, and has not`;
  const hint =
    `See its log: node.log in the state directory, or where it runs in the foreground. 'kill ${pid}' ends it the hard way.`;
  return new OmertaError("timeout", message, { hint, fields: { pid } });
}

function stopLines(stopped: NodeStopResult | null, state: string, nowMs: number): string[] {
  if (stopped === null) return [`no node runs on ${state}: nothing to stop`];
  const lives = stopped.vms.map(({ id, owner, lease_expires_at }) =>
    `VM ${id} of ${shortId(owner)} lives on; its lease ends ${fromNow(lease_expires_at, nowMs)}`
  );
  return [`node ${stopped.pid} ended`, ...lives];
}

/** The verbs of `omerta mesh`. */
export const mesh: Verbs = { run, status, peers, ping, stop };
