/** Which walls suffice, and images by their digest. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import {
  CONFINEMENTS,
  imageDigestOf,
  isOfSameKind,
  isWorthAsking,
  offerOf,
  suffices,
  UNKNOWN_OFFER,
} from "../../src/market/mod.ts";

Deno.test("hardware is better than emulation, which is no less than nothing asked", () => {
  const wants = (isolation: "hardware" | "emulated" | null) => ({
    isolation,
    minConfinement: null,
  });
  const emulated = { isolation: "emulated", confinement: null } as const;
  const hardware = { isolation: "hardware", confinement: null } as const;
  const untold = { isolation: null, confinement: null };
  strictEqual(suffices(emulated, wants("hardware")), false);
  strictEqual(suffices(hardware, wants("hardware")), true);
  strictEqual(suffices(hardware, wants("emulated")), true);
  strictEqual(suffices(untold, wants("hardware")), undefined);
  strictEqual(suffices(untold, wants(null)), true);
});

Deno.test("a level of confinement is at least the one that was asked for", () => {
  for (const [has, confinement] of CONFINEMENTS.entries()) {
    for (const [wants, minConfinement] of CONFINEMENTS.entries()) {
      const wanted = { isolation: null, minConfinement };
      strictEqual(suffices({ isolation: null, confinement }, wanted), has >= wants);
      strictEqual(isWorthAsking({ ...UNKNOWN_OFFER, confinement }, wanted), has >= wants);
    }
  }
  const wanted = { isolation: null, minConfinement: "full" } as const;
  strictEqual(isWorthAsking(UNKNOWN_OFFER, wanted), true, "who says nothing is asked");
});

Deno.test("a dry run is for those who run dry, a real request for the others", () => {
  const [dry, real] = [offerOf({ dryRun: true }), offerOf({ accepting: true })];
  const kinds = [dry, real, UNKNOWN_OFFER].map((offer) =>
    [true, false].map((dryRun) => isOfSameKind(offer, { dryRun }))
  );
  deepStrictEqual(kinds, [[true, false], [false, true], [true, true]]);
});

Deno.test("only sha256: and 64 digits name an image by its digest", () => {
  const digest = "0123456789abcdef".repeat(4);
  strictEqual(imageDigestOf(`sha256:${digest}`), digest);
  for (const image of ["micro", digest, "sha256:", `sha256:${digest}0`, `SHA256:${digest}`]) {
    strictEqual(imageDigestOf(image), null);
  }
});
