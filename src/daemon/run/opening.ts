/**
 * What a node opens before anything else: its log and its UDP port.
 *
 * @module
 */
import { OmertaError } from "../../base/mod.ts";
import { assetPath } from "../../host/assets.ts";
import { createLog, type Log, type LogLevel, openLogFile } from "../../host/log.ts";
import { type NetHost, type NetOptions, openNet as openNativeNet } from "../../host/net/net.ts";
import type { StatePaths } from "../../host/state/state.ts";
import type { Store } from "../../host/store/mod.ts";
import { wallNowMs } from "../../host/system.ts";
import type { RunNodeOptions } from "../options.ts";

/** The relay's usual port. Source: the command line's contract. */
const RELAY_PORT = 9_000;

/** A log, and what closes it. */
export interface OpenedLog {
  readonly log: Log;
  close(): void;
}

/** The node's log: a background node's is a file that it rotates itself; its streams append to it, too. */
export function openLog(options: RunNodeOptions, paths: StatePaths): OpenedLog {
  const level = logLevel();
  const nowMs = wallNowMs;
  if (options.mode === "foreground") {
    return { log: createLog({ level, nowMs, write: options.log }), close: () => {} };
  }
  const file = openLogFile(paths.log);
  const write = (line: string) => file.write(line);
  return { log: createLog({ level, nowMs, write }), close: () => file.close() };
}

function logLevel(): LogLevel {
  const asked = Deno.env.get("OMERTA_LOG");
  return asked === "debug" || asked === "warn" || asked === "error" ? asked : "info";
}

/** `OMERTA_DIRECT=never` keeps peers on the relay through which they were reached. */
export function isDirectWanted(): boolean {
  return Deno.env.get("OMERTA_DIRECT") !== "never";
}

/** What carries a node's datagrams, opened at a port. @throws {OmertaError} `port-taken`. */
export type OpenNet = (options: Omit<NetOptions, "library">) => NetHost;

/** The node's UDP port and what carries its datagrams; the port is remembered. */
export async function openPort(
  options: RunNodeOptions,
  { paths, store, log, openNet }: {
    readonly paths: StatePaths;
    readonly store: Store;
    readonly log: Pick<Log, "warn">;
    /** `null`: the native library. */
    readonly openNet: OpenNet | null;
  },
  on: Pick<NetOptions, "onDatagram" | "onEvent">,
): Promise<NetHost> {
  const opened = openNet ?? await nativeNet(paths);
  const { streamSocket } = paths;
  const open = (port: number) => opened({ port, streamSocket, ...on });
  const net = openAt(options, { last: store.values.get("port"), log }, open);
  store.values.put("port", net.port);
  return net;
}

async function nativeNet({ dir }: StatePaths): Promise<OpenNet> {
  const library = await assetPath("libomerta_net.so", dir);
  return (options) => openNativeNet({ ...options, library });
}

/** The port that was asked for; else the last one, and where that is taken, any. */
function openAt(
  { port, roles }: RunNodeOptions,
  { last, log }: { readonly last: number | undefined; readonly log: Pick<Log, "warn"> },
  open: (port: number) => NetHost,
): NetHost {
  if (port !== null) return open(port);
  if (last === undefined) return open(roles.relay ? RELAY_PORT : 0);
  try {
    return open(last);
  } catch (error) {
    const isTaken = error instanceof OmertaError && error.code === "port-taken";
    if (!isTaken || roles.relay) throw error;
    log.warn("the last UDP port is taken: another one is used", { port: last });
    return open(0);
  }
}
