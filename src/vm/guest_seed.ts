/**
 * What one guest is told: its keys, its peer, who may log in. It travels as a small archive in front
 * of the image's initramfs, never on a command line, and the guest's init wipes it after use.
 *
 * ```
 *  omerta/env              KEY=value lines: HOSTNAME ADDRESS PEER_ADDRESS PEER_PUBLIC_KEY
 *  omerta/wg.key           WireGuard private key, base64
 *  omerta/ssh_host_key     OpenSSH private key, not encrypted
 *  omerta/authorized_keys  OpenSSH public keys, one a line
 *  omerta/entropy          64 random bytes with which the guest's generator is seeded
 * ```
 *
 * @module
 */
import { buildSeed } from "./cpio.ts";
import { opensshHostKey } from "./host_key.ts";

/** What a guest is told. Byte strings are only read. */
export interface GuestSeed {
  /** WireGuard private key of the guest, 32 bytes. */
  readonly wgPrivateKey: Uint8Array;
  /** WireGuard public key of the renter, 32 bytes. */
  readonly peerPublicKey: Uint8Array;
  /** The guest's address inside the tunnel: an IPv6 ULA without prefix length. */
  readonly address: string;
  /** The renter's address inside the tunnel. */
  readonly peerAddress: string;
  /** Seed of the ssh host key, 32 bytes. */
  readonly hostKeySeed: Uint8Array;
  /** The public key that belongs to `hostKeySeed`, 32 bytes. */
  readonly hostPublicKey: Uint8Array;
  /** 64 random bytes. */
  readonly entropy: Uint8Array;
  /** Lines as `parseSshPublicKey` returns them. */
  readonly authorizedKeys: readonly string[];
  /** As `guestHostname` returns it. */
  readonly hostname: string;
}

/** Bytes of entropy that a guest gets: 512 bits, twice what Linux' generator holds. */
export const ENTROPY_BYTES = 64;

const WG_KEY_BYTES = 32;
const VALUE = /^[A-Za-z0-9:./+=_-]+$/;

/** The seed archive of a guest. Throws `RangeError` where a field has not the form given above. */
export function guestSeed(seed: GuestSeed): Uint8Array {
  checkBytes("wgPrivateKey", seed.wgPrivateKey, WG_KEY_BYTES);
  checkBytes("peerPublicKey", seed.peerPublicKey, WG_KEY_BYTES);
  checkBytes("entropy", seed.entropy, ENTROPY_BYTES);
  const file = (name: string, bytes: Uint8Array) => ({
    path: `omerta/${name}`,
    mode: 0o600,
    bytes,
  });
  return buildSeed([
    file("env", text(environment(seed))),
    file("wg.key", text(`${seed.wgPrivateKey.toBase64()}\n`)),
    file("ssh_host_key", text(opensshHostKey(seed.hostKeySeed, seed.hostPublicKey))),
    file("authorized_keys", text(authorizedKeys(seed.authorizedKeys))),
    file("entropy", seed.entropy),
  ]);
}

/** A host name out of the words of a person: `a-z 0-9 -`, at most 63 characters, never empty. */
export function guestHostname(name: string): string {
  const plain = name.toLowerCase().replaceAll(/[^a-z0-9-]+/g, "-").slice(0, 63);
  return plain.replaceAll(/^-+|-+$/g, "") || "guest";
}

function environment(seed: GuestSeed): string {
  const values = {
    HOSTNAME: checkHostname(seed.hostname),
    ADDRESS: checkUla(seed.address),
    PEER_ADDRESS: checkUla(seed.peerAddress),
    PEER_PUBLIC_KEY: seed.peerPublicKey.toBase64(),
  };
  return Object.entries(values).map(([name, value]) => `${name}=${checkValue(value)}\n`).join("");
}

function authorizedKeys(lines: readonly string[]): string {
  for (const line of lines) {
    if (!/^[a-z0-9@.-]+ [A-Za-z0-9+/=]+$/.test(line)) {
      throw new RangeError("Cannot use line as an authorized key: not in the form TYPE BASE64");
    }
  }
  return lines.map((line) => `${line}\n`).join("");
}

function checkHostname(name: string): string {
  if (name === guestHostname(name)) return name;
  throw new RangeError(`Cannot use hostname: current value is ${JSON.stringify(name)}`);
}

function checkUla(address: string): string {
  if (/^f[cd][0-9a-f]{2}:[0-9a-f:]{2,34}$/.test(address)) return address;
  throw new RangeError(`Cannot use address as an IPv6 ULA: current value is ${address}`);
}

function checkValue(value: string): string {
  if (VALUE.test(value)) return value;
  throw new RangeError(`Cannot write value into the guest's environment: ${JSON.stringify(value)}`);
}

function checkBytes(what: string, bytes: Uint8Array, length: number): void {
  if (bytes.length === length) return;
  throw new RangeError(`Cannot use ${what}: ${bytes.length} bytes, must be ${length}`);
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}
