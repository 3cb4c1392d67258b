import { deepStrictEqual, match, notStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { isErrorCode } from "../../src/base/mod.ts";
import { encodeLink } from "../../src/membership/link.ts";
import {
  encodeInvite,
  epochSecrets,
  grantsOfBits,
  type Invite,
  INVITE_PREFIX,
  inviteIdOf,
  inviteSecrets,
  inviteTextError,
  type InviteTextReason,
  isHostPort,
  isLanOnly,
  isLanOnlyInvite,
  parseInvite,
} from "../../src/membership/mod.ts";
import type { CborValue } from "../../src/wire/mod.ts";
import { alice, authority, bob, DAY, eve, home, MINUTE, network, NOON } from "./samples.ts";

const invite: Invite = {
  network,
  name: "home",
  admitter: alice.id,
  addresses: ["192.0.2.1:9000", "[2001:db8::1]:9000", "relay.example.org:9000"],
  relays: [{ id: bob.id, addresses: ["198.51.100.1:9000"] }],
  secret: Uint8Array.from({ length: 32 }, (_, i) => i + 100),
  grants: ["rent", "provide"],
  expiresAtMs: NOON + DAY,
};

/** The fields of `invite` as they travel, changed; signed with a right sum. */
function linkOf(changes: Readonly<Record<string, CborValue>>, without = ""): string {
  const map: Record<string, CborValue> = {
    v: 1,
    n: authority.publicKey,
    m: "home",
    a: alice.publicKey,
    h: [...invite.addresses],
    s: invite.secret,
    g: 3,
    e: Math.floor(NOON / 1_000),
    ...changes,
  };
  delete map[without];
  return encodeLink(INVITE_PREFIX, map);
}

function refused(text: string, nowMs?: number): InviteTextReason {
  const parsed = parseInvite(text, nowMs);
  if (parsed.ok) throw new Error("it was accepted");
  return parsed.reason;
}

Deno.test("an invite is one word that says all and never holds the network's key", () => {
  const text = encodeInvite(invite);
  match(text, /^omerta:\/\/join\/[A-Za-z0-9_-]+$/);
  deepStrictEqual(parseInvite(text), { ok: true, value: invite });
  const bytes = Uint8Array.fromBase64(text.slice(INVITE_PREFIX.length), { alphabet: "base64url" });
  const epochKey = home.epochs[0]?.key.toHex() ?? "?";
  strictEqual(bytes.toHex().includes(home.authoritySeed.toHex()), false);
  strictEqual(bytes.toHex().includes(epochKey), false);
});

const ipv4 = fc.tuple(fc.integer({ min: 1, max: 223 }), fc.nat(255), fc.nat(255), fc.nat(255))
  .map((parts) => parts.join("."));
const name = fc.stringMatching(/^[a-z0-9]{1,20}(\.[a-z]{2,8}){0,3}$/).filter((text) =>
  !/^[0-9.]+$/.test(text)
);
const hostPort = fc.tuple(fc.oneof(ipv4, name), fc.integer({ min: 1, max: 65_535 })).map(
  ([host, port]) => `${host}:${port}`,
);

const anyInvite: fc.Arbitrary<Invite> = fc.record({
  network: fc.constant(network),
  name: fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/),
  admitter: fc.constantFrom(alice.id, bob.id, eve.id),
  addresses: fc.array(hostPort, { minLength: 1, maxLength: 8 }),
  relays: fc.array(
    fc.record({
      id: fc.constantFrom(bob.id, eve.id),
      addresses: fc.array(hostPort, { minLength: 1, maxLength: 4 }),
    }, { noNullPrototype: true }),
    { maxLength: 3 },
  ),
  secret: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  grants: fc.integer({ min: 1, max: 15 }).map(grantsOfBits),
  expiresAtMs: fc.integer({ min: 0, max: 4_000_000_000 }).map((seconds) => seconds * 1_000),
}, { noNullPrototype: true });

Deno.test("every invite round-trips, also with the white space that copying leaves", () => {
  fc.assert(fc.property(anyInvite, (each) => {
    const text = encodeInvite(each);
    deepStrictEqual(parseInvite(text), { ok: true, value: each });
    deepStrictEqual(parseInvite(`  ${text}\r\n`), { ok: true, value: each });
  }));
});

Deno.test("the largest invite is still read", () => {
  const long = (i: number) => `${`${"a".repeat(62)}${i}.`.repeat(3)}${"b".repeat(61)}:65535`;
  const addresses = [0, 1, 2, 3, 4, 5, 6, 7].map(long);
  const relay = { id: bob.id, addresses: addresses.slice(0, 4) };
  const largest = { ...invite, name: "n".repeat(32), addresses, relays: [relay, relay, relay] };
  deepStrictEqual(parseInvite(encodeInvite(largest)), { ok: true, value: largest });
});

