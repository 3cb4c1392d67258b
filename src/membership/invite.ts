/**
 * Invites: what a newcomer needs to find one admitter and prove to it that it was invited. Never the
 * network's key.
 *
 * ```text
 *   omerta://join/ base64url( {v: 1, n: network key, m: network name, a: admitter key,
 *                              h: ["host:port"…], r?: [[relay key, ["host:port"…]]…],
 *                              s: secret (32 B), g: grant bits, e: expiry (Unix s)} ++ sum )
 * ```
 *
 * `h` is where the admitter listens itself; `r` are the relays at which it is registered.
 *
 * @module
 */
import {
  type ErrorCode,
  fail,
  isAlias,
  type NamedNode,
  type NetworkId,
  type NodeId,
  ok,
  type Result,
} from "../base/mod.ts";
import {
  deriveGateKey,
  type GateKey,
  isGoodPublicKey,
  networkIdOf,
  nodeIdOf,
  sha256,
} from "../crypto/mod.ts";
import { type CborMap, type CborValue, type Field, readArray, readTexts } from "../wire/mod.ts";
import {
  bytesOf,
  type FieldReader,
  integerOf,
  keyOf,
  optional,
  readFields,
  secondsOf,
  textOf,
} from "./fields.ts";
import { type Grant, GRANT_BITS_MAX, grantBits, grantsOfBits } from "./grants.ts";
import { HOST_PORT_CHARS_MAX, isHostPort, isLanOnly } from "./host_port.ts";
import { keyOfId } from "./ids.ts";
import { decodeLink, encodeLink, type LinkReason } from "./link.ts";
import { CLOCK_SLACK_MS, toSeconds } from "./time.ts";

/** How every invite begins. */
export const INVITE_PREFIX = "omerta://join/";

/** Bytes of an invite's secret. */
export const INVITE_SECRET_BYTES = 32;

/** The longest text that is looked at: 8 names and 3 relays with 4 each, of full length, fit. */
const INVITE_CHARS_MAX = 8_192;

const ADDRESSES_MAX = 8;
const RELAYS_MAX = 3;
const RELAY_ADDRESSES_MAX = 4;

/** What an invite says. */
export interface Invite {
  readonly network: NetworkId;
  /** The network's name as its admitter calls it. */
  readonly name: string;
  readonly admitter: NodeId;
  /** `host:port` at which the admitter listens, at most 8. */
  readonly addresses: readonly string[];
  /** Relays at which the admitter is registered, at most 3, each with 1 to 4 addresses. */
  readonly relays: readonly NamedNode[];
  /** 32 bytes; whoever has them is invited. */
  readonly secret: Uint8Array;
  readonly grants: readonly Grant[];
  /** Unix milliseconds. */
  readonly expiresAtMs: number;
}

/** Why a text is no invite that could be redeemed. */
export type InviteTextReason = LinkReason | "unknown-version" | "bad-field" | "expired";

const FIELDS = {
  v: integerOf(1, 1),
  n: goodKey,
  m: textOf(32, isAlias),
  a: goodKey,
  h: hostPorts(ADDRESSES_MAX),
  r: optional(readRelays),
  s: bytesOf(INVITE_SECRET_BYTES),
  g: integerOf(1, GRANT_BITS_MAX),
  e: secondsOf,
};

/** The text of an invite: a secret. @throws {TypeError} When a field is not as `parseInvite` takes it. */
export function encodeInvite(invite: Invite): string {
  const map: CborMap = {
    v: 1,
    n: keyOfId(invite.network),
    m: invite.name,
    a: keyOfId(invite.admitter),
    h: invite.addresses,
    s: invite.secret,
    g: grantBits(invite.grants),
    e: toSeconds(invite.expiresAtMs),
  };
  const relays = invite.relays.map(({ id, addresses }) => [keyOfId(id), addresses]);
  const whole = relays.length > 0 ? { ...map, r: relays } : map;
  const read = readInvite(whole);
  if (!read.ok) throw new TypeError(`Cannot write invite: ${read.reason}`);
  return encodeLink(INVITE_PREFIX, whole);
}

