import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import type { NodeId } from "../../src/base/mod.ts";
import {
  type Certificate,
  CERTIFICATE_BYTES_MAX,
  CERTIFICATE_LIFE_MS,
  type CertificateChecks,
  type CertificateReason,
  type Grant,
  GRANTS,
  isWithinGrants,
  nothingRevoked,
  renewalDueMs,
  type Revocable,
  verifyCertificate,
} from "../../src/membership/mod.ts";
import { decodeCbor, decodeCborMap, encodeCbor } from "../../src/wire/mod.ts";
import {
  alice,
  authority,
  bob,
  certificate,
  DAY,
  eve,
  flipBit,
  MINUTE,
  network,
  NOON,
  other,
  otherAuthority,
} from "./samples.ts";

const checks: CertificateChecks = { network, nowMs: NOON, isRevoked: nothingRevoked };

/** Bob as an admitter: his own certificate by the authority. */
const bobsOwn = certificate({ subject: bob.id, grants: ["rent", "relay", "admit"] });

/** Alice's certificate by Bob. */
function delegated(grants: readonly Grant[], delegation = bobsOwn, issuer = bob): Uint8Array {
  return certificate({ issuer, delegation, grants });
}

function verified(bytes: Uint8Array, changes: Partial<CertificateChecks> = {}): Certificate {
  const result = verifyCertificate(bytes, { ...checks, ...changes });
  if (!result.ok) throw new Error(result.reason);
  return result.value;
}

function refused(bytes: Uint8Array, changes: Partial<CertificateChecks> = {}): CertificateReason {
  const result = verifyCertificate(bytes, { ...checks, ...changes });
  if (result.ok) throw new Error("it was accepted");
  return result.reason;
}

/** The certificate with its body's map changed, signed by `issuer` as if it were right. */
function resigned(
  change: (map: Record<string, unknown>) => Record<string, unknown>,
  issuer = authority,
): Uint8Array {
  const outer = decodeCbor(certificate(), { bytesMax: 1_000 });
  const body = outer.ok && Array.isArray(outer.value) ? outer.value[0] : undefined;
  const map = decodeCborMap(body as Uint8Array, { bytesMax: 1_000 });
  if (!map.ok) throw new Error(map.reason);
  const changed = encodeCbor(change({ ...map.value }) as Parameters<typeof encodeCbor>[0]);
  return encodeCbor([changed, issuer.sign("certificate", changed)]);
}

Deno.test("a certificate by the authority says who may do what, from when to when", () => {
  const bytes = certificate();
  deepStrictEqual(verified(bytes, { subject: alice.id }), {
    network,
    subject: alice.id,
    grants: ["rent", "provide"],
    issuer: authority.id,
    notBeforeMs: NOON,
    notAfterMs: NOON + 30 * DAY,
    epoch: 1,
    delegation: null,
    bytes,
  });
});

Deno.test("a certificate fits where it is shown, with its delegation too", () => {
  const far = { nowMs: NOON, epoch: 0xffff_ffff };
  strictEqual(certificate(far).length <= 256, true);
  strictEqual(delegated(["rent"]).length <= CERTIFICATE_BYTES_MAX, true);
});

Deno.test("a certificate is renewed at half of its life", () => {
  strictEqual(renewalDueMs(verified(certificate())), NOON + 15 * DAY);
});

Deno.test("a certificate counts from its beginning to its end, with ten minutes for wrong clocks", () => {
  const bytes = certificate();
  const end = NOON + CERTIFICATE_LIFE_MS;
  const cases: readonly [number, string][] = [
    [NOON - 10 * MINUTE, "valid"],
    [NOON - 10 * MINUTE - 1, "not-yet-valid"],
    [end + 10 * MINUTE, "valid"],
    [end + 10 * MINUTE + 1, "expired"],
    [0, "not-yet-valid"],
  ];
  for (const [nowMs, expected] of cases) {
    const result = verifyCertificate(bytes, { ...checks, nowMs });
    strictEqual(result.ok ? "valid" : result.reason, expected, String(nowMs - NOON));
  }
});