Deno.test("an invite whose time is over is refused, with ten minutes for wrong clocks", () => {
  const text = encodeInvite(invite);
  strictEqual(parseInvite(text, NOON + DAY + 10 * MINUTE).ok, true);
  strictEqual(refused(text, NOON + DAY + 10 * MINUTE + 1), "expired");
  strictEqual(parseInvite(text).ok, true);
});

Deno.test("a text that is no invite is refused for its own reason", () => {
  const text = encodeInvite(invite);
  const cases: readonly [string, InviteTextReason][] = [
    ["", "not-a-link"],
    ["hello", "not-a-link"],
    ["https://join/abc", "not-a-link"],
    [text.replace("join", "network"), "not-a-link"],
    [text.toUpperCase(), "not-a-link"],
    [INVITE_PREFIX, "damaged"],
    [`${INVITE_PREFIX}AAAA`, "damaged"],
    [`${text}=`, "damaged"],
    [`${text}A`, "damaged"],
    [text.slice(0, -1), "damaged"],
    [text.slice(0, 40), "damaged"],
    [text.slice(0, 60) + " " + text.slice(60), "damaged"],
    [text.slice(0, 60) + "\n" + text.slice(60), "damaged"],
    [`${text}?x=1`, "damaged"],
    ["x".repeat(10_000), "too-long"],
    [linkOf({ v: 2, z: [1] }), "unknown-version"],
    [linkOf({ v: 0 }), "bad-field"],
    [linkOf({ v: "1" }), "bad-field"],
  ];
  for (const [each, reason] of cases) strictEqual(refused(each), reason, each.slice(0, 60));
});

Deno.test("one changed letter anywhere in an invite is noticed", () => {
  const text = encodeInvite(invite);
  for (let i = INVITE_PREFIX.length; i < text.length; i++) {
    const changed = text.slice(0, i) + (text[i] === "A" ? "B" : "A") + text.slice(i + 1);
    strictEqual(refused(changed), "damaged", `letter ${i}`);
  }
});

Deno.test("fields that are missing, unknown, of another type or out of range refuse an invite", () => {
  const key = bob.publicKey;
  const relay = [key, ["198.51.100.1:9000"]];
  const smallOrder = Uint8Array.of(1, ...new Uint8Array(31));
  const changes: Readonly<Record<string, CborValue>>[] = [
    { n: smallOrder },
    { n: "key" },
    { a: smallOrder },
    { a: key.slice(1) },
    { m: "" },
    { m: "My home" },
    { m: "a".repeat(33) },
    { m: "a\u001b[2J" },
    { h: [] },
    { h: "192.0.2.1:9000" },
    { h: ["192.0.2.1"] },
    { h: ["0.0.0.0:9000"] },
    { h: ["192.0.2.1:0"] },
    { h: ["192.0.2.1:9000", 3] },
    { h: Array.from({ length: 9 }, () => "192.0.2.1:9000") },
    { r: [] },
    { r: [relay, relay, relay, relay] },
    { r: [[key]] },
    { r: [[key, []]] },
    { r: [[smallOrder, ["198.51.100.1:9000"]]] },
    { r: [[key, ["198.51.100.1:9000"], 1]] },
    { r: [{ k: key }] },
    { s: new Uint8Array(31) },
    { s: "secret" },
    { g: 0 },
    { g: 16 },
    { g: ["rent"] },
    { e: -1 },
    { e: 2 ** 45 },
    { k: new Uint8Array(32) },
  ];
  strictEqual(parseInvite(linkOf({ r: [relay] })).ok, true);
  strictEqual(parseInvite(linkOf({ h: [], r: [relay] })).ok, true);
  for (const change of changes) {
    strictEqual(refused(linkOf(change)), "bad-field", JSON.stringify(change));
  }
  for (const name of ["v", "n", "m", "a", "h", "s", "g", "e"]) {
    strictEqual(refused(linkOf({}, name)), "bad-field", `without ${name}`);
  }
});

Deno.test("encodeInvite() refuses what parseInvite() would refuse", () => {
  const bad: readonly Partial<Invite>[] = [
    { addresses: [], relays: [] },
    { addresses: ["nowhere"] },
    { name: "" },
    { grants: [] },
    { secret: new Uint8Array(8) },
    { relays: [{ id: bob.id, addresses: [] }] },
  ];
  for (const change of bad) throws(() => encodeInvite({ ...invite, ...change }), TypeError);
});

