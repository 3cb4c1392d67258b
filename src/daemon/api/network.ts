/**
 * `network.*`: making, joining and leaving networks, and inviting to them.
 *
 * @module
 */
import type { ApiTable } from "../../api/server.ts";
import { OmertaError, splitPeerKey } from "../../base/mod.ts";
import { INVITE_STANDARD } from "../networks/inviting.ts";
import { joinNetwork, readInvite } from "../networks/joining.ts";
import { requireLeavable } from "../networks/leaving.ts";
import { makeInvite } from "../run/node.ts";
import { timestamp, timestampOrNull } from "../../host/time.ts";
import { NETWORK, NOTHING } from "../../api/nouns/common.ts";
import {
  NETWORK_CREATE,
  NETWORK_IMPORT,
  NETWORK_INVITE,
  NETWORK_JOIN,
  NETWORK_LEAVE,
  NETWORK_REVOKE,
} from "../../api/nouns/network.ts";
import { inviteDoc, joinedDoc, networkDetailsDoc, networkDoc, networkDocs } from "./network_doc.ts";
import { later, type TableParts } from "./parts.ts";

/** All methods about networks. */
export function networkMethods(parts: TableParts): ApiTable {
  return { ...belongingMethods(parts), ...invitingMethods(parts), ...authorityMethods(parts) };
}

/** Belonging to networks. */
function belongingMethods({ node, endpoints, alias, options }: TableParts): ApiTable {
  const { networks, context } = node;
  return {
    "network.create": {
      input: NETWORK_CREATE,
      run: ({ name, invite }) => {
        const joined = networks.create(name);
        const make = () => makeInvite(networks, endpoints, joined, INVITE_STANDARD);
        const made = invite ? orUnreachable(make) : null;
        return Promise.resolve({
          network: joinedDoc(networks, joined),
          invite: made?.text ?? null,
          invite_id: made?.row.id ?? null,
          expires_at: timestampOrNull(made?.row.expiresAtMs ?? null),
          lan_only: made?.lanOnly ?? false,
          stays: options.mode === "foreground",
        });
      },
    },
    "network.join": {
      input: NETWORK_JOIN,
      run: async (input, { signal, progress }) => {
        progress("asking who made the invite");
        const invite = readInvite(input.invite, context.wallMs());
        const { joined, isNew } = await joinNetwork(
          { ...context, networks, alias },
          invite,
          signal,
        );
        return { network: joinedDoc(networks, joined), joined: isNew };
      },
    },
    "network.list": {
      input: NOTHING,
      run: () => Promise.resolve({ networks: networkDocs(networks) }),
    },
    "network.show": {
      input: NETWORK,
      run: ({ network }) =>
        later(() => ({ network: networkDetailsDoc(networks, networks.require(network)) })),
    },
    "network.leave": {
      input: NETWORK_LEAVE,
      run: ({ network, force }) =>
        later(() => {
          const unsound = networks.leaveUnsound(network);
          if (unsound !== undefined) return { network: networkDoc(unsound) };
          const joined = networks.require(network);
          if (!force) requireLeavable(context, joined);
          const document = joinedDoc(networks, joined);
          for (const peer of context.views.connected()) {
            if (splitPeerKey(peer).network !== joined.row.id) continue;
            context.sessions.disconnect(peer, "epoch");
          }
          networks.leave(joined);
          return { network: document };
        }),
    },
  };
}

/** Inviting. */
function invitingMethods({ node, endpoints, options }: TableParts): ApiTable {
  const { networks } = node;
  return {
    "network.invite": {
      input: NETWORK_INVITE,
      run: ({ network, grants, uses, expiresMs }) =>
        later(() => {
          const joined = networks.require(network);
          const order = { grants, uses, lifeMs: expiresMs };
          const { text, row, lanOnly } = makeInvite(networks, endpoints, joined, order);
          return {
            network: joinedDoc(networks, joined),
            invite: text,
            invite_id: row.id,
            expires_at: timestamp(row.expiresAtMs),
            lan_only: lanOnly,
            stays: options.mode === "foreground",
          };
        }),
    },
    "network.invites": {
      input: NETWORK,
      run: ({ network }) =>
        later(() => {
          const joined = networks.require(network);
          return {
            network: joinedDoc(networks, joined),
            invites: networks.invites(joined).map(inviteDoc),
          };
        }),
    },
    "network.revoke": {
      input: NETWORK_REVOKE,
      run: ({ network, target }) =>
        later(() => {
          const joined = networks.require(network);
          const id = networks.revokeInvite(joined, target);
          return { network: joinedDoc(networks, joined), revoked: { kind: "invite", id } };
        }),
    },
  };
}

/** Handing the authority over. */
function authorityMethods({ node: { networks } }: TableParts): ApiTable {
  return {
    "network.export": {
      input: NETWORK,
      run: ({ network }) =>
        later(() => {
          const joined = networks.require(network);
          return { network: joinedDoc(networks, joined), export: networks.export(joined) };
        }),
    },
    "network.import": {
      input: NETWORK_IMPORT,
      run: (input) =>
        later(() => {
          const joined = networks.import(input.export);
          return {
            network: joinedDoc(networks, joined),
            entries: networks.entries(joined).length,
          };
        }),
    },
  };
}

/** A network can be made where nobody could reach an invite: then it has none yet. */
function orUnreachable<T>(make: () => T): T | null {
  try {
    return make();
  } catch (error) {
    if (error instanceof OmertaError && error.code === "invite-unreachable") return null;
    throw error;
  }
}
