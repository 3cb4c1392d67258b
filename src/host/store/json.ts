/**
 * What the JSON columns may hold, and single values by their keys. Fields beyond those that are named
 * here pass: the row of a newer build is none that is damaged.
 *
 * @module
 */
import * as v from "valibot";
import { isAlias, isId } from "../../base/mod.ts";
import { CONFINEMENTS, isRequestKey, OWNERS_END_REASONS, parseHostRow } from "../../market/mod.ts";
import { GRANTS } from "../../membership/mod.ts";
import { DURATION_MS_MAX, TIME_MS_MAX } from "./codecs.ts";

/** Whether JSON is what its column may hold. */
export type JsonCheck = (value: unknown) => boolean;

function is(schema: v.GenericSchema): JsonCheck {
  return (value) => v.is(schema, value);
}

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const uint32 = v.pipe(whole, v.maxValue(2 ** 32 - 1));
const ownTunnel = v.pipe(uint32, v.minValue(1));
const time = v.pipe(whole, v.maxValue(TIME_MS_MAX));
const duration = v.pipe(whole, v.maxValue(DURATION_MS_MAX));
const hex32 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const userName = v.pipe(v.string(), v.regex(/^[a-z_][a-z0-9_-]{0,31}$/));
const spentMs = v.nullable(v.pipe(v.number(), v.finite(), v.minValue(0)));

/** Grants of an invite or a member. */
export const isGrants = is(v.array(v.picklist(GRANTS)));

/** Where to begin after a restart. */
export const isBootstrap = is(v.looseObject({
  entries: v.array(v.looseObject({
    id: v.pipe(v.string(), v.check(isId)),
    addresses: v.array(v.string()),
  })),
}));

/** What was asked for a rented VM. */
export const isRentalRequest = is(v.looseObject({
  cpu: whole,
  memoryBytes: whole,
  storageBytes: whole,
  image: v.string(),
  leaseMs: duration,
}));

/** The rest of a rented VM. */
export const isRentalDocument = is(v.looseObject({
  created: v.nullable(v.looseObject({
    tunnel: uint32,
    wireguardKey: hex32,
    sshHostKey: hex32,
    user: userName,
  })),
  identityFile: v.pipe(v.string(), v.startsWith("/"), v.excludes("\0")),
  accelerator: v.nullable(v.picklist(["kvm", "tcg"])),
  isolation: v.nullable(v.picklist(["hardware", "emulated"])),
  confinement: v.nullable(v.picklist(CONFINEMENTS)),
  imageDigest: v.nullable(hex32),
  lifeMs: duration,
  lifeEndsAtMs: v.nullable(time),
  providerKnown: v.boolean(),
  dryRun: v.boolean(),
  timings: v.looseObject({
    match: spentMs,
    reserve: spentMs,
    create: spentMs,
    boot: spentMs,
    network: spentMs,
    ssh: spentMs,
  }),
  reason: v.nullable(v.string()),
  endReason: v.nullable(v.picklist(OWNERS_END_REASONS)),
  localTunnel: ownTunnel,
}));

/** What a lent VM was made of. */
export const isHostedSpec = is(v.looseObject({
  created: v.nullable(v.looseObject({
    localTunnel: ownTunnel,
    remoteTunnel: uint32,
    wireguardKey: hex32,
    sshHostKey: hex32,
    user: v.optional(userName), // older builds knew but one
  })),
  imageDigest: v.nullable(hex32),
}));

/** The market's own row about a lent VM. */
export const isMarketRow: JsonCheck = (value) => parseHostRow(value).ok;

/** A request's key, on either side. */
export const isKey = isRequestKey;

/** Single values by their keys; of others only that they are JSON is known. */
export const VALUES: Readonly<Record<string, JsonCheck>> = {
  port: is(v.pipe(whole, v.maxValue(65_535))),
  alias: is(v.pipe(v.string(), v.check(isAlias))),
  "record-seq": is(whole),
  accelerator: is(v.looseObject({
    kind: v.picklist(["kvm", "tcg"]),
    probedAtMs: time,
    reason: v.string(),
    confinement: v.looseObject({ level: v.string(), missing: v.array(v.string()) }),
    of: v.string(),
  })),
};