Deno.test("parseInvite() never throws", () => {
  const pieces = fc.oneof(fc.string(), fc.stringMatching(/^[A-Za-z0-9_-]{0,400}$/));
  fc.assert(fc.property(pieces, fc.boolean(), (text, hasPrefix) => {
    strictEqual(parseInvite(hasPrefix ? INVITE_PREFIX + text : text).ok, false);
  }));
  const values = fc.dictionary(
    fc.constantFrom("v", "n", "m", "a", "h", "r", "s", "g", "e"),
    fc.oneof(
      fc.integer(),
      fc.string({ unit: "grapheme" }),
      fc.uint8Array({ maxLength: 40 }),
      fc.array(fc.oneof(fc.string({ unit: "grapheme" }), fc.array(fc.integer()))),
    ),
  );
  fc.assert(fc.property(values, (changes) => {
    parseInvite(linkOf(changes));
  }));
});

Deno.test("every reason has a sentence and a code of the contract", () => {
  const reasons: readonly InviteTextReason[] = [
    "not-a-link",
    "too-long",
    "damaged",
    "unknown-version",
    "bad-field",
    "expired",
  ];
  for (const reason of reasons) {
    const { code, message } = inviteTextError(reason);
    strictEqual(isErrorCode(code), true);
    match(message, /^[a-z].{10,}[^.]$/);
  }
  strictEqual(inviteTextError("expired").code, "invite-expired");
});

Deno.test("an invite's id is stable and does not tell the secret", () => {
  strictEqual(inviteIdOf(new Uint8Array(32)), "471b0884dc8f045e");
  match(inviteIdOf(invite.secret), /^[0-9a-f]{16}$/);
});

Deno.test("every invite, epoch and network opens with keys of its own", () => {
  const key = new Uint8Array(32).fill(7);
  const keys = [
    inviteSecrets(key),
    inviteSecrets(invite.secret),
    epochSecrets(network, { epoch: 1, key }),
    epochSecrets(network, { epoch: 2, key }),
    epochSecrets(alice.id as string as typeof network, { epoch: 1, key }),
    epochSecrets(network, { epoch: 1, key: invite.secret }),
  ];
  for (const part of ["selector", "macKey", "psk"] as const) {
    strictEqual(new Set(keys.map((each) => each[part].toHex())).size, keys.length, part);
  }
  deepStrictEqual(epochSecrets(network, { epoch: 1, key }), keys[2]);
  notStrictEqual(keys[0]?.psk.toHex(), keys[0]?.macKey.toHex());
});

Deno.test("isHostPort() takes canonical addresses and names, and nothing that could be another thing", () => {
  const good = [
    "192.0.2.1:1",
    "[2001:db8::1]:65535",
    "localhost:9000",
    "a:1",
    "relay.example.org:9000",
    "xn--bcher-kva.example:9000",
    "1and1.com:80",
  ];
  const bad = [
    "",
    "host",
    ":9000",
    "host:",
    "host:0",
    "host:00080",
    "host:65536",
    "host:-1",
    "host:9000 ",
    "Host:9000",
    "-host:9000",
    "host-:9000",
    "a..b:9000",
    "host.:9000",
    "user@host:9000",
    "host/path:9000",
    "256.1.1.1:9000",
    "1.2.3:9000",
    "0.0.0.0:9000",
    "224.0.0.1:9000",
    "[::]:9000",
    "[::ffff:192.0.2.1]:9000",
    "[2001:DB8::1]:9000",
    "2001:db8::1:9000",
    "[fe80::1%eth0]:9000",
    "bücher.example:9000",
    `${"a".repeat(64)}.org:9000`,
    `${"a.".repeat(127)}a:9000`,
    "$(id):9000",
  ];
  for (const text of good) strictEqual(isHostPort(text), true, text);
  for (const text of bad) strictEqual(isHostPort(text), false, text);
});

Deno.test("an invite is for the LAN alone where every address is", () => {
  const lan = ["10.0.0.1:9000", "[fd00::1]:9000", "100.64.0.1:1", "127.0.0.1:1", "localhost:1"];
  for (const text of lan) strictEqual(isLanOnly(text), true, text);
  for (const text of ["203.0.113.1:1", "[2001:db8::1]:1", "relay.example.org:1"]) {
    strictEqual(isLanOnly(text), false, text);
  }
  strictEqual(isLanOnlyInvite({ addresses: lan, relays: [] }), true);
  strictEqual(isLanOnlyInvite({ addresses: lan, relays: invite.relays }), false);
});
