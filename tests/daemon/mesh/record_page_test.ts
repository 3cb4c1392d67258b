import assert from "node:assert/strict";
import fc from "fast-check";
import { recordPage } from "../../../src/daemon/mesh/record_page.ts";
import { RECORDS_PER_PAGE } from "../../../src/gossip/mod.ts";

Deno.test("recordPage() walks through all records in order, each once", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string({ minLength: 1, maxLength: 6 }), { maxLength: 60 }),
      (ids) => {
        const records = ids.map((id) => ({ id }));
        const seen: string[] = [];
        for (let more = true; more;) {
          const found = recordPage(records, seen.at(-1) ?? null);
          assert.ok(found.page.length <= RECORDS_PER_PAGE);
          seen.push(...found.page.map(({ id }) => id));
          more = found.more;
        }
        assert.deepEqual(
          seen,
          ids.toSorted((a, b) => a < b ? -1 : 1),
        );
      },
    ),
  );
});
