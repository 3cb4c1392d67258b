import { deepStrictEqual, match, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { isErrorCode, isId, seededRandom } from "../../src/base/mod.ts";
import { encodeLink } from "../../src/membership/link.ts";
import {
  type AuthorityNetwork,
  createNetwork,
  EPOCHS_KEPT_MAX,
  exportNetwork,
  type ExportReason,
  exportTextError,
  importNetwork,
  NETWORK_PREFIX,
  nothingRevoked,
  RevocationBook,
  REVOCATIONS_EXPORTED_MAX,
  signRevocation,
  verifyRevocation,
} from "../../src/membership/mod.ts";
import type { CborValue } from "../../src/wire/mod.ts";
import { alice, authority, bob, eve, home, network, NOON, otherAuthority } from "./samples.ts";

function bookOf(...subjects: readonly typeof alice[]): RevocationBook {
  const book = new RevocationBook(network);
  for (const { id: subject } of subjects) {
    const bytes = signRevocation({ by: authority, network, subject, nowMs: NOON });
    const result = verifyRevocation(bytes, { network, nowMs: NOON, isRevoked: nothingRevoked });
    if (result.ok) book.add(result.value);
  }
  return book;
}

/** The fields of an export of `home`, changed, with a right sum. */
function linkOf(changes: Readonly<Record<string, CborValue>>, without = ""): string {
  const map: Record<string, CborValue> = {
    v: 1,
    m: "home",
    s: home.authoritySeed,
    q: [[1, new Uint8Array(32)]],
    x: [],
    ...changes,
  };
  delete map[without];
  return encodeLink(NETWORK_PREFIX, map);
}

function refused(text: string): ExportReason {
  const imported = importNetwork(text, NOON);
  if (imported.ok) throw new Error("it was accepted");
  return imported.reason;
}

Deno.test("a new network has an authority, whose key is its id, and a first epoch", () => {
  const made = createNetwork({ name: "lab", random: seededRandom(1) });
  strictEqual(isId(made.network), true);
  strictEqual(made.name, "lab");
  deepStrictEqual(made.epochs.map(({ epoch, key }) => [epoch, key.length]), [[1, 32]]);
  strictEqual(
    made.network === createNetwork({ name: "lab", random: seededRandom(2) }).network,
    false,
  );
});

Deno.test("a network's name is an alias", () => {
  for (const name of ["", "My lab", "a".repeat(33), "-a", "lab\n"]) {
    throws(() => createNetwork({ name, random: seededRandom(1) }), TypeError);
  }
});

Deno.test("an exported network comes back whole, with its revocations", () => {
  const text = exportNetwork(home, bookOf(alice, eve));
  match(text, /^omerta:\/\/network\/[A-Za-z0-9_-]+$/);
  const imported = importNetwork(`${text}\n`, NOON);
  if (!imported.ok) throw new Error(imported.reason);
  const { revocations, ...same } = imported.value;
  deepStrictEqual(same, home);
  deepStrictEqual(revocations, bookOf(alice, eve).list());
});

Deno.test("older epochs travel too, newest first, four at most", () => {
  const epochs = [6, 5, 4, 3, 2].map((epoch) => ({ epoch, key: new Uint8Array(32).fill(epoch) }));
  const imported = importNetwork(exportNetwork({ ...home, epochs }, bookOf()), NOON);
  deepStrictEqual(imported.ok && imported.value.epochs, epochs.slice(0, EPOCHS_KEPT_MAX));
});

Deno.test("revocations in an export that others signed are left out", () => {
  const order = { network, subject: bob.id, nowMs: NOON };
  const forged = signRevocation({ by: otherAuthority, ...order });
  const right = signRevocation({ by: authority, ...order });
  const imported = importNetwork(linkOf({ x: [forged, right, new Uint8Array(3)] }), NOON);
  deepStrictEqual(imported.ok && imported.value.revocations.map(({ bytes }) => bytes), [right]);
});

Deno.test("a text that is no exported network is refused for its own reason", () => {
  const text = exportNetwork(home, bookOf());
  const cases: readonly [string, ExportReason][] = [
    ["", "not-a-link"],
    ["omerta://join/AAAA", "not-a-link"],
    [NETWORK_PREFIX, "damaged"],
    [text.slice(0, -3), "damaged"],
    [`${text}AAAA`, "damaged"],
    ["x".repeat(1_200_001), "too-long"],
    [linkOf({ v: 2 }), "unknown-version"],
  ];
  for (const [each, reason] of cases) strictEqual(refused(each), reason, each.slice(0, 40));
});

Deno.test("fields that are missing, unknown, of another type or out of range refuse an export", () => {
  const key = new Uint8Array(32);
  const changes: Readonly<Record<string, CborValue>>[] = [
    { v: 0 },
    { m: "My lab" },
    { s: new Uint8Array(31) },
    { s: "seed" },
    { q: [] },
    { q: [[0, key]] },
    { q: [[2 ** 32, key]] },
    { q: [[1, key.slice(1)]] },
    { q: [[1, key, 1]] },
    { q: [1] },
    { q: [[1, key], [2, key]] },
    { q: [[1, key], [1, key]] },
    { q: [[5, key], [4, key], [3, key], [2, key], [1, key]] },
    { x: [1] },
    { x: [new Uint8Array(2_000)] },
    { x: Array.from({ length: REVOCATIONS_EXPORTED_MAX + 1 }, () => key) },
    { z: null },
  ];
  strictEqual(importNetwork(linkOf({}), NOON).ok, true);
  for (const change of changes) strictEqual(refused(linkOf(change)), "bad-field");
  for (const name of ["v", "m", "s", "q", "x"]) {
    strictEqual(refused(linkOf({}, name)), "bad-field", `without ${name}`);
  }
});

Deno.test("an export with as many revocations as it may hold is read back", () => {
  const at = (i: number) => ({
    by: authority,
    network,
    subject: alice.id,
    nowMs: NOON - i * 1_000,
  });
  const bytes = Array.from({ length: REVOCATIONS_EXPORTED_MAX }, (_, i) => signRevocation(at(i)));
  const imported = importNetwork(linkOf({ x: bytes }), NOON);
  strictEqual(imported.ok && imported.value.revocations.length, REVOCATIONS_EXPORTED_MAX);
});

Deno.test("one changed letter anywhere in an export is noticed", () => {
  const text = exportNetwork(home, bookOf());
  for (let i = NETWORK_PREFIX.length; i < text.length; i++) {
    const changed = text.slice(0, i) + (text[i] === "A" ? "B" : "A") + text.slice(i + 1);
    strictEqual(refused(changed), "damaged", `letter ${i}`);
  }
});

Deno.test("importNetwork() never throws", () => {
  fc.assert(fc.property(fc.string(), fc.boolean(), (text, hasPrefix) => {
    strictEqual(importNetwork(hasPrefix ? NETWORK_PREFIX + text : text, NOON).ok, false);
  }));
  const anything = fc.oneof(fc.integer(), fc.uint8Array({ maxLength: 40 }), fc.constant(null));
  const nested = fc.oneof(anything, fc.array(fc.oneof(anything, fc.array(anything))));
  fc.assert(fc.property(fc.constantFrom("v", "m", "s", "q", "x"), nested, (name, value) => {
    importNetwork(linkOf({ [name]: value }), NOON);
  }));
});

Deno.test("every reason has a sentence and a code of the contract", () => {
  const reasons: readonly ExportReason[] = [
    "not-a-link",
    "too-long",
    "damaged",
    "unknown-version",
    "bad-field",
  ];
  for (const reason of reasons) {
    const { code, message } = exportTextError(reason);
    strictEqual(isErrorCode(code), true);
    match(message, /^(an|the) .{10,}[^.]$/);
  }
});

Deno.test("the network of an export is that of its seed, whatever it is called", () => {
  const seed = new Uint8Array(32).fill(9);
  const owned: AuthorityNetwork = { ...home, authoritySeed: seed };
  const imported = importNetwork(exportNetwork(owned, bookOf()), NOON);
  strictEqual(imported.ok && imported.value.network === home.network, false);
});