Deno.test("a certificate of another network, or for another node, is refused", () => {
  const foreign = certificate({ issuer: otherAuthority, network: other.network });
  strictEqual(refused(foreign), "foreign-network");
  strictEqual(refused(certificate(), { subject: eve.id }), "other-subject");
});

Deno.test("only the authority's signature makes a certificate", () => {
  const sameWords = (map: Record<string, unknown>) => map;
  strictEqual(refused(resigned(sameWords, eve)), "bad-signature");
  const ownWord = (map: Record<string, unknown>) => ({ ...map, i: eve.publicKey });
  strictEqual(refused(resigned(ownWord, eve)), "bad-delegation");
});

Deno.test("a signature of another kind is worthless as a certificate", () => {
  const outer = decodeCbor(certificate(), { bytesMax: 1_000 });
  const [body] = outer.ok && Array.isArray(outer.value) ? outer.value : [];
  const bytes = body as Uint8Array;
  strictEqual(refused(encodeCbor([bytes, authority.sign("record", bytes)])), "bad-signature");
});

Deno.test("fields that are missing, unknown, of another type or out of range refuse a certificate", () => {
  const changes: Readonly<Record<string, unknown>>[] = [
    { g: 16 },
    { g: -1 },
    { g: "rent" },
    { g: null },
    { g: ["rent"] },
    { n: authority.publicKey.slice(1) },
    { s: alice.id },
    { b: -1 },
    { b: 2 ** 50 },
    { e: Math.floor(NOON / 1_000) },
    { e: Math.floor((NOON + CERTIFICATE_LIFE_MS) / 1_000) + 1 },
    { q: 0 },
    { q: 2 ** 32 },
    { d: new Uint8Array() },
    { d: bobsOwn },
    { z: 1 },
    { "": 1 },
  ];
  for (const change of changes) {
    strictEqual(refused(resigned((map) => ({ ...map, ...change }))), "malformed");
  }
  for (const name of ["n", "s", "g", "i", "b", "e", "q"]) {
    const without = resigned((map) => {
      const { [name]: _, ...rest } = map;
      return rest;
    });
    strictEqual(refused(without), "malformed", `without ${name}`);
  }
});

Deno.test("an admitter's certificate lets it admit with at most its own grants, never to admit", () => {
  const { grants, delegation, issuer } = verified(delegated(["rent", "relay"]));
  deepStrictEqual([grants, issuer, delegation?.subject], [["rent", "relay"], bob.id, bob.id]);
  strictEqual(verified(delegated([])).grants.length, 0);
  strictEqual(refused(delegated(["provide"])), "exceeds-delegation");
  strictEqual(refused(delegated(["rent", "admit"])), "exceeds-delegation");
});

Deno.test("every pair of grants: a delegate gives a part of its own without admit, or nothing", () => {
  const subsets = fc.subarray([...GRANTS]);
  fc.assert(
    fc.property(subsets, subsets, (own, given) => {
      const delegation = certificate({ subject: bob.id, grants: own });
      const allowed = own.includes("admit") && !given.includes("admit") &&
        isWithinGrants(given, own);
      strictEqual(verifyCertificate(delegated(given, delegation), checks).ok, allowed);
    }),
    { numRuns: 60 },
  );
});

