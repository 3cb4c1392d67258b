import assert from "node:assert/strict";
import fc from "fast-check";
import {
  encodeControl,
  encodeRelayed,
  encodeTunnel,
  FROM_RELAY,
  parseFrame,
  TO_RELAY,
} from "../../src/wire/mod.ts";

const hex = (text: string) => Uint8Array.fromHex(text);
const ok = (value: unknown) => ({ ok: true, value });
const bad = (reason: string) => ({ ok: false, reason });

Deno.test("frames have the documented bytes", () => {
  const control = encodeControl(8, hex("aa"), hex("bb"));
  assert.equal(control.toHex(), "6f6d0108aabb");
  assert.equal(encodeTunnel(0x01020304, hex("aa")).toHex(), "6f74010001020304aa");
  assert.equal(
    encodeRelayed(TO_RELAY, 0xfffffffe, control).toHex(),
    "6f720100fffffffe6f6d0108aabb",
  );
  assert.equal(encodeRelayed(FROM_RELAY, 1, control).toHex(), "6f720101000000016f6d0108aabb");
});

const TABLE: readonly (readonly [string, string, unknown])[] = [
  ["an empty datagram", "", bad("short")],
  ["three bytes", "6f6d01", bad("short")],
  ["a bare WireGuard datagram", "01000000aabbccdd", bad("foreign")],
  ["another second byte", "6f6e0100", bad("foreign")],
  ["a fragment", "6f660100", bad("reserved")],
  ["another version", "6f6d0201", bad("version")],
  ["a control frame", "6f6d0101ff", ok({ type: "control", control: 1, body: hex("ff") })],
  [
    "a control frame without a body",
    "6f6d0109",
    ok({ type: "control", control: 9, body: hex("") }),
  ],
  ["a short tunnel frame", "6f740100010203", bad("short")],
  ["a tunnel frame with flags", "6f74010101020304", bad("flags")],
  [
    "a tunnel frame",
    "6f740100fffffffeaa",
    ok({ type: "tunnel", id: 0xfffffffe, datagram: hex("aa") }),
  ],
  ["a relayed frame without one inside", "6f72010000000001", bad("short")],
  ["a relayed frame in a third direction", "6f720102000000016f6d0101", bad("flags")],
  ["a relayed relayed frame", "6f720100000000016f720100", bad("nested")],
  ["a relayed foreign frame", "6f7201000000000101000000", bad("nested")],
  [
    "a relayed tunnel frame",
    "6f720101000000016f740100",
    ok({ type: "relayed", toRelay: false, session: 1, inner: hex("6f740100") }),
  ],
];

for (const [name, bytes, expected] of TABLE) {
  Deno.test(`parseFrame() of ${name}`, () => assert.deepEqual(parseFrame(hex(bytes)), expected));
}

Deno.test("parseFrame() never throws, and what it takes is what was encoded", () => {
  const magic = fc.constantFrom("6f6d01", "6f7401", "6f7201", "6f66", "").map(hex);
  fc.assert(
    fc.property(magic, fc.uint8Array({ maxLength: 24 }), (head, tail) => {
      const bytes = Uint8Array.from([...head, ...tail]);
      const frame = parseFrame(bytes);
      if (!frame.ok) return;
      const { value } = frame;
      switch (value.type) {
        case "control":
          return assert.deepEqual(encodeControl(value.control, value.body), bytes);
        case "tunnel":
          return assert.deepEqual(encodeTunnel(value.id, value.datagram), bytes);
        case "relayed": {
          const direction = value.toRelay ? TO_RELAY : FROM_RELAY;
          return assert.deepEqual(encodeRelayed(direction, value.session, value.inner), bytes);
        }
      }
    }),
    { numRuns: 1000 },
  );
});
