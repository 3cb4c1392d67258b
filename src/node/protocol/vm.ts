/**
 * The calls between a renter and a provider.
 *
 * @module
 */
import * as v from "valibot";
import { CONFINEMENTS, OWNERS_END_REASONS, VMS_PER_CALL_MAX } from "../../market/mod.ts";
import { bytes, count, DAY_MS, nothing, text, uint32, vmId } from "./shapes.ts";

const TEBIBYTE = 2 ** 40;

/** How well a provider confines QEMU; see `ffi/vm/README.md`. */
const confinement = v.nullable(v.picklist(CONFINEMENTS));

/** What a provider tells about one VM. */
const vmState = v.strictObject({
  vm: vmId,
  state: v.picklist(
    ["reserved", "creating", "booting", "ready", "releasing", "released", "failed", "lost"],
  ),
  leaseLeftMs: v.nullable(count(366 * DAY_MS)),
  /** Until it ends whatever its owner does; `null`: not created yet, or ended. */
  lifeLeftMs: v.nullable(count(3_660 * DAY_MS)),
  bootMs: v.nullable(count(DAY_MS)),
  /** Why it failed or ended, in a sentence; shown escaped. */
  reason: v.nullable(text(500)),
  /** The same as one word, as soon as the end is decided. */
  endReason: v.nullable(v.picklist(OWNERS_END_REASONS)),
});

const vms = v.pipe(
  v.array(vmId),
  v.maxLength(VMS_PER_CALL_MAX),
  v.check((ids) => new Set(ids).size === ids.length), // each once: answering has its price
);
const vmStates = v.strictObject({ vms: v.pipe(v.array(vmState), v.maxLength(VMS_PER_CALL_MAX)) });

/** Reserving, creating, watching and ending VMs. */
export const VM_CALLS = {
  "vm.reserve": {
    question: v.strictObject({
      key: v.nullable(v.pipe(text(64), v.regex(/^[\x21-\x7e]+$/))),
      cpu: count(1_024),
      memoryBytes: count(TEBIBYTE),
      storageBytes: count(64 * TEBIBYTE),
      image: text(64),
      leaseMs: count(366 * DAY_MS),
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
      leaseMs: count(366 * DAY_MS),
      /** How long the VM can live: from its creation, or from now where it was created before. */
      lifeMs: count(3_660 * DAY_MS),
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
    question: v.strictObject({ vm: vmId, leaseMs: count(366 * DAY_MS) }),
    answer: vmState,
  },
  "vm.release": { question: v.strictObject({ vm: vmId }), answer: vmState },
  "vm.event": { question: vmState, answer: nothing },
} as const;

/** What a provider tells about one VM. */
export type VmStateMessage = v.InferOutput<typeof vmState>;
