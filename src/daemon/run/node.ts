/**
 * What a running node is made of, and what it says of itself.
 *
 * @module
 */
import type { NodeInfoResult } from "../../api/nouns/node.ts";
import type { Capabilities, Role } from "../../membership/mod.ts";
import type { RunNodeOptions } from "../options.ts";
import { type PeerKey, peerKey } from "../../base/mod.ts";
import type { AcceleratorVerdict } from "../../host/vm/accelerator.ts";
import type { Market } from "../renting/ports.ts";
import type { Renter } from "../renting/renter.ts";
import type { Context } from "./context.ts";
import { OWN_PID } from "../../host/system.ts";
import type { Endpoints } from "./endpoints.ts";
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
  readonly startedAtMs: number;
  readonly networks: Networks;
  readonly tunnels: KeptTunnels;
  readonly renter: Renter;
  readonly market: Market;
  readonly provider: Provider | null;
  readonly accelerator: AcceleratorVerdict | null;
}

/** The roles of a node that is started so. */
export function rolesOf({ roles: { relay, provider } }: RunNodeOptions): Role[] {
  return [...relay ? ["relay" as const] : [], ...provider ? ["provider" as const] : []];
}

/** What the node says of itself in its records. */
export function ownFacts(
  { alias, roles, endpoints, provider, accelerator }: {
    readonly alias: string | null;
    readonly roles: readonly Role[];
    readonly endpoints: Endpoints;
    readonly provider: Provider | null;
    readonly accelerator: AcceleratorVerdict | null;
  },
): OwnFacts {
  return {
    alias,
    roles,
    addresses: endpoints.publicAddresses(),
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
  endpoints: Endpoints,
  joined: Joined,
  order: Pick<InviteOrder, "grants" | "uses" | "lifeMs">,
): MadeInvite {
  const addresses = endpoints.inviteAddresses().slice(0, 8);
  if (addresses.length === 0) throw unreachableInvite();
  // A joiner is no member yet, and relays serve members: hints of relays come with the mesh.
  return networks.invite(joined, { ...order, addresses, relays: [] });
}

/** Who runs. */
export function nodeInfo(options: RunNodeOptions, build: string): NodeInfoResult {
  return { pid: OWN_PID, build, mode: options.mode, roles: rolesOf(options) };
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