Deno.test("a delegation that is missing, another's, without admit, expired or of another network is bad", () => {
  const without = resigned((map) => ({ ...map, i: bob.publicKey }), bob);
  strictEqual(refused(without), "bad-delegation");
  strictEqual(refused(delegated(["rent"], bobsOwn, eve)), "bad-delegation");
  const cannot = certificate({ subject: bob.id, grants: ["rent", "relay"] });
  strictEqual(refused(delegated(["rent"], cannot)), "bad-delegation");
  const old = certificate({ subject: bob.id, grants: ["rent", "admit"], lifeMs: MINUTE });
  strictEqual(refused(delegated(["rent"], old), { nowMs: NOON + 12 * MINUTE }), "bad-delegation");
  const foreign = certificate({
    issuer: otherAuthority,
    network: other.network,
    subject: bob.id,
    grants: ["rent", "admit"],
  });
  strictEqual(refused(delegated(["rent"], foreign)), "bad-delegation");
  strictEqual(refused(delegated(["rent"], Uint8Array.of(1, 2, 3))), "bad-delegation");
});

Deno.test("a delegate of a delegate is nobody", () => {
  const second = certificate({
    issuer: bob,
    delegation: bobsOwn,
    subject: eve.id,
    grants: ["rent"],
  });
  const third = certificate({ issuer: eve, delegation: second, grants: ["rent"] });
  strictEqual(refused(third), "malformed", "there is no room for a second delegation");
  const cut = certificate({ issuer: eve, delegation: second.slice(0, 200), grants: ["rent"] });
  strictEqual(refused(cut), "bad-delegation");
});

Deno.test("what is revoked is void, the subject's own and what hangs from its issuer's", () => {
  const revoked = (id: NodeId) => ({ isRevoked: ({ subject }: Revocable) => subject === id });
  strictEqual(refused(certificate(), revoked(alice.id)), "revoked");
  strictEqual(refused(delegated(["rent"]), revoked(alice.id)), "revoked");
  strictEqual(refused(delegated(["rent"]), revoked(bob.id)), "revoked");
  strictEqual(verified(certificate(), revoked(bob.id)).subject, alice.id);
});

Deno.test("issueCertificate() refuses to speak for the authority without its key", () => {
  throws(() => certificate({ issuer: bob }), TypeError);
  throws(() => certificate({ delegation: bobsOwn }), TypeError);
  throws(() => certificate({ subject: "nobody" as NodeId }), TypeError);
  for (const lifeMs of [0, 999, CERTIFICATE_LIFE_MS + 1, NaN, Infinity]) {
    throws(() => certificate({ lifeMs }), TypeError);
  }
});

Deno.test("a flipped bit anywhere in a certificate is refused", () => {
  const bytes = delegated(["rent", "relay"]);
  strictEqual(verified(bytes).subject, alice.id);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    strictEqual(verifyCertificate(flipBit(bytes, bit), checks).ok, false, `bit ${bit}`);
  }
});

Deno.test("a certificate that is cut or has something after it is refused", () => {
  const bytes = certificate();
  for (let length = 0; length < bytes.length; length++) {
    strictEqual(refused(bytes.slice(0, length)), "malformed");
  }
  strictEqual(refused(Uint8Array.of(...bytes, 0)), "malformed");
});

Deno.test("verifyCertificate() never throws, whatever it is given", () => {
  const known = delegated(["rent"]);
  const mangled = fc.tuple(fc.nat(known.length - 1), fc.uint8Array({ maxLength: 40 })).map(
    ([at, patch]) => {
      const copy = known.slice();
      copy.set(patch.subarray(0, copy.length - at), at);
      return copy;
    },
  );
  fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 700 }), mangled), (bytes) => {
    const result = verifyCertificate(bytes, checks);
    strictEqual(result.ok, result.ok && bytes.toHex() === known.toHex());
  }));
});

Deno.test("verifyCertificate() survives issuers and subjects whose keys are no good points", () => {
  const smallOrder = Uint8Array.of(1, ...new Uint8Array(31));
  const issuer = resigned((map) => ({ ...map, i: smallOrder, d: bobsOwn }));
  strictEqual(refused(issuer), "bad-delegation");
  strictEqual(refused(resigned((map) => ({ ...map, n: smallOrder }))), "foreign-network");
  strictEqual(
    refused(resigned((map) => ({ ...map, s: smallOrder })), { subject: alice.id }),
    "other-subject",
  );
});
