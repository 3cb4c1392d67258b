/**
 * The calls between nodes: name, shape of the question, shape of the answer. Bodies are CBOR maps;
 * what does not have exactly the shape is refused before anybody looks at it.
 *
 * | who asks | whom | calls |
 * | --- | --- | --- |
 * | a joiner | an admitter | `redeem` (the only call of an invite session) |
 * | a member | an admitter | `renew` |
 * | a member | a relay | `record.publish`, `record.list`, `relay.allocate` |
 * | a relay | a member | `relay.offer` |
 * | a peer | a peer | `ping`, `path.candidates` |
 * | a renter | a provider | `vm.reserve`, `vm.create`, `vm.status`, `vm.renew`, `vm.extend`, `vm.release` |
 * | a provider | a renter | `vm.event` |
 *
 * @module
 */
import * as v from "valibot";
import { type ErrorCode, fail, ID_CHARS, isId, isVmId, ok, type Result } from "../base/mod.ts";
import { CONFINEMENTS } from "../market/mod.ts";
import {
  type CborMap,
  type CborValue,
  decodeCborMap,
  encodeCbor,
  parseAddress,
} from "../wire/mod.ts";

/** Bytes of a call's body at most. Source: the design, RPC over sessions. */
export const BODY_BYTES_MAX = 16_384;
/** Records in one answer of a directory: 12 of at most 1 KiB each fit into a body. */
export const RECORDS_PER_PAGE = 12;
/** VMs named by one call. */
export const VMS_PER_CALL_MAX = 64;

const count = (max: number) => v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(max));
const bytes = (length: number) =>
  v.pipe(v.instance(Uint8Array<ArrayBufferLike>), v.check((b) => b.length === length));
const bytesUpTo = (max: number) =>
  v.pipe(v.instance(Uint8Array<ArrayBufferLike>), v.check((b) => b.length <= max));
const text = (max: number) => v.pipe(v.string(), v.maxLength(max));
const nodeId = v.pipe(text(ID_CHARS), v.check(isId));
const vmId = v.pipe(text(16), v.check(isVmId));
const address = v.pipe(text(64), v.check((value) => parseAddress(value).ok));
const uint32 = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(0xffff_ffff));
const day = 86_400_000;
const tebibyte = 2 ** 40;

/** As `membership/admission.ts` writes and judges them. */
const admission = v.strictObject({
  c: bytesUpTo(1_024),
  m: text(64),
  q: count(2 ** 32),
  k: bytes(32),
});

/** How well a provider confines QEMU; see `ffi/vm/README.md`. */
const confinement = v.nullable(v.picklist(CONFINEMENTS));

/** Why a VM ended, as its owner is told. Source: the command line's contract; `evicted` too. */
export const OWNERS_END_REASONS = [
  "released",
  "expired",
  "evicted",
  "oom",
  "guest-exit",
  "failed",
  "lost",
  "disk",
] as const;

/** What a provider tells about one VM. */
const vmState = v.strictObject({
  vm: vmId,
  state: v.picklist(
    ["reserved", "creating", "booting", "ready", "releasing", "released", "failed", "lost"],
  ),
  leaseLeftMs: v.nullable(count(366 * day)),
  /** Until it ends whatever its owner does; `null`: not created yet, or ended. */
  lifeLeftMs: v.nullable(count(3_660 * day)),
  bootMs: v.nullable(count(day)),
  /** Why it failed or ended, in a sentence; shown escaped. */
  reason: v.nullable(text(500)),
  /** The same as one word, as soon as the end is decided. */
  endReason: v.nullable(v.picklist(OWNERS_END_REASONS)),
});

const nothing = v.strictObject({});
const vms = v.pipe(
  v.array(vmId),
  v.maxLength(VMS_PER_CALL_MAX),
  v.check((ids) => new Set(ids).size === ids.length), // each once: answering has its price
);
const vmStates = v.strictObject({ vms: v.pipe(v.array(vmState), v.maxLength(VMS_PER_CALL_MAX)) });
const addresses = v.strictObject({ addresses: v.pipe(v.array(address), v.maxLength(16)) });

