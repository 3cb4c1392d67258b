/**
 * Rented VMs and known providers as people and scripts see them.
 *
 * @module
 */
import type { KnownProviderDoc, SshTargetDoc, VmDoc } from "../../api/nouns/consumer.ts";
import type { PathDoc } from "../../api/nouns/mesh.ts";
import type { ProviderRow } from "../../host/store/mod.ts";
import { timestamp, timestampOrNull } from "../../host/time.ts";
import { isEnded, type Rental } from "../../market/mod.ts";
import { hostKeyOf, sshAddress } from "../renting/rental_tunnel.ts";
import type { SshWay } from "../renting/vm_access.ts";

/** What stands beside a rental in its document. */
export interface VmSurroundings {
  readonly networkName: string;
  readonly path: PathDoc;
  /** `null`: there is no way in. */
  readonly sshCommand: readonly string[] | null;
}

/** The document of a rental. */
export function vmDoc(rental: Rental, around: VmSurroundings): VmDoc {
  const { created, request, dryRun, imageDigest } = rental;
  return {
    id: rental.id,
    network: { id: rental.network, name: around.networkName },
    name: rental.name,
    key: rental.key,
    provider: rental.provider,
    provider_known: rental.providerKnown,
    state: rental.state,
    ssh_command: dryRun ? null : around.sshCommand,
    ssh_address: sshAddress(rental),
    ssh_user: created?.user ?? null,
    ssh_host_key: hostKeyOf(rental),
    cpu: request.cpu,
    memory_bytes: request.memoryBytes,
    storage_bytes: request.storageBytes,
    image: request.image,
    image_digest: imageDigest === null ? null : `sha256:${imageDigest}`,
    accelerator: rental.accelerator,
    isolation: rental.isolation,
    confinement: rental.confinement,
    egress: "none",
    requested_at: timestamp(rental.requestedAtMs),
    ready_at: timestampOrNull(rental.readyAtMs),
    lease_ms: rental.leaseMs,
    lease_expires_at: timestampOrNull(rental.leaseExpiresAtMs),
    life_ends_at: timestampOrNull(rental.lifeEndsAtMs),
    checked_at: timestampOrNull(rental.checkedAtMs),
    end: endOf(rental),
    ended_at: timestampOrNull(rental.endedAtMs),
    reason: rental.reason,
    path: around.path,
    timings_ms: rental.timings,
    dry_run: dryRun,
  };
}

function endOf({ state, endReason, reason, endedAtMs }: Rental): VmDoc["end"] {
  if (!isEnded(state)) return null;
  const ofState = { released: "released", failed: "failed", lost: "lost" } as const;
  const word = endReason ?? ofState[state as keyof typeof ofState];
  return { reason: word, detail: reason, at: timestamp(endedAtMs ?? 0) };
}

/** What OpenSSH needs for a VM. */
export function sshTargetDoc(way: SshWay): SshTargetDoc {
  return {
    id: way.id,
    name: way.name,
    user: way.user,
    host_key: way.hostKey,
    address: way.address,
    identity_file: way.identityFile,
    known_hosts_file: way.knownHostsFile,
  };
}

/** A provider as this node knows it. */
export function knownProviderDoc(
  { network, node, trustedAtMs, servedAtMs, failures, failedAtMs }: ProviderRow,
  names: { readonly alias: string | null; readonly networkName: string },
): KnownProviderDoc {
  return {
    id: node,
    alias: names.alias,
    network: { id: network, name: names.networkName },
    trusted: trustedAtMs !== null,
    trusted_at: timestampOrNull(trustedAtMs),
    served_at: timestampOrNull(servedAtMs),
    failed_at: timestampOrNull(failedAtMs),
    failures,
  };
}
