/**
 * Branded identifiers. A node, a network and their keys are one thing: the id is the Ed25519 public
 * key in base32, 52 characters.
 *
 * @example
 * ```ts
 * const peer = peerKey(network, node); // "NETWORK/NODE"
 * splitPeerKey(peer).node === node; // true
 * ```
 *
 * @module
 */
import { fromBase32 } from "./bytes.ts";

/** A node: its Ed25519 public key in base32 (52 characters). */
export type NodeId = string & { readonly __brand: "NodeId" };

/** A network: its authority's Ed25519 public key in base32 (52 characters). */
export type NetworkId = string & { readonly __brand: "NetworkId" };

/** A VM: 16 base32 characters (80 random bits). */
export type VmId = string & { readonly __brand: "VmId" };

/** A peer within one network: `NETWORK/NODE`. Sessions, RPC and paths are kept by it. */
export type PeerKey = string & { readonly __brand: "PeerKey" };

/** A way by which datagrams reach a peer, as canonical text; `wire/path.ts` makes and reads them. */
export type Path = string & { readonly __brand: "Path" };

/** Length of a node or network id in characters: 256 bits in base32. */
export const ID_CHARS = 52;

/**
 * The smallest prefix by which a person may name a peer, a network or an invite. Source: the command
 * line's contract. Four characters of a key are ground in a minute and a half on one core; each more
 * takes 32 times as long.
 */
export const PREFIX_CHARS_MIN = 8;

/** The same for a VM: its id was drawn by whoever made it, and only its own node looks it up. */
export const VM_PREFIX_CHARS_MIN = 4;

/** Whether `text` has the form of a node or network id (not whether the key is a good point). */
export function isId(text: string): boolean {
  return text.length === ID_CHARS && fromBase32(text) !== undefined;
}

/** Whether `text` has the form of a VM id. */
export function isVmId(text: string): text is VmId {
  return /^[a-z2-7]{16}$/.test(text);
}

/** Whether `text` may be an alias: 1 to 32 of `a-z 0-9 -`, not beginning with a dash. */
export function isAlias(text: string): boolean {
  return /^[a-z0-9][a-z0-9-]{0,31}$/.test(text);
}

/** The key of a peer in a network. */
export function peerKey(network: NetworkId, node: NodeId): PeerKey {
  return `${network}/${node}` as PeerKey;
}

/** The network and node of a peer key. */
export function splitPeerKey(key: PeerKey): { network: NetworkId; node: NodeId } {
  const [network, node] = key.split("/");
  return { network: network as NetworkId, node: node as NodeId };
}

/** A node, and where it may be met as somebody says: nothing of it is proven. */
export interface NamedNode {
  readonly id: NodeId;
  /** `HOST:PORT` or `[V6]:PORT`; those of a record and of a peer are `IP:PORT`. */
  readonly addresses: readonly string[];
}

/** By what the two ends know each other: a network's epoch key, or an invite's secret. */
export type SessionKind = "epoch" | "invite";
