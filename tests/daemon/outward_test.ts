import assert from "node:assert/strict";
import { OmertaError } from "../../src/base/mod.ts";
import { outward, withoutPaths } from "../../src/daemon/outward.ts";
import { encodeRefusal } from "../../src/node/mod.ts";

Deno.test("a refusal says why, and not where files lie", () => {
  const error = new OmertaError("disk-full", "No space is left to write /home/ann/.local/x.db");
  assert.deepEqual(outward(error), { code: "disk-full", message: "No space is left to write …" });
});

Deno.test("a refusal tells when to ask again, and no other field of the error", () => {
  const fields = { retryMs: 500, path: "/etc" };
  const refusal = outward(new OmertaError("provider-full", "A moment", { fields }));
  assert.deepEqual(refusal, { code: "provider-full", message: "A moment", retryMs: 500 });
});

Deno.test("a defect is told as one and no more", () => {
  const refusal = outward(new TypeError("Cannot read /etc/shadow"));
  assert.deepEqual(refusal, { code: "internal", message: "The peer met a defect of its own" });
});

Deno.test("withoutPaths() takes paths out and leaves the rest", () => {
  for (
    const [text, shown] of [
      [
        "QEMU ended by status 1: qemu: /var/lib/omerta/vms/a: no",
        "QEMU ended by status 1: qemu: …: no",
      ],
      ['cannot open "/a b"', 'cannot open "… b"'],
      ["kernel=/k initrd=/i", "kernel=… initrd=…"],
      ["2 of 3 and/or 5 GiB/s", "2 of 3 and/or 5 GiB/s"],
      ["at /", "at /"],
    ]
  ) assert.equal(withoutPaths(text ?? ""), shown);
});

Deno.test("a refusal that is cut within a character can be encoded", () => {
  assert.ok(encodeRefusal({ code: "refused", message: "x".repeat(499) + "😀" }).length > 0);
});
