/**
 * What the JSON columns hold, and single values by their keys: a schema each, and the types made of them.
 * Fields beyond those that are named here pass, and are not handed on: the row of a newer build is none
 * that is damaged.
 *
 * @module
 */
import * as v from "valibot";
import { type Frozen, isAlias, isId, type NodeId } from "../../base/mod.ts";
import { CONFINEMENTS, type HostRow, OWNERS_END_REASONS, parseHostRow } from "../../market/mod.ts";
import { GRANTS } from "../../membership/mod.ts";
import { DURATION_MS_MAX, TIME_MS_MAX } from "./codecs.ts";

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const uint32 = v.pipe(whole, v.maxValue(2 ** 32 - 1));
const ownTunnel = v.pipe(uint32, v.minValue(1));
const time = v.pipe(whole, v.maxValue(TIME_MS_MAX));
const duration = v.pipe(whole, v.maxValue(DURATION_MS_MAX));
const hex32 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const userName = v.pipe(v.string(), v.regex(/^[a-z_][a-z0-9_-]{0,31}$/));
const spentMs = v.nullable(v.pipe(v.number(), v.finite(), v.minValue(0)));

/** Grants of an invite or a member. */
export const grantList = v.array(v.picklist(GRANTS));

const namedNode = v.object({
  id: v.custom<NodeId>((value) => typeof value === "string" && isId(value)),
  addresses: v.array(v.string()),
});

/** Where to begin after a restart: nodes by which the network is entered, the best first. */
export const bootstrap = v.object({ entries: v.array(namedNode) });

/** What was asked for a rented VM. */
export const rentalRequest = v.object({
  cpu: whole,
  memoryBytes: whole,
  storageBytes: whole,
  image: v.string(),
  leaseMs: duration,
});

/** What was asked for a rented VM. */
export type StoredRequest = Frozen<v.InferOutput<typeof rentalRequest>>;

/** What of a rented VM stands in no column of its own. */
export const rentalDocument = v.object({
  /** What the provider answered to `vm.create`; keys in hex. */
  created: v.nullable(v.object({
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
  timings: v.object({
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
});

/** What of a rented VM stands in no column of its own. */
export type RentalDocument = Frozen<v.InferOutput<typeof rentalDocument>>;

/** What a lent VM was made of. */
export const hostedSpec = v.object({
  created: v.nullable(v.object({
    localTunnel: ownTunnel,
    remoteTunnel: uint32,
    wireguardKey: hex32,
    sshHostKey: hex32,
    user: v.exactOptional(userName), // older builds knew but one
  })),
  imageDigest: v.nullable(hex32),
});

/** What a lent VM was made of. */
export type StoredSpec = Frozen<v.InferOutput<typeof hostedSpec>>;

/** The market's own row about a lent VM. */
export const marketRow = v.custom<HostRow>((value) => parseHostRow(value).ok);

/** Single values by their keys. What parts keep under keys of their own is known to them alone. */
export const VALUES = {
  port: v.pipe(whole, v.maxValue(65_535)),
  alias: v.pipe(v.string(), v.check(isAlias)),
  "record-seq": whole,
  accelerator: v.object({
    kind: v.picklist(["kvm", "tcg"]),
    probedAtMs: time,
    reason: v.string(),
    confinement: v.object({ level: v.picklist(CONFINEMENTS), missing: v.array(v.string()) }),
    /** Of which programs and circumstances. */
    of: v.string(),
  }),
} as const;

/** What stands under the keys that are known here. */
export type StoredValues = {
  readonly [K in keyof typeof VALUES]: Frozen<v.InferOutput<(typeof VALUES)[K]>>;
};
