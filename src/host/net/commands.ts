/**
 * What the native library can be told to do: each operation with its arguments, and how its answer is
 * read. Source: the table of operations in `ffi/net/README.md`.
 *
 * @module
 */
import type { Path } from "../../base/mod.ts";
import type { DevicePlan, GuestPlan } from "../../tunnel/mod.ts";
import type { Fields } from "./fields.ts";

/** Datagrams and their bytes. */
export interface Traffic {
  readonly packets: number;
  readonly bytes: number;
}

/** What a relay has forwarded. */
export interface RelayStats {
  readonly sessions: readonly {
    readonly session: number;
    readonly control: Traffic;
    readonly tunnel: Traffic;
    /** Milliseconds since anything was forwarded. */
    readonly idleMs: number;
  }[];
  readonly total: { readonly control: Traffic; readonly tunnel: Traffic };
  /** What was dropped, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
}

/** What one tunnel has carried. */
export interface TunnelStatus {
  /** Milliseconds since WireGuard's last handshake; `null`: there was none, or it is not ours to see. */
  readonly lastHandshakeMsAgo: number | null;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly streams: number;
}

/** The library as a whole. */
export interface NetStats {
  /** What was dropped, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly peers: number;
  readonly tunnels: number;
  readonly streams: number;
  readonly relaySessions: number;
  /** What Go has mapped. */
  readonly memoryBytes: number;
  readonly goroutines: number;
  /** Panics that were met. */
  readonly defects: number;
}

type Named<Plan> = Omit<Plan, "peer"> & { readonly peer: string };

/** The arguments of every operation. Paths as text, ids of tunnels and sessions of 32 bits. */
export interface NetArgs {
  "peer.set": {
    readonly peer: string;
    readonly active: Path | null;
    readonly standby?: Path | null;
    readonly accept?: readonly Path[];
    /** After how much silence the active path is doubted, and after how much it is dead. */
    readonly doubtMs?: number;
    readonly deadMs?: number;
  };
  "peer.remove": { readonly peer: string };
  "session.set": { readonly add: readonly number[]; readonly remove: readonly number[] };
  "tunnel.open": Named<DevicePlan> | Named<GuestPlan>;
  "tunnel.close": { readonly tunnel: number };
  "tunnel.status": { readonly tunnel: number };
  "tunnel.probe": {
    readonly tunnel: number;
    readonly probe: string;
    readonly port: number;
    /** What the first bytes of the stream must be. */
    readonly prefix: string;
    readonly timeoutMs: number;
  };
  "tunnel.ping": { readonly tunnel: number; readonly probe: string; readonly timeoutMs: number };
  "ticket.add": {
    readonly ticket: string;
    readonly tunnel: number;
    readonly port: number;
    readonly ttlMs: number;
  };
  "forward.listen": {
    readonly forward: string;
    readonly tunnel: number;
    readonly bind: string;
    readonly port: number;
  };
  "forward.close": { readonly forward: string };
  "relay.set": { readonly session: number; readonly a: string; readonly b: string };
  "relay.remove": { readonly session: number };
  "relay.limits": {
    readonly sessions: number;
    readonly bytesPerSecond: number;
    readonly sessionBytesPerSecond: number;
  };
  "relay.stats": Record<never, never>;
  "stats": Record<never, never>;
}

/** The name of an operation. */
export type NetOp = keyof NetArgs;

/** What operations answer that have something to say. */
interface Answers {
  "tunnel.status": TunnelStatus;
  /** Where it listens, `IP:PORT`. */
  "forward.listen": { readonly address: string };
  "relay.stats": RelayStats;
  "stats": NetStats;
}

/** What an operation answers. */
export type NetAnswer<Op extends NetOp> = Op extends keyof Answers ? Answers[Op] : void;

const PARSERS: { readonly [Op in keyof Answers]: (answer: Fields) => Answers[Op] } = {
  "tunnel.status": (answer) => ({
    lastHandshakeMsAgo: answer.figureOrNull("lastHandshakeMsAgo"),
    rxBytes: answer.count("rxBytes"),
    txBytes: answer.count("txBytes"),
    streams: answer.count("streams"),
  }),
  "forward.listen": (answer) => ({ address: answer.text("address") }),
  "relay.stats": (answer) => ({
    sessions: answer.list("sessions").map((each) => ({
      session: each.count("session"),
      ...bothTraffics(each),
      idleMs: Math.max(0, each.figure("idleMs")), // used in another thread a moment ago
    })),
    total: bothTraffics(answer.object("total")),
    dropped: answer.counts("dropped"),
  }),
  "stats": (answer) => ({
    dropped: answer.counts("dropped"),
    peers: answer.count("peers"),
    tunnels: answer.count("tunnels"),
    streams: answer.count("streams"),
    relaySessions: answer.count("relaySessions"),
    memoryBytes: answer.count("memoryBytes"),
    goroutines: answer.count("goroutines"),
    defects: answer.count("defects"),
  }),
};

/** The answer of an operation. @throws {OmertaError} `native-damaged` where it is malformed. */
export function parseNetAnswer<Op extends NetOp>(op: Op, answer: Fields): NetAnswer<Op> {
  const parse = Object.hasOwn(PARSERS, op) ? PARSERS[op as keyof Answers] : undefined;
  return parse?.(answer) as NetAnswer<Op>;
}

function bothTraffics(fields: Fields): { control: Traffic; tunnel: Traffic } {
  return { control: traffic(fields.object("control")), tunnel: traffic(fields.object("tunnel")) };
}

function traffic(fields: Fields): Traffic {
  return { packets: fields.count("packets"), bytes: fields.count("bytes") };
}
