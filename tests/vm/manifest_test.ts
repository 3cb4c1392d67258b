import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { MANIFEST_BYTES_MAX, type ManifestReason, parseManifest } from "../../src/vm/mod.ts";

const FILE = { file: "kernel", sha256: "0123456789abcdef".repeat(4), bytes: 14_000_000 };
const MANIFEST = {
  schema: "omerta.image/1",
  name: "micro",
  arch: "x86_64",
  kernel: FILE,
  initrd: { ...FILE, file: "initrd" },
  append: "console=ttyS0 quiet panic=-1",
};

const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

function reasonOf(value: unknown): ManifestReason | undefined {
  const parsed = parseManifest(value instanceof Uint8Array ? value : bytesOf(value));
  return parsed.ok ? undefined : parsed.reason;
}

Deno.test("parseManifest() takes a manifest apart", () => {
  const parsed = parseManifest(bytesOf(MANIFEST));
  const { schema: _, ...expected } = MANIFEST;
  deepStrictEqual(parsed, { ok: true, value: { ...expected, guest: "micro" } });
  const other = parseManifest(bytesOf({ ...MANIFEST, guest: "nocloud" }));
  deepStrictEqual(other, { ok: true, value: { ...expected, guest: "nocloud" } });
});

const WRONG: readonly [string, unknown, ManifestReason][] = [
  ["nothing", new Uint8Array(), "not-json"],
  ["an array", [MANIFEST], "not-json"],
  ["null", null, "not-json"],
  ["bytes that are not UTF-8", Uint8Array.of(0x22, 0xff, 0x22), "not-json"],
  ["a truncated text", bytesOf(MANIFEST).slice(0, -1), "not-json"],
  ["a huge text", new Uint8Array(MANIFEST_BYTES_MAX + 1), "too-long"],
  ["another schema", { ...MANIFEST, schema: "omerta.image/2" }, "unknown-schema"],
  ["a field too many", { ...MANIFEST, script: "x" }, "unknown-field"],
  ["a field too few", { ...MANIFEST, append: undefined }, "unknown-field"],
  ["a kind of guests with a slash", { ...MANIFEST, guest: "../micro" }, "bad-guest"],
  ["no kind of guests, said so", { ...MANIFEST, guest: null }, "bad-guest"],
  ["a name with a slash", { ...MANIFEST, name: "../micro" }, "bad-name"],
  ["a number for a name", { ...MANIFEST, name: 1 }, "bad-name"],
  ["another machine", { ...MANIFEST, arch: "aarch64" }, "bad-arch"],
  ["a path for a file", { ...MANIFEST, kernel: { ...FILE, file: "/etc/passwd" } }, "bad-file"],
  ["a hidden file", { ...MANIFEST, kernel: { ...FILE, file: ".." } }, "bad-file"],
  [
    "the manifest as a file",
    { ...MANIFEST, kernel: { ...FILE, file: "manifest.json" } },
    "bad-file",
  ],
  ["one file twice", { ...MANIFEST, initrd: FILE }, "bad-file"],
  ["a short hash", { ...MANIFEST, kernel: { ...FILE, sha256: "abc" } }, "bad-file"],
  [
    "a hash in upper case",
    { ...MANIFEST, kernel: { ...FILE, sha256: "A".repeat(64) } },
    "bad-file",
  ],
  ["no bytes", { ...MANIFEST, kernel: { ...FILE, bytes: 0 } }, "bad-file"],
  ["half a byte", { ...MANIFEST, kernel: { ...FILE, bytes: 1.5 } }, "bad-file"],
  ["too many bytes", { ...MANIFEST, kernel: { ...FILE, bytes: 2 ** 31 } }, "bad-file"],
  ["a file with more fields", { ...MANIFEST, kernel: { ...FILE, url: "x" } }, "bad-file"],
  ["a command line with a line end", { ...MANIFEST, append: "a\nqemu=/bin/sh" }, "bad-append"],
  ["a command line with a quote", { ...MANIFEST, append: 'a"b' }, "bad-append"],
  ["a long command line", { ...MANIFEST, append: "a".repeat(2000) }, "bad-append"],
];

for (const [what, value, reason] of WRONG) {
  Deno.test(`parseManifest() refuses ${what}`, () => strictEqual(reasonOf(value), reason));
}

Deno.test("parseManifest() never throws", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    parseManifest(bytes);
  }));
  fc.assert(fc.property(fc.json(), (json) => {
    parseManifest(new TextEncoder().encode(json));
  }));
});
