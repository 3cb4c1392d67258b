/**
 * A network: an Ed25519 authority, whose key is the network's id, and an epoch key that its members
 * share. The epoch key keeps strangers cheap; it proves no membership.
 *
 * A network can be exported as one secret link, which moves the authority to another node or brings
 * it back after a loss:
 *
 * ```text
 *   omerta://network/ base64url( {v: 1, m: name, s: authority's seed (32 B),
 *                                 q: [[epoch, key (32 B)]…] newest first, x: [revocation…]} ++ sum )
 * ```
 *
 * @module
 */
import {
  concatBytes,
  type ErrorCode,
  fail,
  isAlias,
  type NetworkId,
  ok,
  type Random,
  type Result,
} from "../base/mod.ts";
import {
  deriveGateKey,
  type GateKey,
  generateIdentity,
  hkdfSha256,
  identityFromSeed,
  networkIdOf,
} from "../crypto/mod.ts";
import { type CborMap, type CborValue, type Field, readArray } from "../wire/mod.ts";
import { EPOCH_MAX, nothingRevoked } from "./certificate.ts";
import { bytesOf, integerOf, readFields, textOf } from "./fields.ts";
import { keyOfId } from "./ids.ts";
import { decodeLink, encodeLink, type LinkReason } from "./link.ts";
import {
  type Revocation,
  REVOCATION_BYTES_MAX,
  type RevocationBook,
  verifyRevocation,
} from "./revocation.ts";

/** How every exported network begins. */
export const NETWORK_PREFIX = "omerta://network/";

/** Bytes of an epoch key and of an authority's seed. */
export const SECRET_BYTES = 32;

/** Epochs whose keys are kept: the current one, and older ones for members who come back late. */
export const EPOCHS_KEPT_MAX = 4;

/** Revocations that travel with an export, the newest. Guess: a megabyte of text is one paste. */
export const REVOCATIONS_EXPORTED_MAX = 1_000;

/** The longest text that is looked at: 1000 revocations with delegations, in base64. */
const EXPORT_CHARS_MAX = 1_200_000;

/** One epoch's shared secret. */
export interface EpochKey {
  /** From 1. */
  readonly epoch: number;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

/** A network in the hands of its authority. */
export interface AuthorityNetwork {
  readonly network: NetworkId;
  /** By which people call it; an alias. */
  readonly name: string;
  /** 32 bytes: who has them is the network. */
  readonly authoritySeed: Uint8Array;
  /** Newest first, 1 to 4. */
  readonly epochs: readonly EpochKey[];
}

/** What an export holds. */
export interface NetworkExport extends AuthorityNetwork {
  /** Verified; those that were not are left out. */
  readonly revocations: readonly Revocation[];
}

/** Why a text is no exported network. */
export type ExportReason = LinkReason | "unknown-version" | "bad-field";

/** Makes a network. @throws {TypeError} When the name is no alias. */
export function createNetwork(
  order: { readonly name: string; readonly random: Random },
): AuthorityNetwork {
  if (!isAlias(order.name)) {
    throw new TypeError(`Cannot create network: its name is ${JSON.stringify(order.name)}`);
  }
  const { identity, seed } = generateIdentity(order.random);
  return {
    network: networkIdOf(identity.publicKey),
    name: order.name,
    authoritySeed: seed,
    epochs: [{ epoch: 1, key: order.random.bytes(SECRET_BYTES) }],
  };
}

/**
 * What opens the first handshake between members of one epoch; bound to the network and the epoch's
 * number, so that equal keys elsewhere open nothing here.
 */
export function epochSecrets(network: NetworkId, { epoch, key }: EpochKey): GateKey {
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, epoch);
  const info = concatBytes(utf8.encode("omerta/1 epoch"), number);
  return deriveGateKey(hkdfSha256(key, { salt: keyOfId(network), info, bytes: SECRET_BYTES }));
}

