import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { generateIdentity } from "../../src/crypto/mod.ts";
import {
  nothingRevoked,
  type Revocation,
  RevocationBook,
  type RevocationReason,
  REVOCATIONS_MAX,
  signRevocation,
  verifyCertificate,
  verifyRevocation,
} from "../../src/membership/mod.ts";
import {
  alice,
  authority,
  bob,
  certificate,
  eve,
  flipBit,
  MINUTE,
  network,
  NOON,
  other,
  otherAuthority,
  random,
} from "./samples.ts";

const checks = { network, nowMs: NOON, isRevoked: nothingRevoked };
const bobsOwn = certificate({ subject: bob.id, grants: ["rent", "admit"] });

type Order = Parameters<typeof signRevocation>[0];

function revocation(changes: Partial<Order> = {}): Uint8Array {
  return signRevocation({ by: authority, network, subject: alice.id, nowMs: NOON, ...changes });
}

function verified(bytes: Uint8Array): Revocation {
  const result = verifyRevocation(bytes, checks);
  if (!result.ok) throw new Error(result.reason);
  return result.value;
}

function refused(bytes: Uint8Array, nowMs = NOON): RevocationReason {
  const result = verifyRevocation(bytes, { ...checks, nowMs });
  if (result.ok) throw new Error("it was accepted");
  return result.reason;
}

function bookOf(...revocations: readonly Uint8Array[]): RevocationBook {
  const book = new RevocationBook(network);
  for (const bytes of revocations) book.add(verified(bytes));
  return book;
}

/** Whether the certificate holds under the book, and why not. */
function judged(bytes: Uint8Array, { isRevoked }: RevocationBook, nowMs = NOON): string {
  const result = verifyCertificate(bytes, { network, nowMs, isRevoked });
  return result.ok ? "holds" : result.reason;
}

Deno.test("a revocation says who revoked whom and when", () => {
  const bytes = revocation();
  deepStrictEqual(verified(bytes), {
    network,
    subject: alice.id,
    by: authority.id,
    atMs: NOON,
    bytes,
  });
});

Deno.test("the authority revokes anybody, an admitter needs its certificate, others cannot", () => {
  strictEqual(verified(revocation({ by: bob, delegation: bobsOwn })).by, bob.id);
  strictEqual(refused(revocation({ by: bob })), "bad-delegation");
  strictEqual(refused(revocation({ by: eve, delegation: bobsOwn })), "bad-delegation");
  const member = certificate({ subject: eve.id, grants: ["rent", "relay"] });
  strictEqual(refused(revocation({ by: eve, delegation: member })), "bad-delegation");
  strictEqual(refused(revocation({ by: authority, delegation: bobsOwn })), "bad-delegation");
});

Deno.test("a revocation of another network, or from the future, is refused", () => {
  const foreign = revocation({ by: otherAuthority, network: other.network });
  strictEqual(refused(foreign), "foreign-network");
  const pretended = revocation({ by: otherAuthority, delegation: bobsOwn });
  strictEqual(refused(pretended), "bad-delegation");
  strictEqual(refused(revocation(), NOON - 10 * MINUTE - 1), "not-yet-valid");
});

Deno.test("a revoked member's certificate is void, another's holds", () => {
  const book = bookOf(revocation());
  strictEqual(judged(certificate(), book), "revoked");
  strictEqual(judged(certificate({ subject: eve.id }), book), "holds");
  strictEqual(book.has(alice.id) && !book.has(eve.id), true);
});

Deno.test("only by signing again does the authority lift its revocation", () => {
  const book = bookOf(revocation());
  const later = { nowMs: NOON + 1_000 };
  strictEqual(judged(certificate(later), book), "holds");
  const byBob = certificate({ ...later, issuer: bob, delegation: bobsOwn, grants: ["rent"] });
  strictEqual(judged(byBob, book), "revoked");
});

Deno.test("an admitter revokes what it issued, and nothing that others issued", () => {
  const book = bookOf(revocation({ by: bob, delegation: bobsOwn }));
  const byBob = certificate({ issuer: bob, delegation: bobsOwn, grants: ["rent"] });
  strictEqual(judged(byBob, book), "revoked");
  strictEqual(judged(certificate(), book), "holds");
  const again = {
    issuer: bob,
    delegation: bobsOwn,
    grants: ["rent"] as const,
    nowMs: NOON + 1_000,
  };
  strictEqual(judged(certificate(again), book), "holds");
});

Deno.test("revoking an admitter voids what hangs from it until the authority signs it again", () => {
  const book = bookOf(revocation({ subject: bob.id }));
  const byBob = certificate({ issuer: bob, delegation: bobsOwn, grants: ["rent"] });
  strictEqual(judged(byBob, book), "revoked");
  const anew = certificate({ subject: bob.id, grants: ["rent", "admit"], nowMs: NOON + 1_000 });
  const hangs = certificate({ issuer: bob, delegation: anew, grants: ["rent"] });
  strictEqual(judged(hangs, book), "holds");
});

Deno.test("a revoked admitter's own revocations are refused", () => {
  const { isRevoked } = bookOf(revocation({ subject: bob.id }));
  const result = verifyRevocation(revocation({ by: bob, delegation: bobsOwn }), {
    ...checks,
    isRevoked,
  });
  deepStrictEqual(result, { ok: false, reason: "bad-delegation" });
});

Deno.test("a book keeps the newest revocation of a subject by each revoker, in any order", () => {
  const early = verified(revocation());
  const late = verified(revocation({ nowMs: NOON + 5 * MINUTE }));
  const book = new RevocationBook(network);
  deepStrictEqual([early, late, early, late].map((each) => book.add(each)), [
    true,
    true,
    false,
    false,
  ]);
  deepStrictEqual(book.list(), [late]);
  strictEqual(book.add(verified(revocation({ by: bob, delegation: bobsOwn }))), true);
  strictEqual(book.size, 1);
});

Deno.test("a book takes no revocation of another network", () => {
  const book = new RevocationBook(other.network);
  throws(() => book.add(verified(revocation())), TypeError);
});

Deno.test("a full book drops the subject that was revoked first", () => {
  const book = new RevocationBook(network);
  const sample = verified(revocation());
  const ids = Array.from({ length: REVOCATIONS_MAX + 1 }, (_, i) => {
    const subject = `${i}` as typeof alice.id;
    book.add({ ...sample, subject });
    return subject;
  });
  strictEqual(book.size, REVOCATIONS_MAX);
  deepStrictEqual(ids.filter((id) => !book.has(id)), ids.slice(0, 1));
});

Deno.test("a flipped bit anywhere in a revocation is refused", () => {
  const bytes = revocation({ by: bob, delegation: bobsOwn });
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    strictEqual(verifyRevocation(flipBit(bytes, bit), checks).ok, false, `bit ${bit}`);
  }
});

Deno.test("verifyRevocation() never throws", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 900 }), (bytes) => {
    strictEqual(refused(bytes), "malformed");
  }));
});

Deno.test("signRevocation() refuses a subject that is no id", () => {
  const stranger = generateIdentity(random).identity.id;
  strictEqual(verified(revocation({ subject: stranger })).subject, stranger);
  throws(() => revocation({ subject: "nobody" as typeof stranger }), TypeError);
});
