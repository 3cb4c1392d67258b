/**
 * A rented VM as the renter keeps it: its row on the disk, and the document that people and scripts
 * see.
 *
 * @module
 */
import type { PathDoc } from "../../api/nouns/mesh.ts";
import type { VmDoc } from "../../api/nouns/consumer.ts";
import type {
  Confinement,
  Isolation,
  OwnersEndReason,
  VmPhase,
  VmState,
} from "../../market/mod.ts";
import { timestamp, timestampOrNull } from "../../host/time.ts";
import { type NetworkId, type NodeId, type PeerKey, peerKey, type VmId } from "../../base/mod.ts";
import { keyPairFromPrivate } from "../../crypto/mod.ts";
import type { RentalRow } from "../../host/store/mod.ts";
import { type DevicePlan, devicePlan } from "../../tunnel/mod.ts";
import { sshHostKeyLine } from "../../vm/mod.ts";
import { SSH_PORT } from "../streams/tunnels.ts";

/** What was asked for. */
export interface RentalRequest {
  readonly cpu: number;
  readonly memoryBytes: number;
  readonly storageBytes: number;
  readonly image: string;
  readonly leaseMs: number;
}

/** What the provider answered to `vm.create`; keys in hex. */
export interface RentalCreated {
  readonly tunnel: number;
  readonly wireguardKey: string;
  readonly sshHostKey: string;
  readonly user: string;
}

/** A rented VM. A snapshot: changes make a new one. */
export interface Rental {
  readonly id: VmId;
  readonly network: NetworkId;
  readonly provider: NodeId;
  readonly key: string | null;
  readonly name: string | null;
  readonly state: VmState;
  readonly request: RentalRequest;
  /** Our WireGuard private key, 32 bytes. */
  readonly privateKey: Uint8Array;
  readonly localTunnel: number;
  readonly created: RentalCreated | null;
  /** Absolute path of the private ssh key whose public part the guest got. */
  readonly identityFile: string;
  readonly accelerator: "kvm" | "tcg" | null;
  readonly isolation: Isolation | null;
  readonly confinement: Confinement | null;
  /** SHA-256 of the image in hex, as the provider told it. */
  readonly imageDigest: string | null;
  /** Lease and life as the provider granted them, whatever was asked for. */
  readonly leaseMs: number;
  readonly lifeMs: number;
  /** Whether the provider was trusted, or had served, when it was asked. */
  readonly providerKnown: boolean;
  readonly dryRun: boolean;
  readonly timings: Readonly<Record<VmPhase, number | null>>;
  /** Why it failed or ended. */
  readonly reason: string | null;
  /** The same as one word. */
  readonly endReason: OwnersEndReason | null;
  readonly requestedAtMs: number;
  readonly readyAtMs: number | null;
  readonly leaseExpiresAtMs: number | null;
  readonly lifeEndsAtMs: number | null;
  readonly checkedAtMs: number | null;
  readonly endedAtMs: number | null;
}

/** The states in which nothing of a VM is left. */
const ENDED: ReadonlySet<VmState> = new Set(["released", "failed", "lost"]);

/** Whether a VM in `state` has ended. */
export function hasEnded(state: VmState): boolean {
  return ENDED.has(state);
}

/** Whether nothing is wanted any more of a VM in `state`: it has ended, or is to end. */
export function isOver(state: VmState): boolean {
  return state === "releasing" || hasEnded(state);
}

/** The peer that provides a rental. */
export function providerOf(rental: Rental): PeerKey {
  return peerKey(rental.network, rental.provider);
}

/** By what a rental claims its provider's paths. */
export function useOf(rental: Pick<Rental, "id">): string {
  return `rented VM ${rental.id}`;
}

/** The row of a rental. */
export function toRow(rental: Rental): RentalRow {
  const { created } = rental;
  return {
    id: rental.id,
    network: rental.network,
    provider: rental.provider,
    key: rental.state === "releasing" ? null : rental.key, // the next request with it gets another
    name: rental.name,
    state: rental.state,
    request: rental.request,
    secrets: hasEnded(rental.state) ? null : rental.privateKey, // nobody gets in any more
    hostKey: created === null ? null : hostKeyLine(created),
    leaseMs: rental.leaseMs,
    leaseExpiresAtMs: rental.leaseExpiresAtMs,
    requestedAtMs: rental.requestedAtMs,
    readyAtMs: rental.readyAtMs,
    checkedAtMs: rental.checkedAtMs,
    endedAtMs: rental.endedAtMs,
    document: {
      created: rental.created,
      identityFile: rental.identityFile,
      accelerator: rental.accelerator,
      isolation: rental.isolation,
      confinement: rental.confinement,
      imageDigest: rental.imageDigest,
      lifeMs: rental.lifeMs,
      lifeEndsAtMs: rental.lifeEndsAtMs,
      providerKnown: rental.providerKnown,
      dryRun: rental.dryRun,
      timings: rental.timings,
      reason: rental.reason,
      endReason: rental.endReason,
      localTunnel: rental.localTunnel,
    },
  };
}

/** The rental of a row. Rows are only written by `toRow`; the database checks their types. */
export function fromRow(row: RentalRow): Rental {
  const { hostKey: _derived, secrets, document, ...same } = row;
  return {
    ...same,
    ...document,
    privateKey: secrets ?? new Uint8Array(32),
  };
}

/** What its tunnel is opened with; `null` before it was created, and in a dry run. */
export function tunnelPlan(rental: Rental): DevicePlan | null {
  const { created, privateKey, dryRun } = rental;
  if (created === null || dryRun) return null;
  return devicePlan({
    tunnel: rental.localTunnel,
    remote: created.tunnel,
    peer: providerOf(rental),
    keys: keyPairFromPrivate(privateKey),
    peerKey: Uint8Array.fromHex(created.wireguardKey),
  });
}

/** `[ADDRESS]:PORT` of the guest's sshd inside the tunnel. */
export function sshAddress(rental: Rental): string | null {
  const plan = tunnelPlan(rental);
  return plan === null ? null : `[${plan.peerAddress}]:${SSH_PORT}`;
}

/** The guest's host key as a whole `ssh-ed25519 …` line. */
export function hostKeyOf({ created, dryRun }: Rental): string | null {
  return created === null || dryRun ? null : hostKeyLine(created);
}

/** The document of a rental. */
export function vmDocument(
  rental: Rental,
  parts: {
    readonly networkName: string;
    readonly path: PathDoc;
    readonly sshCommand: readonly string[] | null;
  },
): VmDoc {
  const { created, request, dryRun, imageDigest } = rental;
  return {
    id: rental.id,
    network: { id: rental.network, name: parts.networkName },
    name: rental.name,
    key: rental.key,
    provider: rental.provider,
    provider_known: rental.providerKnown,
    state: rental.state,
    ssh_command: dryRun ? null : parts.sshCommand,
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
    path: parts.path,
    timings_ms: rental.timings,
    dry_run: dryRun,
  };
}

function endOf({ state, endReason, reason, endedAtMs }: Rental): VmDoc["end"] {
  if (!hasEnded(state)) return null;
  const ofState = { released: "released", failed: "failed", lost: "lost" } as const;
  const word = endReason ?? ofState[state as keyof typeof ofState];
  return { reason: word, detail: reason, at: timestamp(endedAtMs ?? 0) };
}

function hostKeyLine(created: RentalCreated): string {
  return sshHostKeyLine(Uint8Array.fromHex(created.sshHostKey));
}