/** The link of a network and its revocations: the greatest secret that a network has. */
export function exportNetwork(owned: AuthorityNetwork, revocations: RevocationBook): string {
  const newest = revocations.list().toSorted((a, b) => b.atMs - a.atMs);
  return encodeLink(NETWORK_PREFIX, {
    v: 1,
    m: owned.name,
    s: owned.authoritySeed,
    q: owned.epochs.slice(0, EPOCHS_KEPT_MAX).map(({ epoch, key }) => [epoch, key]),
    x: newest.slice(0, REVOCATIONS_EXPORTED_MAX).map(({ bytes }) => bytes),
  });
}

/** Reads an exported network; `nowMs` (Unix) judges its revocations, and those in vain are left out. */
export function importNetwork(text: string, nowMs: number): Result<NetworkExport, ExportReason> {
  const map = decodeLink(NETWORK_PREFIX, text, EXPORT_CHARS_MAX);
  if (!map.ok) return map;
  const read = readExport(map.value);
  if (!read.ok) return read;
  const { network } = read.value;
  const revocations = read.value.revocations.flatMap((bytes) => {
    const verified = verifyRevocation(bytes, { network, nowMs, isRevoked: nothingRevoked });
    return verified.ok ? [verified.value] : [];
  });
  return ok({ ...read.value, revocations });
}

/** The error code and sentence for a text that is no exported network. */
export function exportTextError(
  reason: ExportReason,
): { readonly code: ErrorCode; readonly message: string } {
  const why = {
    "not-a-link": `an exported network begins with ${NETWORK_PREFIX}`,
    "too-long": "the text is too long to be an exported network",
    "damaged": "the exported network is damaged: a part is missing or a letter was changed",
    "unknown-version": "the network was exported by a newer omerta",
    "bad-field": "the exported network holds something that none may hold",
  } as const satisfies Record<ExportReason, string>;
  return { code: "usage", message: why[reason] };
}

const utf8 = new TextEncoder();

const FIELDS = {
  v: integerOf(1, 1),
  m: textOf(32, isAlias),
  s: bytesOf(SECRET_BYTES),
  q: readEpochs,
  x: readRevocations,
};

interface UnverifiedExport extends AuthorityNetwork {
  readonly revocations: readonly Uint8Array[];
}

function readExport(map: CborMap): Result<UnverifiedExport, "unknown-version" | "bad-field"> {
  if (typeof map["v"] === "number" && map["v"] > 1) return fail("unknown-version");
  const fields = readFields(map, FIELDS, "refuse");
  if (!fields.ok) return fields;
  const { m: name, s: authoritySeed, q: epochs, x: revocations } = fields.value;
  const { publicKey } = identityFromSeed(authoritySeed);
  return ok({ network: networkIdOf(publicKey), name, authoritySeed, epochs, revocations });
}

/** 1 to 4 pairs of number and key, each number smaller than the one before. */
function readEpochs(map: CborMap, name: string): Field<readonly EpochKey[]> {
  const items = readArray(map, name, EPOCHS_KEPT_MAX);
  if (!items.ok) return items;
  const epochs = items.value.map(readEpoch).filter((epoch) => epoch !== undefined);
  const fall = epochs.every(({ epoch }, i) => i === 0 || epoch < (epochs[i - 1]?.epoch ?? 0));
  const isGood = epochs.length === items.value.length && epochs.length > 0 && fall;
  return isGood ? ok(epochs) : fail(`bad:${name}`);
}

function readEpoch(item: CborValue): EpochKey | undefined {
  if (!Array.isArray(item) || item.length !== 2) return undefined;
  const [epoch, key] = item;
  const isNumber = typeof epoch === "number" && epoch >= 1 && epoch <= EPOCH_MAX;
  const isKey = key instanceof Uint8Array && key.length === SECRET_BYTES;
  return isNumber && isKey ? { epoch, key } : undefined;
}

function readRevocations(map: CborMap, name: string): Field<readonly Uint8Array[]> {
  const items = readArray(map, name, REVOCATIONS_EXPORTED_MAX);
  if (!items.ok) return items;
  const all = items.value.filter((item): item is Uint8Array =>
    item instanceof Uint8Array && item.length <= REVOCATION_BYTES_MAX
  );
  return all.length === items.value.length ? ok(all) : fail(`bad:${name}`);
}
