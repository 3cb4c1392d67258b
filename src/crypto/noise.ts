/**
 * Noise handshakes (revision 34): `Noise_XXpsk0_25519_ChaChaPoly_SHA256`.
 *
 * ```text
 *   → psk, e            payload sealed by the psk alone: no Diffie-Hellman to read it
 *   ← e, ee, s, es      payload sealed to the initiator's ephemeral key
 *   → s, se             payload sealed to both
 * ```
 *
 * Unlike the paper's, `readMessage` leaves the state as it was when a message is bad, so that a forged
 * datagram cannot end a handshake. States are replaced, never written to.
 *
 * Source: noiseprotocol.org/noise.html §5, §7, §9. Not here: other patterns, rekey (sessions are
 * renewed by a new handshake).
 *
 * @module
 */
import { concatBytes, fail, ok, type Random, type Result } from "../base/mod.ts";
import { AEAD_TAG_BYTES, open, seal } from "./aead.ts";
import { KEY_BYTES } from "./der.ts";
import { hmacSha256, sha256 } from "./hash.ts";
import { generateKeyPair, type KeyPair, x25519 } from "./x25519.ts";

/** The protocol's name, which is hashed into every handshake. */
export const NOISE_PROTOCOL = "Noise_XXpsk0_25519_ChaChaPoly_SHA256";

/** Bytes that each message has beyond its payload. */
export const NOISE_OVERHEAD_BYTES = [
  KEY_BYTES + AEAD_TAG_BYTES,
  KEY_BYTES + (KEY_BYTES + AEAD_TAG_BYTES) + AEAD_TAG_BYTES,
  KEY_BYTES + AEAD_TAG_BYTES + AEAD_TAG_BYTES,
] as const;

/** Why a handshake message is refused. */
export type NoiseFault = "short" | "bad-tag" | "bad-key";

/** What a handshake starts with. */
export interface NoiseOptions {
  readonly initiator: boolean;
  readonly prologue: Uint8Array;
  /** Our long-lived key pair. */
  readonly staticKey: KeyPair;
  /** The pre-shared key, 32 bytes. */
  readonly psk: Uint8Array;
  /** For the ephemeral key. */
  readonly random: Random;
}

/** What a finished handshake leaves: 32-byte keys per direction, and the handshake's hash. */
export interface NoiseKeys {
  readonly send: Uint8Array;
  readonly receive: Uint8Array;
  /** Unique to this handshake; both sides have the same. */
  readonly hash: Uint8Array;
}

type Token = "psk" | "e" | "s" | "ee" | "es" | "se";

const MESSAGES: readonly (readonly Token[])[] = [
  ["psk", "e"],
  ["e", "ee", "s", "es"],
  ["s", "se"],
];

/** One side of one handshake. */
export class NoiseHandshake {
  readonly #options: NoiseOptions;
  #state: State;

  constructor(options: NoiseOptions) {
    if (options.psk.length !== KEY_BYTES) {
      throw new RangeError(`Cannot start handshake: psk has ${options.psk.length} bytes`);
    }
    this.#options = options;
    this.#state = startState(options.prologue);
  }

