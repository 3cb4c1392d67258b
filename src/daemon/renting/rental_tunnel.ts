/**
 * The way into a rented VM: its tunnel out of its keys, where its ssh is, and by which key that is known.
 *
 * @module
 */
import { keyPairFromPrivate } from "../../crypto/mod.ts";
import { providerOf, type Rental, type RentalCreated } from "../../market/mod.ts";
import { devicePlan } from "../../tunnel/mod.ts";
import { sshHostKeyLine } from "../../vm/mod.ts";
import type { TunnelPlan } from "../streams/kept_tunnels.ts";
import { SSH_PORT } from "../streams/tunnels.ts";

/** Its tunnel; `null` before it was created, and in a dry run. */
export function tunnelOf(rental: Rental): TunnelPlan | null {
  const { created, privateKey, dryRun } = rental;
  if (created === null || dryRun) return null;
  const device = devicePlan({
    tunnel: rental.localTunnel,
    remote: created.tunnel,
    peer: providerOf(rental),
    keys: keyPairFromPrivate(privateKey),
    peerKey: Uint8Array.fromHex(created.wireguardKey),
  });
  return { name: `VM ${rental.id}`, device };
}

/** `[ADDRESS]:PORT` of the guest's sshd inside the tunnel. */
export function sshAddress(rental: Rental): string | null {
  const plan = tunnelOf(rental);
  return plan === null ? null : `[${plan.device.peerAddress}]:${SSH_PORT}`;
}

/** The guest's host key as a whole `ssh-ed25519 …` line. */
export function hostKeyOf({ created, dryRun }: Rental): string | null {
  return created === null || dryRun ? null : hostKeyLine(created);
}

/** The same, of what its provider answered. */
export function hostKeyLine({ sshHostKey }: RentalCreated): string {
  return sshHostKeyLine(Uint8Array.fromHex(sshHostKey));
}
