/** Errors as documents. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { errorDoc } from "../../src/api/error_doc.ts";
import { OmertaError } from "../../src/base/mod.ts";

Deno.test("an error is its code, sentence, hint and status, with its own fields beside", () => {
  const error = new OmertaError("not-found", "No such VM", {
    hint: "See 'omerta list'.",
    fields: { name: "web" },
  });
  deepStrictEqual(errorDoc(error), {
    name: "web",
    code: "not-found",
    message: "No such VM",
    hint: "See 'omerta list'.",
    exit: 3,
  });
});

Deno.test("no field of an error takes the place of what every error has", () => {
  const fields = { code: "done", message: "well", hint: "none", exit: 0 };
  const { code, message, hint, exit } = errorDoc(new OmertaError("timeout", "Late", { fields }));
  deepStrictEqual([code, message, hint, exit], ["timeout", "Late", null, 7]);
});

Deno.test("when to ask again is written as every duration", () => {
  const full = new OmertaError("provider-full", "No room", { fields: { retryMs: 1_000 } });
  const doc = errorDoc(full);
  deepStrictEqual([doc["retry_ms"], "retryMs" in doc], [1_000, false]);
  strictEqual("retry_ms" in errorDoc(new OmertaError("provider-full", "No room")), false);
});

Deno.test("what is no error of ours is a defect, whatever was thrown", () => {
  for (const thrown of [new TypeError("x is undefined"), "x is undefined"]) {
    const { code, message, exit, hint } = errorDoc(thrown);
    deepStrictEqual([code, message, exit], ["internal", "x is undefined", 1]);
    strictEqual(hint?.startsWith("This is a defect of omerta"), true);
  }
});
