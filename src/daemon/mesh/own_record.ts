/**
 * The record of this node in each of its networks: signed anew where what it says changed, or where it
 * grows old; else it stays what it is, and costs neither a signature nor a write.
 *
 * @module
 */
import type { NamedNode, NetworkId, PeerKey } from "../../base/mod.ts";
import {
  type Capabilities,
  grantedRoles,
  RECORD_LIFE_MS,
  RECORD_LIMITS,
  type Role,
  signRecord,
  verifyRecord,
} from "../../membership/mod.ts";
import { parseAddress } from "../../wire/mod.ts";
import { attempt } from "../../host/attempt.ts";
import type { Context } from "../context.ts";
import type { Joined } from "../networks/joined.ts";

/** A record is told again long before it expires. */
export const PUBLISH_EVERY_MS = RECORD_LIFE_MS / 3;

/** What this node says of itself. */
export interface OwnFacts {
  readonly alias: string | null;
  readonly roles: readonly Role[];
  /** `IP:PORT` at which everybody reaches us; none behind a NAT. */
  readonly addresses: readonly string[];
  readonly capabilities: Capabilities;
}

/** Our record as it is now, and who took it. */
export interface OwnRecord {
  readonly bytes: Uint8Array;
  readonly told: Set<PeerKey>;
}

interface Signed extends OwnRecord {
  /** What it says, as text to compare. */
  readonly says: string;
  readonly atMs: number;
}

/** Our records. */
export class OwnRecords {
  readonly #context: Context;
  readonly #facts: () => OwnFacts;
  readonly #signed = new Map<NetworkId, Signed>();
  #seq = 0;

  constructor(context: Context, facts: () => OwnFacts) {
    this.#context = context;
    this.#facts = facts;
  }

  /** Our record in a network, kept among the others there; `home` are our relays now. */
  current(joined: Joined, home: readonly NamedNode[]): OwnRecord {
    const nowMs = this.#context.wallMs();
    const { alias, roles, addresses, capabilities } = this.#facts();
    const content = {
      alias,
      roles: grantedRoles(roles, joined.certificate.grants),
      addresses: addresses.filter((a) => parseAddress(a).ok).slice(0, RECORD_LIMITS.addressesMax),
      relays: home,
      capabilities,
    };
    const says = JSON.stringify(content);
    const known = this.#signed.get(joined.row.id);
    if (known?.says === says && Math.abs(nowMs - known.atMs) < PUBLISH_EVERY_MS) return known;
    const signed = {
      says,
      atMs: nowMs,
      told: new Set<PeerKey>(),
      bytes: this.#sign(joined, content),
    };
    this.#signed.set(joined.row.id, signed);
    return signed;
  }

  /** A relay may have forgotten what it was told. */
  forgetTold(relay: PeerKey): void {
    for (const { told } of this.#signed.values()) told.delete(relay);
  }

  #sign(joined: Joined, content: OwnFacts & { readonly relays: readonly NamedNode[] }): Uint8Array {
    const nowMs = this.#context.wallMs();
    const network = joined.row.id;
    const bytes = signRecord(this.#context.identity, {
      ...content,
      network,
      seq: this.#nextSeq(nowMs),
      staticKey: this.#context.staticKey.publicKey,
      publishedAtMs: nowMs,
      expiresAtMs: nowMs + RECORD_LIFE_MS,
    });
    const verified = verifyRecord(bytes, { network, nowMs });
    if (verified.ok) joined.records.put(verified.value, nowMs);
    return bytes;
  }

  /** Grows over restarts, and whatever the clock does. */
  #nextSeq(nowMs: number): number {
    const last = Math.max(this.#seq, this.#context.store.values.get("record-seq") ?? 0);
    const seq = Math.max(last + 1, Math.floor(nowMs / 1_000));
    this.#seq = seq;
    const { store, log } = this.#context;
    attempt(log, "remember the number of our record", () => store.values.put("record-seq", seq));
    return seq;
  }
}