  /** A second handshake in the same state: to read a message that may turn out to be unwanted. */
  clone(): NoiseHandshake {
    const copy = new NoiseHandshake(this.#options);
    copy.#state = this.#state;
    return copy;
  }

  /** Whether all messages were written or read. */
  get isComplete(): boolean {
    return this.#state.next === MESSAGES.length;
  }

  /** The peer's long-lived key, once it was read. */
  get remoteStatic(): Uint8Array | undefined {
    return this.#state.remoteStatic;
  }

  /**
   * Writes the next message around a payload.
   *
   * @returns The message, or `bad-key` where a key that the peer sent gives no secret.
   * @throws {TypeError} When it is not our turn.
   */
  writeMessage(payload: Uint8Array): Result<Uint8Array, "bad-key"> {
    this.#checkTurn("write", this.#options.initiator);
    const work = { ...this.#state };
    const parts: Uint8Array[] = [];
    for (const token of MESSAGES[work.next] ?? []) {
      const part = this.#writeToken(work, token);
      if (!part.ok) return part;
      parts.push(part.value);
    }
    parts.push(encryptAndHash(work, payload));
    this.#state = { ...work, next: work.next + 1 };
    return ok(concatBytes(...parts));
  }

  /**
   * Reads the next message; the state moves on only when it is good.
   *
   * @param message Hostile bytes; nothing of them is kept.
   * @returns The payload.
   * @throws {TypeError} When it is not the peer's turn.
   */
  readMessage(message: Uint8Array): Result<Uint8Array, NoiseFault> {
    this.#checkTurn("read", !this.#options.initiator);
    if (message.length < (NOISE_OVERHEAD_BYTES[this.#state.next] ?? 0)) return fail("short");
    const work = { ...this.#state };
    const reader = { rest: message };
    for (const token of MESSAGES[work.next] ?? []) {
      const fault = this.#readToken(work, token, reader);
      if (fault !== undefined) return fail(fault);
    }
    const payload = decryptAndHash(work, reader.rest);
    if (!payload.ok) return payload;
    this.#state = { ...work, next: work.next + 1 };
    return payload;
  }

  /** The keys for what follows. @throws {TypeError} When the handshake is not complete. */
  split(): NoiseKeys {
    if (!this.isComplete) throw new TypeError("Cannot split handshake: it is not complete");
    const [first, second] = noiseHkdf(this.#state.chainingKey, new Uint8Array());
    const hash = this.#state.hash;
    return this.#options.initiator
      ? { send: first, receive: second, hash }
      : { send: second, receive: first, hash };
  }

  #checkTurn(verb: string, isInitiatorsTurn: boolean): void {
    const { next } = this.#state;
    if (next >= MESSAGES.length || (next % 2 === 0) !== isInitiatorsTurn) {
      throw new TypeError(`Cannot ${verb} handshake message: next is ${next}`);
    }
  }

  #writeToken(work: State, token: Token): Result<Uint8Array, "bad-key"> {
    switch (token) {
      case "e":
        work.ephemeral = generateKeyPair(this.#options.random);
        mixEphemeral(work, work.ephemeral.publicKey);
        return ok(work.ephemeral.publicKey);
      case "s":
        return ok(encryptAndHash(work, this.#options.staticKey.publicKey));
      default:
        return this.#mixSecret(work, token) ? ok(new Uint8Array()) : fail("bad-key");
    }
  }

  #readToken(work: State, token: Token, reader: { rest: Uint8Array }): NoiseFault | undefined {
    const take = (count: number) => {
      const taken = reader.rest.slice(0, count);
      reader.rest = reader.rest.subarray(count);
      return taken;
    };
    switch (token) {
      case "e":
        work.remoteEphemeral = take(KEY_BYTES);
        mixEphemeral(work, work.remoteEphemeral);
        return undefined;
      case "s": {
        const key = decryptAndHash(work, take(KEY_BYTES + AEAD_TAG_BYTES));
        if (!key.ok) return key.reason;
        work.remoteStatic = key.value;
        return undefined;
      }
      default:
        return this.#mixSecret(work, token) ? undefined : "bad-key";
    }
  }

  /** Mixes in the psk or a Diffie-Hellman result; false where a key gives none. */
  #mixSecret(work: State, token: "psk" | "ee" | "es" | "se"): boolean {
    if (token === "psk") {
      mixKeyAndHash(work, this.#options.psk);
      return true;
    }
    const [ours, theirs] = this.#dhKeys(work, token);
    if (ours === undefined || theirs === undefined) return false;
    const shared = x25519(ours.privateKey, theirs);
    if (shared.ok) mixKey(work, shared.value);
    return shared.ok;
  }

  /** First letter: the initiator's key; second: the responder's. */
  #dhKeys(work: State, token: "ee" | "es" | "se"): [KeyPair | undefined, Uint8Array | undefined] {
    const { staticKey, initiator } = this.#options;
    const [ourLetter, theirLetter] = initiator ? [token[0], token[1]] : [token[1], token[0]];
    return [
      ourLetter === "e" ? work.ephemeral : staticKey,
      theirLetter === "e" ? work.remoteEphemeral : work.remoteStatic,
    ];
  }
}

/** §5.2's SymmetricState and CipherState with §5.3's keys, as one value that is copied to change. */
interface State {
  hash: Uint8Array;
  chainingKey: Uint8Array;
  key: Uint8Array | undefined;
  counter: number;
  /** Index of the message that comes next. */
  next: number;
  ephemeral: KeyPair | undefined;
  remoteEphemeral: Uint8Array | undefined;
  remoteStatic: Uint8Array | undefined;
}

function startState(prologue: Uint8Array): State {
  const name = new TextEncoder().encode(NOISE_PROTOCOL);
  const start = sha256(name); // the name is longer than a hash (§5.2, InitializeSymmetric)
  return {
    hash: sha256(start, prologue),
    chainingKey: start,
    key: undefined,
    counter: 0,
    next: 0,
    ephemeral: undefined,
    remoteEphemeral: undefined,
    remoteStatic: undefined,
  };
}

/** In a handshake with a psk, the ephemeral key is mixed into the key too (§9.2). */
function mixEphemeral(state: State, publicKey: Uint8Array): void {
  mixHash(state, publicKey);
  mixKey(state, publicKey);
}

function mixHash(state: State, data: Uint8Array): void {
  state.hash = sha256(state.hash, data);
}

function mixKey(state: State, material: Uint8Array): void {
  const [chainingKey, key] = noiseHkdf(state.chainingKey, material);
  Object.assign(state, { chainingKey, key, counter: 0 });
}

function mixKeyAndHash(state: State, material: Uint8Array): void {
  const [chainingKey, hash, key] = noiseHkdf(state.chainingKey, material);
  mixHash(state, hash);
  Object.assign(state, { chainingKey, key, counter: 0 });
}

function encryptAndHash(state: State, plaintext: Uint8Array): Uint8Array {
  if (state.key === undefined) throw new TypeError("Cannot encrypt: the handshake has no key");
  const sealed = seal(state.key, { counter: state.counter, aad: state.hash }, plaintext);
  state.counter++;
  mixHash(state, sealed);
  return sealed;
}

function decryptAndHash(state: State, sealed: Uint8Array): Result<Uint8Array, "bad-tag"> {
  if (state.key === undefined) return fail("bad-tag");
  const opened = open(state.key, { counter: state.counter, aad: state.hash }, sealed);
  if (!opened.ok) return opened;
  state.counter++;
  mixHash(state, sealed);
  return ok(opened.value);
}

/** §4.3's HKDF with three outputs, of which two are a prefix: the chaining key is the salt. */
function noiseHkdf(
  chainingKey: Uint8Array,
  material: Uint8Array,
): [Uint8Array, Uint8Array, Uint8Array] {
  const temporary = hmacSha256(chainingKey, material);
  const first = hmacSha256(temporary, Uint8Array.of(1));
  const second = hmacSha256(temporary, first, Uint8Array.of(2));
  return [first, second, hmacSha256(temporary, second, Uint8Array.of(3))];
}
