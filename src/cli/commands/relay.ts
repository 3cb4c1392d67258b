/**
 * `omerta relay …`: run a relay, and see what it forwards.
 *
 * @module
 */
import type { RelayStatusResult, TrafficDoc } from "../../api/nouns/relay.ts";
import { command, type Verbs } from "../command.ts";
import { toggle } from "../flags.ts";
import { bytes, count, shortId, table } from "../format.ts";
import { NODE_FLAGS, runForeground } from "../foreground.ts";
import { rateText, RELAY_FLAGS, relayArguments, relayOptions } from "../relay_flags.ts";
import { printUnit } from "../systemd.ts";

const run = command({
  purpose: "run a relay in the foreground",
  details: [
    "With no network and no invite it makes a network and prints its invite: one command on a VPS begins everything.",
    "A relay whose own interfaces have no public address names it with --advertise.",
    "What is beyond a limit is dropped, as by any full line, and counted as 'rate-limited' in relay status.",
  ],
  words: "",
  wordsMin: 0,
  wordsMax: 0,
  node: "itself",
  flags: {
    ...NODE_FLAGS,
    ...RELAY_FLAGS,
    systemd: toggle("print a systemd unit that runs this, and do nothing else"),
  },
  examples: [
    "omerta relay --port 9000 --advertise relay.example.org",
    "omerta relay --limit-rate 20M/s --limit-session-rate 4M/s",
    "omerta relay --port 9000 --systemd > /etc/systemd/system/omerta-relay.service",
  ],
  exits: [5, 6, 8, 9],
  async run(invocation) {
    const { flags } = invocation;
    if (flags.systemd) {
      return printUnit(invocation, {
        roles: { relay: true, provider: false },
        words: ["relay"],
        extra: relayArguments(flags),
      });
    }
    const roles = { relay: true, provider: false };
    const relay = relayOptions(flags);
    await runForeground(invocation, { roles, provider: null, relay, mode: "foreground" });
  },
});

const status = command({
  purpose: "show sessions and what was forwarded",
  words: "",
  wordsMin: 0,
  wordsMax: 0,
  node: "running",
  flags: {},
  examples: ["omerta relay status", "omerta relay status --json"],
  exits: [4],
  async run({ call, out, name }) {
    const result = await call("relay.status", {});
    out.document(name, result, () => statusLines(result));
  },
});

function statusLines(status: RelayStatusResult): string[] {
  const { sessions, limits, forwarded, dropped, pairs } = status;
  const drops = Object.entries(dropped).map(([reason, number]) => `${reason} ${number}`);
  const lines = [
    `${count(sessions, "session")}; tunnel ${traffic(forwarded.tunnel)}; control ${
      traffic(forwarded.control)
    }`,
    `limits: ${count(limits.sessions, "session")}, ${rateText(limits.bytes_per_s)} in all, ${
      rateText(limits.session_bytes_per_s)
    } each`,
    ...drops.length === 0 ? [] : [`dropped: ${drops.join(", ")}`],
  ];
  if (pairs.length === 0) return lines;
  const rows = pairs.map(({ a, b, control, tunnel }) => {
    return [shortId(a), shortId(b), traffic(tunnel), traffic(control)];
  });
  return [...lines, "", ...table(["A", "B", "TUNNEL", "CONTROL"], rows)];
}

function traffic({ packets, bytes: total }: TrafficDoc): string {
  return `${bytes(total)} in ${count(packets, "packet")}`;
}

/** The verbs of `omerta relay`. */
export const relay: Verbs = { run, status };
