/**
 * What the native data path is told about a tunnel. A renter's end is a WireGuard device with a
 * userspace TCP/IP stack; at the provider the datagrams only pass, between the mesh and the guest.
 *
 * ```text
 *   renter:   streams ⇄ TCP/IP ⇄ WireGuard device ⇄ frames `ot` REMOTE ⇄ path to the peer
 *   provider: path to the peer ⇄ frames `ot` REMOTE ⇄ datagram socket of the VM's helper ⇄ guest
 * ```
 *
 * @module
 */
import type { PeerKey } from "../base/mod.ts";
import type { KeyPair } from "../crypto/mod.ts";
import { tunnelAddress } from "./address.ts";

/**
 * Bytes of an inner packet at most. IPv6's minimum (RFC 8200 §5), and what still fits when all layers
 * are worst: 1376 B outside (IPv6, relayed).
 */
export const TUNNEL_MTU = 1_280;

/**
 * Seconds between keepalives of the renter's device; 0: none. The guest, which must speak first, keeps
 * the tunnel alive, and the paths beneath have pings of their own.
 */
const RENTER_KEEPALIVE_S = 0;

/** By which numbers and whom the two ends of a tunnel know each other. */
export interface TunnelEnd {
  /** Our id of the tunnel, which we chose; never 0. */
  readonly tunnel: number;
  readonly peer: PeerKey;
  /** The peer's id of it; 0 while that is not known. */
  readonly remote: number;
}

/** A WireGuard device with a userspace TCP/IP stack. Keys in hex, addresses as text. */
export interface DevicePlan extends TunnelEnd {
  readonly mode: "device";
  readonly privateKey: string;
  readonly peerKey: string;
  readonly address: string;
  readonly peerAddress: string;
  readonly mtu: number;
  readonly keepaliveS: number;
}

/** Datagrams between the mesh and the helper of a VM. */
export interface GuestPlan extends TunnelEnd {
  readonly mode: "guest";
  /** Path of the helper's control socket. */
  readonly control: string;
}

/**
 * The renter's end of a tunnel.
 *
 * @throws {RangeError} When an id is no 32-bit number or the peer's key has not 32 bytes.
 */
export function devicePlan(
  end: TunnelEnd & { readonly keys: KeyPair; readonly peerKey: Uint8Array },
): DevicePlan {
  const { keys, peerKey } = end;
  return {
    ...checkedEnd(end),
    mode: "device",
    privateKey: keys.privateKey.toHex(),
    peerKey: peerKey.toHex(),
    address: tunnelAddress(keys.publicKey),
    peerAddress: tunnelAddress(peerKey),
    mtu: TUNNEL_MTU,
    keepaliveS: RENTER_KEEPALIVE_S,
  };
}

/** The provider's end of a tunnel. @throws {RangeError} When an id is no 32-bit number. */
export function guestPlan(end: TunnelEnd & { readonly control: string }): GuestPlan {
  return { ...checkedEnd(end), mode: "guest", control: end.control };
}

function checkedEnd({ tunnel, peer, remote }: TunnelEnd): TunnelEnd {
  if (!isUint32(tunnel) || tunnel === 0 || !isUint32(remote)) {
    throw new RangeError(`Cannot plan tunnel: its ids are ${tunnel} and ${remote}`);
  }
  return { tunnel, peer, remote };
}

function isUint32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
}
