/**
 * The parties of most tests: a relay that made a network, a provider that joined it.
 *
 * @module
 */
import { assert } from "./assert.ts";
import type { Doc, Host } from "./host.ts";
import type { Running } from "./running.ts";

/** A foreground node and the document with which it said that it serves. */
export interface Party {
  readonly node: Running;
  readonly ready: Doc;
}

/** A relay that founded a network, and the invite that it printed. */
export interface Founder extends Party {
  readonly invite: string;
  readonly port: number;
}

/** Starts a relay on a host without a state: it founds a network. */
export async function startRelay(host: Host, args: readonly string[] = []): Promise<Founder> {
  const port = host.isOnLoopback ? await freePort() : 9000;
  const advertise = host.isOnLoopback && !args.includes("--advertise")
    ? ["--advertise", host.address]
    : [];
  const [node, ready] = await host.node(["relay", "--port", String(port), ...advertise, ...args]);
  assert(ready.network_created === true, "the relay made no network");
  assert(typeof ready.invite === "string", "the relay printed no invite");
  return { node, ready, invite: ready.invite, port };
}

/** Starts a provider that joins by the invite; `--dry-run` and the like go into `args`. */
export async function startProvider(
  host: Host,
  invite: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<Party> {
  const [node, ready] = await host.node(["provider", "--join", "-", ...args], {
    stdin: `${invite}\n`,
    env,
  });
  return { node, ready };
}

/** A UDP port that nobody uses now. */
export async function freePort(): Promise<number> {
  const { createSocket } = await import("node:dgram");
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", () => resolve()));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}
