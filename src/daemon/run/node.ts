/**
 * A running node: all its parts, put together, and what ends it.
 *
 * @module
 */
import type { NodeInfoResult } from "../../api/nouns/node.ts";
import type { Capabilities, Role } from "../../membership/mod.ts";
import type { RunNodeOptions } from "../options.ts";
import { type PeerKey, peerKey } from "../../base/mod.ts";
import type { LocalAddresses } from "../../path/mod.ts";
import type { AcceleratorVerdict } from "../../host/vm/accelerator.ts";
import type { Market } from "../renting/ports.ts";
import type { Renter } from "../renting/renter.ts";
import type { Context } from "../context.ts";
import { advertisedAddresses, lanAddresses, ownAddresses, publicAddresses } from "./endpoints.ts";
import type { Networks } from "../networks/networks.ts";
import type { InviteOrder, MadeInvite } from "../networks/inviting.ts";
import { unreachableInvite } from "../networks/network_errors.ts";
import type { Joined } from "../networks/joined.ts";
import type { Provider } from "../lending/provider.ts";
import type { OwnFacts } from "./members.ts";
import type { KeptTunnels } from "../streams/kept_tunnels.ts";

/** What a node is made of. */
export interface NodeParts {
  readonly context: Context;
  readonly networks: Networks;
  readonly tunnels: KeptTunnels;
  readonly renter: Renter;
  readonly market: Market;
  readonly provider: Provider | null;
  readonly accelerator: AcceleratorVerdict | null;
}

/** How often our own addresses are looked at. Guess: a change of network is noticed in seconds. */
const ADDRESSES_EVERY_MS = 2_000;

/** Where the node stands: its addresses, roles, name and time. */
export class Standing {
  readonly startedAtMs: number;
  readonly #options: RunNodeOptions;
  readonly #context: Context;
  #onChange: () => void = () => {};
  #own: LocalAddresses;
  #advertised: readonly string[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(options: RunNodeOptions, context: Context) {
    this.#options = options;
    this.#context = context;
    this.#own = ownAddresses(context.net.port);
    this.startedAtMs = context.wallMs();
  }

  get roles(): Role[] {
    const { relay, provider } = this.#options.roles;
    return [...relay ? ["relay" as const] : [], ...provider ? ["provider" as const] : []];
  }

  get own(): LocalAddresses {
    return this.#own;
  }

  get advertised(): readonly string[] {
    return this.#advertised;
  }

  /** Learns our addresses, and follows them from now on; `onChange` is called when they change. */
  async start(onChange: () => void): Promise<void> {
    this.#onChange = onChange;
    const { advertise } = this.#options;
    this.#advertised = await advertisedAddresses(advertise, this.#context.net.port);
    this.#tell();
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
    if (open.length > 0 || this.#options.mode === "background") return open;
    return lanAddresses(this.#own);
  }

  #look(): void {
    const own = ownAddresses(this.#context.net.port);
    if (JSON.stringify(own) === JSON.stringify(this.#own)) return;
    this.#own = own;
    this.#context.log.info("our addresses changed");
    this.#tell();
  }

  #tell(): void {
    const input = { type: "local", local: this.#own, advertised: this.#advertised } as const;
    this.#context.loop.input(input);
    this.#onChange();
  }
}

/** What the node says of itself in its records. */
export function ownFacts(
  alias: string | null,
  standing: Standing,
  provider: Provider | null,
  accelerator: AcceleratorVerdict | null,
): OwnFacts {
  return {
    alias,
    roles: standing.roles,
    addresses: standing.publicAddresses(),
    capabilities: provider === null ? {} : lent(provider, accelerator),
  };
}

function lent(provider: Provider, accelerator: AcceleratorVerdict | null): Capabilities {
  return {
    ...provider.offer(),
    accelerator: accelerator?.kind ?? "none",
    isolation: accelerator?.kind === "kvm" ? "hardware" : "emulated",
    ...accelerator !== null && { confinement: accelerator.confinement.level },
    ...provider.isDry && { dryRun: true },
  };
}

/** Makes an invite that leads to this node. @throws {OmertaError} `invite-unreachable`. */
export function makeInvite(
  networks: Networks,
  standing: Standing,
  joined: Joined,
  order: Pick<InviteOrder, "grants" | "uses" | "lifeMs">,
): MadeInvite {
  const addresses = standing.inviteAddresses().slice(0, 8);
  if (addresses.length === 0) throw unreachableInvite();
  // A joiner is no member yet, and relays serve members: hints of relays come with the mesh.
  return networks.invite(joined, { ...order, addresses, relays: [] });
}

/** Who runs. */
export function nodeInfo(
  options: RunNodeOptions,
  standing: Standing,
  build: string,
): NodeInfoResult {
  return { pid: Deno.pid, build, mode: options.mode, roles: standing.roles };
}

/** All peers that are known: by record or by session. */
export function knownPeers({ networks, context }: NodeParts): Set<PeerKey> {
  const { views, records } = context;
  return new Set([
    ...views.connected(),
    ...networks.list().flatMap(({ row }) =>
      records.list(row.id).filter(({ id }) => id !== views.self).map(({ id }) =>
        peerKey(row.id, id)
      )
    ),
  ]);
}
