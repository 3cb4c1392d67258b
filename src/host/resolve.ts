/**
 * Host names to paths.
 *
 * @module
 */
import { lookup } from "node:dns/promises";
import type { Path } from "../base/mod.ts";
import { directPath, parseAddress, parseIp } from "../wire/mod.ts";

/** Addresses taken of one name. Guess: one per family and one in reserve. */
const ADDRESSES_MAX = 4;

/**
 * The paths straight to `IP:PORT`, `[V6]:PORT` or `name:PORT`; none where the name is not known.
 */
export async function resolveHostPort(hostPort: string): Promise<Path[]> {
  const address = parseAddress(hostPort);
  if (address.ok) return [directPath(address.value)];
  const split = hostPort.lastIndexOf(":");
  const port = Number(hostPort.slice(split + 1));
  if (split < 1 || !Number.isInteger(port) || port < 1 || port > 65_535) return [];
  try {
    const found = await lookup(hostPort.slice(0, split), { all: true });
    return found.slice(0, ADDRESSES_MAX).flatMap((entry) => {
      const ip = parseIp(entry.address);
      return ip.ok ? [directPath({ ip: ip.value, port })] : [];
    });
  } catch {
    return []; // Not known: the caller says which address could not be reached.
  }
}
