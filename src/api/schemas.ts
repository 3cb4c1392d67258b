/**
 * The strict shapes of what commands may ask: nothing else gets in.
 *
 * @module
 */
import * as v from "valibot";
import { isAlias } from "../base/mod.ts";
import { GRANTS } from "../membership/mod.ts";
import { CONFINEMENTS, isRequestKey } from "../market/mod.ts";

const DAY_MS = 86_400_000;
const TEXT_MAX = 2_000_000;

const name = v.pipe(v.string(), v.minLength(1), v.maxLength(256));
const network = v.nullable(name);
const vm = v.nullable(name);
const duration = v.pipe(v.number(), v.minValue(0), v.maxValue(366 * DAY_MS));
const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const port = v.pipe(whole, v.minValue(1), v.maxValue(65_535));
const secret = v.pipe(v.string(), v.maxLength(TEXT_MAX));
const nodeAt = v.strictObject({ id: v.nullable(name), address: name });
const alias = v.pipe(
  v.string(),
  v.check(isAlias, "a name has 1 to 32 of a-z 0-9 - and begins with a letter or digit"),
);

/** No input. */
export const NOTHING = v.strictObject({});
/** Which network. */
export const NETWORK = v.strictObject({ network });
/** Which VM. */
export const VM = v.strictObject({ vm });

export const NETWORK_CREATE = v.strictObject({ name: alias, invite: v.boolean() });
export const NETWORK_JOIN = v.strictObject({ invite: secret });
export const NETWORK_INVITE = v.strictObject({
  network,
  expiresMs: duration,
  uses: v.nullable(v.pipe(whole, v.minValue(1))),
  grants: v.pipe(v.array(v.picklist(GRANTS)), v.minLength(1), v.maxLength(GRANTS.length)),
});
export const NETWORK_REVOKE = v.strictObject({ network, target: name });
export const NETWORK_LEAVE = v.strictObject({ network, force: v.boolean() });
export const NETWORK_IMPORT = v.strictObject({ export: secret });

export const MESH_PING = v.strictObject({
  network,
  peer: name,
  count: v.pipe(whole, v.minValue(1), v.maxValue(1_000_000)),
  intervalMs: v.pipe(duration, v.minValue(1)),
  untilDirect: v.boolean(),
});

const vmNames = v.pipe(v.array(name), v.maxLength(1_024));
export const PROVIDER_EVICT = v.strictObject({ vms: vmNames, all: v.boolean() });

const peerNames = v.pipe(v.array(name), v.maxLength(256));
const consumerRequest = {
  network,
  cpu: v.pipe(whole, v.minValue(1), v.maxValue(1_024)),
  memoryBytes: whole,
  storageBytes: whole,
  image: name,
  leaseMs: duration,
  sshPublicKey: v.nullable(v.pipe(v.string(), v.maxLength(65_536))),
  identityFile: v.nullable(v.pipe(v.string(), v.maxLength(4_096))),
  name: v.nullable(alias),
  key: v.nullable(
    v.pipe(v.string(), v.check(isRequestKey, "a key has 1 to 64 printable characters, no spaces")),
  ),
  peer: v.nullable(name),
  provider: v.nullable(nodeAt),
  bootstrap: v.nullable(nodeAt),
  trust: peerNames,
  isolation: v.nullable(v.picklist(["hardware", "emulated"])),
  minConfinement: v.nullable(v.picklist(CONFINEMENTS)),
  queueMs: v.nullable(duration),
  wait: v.boolean(),
  dryRun: v.boolean(),
};
export const CONSUMER_REQUEST = v.strictObject(consumerRequest);
export const CONSUMER_REQUEST_MANY = v.strictObject({
  ...consumerRequest,
  count: v.pipe(whole, v.minValue(1), v.maxValue(64)),
});
export const CONSUMER_TRUST = v.strictObject({ network, add: peerNames, remove: peerNames });
export const CONSUMER_TICKET = v.strictObject({ vm, port });
export const CONSUMER_FORWARD = v.strictObject({
  vm,
  forwards: v.pipe(
    v.array(v.strictObject({ bind: name, port })),
    v.minLength(1),
    v.maxLength(64),
  ),
});
export const CONSUMER_SSH_TARGET = v.strictObject({ vm, all: v.boolean() });
export const CONSUMER_EXTEND = v.strictObject({ vm, leaseMs: duration });
export const CONSUMER_RELEASE = v.strictObject({ vms: vmNames, all: v.boolean() });

export const NODE_YIELD = v.strictObject({
  by: v.picklist(["foreground", "build"]),
  build: v.pipe(v.string(), v.maxLength(256)),
});
