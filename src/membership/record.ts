/**
 * Node records: what a node says of itself, signed by its own key. A member cannot speak for another.
 *
 * ```text
 *   body {n: network key, i: node key, q: sequence number, t: published, e: expires (Unix s),
 *         l?: alias, o: role bits (relay 1, provider 2), x: X25519 key of Noise,
 *         a: [address…], r: [[relay key, [address…]]…], c: {capability: value}}
 *   address: 4 or 16 bytes of IP, then the port, big-endian
 * ```
 *
 * Fields that this version does not know are let pass: the signature covers them, and they are
 * forwarded as received. That a node is a member is said by its certificate, not here.
 *
 * @module
 */
import {
  fail,
  isAlias,
  type NamedNode,
  type NetworkId,
  type NodeId,
  ok,
  type Result,
} from "../base/mod.ts";
import { type Identity, networkIdOf, nodeIdOf } from "../crypto/mod.ts";
import {
  addressScope,
  type CborMap,
  type CborValue,
  type Field,
  formatAddress,
  formatIp,
  ipBytes,
  parseAddress,
  readArray,
  readMap,
} from "../wire/mod.ts";
import {
  type FieldReader,
  type Fields,
  integerOf,
  keyOf,
  optional,
  readFields,
  secondsOf,
  textOf,
} from "./fields.ts";
import { keyOfId } from "./ids.ts";
import { isSignedBy, openEnvelope, signMap } from "./signed.ts";
import { judgeValidity, toSeconds } from "./time.ts";

/** What a node offers besides being a member; the index is the bit on the wire. */
export const ROLES = ["relay", "provider"] as const;

/** What a node offers besides being a member. */
export type Role = (typeof ROLES)[number];

/** Bounds of a record. Sources: the contract of the mesh (1 KiB), guesses for the counts. */
export const RECORD_LIMITS = {
  bytesMax: 1_024,
  addressesMax: 8,
  relaysMax: 3,
  relayAddressesMax: 4,
  capabilitiesMax: 16,
  capabilityCharsMax: 64,
  lifeMsMax: 86_400_000,
} as const;

/** How long a record counts unless renewed. Guess: a dead node is forgotten after a coffee. */
export const RECORD_LIFE_MS = 900_000;

/** A figure or word about a node: what it can lend, how busy it is. */
export type CapabilityValue = boolean | number | string;

/** Named facts about a node. Names `[a-z][A-Za-z0-9]{0,31}`, words `[A-Za-z0-9._:+-]*`. */
export type Capabilities = Readonly<Record<string, CapabilityValue>>;

/** What a node says of itself. */
export interface NodeFacts {
  readonly network: NetworkId;
  /** Grows with every change and renewal, over restarts too. */
  readonly seq: number;
  /** Self-claimed. */
  readonly alias: string | null;
  readonly roles: readonly Role[];
  /** X25519, 32 bytes. */
  readonly staticKey: Uint8Array;
  /** `IP:PORT` where it listens, at most 8. */
  readonly addresses: readonly string[];
  /** Where it can be met, at most 3, each with 1 to 4 addresses. */
  readonly relays: readonly NamedNode[];
  readonly capabilities: Capabilities;
  /** Unix milliseconds; whole seconds travel. */
  readonly publishedAtMs: number;
  readonly expiresAtMs: number;
}

/** A verified record. */
export interface NodeRecord extends NodeFacts {
  readonly id: NodeId;
  /** As received, to be handed on; a copy. */
  readonly bytes: Uint8Array;
}

/** Why a record is refused. */
export type RecordReason =
  | "malformed"
  | "foreign-network"
  | "bad-signature"
  | "not-yet-valid"
  | "expired";

const CAPABILITY_NAME = /^[a-z][A-Za-z0-9]{0,31}$/;
const CAPABILITY_WORD = /^[A-Za-z0-9._:+-]*$/;

const FIELDS = {
  n: keyOf,
  i: keyOf,
  q: integerOf(1, Number.MAX_SAFE_INTEGER),
  t: secondsOf,
  e: secondsOf,
  l: optional(textOf(32, isAlias)),
  o: integerOf(0, 2 ** ROLES.length - 1),
  x: keyOf,
  a: readAddresses(RECORD_LIMITS.addressesMax),
  r: readRelays,
  c: readCapabilities,
};

/**
 * Signs what a node says of itself. The bytes belong to the caller.
 *
 * @throws {TypeError} When a fact is not as `verifyRecord` takes it, or all are more than 1 KiB.
 */
export function signRecord(identity: Identity, facts: NodeFacts): Uint8Array {
  const map: CborMap = {
    n: keyOfId(facts.network),
    i: identity.publicKey,
    q: facts.seq,
    t: toSeconds(facts.publishedAtMs),
    e: toSeconds(facts.expiresAtMs),
    o: ROLES.reduce((bits, role, i) => bits | (facts.roles.includes(role) ? 1 << i : 0), 0),
    x: facts.staticKey,
    a: facts.addresses.map(packAddress),
    r: facts.relays.map(({ id, addresses }) => [keyOfId(id), addresses.map(packAddress)]),
    c: facts.capabilities,
  };
  const bytes = signMap(
    identity,
    "record",
    facts.alias === null ? map : { ...map, l: facts.alias },
  );
  const checks = { network: facts.network, nowMs: facts.publishedAtMs };
  const verified = verifyRecord(bytes, checks);
  if (!verified.ok) throw new TypeError(`Cannot sign record: it is ${verified.reason}`);
  return bytes;
}

