import assert from "node:assert/strict";
import fc from "fast-check";
import {
  asPath,
  directPath,
  formatPath,
  hopAddress,
  hopOf,
  isRelayed,
  parsePath,
  type PathParts,
  pathParts,
  pathSource,
  relayedPath,
  scopeOfPath,
} from "../../src/wire/mod.ts";

const V4 = { ip: "1.2.3.4", port: 5 };

/** Every form, with what it says. */
const FORMS: readonly (readonly [string, PathParts])[] = [
  ["1.2.3.4:5", { via: "direct", transport: "udp", address: V4 }],
  ["[::1]:5#0a1b2c3d", {
    via: "relay",
    transport: "udp",
    address: { ip: "::1", port: 5 },
    session: 0x0a1b2c3d,
  }],
  ["1.2.3.4:5~1", { via: "direct", transport: "udp", address: V4, socket: 1 }],
  ["t:1.2.3.4:5", { via: "direct", transport: "stream", address: V4 }],
  ["t:[::1]:5~65535#ffffffff", {
    via: "relay",
    transport: "stream",
    address: { ip: "::1", port: 5 },
    socket: 65_535,
    session: 0xffff_ffff,
  }],
];

for (const [text, parts] of FORMS) {
  Deno.test(`${text} is a path, and says what it says`, () => {
    const parsed = parsePath(text);
    assert.deepEqual(parsed, { ok: true, value: text });
    assert.deepEqual(pathParts(asPath(text)), parts);
    assert.equal(formatPath(parts), text);
    assert.equal(isRelayed(asPath(text)), parts.via === "relay");
    assert.deepEqual(hopAddress(asPath(text)), parts.address);
  });
}

Deno.test("parsePath() refuses what is not spelled as a path", () => {
  const bad = ["1.2.3.4:5#", "1.2.3.4:5#0a1b2c3", "1.2.3.4:5#0A1B2C3D", "#0a1b2c3d", "x", ""];
  const sockets = ["1.2.3.4:5~", "1.2.3.4:5~0", "1.2.3.4:5~01", "1.2.3.4:5~65536", "~1"];
  const orders = ["1.2.3.4:5#00000001~1", "t:", "T:1.2.3.4:5", "tt:1.2.3.4:5", "1.2.3.4:5~1~2"];
  for (const text of [...bad, ...sockets, ...orders]) {
    assert.deepEqual(parsePath(text), { ok: false, reason: "bad-path" }, text);
    assert.equal(pathParts(asPath(text)), undefined);
    assert.equal(scopeOfPath(asPath(text)), "unusable");
  }
});

Deno.test("parsePath() makes one path of many spellings", () => {
  assert.deepEqual(parsePath("[::ffff:1.2.3.4]:5"), { ok: true, value: "1.2.3.4:5" });
  assert.deepEqual(parsePath("[2001:DB8:0::1]:5"), { ok: true, value: "[2001:db8::1]:5" });
});

Deno.test("relayedPath() leads through a relay, once", () => {
  const relay = directPath({ ip: "2001:db8::1", port: 9 });
  assert.equal(relay, "[2001:db8::1]:9");
  const path = relayedPath(relay, 1);
  assert.equal(path, "[2001:db8::1]:9#00000001");
  assert.equal(hopOf(path), relay);
  assert.equal(relayedPath(asPath("t:1.2.3.4:443"), 7), "t:1.2.3.4:443#00000007");
  assert.throws(() => relayedPath(path, 2), RangeError);
  assert.throws(() => relayedPath(asPath("nonsense"), 2), RangeError);
});

Deno.test("scopeOfPath() is that of the next hop", () => {
  assert.equal(scopeOfPath(asPath("127.0.0.1:1")), "loopback");
  assert.equal(scopeOfPath(asPath("10.0.0.1:1#00000001")), "private");
});

Deno.test("pathSource() tells the clients of one relay apart", () => {
  const keyOf = (text: string) => pathSource(asPath(text)).key;
  assert.equal(keyOf("1.2.3.4:5"), keyOf("1.2.3.9:6"));
  assert.notEqual(keyOf("1.2.3.4:5#00000001"), keyOf("1.2.3.4:5#00000002"));
  assert.equal(pathSource(asPath("1.2.3.4:5#00000002")).prefix, "1.2.3.0/24");
  assert.equal(keyOf("nonsense"), "?");
});

Deno.test("the functions of paths take any text", () => {
  const texts = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(..."0123:.[]#~taf") }));
  fc.assert(fc.property(texts, (text) => {
    const path = asPath(text);
    const parsed = parsePath(text);
    if (parsed.ok) assert.deepEqual(parsePath(parsed.value), parsed);
    assert.equal(parsed.ok, pathParts(path) !== undefined);
    void [isRelayed(path), hopOf(path), hopAddress(path), scopeOfPath(path), pathSource(path)];
  }));
});