/** Every call with its question and answer. */
export const CALLS = {
  "redeem": { question: v.strictObject({ s: bytes(32) }), answer: admission },
  "renew": { question: v.strictObject({ c: bytesUpTo(1_024) }), answer: admission },
  "ping": { question: nothing, answer: nothing },
  "path.candidates": { question: addresses, answer: addresses },
  "record.publish": {
    question: v.strictObject({ record: bytesUpTo(1_024) }),
    answer: nothing,
  },
  "record.list": {
    question: v.strictObject({ after: v.nullable(nodeId) }),
    answer: v.strictObject({
      records: v.pipe(v.array(bytesUpTo(1_024)), v.maxLength(RECORDS_PER_PAGE)),
      next: v.nullable(nodeId),
    }),
  },
  "relay.allocate": {
    question: v.strictObject({ peer: nodeId }),
    answer: v.strictObject({ session: uint32, address }),
  },
  "relay.offer": {
    question: v.strictObject({ session: uint32, peer: nodeId, address }),
    answer: nothing,
  },
  "vm.reserve": {
    question: v.strictObject({
      key: v.nullable(v.pipe(text(64), v.regex(/^[\x21-\x7e]+$/))),
      cpu: count(1_024),
      memoryBytes: count(tebibyte),
      storageBytes: count(64 * tebibyte),
      image: text(64),
      leaseMs: count(366 * day),
      dryRun: v.boolean(),
    }),
    answer: v.strictObject({
      vm: vmId,
      /** Whether the VM was there before: the same key was asked for again. */
      existing: v.boolean(),
      state: vmState,
      accelerator: v.nullable(v.picklist(["kvm", "tcg"])),
      /** `null` in a dry run, as all that a machine would have. */
      isolation: v.nullable(v.picklist(["hardware", "emulated"])),
      confinement,
      /** SHA-256 of the image that will boot, in hex. */
      imageDigest: v.nullable(v.pipe(text(64), v.regex(/^[0-9a-f]{64}$/))),
      /** The lease as granted: the provider may have cut what was asked for. */
      leaseMs: count(366 * day),
      /** How long the VM can live: from its creation, or from now where it was created before. */
      lifeMs: count(3_660 * day),
      dryRun: v.boolean(),
    }),
  },
  "vm.create": {
    question: v.strictObject({
      vm: vmId,
      tunnel: uint32,
      wireguardKey: bytes(32),
      sshKeys: v.pipe(v.array(text(16_384)), v.minLength(1), v.maxLength(4)),
      hostname: text(32),
    }),
    answer: v.strictObject({
      tunnel: uint32,
      wireguardKey: bytes(32),
      sshHostKey: bytes(32),
      user: v.pipe(text(32), v.regex(/^[a-z_][a-z0-9_-]*$/)),
    }),
  },
  "vm.status": { question: v.strictObject({ vms }), answer: vmStates },
  "vm.renew": { question: v.strictObject({ vms }), answer: vmStates },
  "vm.extend": {
    question: v.strictObject({ vm: vmId, leaseMs: count(366 * day) }),
    answer: vmState,
  },
  "vm.release": { question: v.strictObject({ vm: vmId }), answer: vmState },
  "vm.event": { question: vmState, answer: nothing },
} as const;

/** The name of a call. */
export type CallName = keyof typeof CALLS;
/** The question of a call. */
export type Question<N extends CallName> = v.InferOutput<(typeof CALLS)[N]["question"]>;
/** The answer of a call. */
export type Answer<N extends CallName> = v.InferOutput<(typeof CALLS)[N]["answer"]>;
/** What a provider tells about one VM. */
export type VmStateMessage = v.InferOutput<typeof vmState>;

/**
 * The codes that a peer may put on a refusal. Any other would speak of this machine (`disk-full`,
 * `native-damaged`, `usage`), of which a peer knows nothing: it counts as `refused`.
 */
export const PEER_CODES = [
  "refused",
  "not-allowed",
  "not-member",
  "not-owner",
  "not-found",
  "unreachable",
  "unsupported",
  "provider-full",
  "bad-size",
  "image-missing",
  "image-corrupt",
  "vm-failed",
  "lease-ended",
  "invite-expired",
  "invite-used-up",
  "invite-revoked",
  "invite-unknown",
] as const satisfies readonly ErrorCode[];

/** Why the other side refused, in its words; read, the code is one of `PEER_CODES`. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  /** What stands against it passes by itself: ask again, no sooner. Absent: asking again is vain. */
  readonly retryMs?: number;
}

/** The longest wait that a refusal may name. Guess: an hour. */
const RETRY_MS_MAX = 3_600_000;
const refusalBody = v.strictObject({
  code: text(32),
  message: text(500),
  retryMs: v.optional(count(RETRY_MS_MAX)),
});

/** A refusal as it was read. */
export interface PeerRefusal extends Refusal {
  readonly code: (typeof PEER_CODES)[number];
}

/** Whether `name` is a call. */
export function isCallName(name: string): name is CallName {
  return Object.hasOwn(CALLS, name);
}

/** The body of a question or answer. */
export function encodeBody(body: object): Uint8Array {
  return encodeCbor(body as CborMap as CborValue);
}

/** Parses the question of a call. */
export function parseQuestion<N extends CallName>(
  name: N,
  body: Uint8Array,
): Result<Question<N>, "malformed-body"> {
  return parseBody(CALLS[name].question, body) as Result<Question<N>, "malformed-body">;
}

/** Parses the answer of a call. */
export function parseAnswer<N extends CallName>(
  name: N,
  body: Uint8Array,
): Result<Answer<N>, "malformed-body"> {
  return parseBody(CALLS[name].answer, body) as Result<Answer<N>, "malformed-body">;
}

/** The body of a refusal. */
export function encodeRefusal(refusal: Refusal): Uint8Array {
  const message = refusal.message.slice(0, 500).toWellFormed(); // cut within a character, perhaps
  const { code, retryMs } = refusal;
  if (retryMs === undefined) return encodeBody({ code, message });
  const waitMs = Math.min(RETRY_MS_MAX, Math.max(0, Math.ceil(retryMs)));
  return encodeBody({ code, message, retryMs: waitMs });
}

/** Parses a refusal; codes that no peer may use become `refused`. */
export function parseRefusal(body: Uint8Array): PeerRefusal {
  const parsed = parseBody(refusalBody, body);
  if (!parsed.ok) return { code: "refused", message: "the peer refused without a reason" };
  const { message, retryMs } = parsed.value;
  const code = PEER_CODES.find((known) => known === parsed.value.code) ?? "refused";
  return retryMs === undefined ? { code, message } : { code, message, retryMs };
}

function parseBody<S extends v.GenericSchema>(
  schema: S,
  body: Uint8Array,
): Result<v.InferOutput<S>, "malformed-body"> {
  const map = decodeCborMap(body, { bytesMax: BODY_BYTES_MAX });
  if (!map.ok) return fail("malformed-body");
  const parsed = v.safeParse(schema, map.value);
  return parsed.success ? ok(parsed.output) : fail("malformed-body");
}
