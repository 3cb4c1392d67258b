/**
 * How a node that starts comes to its network: by an invite, or by beginning one.
 *
 * @module
 */
import { OmertaError } from "../../base/mod.ts";
import type { Context } from "./context.ts";
import { INVITE_FIRST } from "../networks/inviting.ts";
import { joinNetwork, readInvite } from "../networks/joining.ts";
import type { Networks } from "../networks/networks.ts";
import type { RunNodeOptions } from "../options.ts";
import type { Endpoints } from "./endpoints.ts";
import { makeInvite } from "./node.ts";

/** The name of a network that `omerta relay` makes by itself. */
const FIRST_NETWORK = "home";

/** What came of it. */
export interface Entered {
  /** Whether a network was made, and the invite to it where somebody sees it. */
  readonly created: boolean;
  readonly invite: string | null;
}

const NOTHING_MADE: Entered = { created: false, invite: null };

/** On what entering stands. */
export interface EnteringParts {
  readonly context: Context;
  readonly networks: Networks;
  readonly endpoints: Endpoints;
  alias(): string | null;
}

/**
 * Redeems the invite, or lets a relay without a network begin one.
 *
 * @throws {OmertaError} `no-network` for a provider without any; what is wrong with an invite.
 */
export async function enterNetwork(
  options: RunNodeOptions,
  parts: EnteringParts,
): Promise<Entered> {
  const { invite, roles, signal } = options;
  const { context, networks, alias } = parts;
  if (invite !== null) {
    const read = readInvite(invite, context.wallMs());
    await joinNetwork({ ...context, networks, alias }, read, signal);
    return NOTHING_MADE;
  }
  if (roles.relay || roles.provider) networks.requireSound();
  if (networks.list().length > 0) return NOTHING_MADE;
  if (roles.relay) return beginNetwork(options, parts);
  if (!roles.provider) return NOTHING_MADE;
  throw new OmertaError("no-network", "A provider needs a network to lend in", {
    hint: "Give an invite: 'omerta provider --join -' takes it from stdin.",
  });
}

function beginNetwork(
  { showsInvite }: RunNodeOptions,
  { context, networks, endpoints }: EnteringParts,
): Entered {
  const joined = networks.create(FIRST_NETWORK);
  if (!showsInvite) return { created: true, invite: null };
  const warn = () =>
    context.log.warn(
      "no public address is known here: invites lead to this LAN only. Behind a 1:1 " +
        "NAT, as in most clouds, give the public one with --advertise HOST",
    );
  try {
    const made = makeInvite(networks, endpoints, joined, INVITE_FIRST);
    if (made.lanOnly) warn();
    return { created: true, invite: made.text };
  } catch (error) {
    if (!(error instanceof OmertaError) || error.code !== "invite-unreachable") throw error;
    warn();
    return { created: true, invite: null };
  }
}
