/**
 * A second implementation of Noise XXpsk0, over noble and written straight along the paper's §5 and §9,
 * to hold the first against. Bytes only; it throws where a message is bad.
 */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";

type Bytes = Uint8Array;

export interface Keys {
  readonly s: Bytes;
  readonly e: Bytes;
}

const PATTERN = [["psk", "e"], ["e", "ee", "s", "es"], ["s", "se"]];

function join(...parts: Bytes[]): Bytes {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

export class NobleNoise {
  ck = sha256(new TextEncoder().encode("Noise_XXpsk0_25519_ChaChaPoly_SHA256"));
  h: Bytes;
  k: Bytes = new Uint8Array();
  n = 0;
  index = 0;
  re: Bytes = new Uint8Array();
  rs: Bytes = new Uint8Array();

  constructor(
    readonly initiator: boolean,
    readonly psk: Bytes,
    readonly keys: Keys,
    prologue: Bytes,
    /** What is sent as the ephemeral public key, where it shall not be the real one. */
    readonly claimedE: Bytes = x25519.getPublicKey(keys.e),
  ) {
    this.h = sha256(join(this.ck, prologue));
  }

  hkdf(material: Bytes): [Bytes, Bytes, Bytes] {
    const temp = hmac(sha256, this.ck, material);
    const one = hmac(sha256, temp, Uint8Array.of(1));
    const two = hmac(sha256, temp, join(one, Uint8Array.of(2)));
    return [one, two, hmac(sha256, temp, join(two, Uint8Array.of(3)))];
  }

  mixHash(data: Bytes): void {
    this.h = sha256(join(this.h, data));
  }

  mixKey(material: Bytes): void {
    const [ck, k] = this.hkdf(material);
    Object.assign(this, { ck, k, n: 0 });
  }

  cipher(): ReturnType<typeof chacha20poly1305> {
    const nonce = new Uint8Array(12);
    new DataView(nonce.buffer).setUint32(4, this.n++, true);
    return chacha20poly1305(this.k, nonce, this.h);
  }

  encrypt(plaintext: Bytes): Bytes {
    const sealed = this.cipher().encrypt(plaintext);
    this.mixHash(sealed);
    return sealed;
  }

  decrypt(sealed: Bytes): Bytes {
    const plaintext = this.cipher().decrypt(sealed);
    this.mixHash(sealed);
    return plaintext;
  }

  mixE(publicKey: Bytes): void {
    this.mixHash(publicKey);
    this.mixKey(publicKey);
  }

  mixSecret(token: string): void {
    if (token === "psk") {
      const [ck, hash, k] = this.hkdf(this.psk);
      this.mixHash(hash);
      Object.assign(this, { ck, k, n: 0 });
      return;
    }
    const [first, second] = this.initiator ? [token[0], token[1]] : [token[1], token[0]];
    const ours = first === "e" ? this.keys.e : this.keys.s;
    this.mixKey(x25519.getSharedSecret(ours, second === "e" ? this.re : this.rs));
  }

  write(payload: Bytes): Bytes {
    const parts: Bytes[] = [];
    for (const token of PATTERN[this.index++] ?? []) {
      if (token === "e") {
        parts.push(this.claimedE);
        this.mixE(this.claimedE);
      } else if (token === "s") parts.push(this.encrypt(x25519.getPublicKey(this.keys.s)));
      else this.mixSecret(token);
    }
    return join(...parts, this.encrypt(payload));
  }

  read(message: Bytes): Bytes {
    let rest = message;
    const take = (count: number) => {
      const taken = rest.slice(0, count);
      rest = rest.slice(count);
      return taken;
    };
    for (const token of PATTERN[this.index++] ?? []) {
      if (token === "e") {
        this.re = take(32);
        this.mixE(this.re);
      } else if (token === "s") this.rs = this.decrypt(take(48));
      else this.mixSecret(token);
    }
    return this.decrypt(rest);
  }

  split(): [Bytes, Bytes] {
    const [first, second] = this.hkdf(new Uint8Array());
    return this.initiator ? [first, second] : [second, first];
  }
}
