import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import {
  type Asked,
  rentalOf,
  type Terms,
  termsFault,
  termsQuestion,
  type Walls,
} from "../../src/market/mod.ts";
import { NO_TIMINGS, reserved, START_MS, vmId } from "./rental_samples.ts";
import { small } from "./samples.ts";

const TERMS: Terms = {
  vm: vmId(1),
  existing: false,
  accelerator: "tcg",
  isolation: "emulated",
  confinement: "namespaces",
  imageDigest: "ab".repeat(32),
  leaseMs: 3_600_000,
  lifeMs: 86_400_000,
  dryRun: false,
};
const ASKED: Asked = { ...small, isolation: null, minConfinement: null, dryRun: false };

function fault(asked: Partial<Asked>, terms?: Partial<Terms>, offer?: Walls) {
  return termsFault({ ...ASKED, ...asked }, { ...TERMS, ...terms }, offer);
}

Deno.test("a provider is asked for a size, an image and a lease, and for no walls", () => {
  const walls = { isolation: "hardware", minConfinement: "full" } as const;
  deepStrictEqual(termsQuestion({ ...ASKED, ...walls }, "k"), {
    ...small,
    key: "k",
    dryRun: false,
  });
  const image = `sha256:${"cd".repeat(32)}`;
  strictEqual(termsQuestion({ ...ASKED, image }, null).image, "cd".repeat(32));
});

Deno.test("terms that are what was asked for, or better, have no fault", () => {
  strictEqual(fault({}), null);
  strictEqual(fault({ isolation: "emulated", minConfinement: "landlock" }), null);
  strictEqual(fault({ image: `sha256:${"ab".repeat(32)}` }), null);
  strictEqual(fault({}, { leaseMs: 30_000 }), null, "a lease may be cut");
  strictEqual(fault({ dryRun: true, minConfinement: "full" }, { dryRun: true }), null, "no walls");
});

Deno.test("who runs dry lends no machine, and says so of itself: that is no lie", () => {
  deepStrictEqual(fault({}, { dryRun: true })?.isLie, false);
  match(fault({}, { dryRun: true })?.text ?? "", /only runs dry/);
  match(fault({ dryRun: true })?.text ?? "", /does not run dry/);
});

Deno.test("another image than the one of a digest is a lie; a name binds nobody to a digest", () => {
  deepStrictEqual(fault({ image: `sha256:${"cd".repeat(32)}` })?.isLie, true);
  deepStrictEqual(
    fault({ image: `sha256:${"cd".repeat(32)}` }, { imageDigest: null })?.isLie,
    true,
  );
  strictEqual(fault({ image: "micro" }, { imageDigest: null }), null);
});

Deno.test("weaker walls than asked for are a fault, and a lie where better ones were promised", () => {
  const asked = { isolation: "hardware", minConfinement: "full" } as const;
  const promised: Walls = { isolation: "hardware", confinement: "full" };
  deepStrictEqual(fault(asked)?.isLie, false);
  deepStrictEqual(fault(asked, {}, promised)?.isLie, true);
  deepStrictEqual(fault(asked, {}, { ...promised, confinement: null })?.isLie, false);
  deepStrictEqual(fault(asked, { isolation: null, confinement: null })?.isLie, false, "untold");
  strictEqual(fault(asked, promised, promised), null);
});

Deno.test("a rental keeps what was asked for beside what was granted", () => {
  const { id: _, ...sample } = reserved({ leaseMs: TERMS.leaseMs, lifeMs: TERMS.lifeMs });
  const { key, name, privateKey, localTunnel, identityFile, providerKnown } = sample;
  const { network, provider } = sample;
  const rental = rentalOf(TERMS, {
    ...{ key, name, privateKey, localTunnel, identityFile, providerKnown, network, provider },
    request: { ...ASKED, leaseMs: 7_200_000 },
    timings: NO_TIMINGS,
    nowMs: START_MS,
  });
  const request = { ...small, leaseMs: 7_200_000 };
  deepStrictEqual(rental, { ...sample, id: vmId(1), confinement: "namespaces", request });
});
