import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type AddressScope,
  addressScope,
  formatAddress,
  formatIp,
  ipBytes,
  parseAddress,
  parseIp,
  prefixOf,
} from "../../src/wire/mod.ts";

/** Text as given, canonical text. IPv6 rows from RFC 5952 §2 and §4. */
const GOOD: readonly (readonly [string, string])[] = [
  ["1.2.3.4", "1.2.3.4"],
  ["0.0.0.0", "0.0.0.0"],
  ["255.255.255.255", "255.255.255.255"],
  ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["2001:0db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["2001:db8::1:0:0:1", "2001:db8::1:0:0:1"],
  ["2001:db8::0:1", "2001:db8::1"],
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
  ["2001:DB8:AAAA:BBBB:CCCC:DDDD:EEEE:1", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:1"],
  ["::", "::"],
  ["::1", "::1"],
  ["1::", "1::"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["::ffff:c000:201", "192.0.2.1"],
  ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
];

for (const [given, canonical] of GOOD) {
  Deno.test(`parseIp() of ${given} is ${canonical}`, () => {
    assert.deepEqual(parseIp(given), { ok: true, value: canonical });
  });
}

const BAD = [
  "",
  "1.2.3",
  "1.2.3.4.5",
  "01.2.3.4",
  "1.2.3.256",
  "1.2.3.-4",
  "1.2.3.4 ",
  "0x1.2.3.4",
  "1.2.3.٤",
  ":",
  ":::",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "1::2::3",
  "1:2:3:4:5:6:7::8",
  "12345::",
  "g::",
  "fe80::1%eth0",
  "::1.2.3",
  "1.2.3.4::",
  "::1.2.3.4:5",
  "::ffff:1.2.3.04",
];

for (const text of BAD) {
  Deno.test(`parseIp() refuses ${JSON.stringify(text)}`, () => {
    assert.deepEqual(parseIp(text), { ok: false, reason: "bad-ip" });
  });
}

Deno.test("parseAddress() takes IP:PORT and gives the canonical one back", () => {
  const rows = [
    ["1.2.3.4:5", "1.2.3.4:5"],
    ["[2001:DB8::0]:65535", "[2001:db8::]:65535"],
    ["[::ffff:1.2.3.4]:9000", "1.2.3.4:9000"],
  ] as const;
  for (const [given, canonical] of rows) {
    const parsed = parseAddress(given);
    assert.equal(parsed.ok && formatAddress(parsed.value), canonical);
  }
});

for (
  const text of [
    "",
    "1.2.3.4",
    "1.2.3.4:",
    "1.2.3.4:0",
    "1.2.3.4:65536",
    "1.2.3.4:09",
    "1.2.3.4:+9",
    "[1.2.3.4:9",
    "2001:db8::1:9000",
    "[2001:db8::1]",
    "[]:9",
    "localhost:9",
    "1.2.3.4:9\n",
  ]
) {
  Deno.test(`parseAddress() refuses ${JSON.stringify(text)}`, () => {
    assert.equal(parseAddress(text).ok, false);
  });
}

const SCOPES: Readonly<Record<AddressScope, readonly string[]>> = {
  "loopback": ["127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1"],
  "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fd00::1", "fc00::1"],
  "cgnat": ["100.64.0.1", "100.127.255.255"],
  "link-local": ["169.254.1.1", "fe80::1", "febf::1"],
  "global": ["8.8.8.8", "172.32.0.1", "100.128.0.1", "203.0.113.1", "2001:db8::1", "2600::1"],
  "unusable": [
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "ff02::1",
    "fec0::1",
    "2002:a00:1::1", // 6to4, of 10.0.0.1
    "2002:808:808::1",
    "2001:0:808:808::1", // Teredo
    "2001::1",
    "x",
  ],
};

for (const [scope, addresses] of Object.entries(SCOPES)) {
  Deno.test(`addressScope() knows what is ${scope}`, () => {
    for (const ip of addresses) assert.equal(addressScope(ip), scope, ip);
  });
}

Deno.test("prefixOf() keeps 24 bits of IPv4 and 64 of IPv6", () => {
  assert.equal(prefixOf("1.2.3.4"), "1.2.3.0/24");
  assert.equal(prefixOf("::ffff:1.2.3.4"), "1.2.3.0/24");
  assert.equal(prefixOf("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  assert.equal(prefixOf("nonsense"), "?");
});

Deno.test("formatIp() and ipBytes() reverse each other on any bytes", () => {
  const ipv4 = fc.uint8Array({ minLength: 4, maxLength: 4 });
  const ipv6 = fc.uint8Array({ minLength: 16, maxLength: 16 });
  const sparse = ipv6.map((bytes) => bytes.map((byte) => byte < 160 ? 0 : byte));
  fc.assert(fc.property(fc.oneof(ipv4, ipv6, sparse), (bytes) => {
    const text = formatIp(bytes);
    assert.deepEqual(ipBytes(text), bytes);
    assert.deepEqual(parseIp(text), { ok: true, value: text });
    if (text.includes(":")) assert.equal(new URL(`http://[${text}]`).hostname, `[${text}]`);
  }));
});

Deno.test("parseAddress() never throws", () => {
  const texts = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(..."0123:.[]#af") }));
  fc.assert(fc.property(texts, (text) => {
    const address = parseAddress(text);
    if (address.ok) assert.ok(parseAddress(formatAddress(address.value)).ok);
    addressScope(text);
  }));
});
