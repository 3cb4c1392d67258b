/**
 * Networks and invites as documents.
 *
 * @module
 */
import type { InviteDoc, NetworkDetailsDoc, NetworkDoc } from "../../api/nouns/network.ts";
import { timestamp, timestampOrNull } from "../../host/time.ts";
import type { InviteRow } from "../../membership/mod.ts";
import type { Joined } from "../networks/joined.ts";
import type { Networks } from "../networks/networks.ts";
import type { NetworkSummary } from "../networks/summary.ts";

/** A network as a document. */
export function networkDoc(summary: NetworkSummary): NetworkDoc {
  const { id, name, epoch, isEnabled, members, grants } = summary;
  return { id, name, epoch, enabled: isEnabled, members, grants };
}

/** A network of this node as a document. */
export function joinedDoc(networks: Pick<Networks, "summary">, joined: Joined): NetworkDoc {
  return networkDoc(networks.summary(joined));
}

/** All networks as documents. */
export function networkDocs(networks: Pick<Networks, "summaries">): NetworkDoc[] {
  return networks.summaries().map(networkDoc);
}

/** A network as a document with all that this node knows of its part in it. */
export function networkDetailsDoc(
  networks: Pick<Networks, "summary">,
  joined: Joined,
): NetworkDetailsDoc {
  return {
    ...joinedDoc(networks, joined),
    authority: joined.admitter !== null,
    joined_at: timestamp(joined.row.joinedAtMs),
    certificate_expires_at: timestamp(joined.certificate.notAfterMs),
  };
}

/** An invite as a document, without its secret. */
export function inviteDoc(row: InviteRow): InviteDoc {
  return {
    id: row.id,
    grants: row.grants,
    created_at: timestamp(row.createdAtMs),
    expires_at: timestamp(row.expiresAtMs),
    uses: row.uses,
    redeemed: row.redeemed,
    revoked_at: timestampOrNull(row.revokedAtMs),
  };
}
