/**
 * Where this node can be reached: the addresses of its interfaces, those that peers see, and those
 * that its owner says.
 *
 * @module
 */
import type { Log } from "../../host/log.ts";
import type { RunNodeOptions } from "../options.ts";
import { resolveHostPort } from "../../host/resolve.ts";
import { localAddresses } from "../../host/system.ts";
import type { LocalAddresses } from "../../path/mod.ts";
import { addressScope, formatAddress, parseAddress, parseIp, prefixOf } from "../../wire/mod.ts";

/** How often our own addresses are looked at. Guess: a change of network is noticed in seconds. */
const ADDRESSES_EVERY_MS = 2_000;
/** Interfaces whose addresses are nobody's way to us: bridges and virtual ends of containers. */
const INNER_INTERFACE = /^(docker|br-|veth|virbr|lxc|cni)/;

/** The addresses of our interfaces with the node's port. */
export function ownAddresses(port: number): LocalAddresses {
  const found = localAddresses().flatMap(({ interface: name, address }) => {
    const ip = parseIp(address);
    return ip.ok && !INNER_INTERFACE.test(name) ? [ip.value] : [];
  });
  const usable = found.filter((ip) => {
    const scope = addressScope(ip);
    return scope !== "link-local" && scope !== "unusable";
  });
  return {
    addresses: usable.map((ip) => formatAddress({ ip, port })),
    prefixes: [...new Set(usable.map(prefixOf))],
  };
}

/** What the owner said with `--advertise`: the port is ours where none was given. */
export async function advertisedAddresses(
  advertise: readonly string[],
  port: number,
): Promise<string[]> {
  const all = await Promise.all(advertise.map((text) => resolveHostPort(withPort(text, port))));
  return all.flat();
}

/** `HOST` or `HOST:PORT` with a port. */
export function withPort(text: string, port: number): string {
  if (/^\[.*\]$/.test(text)) return `${text}:${port}`;
  const isBareV6 = text.split(":").length > 2 && !text.startsWith("[");
  if (isBareV6) return `[${text}]:${port}`;
  return text.includes(":") ? text : `${text}:${port}`;
}

/** The addresses at which everybody reaches us, as far as we know by ourselves. */
export function publicAddresses(own: LocalAddresses): string[] {
  return own.addresses.filter((address) => scopeOf(address) === "global");
}

/** The addresses at which our LAN reaches us. */
export function lanAddresses(own: LocalAddresses): string[] {
  return own.addresses.filter((address) => ["private", "cgnat"].includes(scopeOf(address)));
}

/** On what endpoints stand. */
export interface EndpointsParts {
  readonly options: Pick<RunNodeOptions, "advertise" | "mode">;
  /** Our UDP port. */
  readonly port: number;
  readonly log: Pick<Log, "info">;
}

/** Told of where the node is, at first and whenever it changes. */
export type OnEndpoints = (local: LocalAddresses, advertised: readonly string[]) => void;

/** Where the node can be reached; followed from `start` on. */
export class Endpoints {
  readonly #parts: EndpointsParts;
  #onChange: OnEndpoints = () => {};
  #own: LocalAddresses;
  #advertised: readonly string[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(parts: EndpointsParts) {
    this.#parts = parts;
    this.#own = ownAddresses(parts.port);
  }

  get own(): LocalAddresses {
    return this.#own;
  }

  get advertised(): readonly string[] {
    return this.#advertised;
  }

  /** Learns our addresses, and follows them from now on. */
  async start(onChange: OnEndpoints): Promise<void> {
    const { options, port } = this.#parts;
    this.#onChange = onChange;
    this.#advertised = await advertisedAddresses(options.advertise, port);
    onChange(this.#own, this.#advertised);
    this.#timer = setInterval(() => this.#look(), ADDRESSES_EVERY_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** The addresses that everybody reaches: what the owner said, else the global ones we see. */
  publicAddresses(): readonly string[] {
    return this.#advertised.length > 0 ? this.#advertised : publicAddresses(this.#own);
  }

  /** Where an invite can lead to; only a node that stays can be met on its LAN. */
  inviteAddresses(): readonly string[] {
    const open = this.publicAddresses();
    if (open.length > 0 || this.#parts.options.mode === "background") return open;
    return lanAddresses(this.#own);
  }

  #look(): void {
    const own = ownAddresses(this.#parts.port);
    if (JSON.stringify(own) === JSON.stringify(this.#own)) return;
    this.#own = own;
    this.#parts.log.info("our addresses changed");
    this.#onChange(own, this.#advertised);
  }
}

function scopeOf(address: string): string {
  const parsed = parseAddress(address);
  return parsed.ok ? addressScope(parsed.value.ip) : "unusable";
}
