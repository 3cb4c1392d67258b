/**
 * What the nouns of the local API share: the shape of a method, how networks and VMs are named, and
 * the strict schemas of values.
 *
 * A method is `noun.verb`, called as `POST /v1/noun/verb`. Inputs are parsed flags: camel case, the
 * unit in the name (`leaseMs`, `memoryBytes`), `null` for what was not given; unknown fields are
 * refused. Results are the JSON documents of the command line without their `schema`: snake case,
 * times RFC 3339 UTC (`_at`), durations in milliseconds (`_ms`) or seconds (`_s`), sizes in bytes
 * (`_bytes`), `null` for what is unknown. A stream emits items before its result.
 *
 * This folder loads valibot. Who must start fast takes its types by `import type`, which leaves
 * nothing at run time: the command line does.
 *
 * @module
 */
import * as v from "valibot";
import { type Frozen, isAlias } from "../../base/mod.ts";

/** One method: what it takes, gives, and emits on the way. */
export interface Method<Taken, Result, Item = never> {
  readonly input: Taken;
  readonly result: Result;
  readonly item: Item;
}

/** What a schema lets in, as its reader sees it: nothing of it may be changed. */
export type Input<S extends v.GenericSchema> = Frozen<v.InferOutput<S>>;

const DAY_MS = 86_400_000;
/** Longest invite or exported authority. Guess: an authority with its books is some 100 KiB. */
const SECRET_CHARS_MAX = 2_000_000;

/** What a person calls something: an id, a prefix of it, or a name. 1 to 256 characters. */
export const name = v.pipe(v.string(), v.minLength(1), v.maxLength(256));

/** A network by its id, a prefix of it (≥ 8 characters) or its name; `null`: the only one. */
export const network = v.nullable(name);

/** A VM by its id, a prefix of it or its name; `null`: the only one that has not ended. */
export const vm = v.nullable(name);

/** Names of VMs, at most 1 024. */
export const vmNames = v.pipe(v.array(name), v.maxLength(1_024));

/** Names of peers (id, prefix or alias), at most 256. */
export const peerNames = v.pipe(v.array(name), v.maxLength(256));

/** Milliseconds: 0 to 366 days. */
export const duration = v.pipe(v.number(), v.minValue(0), v.maxValue(366 * DAY_MS));

/** A whole number from 0 that a double holds exactly. */
export const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** A port: 1 to 65 535. */
export const port = v.pipe(whole, v.minValue(1), v.maxValue(65_535));

/** A text that must stand in no log: an invite, an exported authority. */
export const secret = v.pipe(v.string(), v.maxLength(SECRET_CHARS_MAX));

/** A name that a person gives to a node, network or VM. */
export const alias = v.pipe(
  v.string(),
  v.check(isAlias, "a name has 1 to 32 of a-z 0-9 - and begins with a letter or digit"),
);

/** `[ID@]ADDRESS` of a node that is named by where it is. */
export const nodeAt = v.strictObject({
  /** Node id or a prefix; `null`: whoever is there. */
  id: v.nullable(name),
  /** `HOST:PORT` or `[V6]:PORT`. */
  address: name,
});

/** A node that is named by where it is. */
export type NodeAtAddress = Input<typeof nodeAt>;

/** No input: an empty object. */
export const NOTHING = v.strictObject({});

/** No input: an empty object. */
export type Nothing = Input<typeof NOTHING>;

/** Which network. */
export const NETWORK = v.strictObject({ network });

/** Which network: id, prefix, name, or `null` for the only one. Errors: `not-found`, `ambiguous`. */
export type NetworkChoice = Input<typeof NETWORK>;

/** Which VM. */
export const VM = v.strictObject({ vm });

/** Which VM: id, prefix, name, or `null` for the only living one. Errors: `not-found`, `ambiguous`. */
export type VmChoice = Input<typeof VM>;