/** Reads a text that somebody typed or pasted; `nowMs` (Unix) lets an expired one be refused here. */
export function parseInvite(text: string, nowMs?: number): Result<Invite, InviteTextReason> {
  const map = decodeLink(INVITE_PREFIX, text, INVITE_CHARS_MAX);
  if (!map.ok) return map;
  const invite = readInvite(map.value);
  if (!invite.ok || nowMs === undefined) return invite;
  return nowMs - CLOCK_SLACK_MS > invite.value.expiresAtMs ? fail("expired") : invite;
}

/** The error code and sentence for a text that is no invite. */
export function inviteTextError(
  reason: InviteTextReason,
): { readonly code: ErrorCode; readonly message: string } {
  switch (reason) {
    case "not-a-link":
      return { code: "bad-invite", message: `an invite begins with ${INVITE_PREFIX}` };
    case "too-long":
      return { code: "bad-invite", message: "the text is too long to be an invite" };
    case "damaged":
      return {
        code: "bad-invite",
        message: "the invite is damaged: a part is missing or a letter was changed",
      };
    case "unknown-version":
      return { code: "bad-invite", message: "the invite was made by a newer omerta" };
    case "bad-field":
      return { code: "bad-invite", message: "the invite holds something that no invite may hold" };
    case "expired":
      return { code: "invite-expired", message: "the invite's time is over" };
  }
}

/** The name by which people and books call an invite: 16 hex digits that do not tell its secret. */
export function inviteIdOf(secret: Uint8Array): string {
  return sha256(utf8.encode("omerta/1 invite-id"), secret).slice(0, 8).toHex();
}

/** What opens the first handshake of whoever holds the invite. */
export function inviteSecrets(secret: Uint8Array): GateKey {
  return deriveGateKey(secret);
}

/** Whether an invite leads only to those who share a LAN, or a machine, with the admitter. */
export function isLanOnlyInvite(invite: Pick<Invite, "addresses" | "relays">): boolean {
  const all = [...invite.addresses, ...invite.relays.flatMap(({ addresses }) => addresses)];
  return all.every(isLanOnly);
}

const utf8 = new TextEncoder();

function readInvite(map: CborMap): Result<Invite, "unknown-version" | "bad-field"> {
  if (typeof map["v"] === "number" && map["v"] > 1) return fail("unknown-version");
  const fields = readFields(map, FIELDS, "refuse");
  if (!fields.ok) return fields;
  const { n, m: name, a, h: addresses, r: relays = [], s: secret, g, e } = fields.value;
  if (addresses.length + relays.length === 0) return fail("bad-field");
  return ok({
    network: networkIdOf(n),
    name,
    admitter: nodeIdOf(a),
    addresses,
    relays,
    secret,
    grants: grantsOfBits(g),
    expiresAtMs: e * 1_000,
  });
}

function goodKey(map: CborMap, name: string): Field<Uint8Array> {
  const key = keyOf(map, name);
  return key.ok && !isGoodPublicKey(key.value) ? fail(`bad:${name}`) : key;
}

function hostPorts(countMax: number): FieldReader<readonly string[]> {
  return (map, name) => {
    const texts = readTexts(map, name, { countMax, charsMax: HOST_PORT_CHARS_MAX });
    return texts.ok && !texts.value.every(isHostPort) ? fail(`bad:${name}`) : texts;
  };
}

/** At most 3 pairs of a relay's key and its 1 to 4 addresses; an empty list is left out instead. */
function readRelays(map: CborMap, name: string): Field<readonly NamedNode[]> {
  const items = readArray(map, name, RELAYS_MAX);
  if (!items.ok) return items;
  const relays = items.value.map(readRelay).filter((relay) => relay !== undefined);
  const isGood = relays.length === items.value.length && relays.length > 0;
  return isGood ? ok(relays) : fail(`bad:${name}`);
}

function readRelay(item: CborValue): NamedNode | undefined {
  if (!Array.isArray(item) || item.length !== 2) return undefined;
  const map = { key: item[0] ?? null, addresses: item[1] ?? null };
  const key = goodKey(map, "key");
  const addresses = hostPorts(RELAY_ADDRESSES_MAX)(map, "addresses");
  if (!key.ok || !addresses.ok || addresses.value.length === 0) return undefined;
  return { id: nodeIdOf(key.value), addresses: addresses.value };
}
