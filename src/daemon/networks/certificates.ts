/**
 * This node's own certificates: read out of the database, made where the authority lives here, and taken
 * from who admits or renews.
 *
 * ```text
 *   stored bytes ──verify──▶ certificate ──half of its life is over──▶ authority here: signed anew
 *                                                                    elsewhere: asked of its admitter
 * ```
 *
 * Bytes are decoded and their signatures verified once; later only the clock is looked at.
 *
 * @module
 */
import { type NetworkId, OmertaError } from "../../base/mod.ts";
import { identityFromSeed } from "../../crypto/mod.ts";
import type { NetworkRow } from "../../host/store/mod.ts";
import {
  type Admission,
  type Certificate,
  type EpochKey,
  GRANTS,
  issueCertificate,
  nextEpoch,
  nothingRevoked,
  reasonOfTime,
  renewalDueMs,
  verifyAdmission,
  verifyCertificate,
} from "../../membership/mod.ts";
import { admissionWord, type Answer } from "../../node/mod.ts";
import { otherEpoch, unsoundError } from "./network_errors.ts";
import type { NetworksParts } from "./parts.ts";

/** A network's row with the certificate in it. */
export interface Certified {
  readonly row: NetworkRow;
  readonly certificate: Certificate;
}

/** Reads, makes and takes this node's certificates. */
export class Certificates {
  readonly #parts: Pick<NetworksParts, "store" | "identity" | "wallMs">;

  constructor(parts: Pick<NetworksParts, "store" | "identity" | "wallMs">) {
    this.#parts = parts;
  }

  /** The authority signs its own node in, with every grant. */
  issue(
    network: NetworkId,
    { authoritySeed, epoch }: { readonly authoritySeed: Uint8Array; readonly epoch: number },
  ): Uint8Array {
    const issuer = identityFromSeed(authoritySeed);
    const [subject, nowMs] = [this.#parts.identity.id, this.#parts.wallMs()];
    return issueCertificate({ issuer, network, subject, grants: GRANTS, epoch, nowMs });
  }

  /**
   * The certificate in a row; a fresh one where the authority lives here and the old is due or void.
   *
   * @throws {OmertaError} `not-member` where there is none that is valid now.
   */
  read(row: NetworkRow): Certified {
    const verified = row.certificate === null ? undefined : this.#verify(row, row.certificate);
    const certified = verified?.ok ? { row, certificate: verified.value } : undefined;
    if (row.authoritySeed !== null && (certified === undefined || this.isDue(certified))) {
      return this.renew(row, row.authoritySeed);
    }
    if (certified !== undefined) return certified;
    throw unsoundError(row.name, verified?.ok === false ? verified.reason : "missing");
  }

  /** Whether the authority, which lives here, should sign anew. */
  isDue({ row, certificate }: Certified): boolean {
    if (row.authoritySeed === null) return false;
    const nowMs = this.#parts.wallMs();
    return nowMs >= renewalDueMs(certificate) ||
      reasonOfTime(certificate, { nowMs, isRevoked: nothingRevoked }) !== undefined;
  }

  /** The authority signs this node in anew; it is on the disk when this returns. */
  renew(row: NetworkRow, authoritySeed: Uint8Array): Certified {
    const bytes = this.issue(row.id, { authoritySeed, epoch: row.epoch });
    const verified = this.#verify(row, bytes);
    if (!verified.ok) throw unsoundError(row.name, verified.reason);
    const fresh = { ...row, certificate: bytes };
    this.#parts.store.networks.put(fresh);
    return { row: fresh, certificate: verified.value };
  }

  /**
   * What an admitter answered to `redeem` or `renew`, and the epoch in which this node is then.
   *
   * @param known The network as it is known by now; `undefined`: not at all.
   * @throws {OmertaError} `refused` where it is not valid, or contradicts what is known.
   */
  take(
    network: NetworkId,
    answer: Answer<"redeem">,
    known: NetworkRow | undefined,
  ): Admission {
    const checks = { network, subject: this.#parts.identity.id, nowMs: this.#parts.wallMs() };
    const admission = verifyAdmission(admissionWord(answer), checks);
    if (admission.ok) return { ...admission.value, epoch: agreedEpoch(known, admission.value) };
    throw new OmertaError(
      "refused",
      `The answer of who invited you is not valid: ${admission.reason}`,
      { hint: "Is this machine's clock right?" },
    );
  }

  #verify(row: NetworkRow, bytes: Uint8Array): ReturnType<typeof verifyCertificate> {
    return verifyCertificate(bytes, {
      network: row.id,
      subject: this.#parts.identity.id,
      nowMs: this.#parts.wallMs(),
      isRevoked: nothingRevoked,
    });
  }
}

/** The epoch after an admission. @throws {OmertaError} `refused` where it contradicts what is known. */
function agreedEpoch(known: NetworkRow | undefined, { epoch }: Admission): EpochKey {
  if (known === undefined) return epoch;
  const agreed = nextEpoch({ epoch: known.epoch, key: known.epochKey }, epoch);
  if (!agreed.ok) throw otherEpoch(known.name, epoch.epoch, agreed.reason);
  return agreed.value;
}