/** Judges hostile bytes as a record of a node in `network`: the one place where that is done. */
export function verifyRecord(
  bytes: Uint8Array,
  checks: { readonly network: NetworkId; readonly nowMs: number },
): Result<NodeRecord, RecordReason> {
  const envelope = openEnvelope(bytes, RECORD_LIMITS.bytesMax);
  if (!envelope.ok) return envelope;
  const fields = readFields(envelope.value.map, FIELDS, "ignore");
  if (!fields.ok) return fail("malformed");
  const record = toRecord(fields.value, bytes);
  if (record.network !== checks.network) return fail("foreign-network");
  const lifeMs = record.expiresAtMs - record.publishedAtMs;
  if (lifeMs <= 0 || lifeMs > RECORD_LIMITS.lifeMsMax) return fail("malformed");
  const validity = judgeRecord(record, checks.nowMs);
  if (validity !== "valid") return fail(validity);
  return isSignedBy(envelope.value, fields.value.i, "record") ? ok(record) : fail("bad-signature");
}

function judgeRecord(record: NodeRecord, nowMs: number): ReturnType<typeof judgeValidity> {
  const { publishedAtMs: notBeforeMs, expiresAtMs: notAfterMs } = record;
  return judgeValidity({ notBeforeMs, notAfterMs }, nowMs);
}

function toRecord(fields: Fields<typeof FIELDS>, bytes: Uint8Array): NodeRecord {
  return {
    network: networkIdOf(fields.n),
    id: nodeIdOf(fields.i),
    seq: fields.q,
    alias: fields.l ?? null,
    roles: ROLES.filter((_, i) => (fields.o & (1 << i)) !== 0),
    staticKey: fields.x,
    addresses: fields.a,
    relays: fields.r,
    capabilities: fields.c,
    publishedAtMs: fields.t * 1_000,
    expiresAtMs: fields.e * 1_000,
    bytes: bytes.slice(),
  };
}

function packAddress(text: string): Uint8Array {
  const address = parseAddress(text);
  const ip = address.ok ? ipBytes(address.value.ip) : undefined;
  if (!address.ok || ip === undefined) throw new TypeError(`Cannot pack address: it is ${text}`);
  const { port } = address.value;
  return Uint8Array.from([...ip, port >> 8, port & 255]);
}

/** The text of a packed address; only of the one packing of an address to which one can send. */
function unpackAddress(packed: CborValue): string | undefined {
  if (!(packed instanceof Uint8Array)) return undefined;
  if (packed.length !== 6 && packed.length !== 18) return undefined;
  const ip = formatIp(packed.subarray(0, -2));
  const port = ((packed.at(-2) ?? 0) << 8) | (packed.at(-1) ?? 0);
  const isMapped = packed.length === 18 && !ip.includes(":");
  if (isMapped || port === 0 || addressScope(ip) === "unusable") return undefined;
  return formatAddress({ ip, port });
}

function readAddresses(countMax: number): FieldReader<readonly string[]> {
  return (map, name) => {
    const items = readArray(map, name, countMax);
    if (!items.ok) return items;
    const addresses = items.value.map(unpackAddress).filter((text) => text !== undefined);
    return addresses.length === items.value.length ? ok(addresses) : fail(`bad:${name}`);
  };
}

function readRelays(map: CborMap, name: string): Field<readonly NamedNode[]> {
  const items = readArray(map, name, RECORD_LIMITS.relaysMax);
  if (!items.ok) return items;
  const relays = items.value.map(readRelay).filter((relay) => relay !== undefined);
  return relays.length === items.value.length ? ok(relays) : fail(`bad:${name}`);
}

function readRelay(item: CborValue): NamedNode | undefined {
  if (!Array.isArray(item) || item.length !== 2) return undefined;
  const map = { key: item[0] ?? null, addresses: item[1] ?? null };
  const key = keyOf(map, "key");
  const addresses = readAddresses(RECORD_LIMITS.relayAddressesMax)(map, "addresses");
  if (!key.ok || !addresses.ok) return undefined;
  return { id: nodeIdOf(key.value), addresses: addresses.value };
}

function readCapabilities(map: CborMap, name: string): Field<Capabilities> {
  const field = readMap(map, name);
  if (!field.ok) return field;
  const entries = Object.entries(field.value);
  const isGood = entries.length <= RECORD_LIMITS.capabilitiesMax &&
    entries.every(([key, value]) => CAPABILITY_NAME.test(key) && isCapabilityValue(value));
  return isGood ? ok(field.value as Capabilities) : fail(`bad:${name}`);
}

function isCapabilityValue(value: CborValue): value is CapabilityValue {
  if (typeof value === "string") {
    return value.length <= RECORD_LIMITS.capabilityCharsMax && CAPABILITY_WORD.test(value);
  }
  return typeof value === "boolean" || typeof value === "number" && value >= 0;
}
