/**
 * Keeps our certificates fresh: whenever there is a session with who admitted us, at half of a
 * certificate's life.
 *
 * @module
 */
import { type PeerKey, splitPeerKey } from "../../base/mod.ts";
import type { Log } from "../../host/log.ts";
import type { Calls, Tasks, Views } from "../ports.ts";
import type { Networks } from "./networks.ts";

/** On what renewing stands. */
export interface RenewingParts extends Tasks {
  readonly networks: Pick<Networks, "get" | "needsRenewal" | "takeRenewal">;
  readonly calls: Pick<Calls, "call">;
  readonly views: Pick<Views, "listen">;
  readonly log: Log;
}

/** Asks admitters for fresh certificates from now on. */
export function keepRenewed(parts: RenewingParts): void {
  parts.views.listen(({ type, peer }) => {
    if (type === "peer-up") parts.background("renew the certificate", () => renew(parts, peer));
  });
}

async function renew({ networks, calls, log }: RenewingParts, peer: PeerKey): Promise<void> {
  const { network, node } = splitPeerKey(peer);
  const joined = networks.get(network);
  if (joined === undefined || joined.row.admitter !== node) return;
  if (!networks.needsRenewal(joined)) return;
  const answer = await calls.call(peer, "renew", { c: joined.certificate.bytes });
  networks.takeRenewal(joined, answer);
  log.info("the certificate was renewed", { network: joined.row.name });
}
