/**
 * Signs of life on their way to a VM's helper and to the disk. A renter may give thousands a second;
 * each moves the deadline in the book at once, but what is written and told follows it seldom and never
 * in the middle of a call: when it moved by a tenth of the lease, or a tenth of the lease later.
 *
 * ```text
 *  note ──moved by a tenth──▶ due now ──────────┐
 *    └────moved by less─────▶ due in a tenth ───┴──take──▶ told: the next one counts from there
 * ```
 *
 * So a VM whose node dies ends a tenth of its lease too early at worst, and a storm costs one write.
 *
 * @module
 */
import { after, type Instant, type VmId } from "../../base/mod.ts";

/** The part of the lease by which a deadline may lag behind. Source: the design. */
const LAG = 0.1;

/** A VM's deadline, as the book has it. */
export interface Deadline {
  readonly id: VmId;
  readonly deadline: Instant;
  readonly leaseMs: number;
}

interface Entry {
  /** The deadline that helper and disk know. */
  told: Instant;
  dueAt: Instant | undefined;
}

/** Which deadlines are to be told, and when. Bounded as the book is: `forget` what has ended. */
export class Renewals {
  readonly #entries = new Map<VmId, Entry>();

  /** Helper and disk know this deadline: at the VM's start, and whenever it was told. */
  told({ id, deadline }: Pick<Deadline, "id" | "deadline">): void {
    this.#entries.set(id, { told: deadline, dueAt: undefined });
  }

  /** The deadline may have moved. */
  note({ id, deadline, leaseMs }: Deadline, now: Instant): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return this.told({ id, deadline });
    if (deadline <= entry.told) return;
    const lagMs = leaseMs * LAG;
    if (deadline - entry.told >= lagMs) entry.dueAt = now;
    else entry.dueAt ??= after(now, lagMs);
  }

  /** Whether something was noted that is not told yet. */
  isNoted(id: VmId): boolean {
    return this.#entries.get(id)?.dueAt !== undefined;
  }

  /** When the next one is due. */
  dueAt(): Instant | undefined {
    let next: Instant | undefined;
    for (const { dueAt } of this.#entries.values()) {
      if (dueAt !== undefined && (next === undefined || dueAt < next)) next = dueAt;
    }
    return next;
  }

  /** What is due at `now`: each once, until it is noted again. */
  take(now: Instant): VmId[] {
    const due: VmId[] = [];
    for (const [id, entry] of this.#entries) {
      if (entry.dueAt === undefined || entry.dueAt > now) continue;
      entry.dueAt = undefined;
      due.push(id);
    }
    return due;
  }

  /** What was taken could not be told now. */
  defer(id: VmId, dueAt: Instant): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.dueAt = dueAt;
  }

  forget(id: VmId): void {
    this.#entries.delete(id);
  }
}
