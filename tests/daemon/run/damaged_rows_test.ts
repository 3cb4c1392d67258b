/** What the store lets through of damaged rows, its readers can use. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Instant } from "../../../src/base/mod.ts";
import { NO_PATH } from "../../../src/daemon/api/path_doc.ts";
import { vmDoc } from "../../../src/daemon/api/vm_doc.ts";
import { fromRow } from "../../../src/daemon/renting/rental_rows.ts";
import { BadColumn, type Codec } from "../../../src/host/store/codecs.ts";
import {
  HOSTED,
  type HostedRow,
  type RentalRow,
  RENTALS,
} from "../../../src/host/store/vm_tables.ts";
import {
  defaultPolicy,
  fromHostRow,
  type HostRow,
  RentalBook,
  toHostRow,
} from "../../../src/market/mod.ts";
import { ROWS } from "../../host/store/rows.ts";

const POLICY = defaultPolicy({ cpus: 4, memoryBytes: 2 ** 33, storageBytes: 2 ** 36 });
const CLOCK = { now: 1_000 as Instant, unixMs: 1_795_000_000_000 };

/** Every path to a value inside of JSON. */
function pathsOf(value: unknown): string[][] {
  if (typeof value !== "object" || value === null) return [[]];
  const inner = Object.entries(value).flatMap(([key, each]) =>
    pathsOf(each).map((path) => [key, ...path])
  );
  return [[], ...inner];
}

function replaced(value: unknown, [key, ...path]: readonly string[], by: unknown): unknown {
  if (key === undefined) return by;
  const object = value as Record<string, unknown>;
  return { ...object, [key]: replaced(object[key], path, by) };
}

/** The row as the database would give it back; `undefined` where it sets it aside. */
function stored<Row extends object>(
  columns: { readonly [K in keyof Row]-?: Codec<Row[K]> },
  row: Row,
): Row | undefined {
  try {
    const fields = Object.entries(row).map(([field, value]) => {
      const codec = columns[field as keyof Row] as Codec<unknown>;
      return [field, codec.decode(codec.encode(value) as null)];
    });
    return Object.fromEntries(fields) as Row;
  } catch (error) {
    if (error instanceof BadColumn) return undefined;
    throw error;
  }
}

/** Any JSON, and the numbers at which something ends. */
const anything = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom(null, -1, 0, 1e-9, 1e300, 2 ** 31, 2 ** 53, 8.7e15, -9e15, "", "0a".repeat(32)),
);

function damagedAt(column: unknown) {
  return fc.record({ path: fc.constantFrom(...pathsOf(column)), by: anything });
}

for (const column of ["request", "document"] as const) {
  const right = ROWS.rentals[column];
  Deno.test(`a rented VM whose ${column} is damaged anywhere is set aside, or usable`, () => {
    fc.assert(
      fc.property(damagedAt(right), ({ path, by }) => {
        const row = stored<RentalRow>(RENTALS.columns, {
          ...ROWS.rentals,
          [column]: replaced(right, path, by),
        });
        if (row === undefined) return;
        const rental = fromRow(row);
        JSON.stringify(vmDoc(rental, { networkName: "home", path: NO_PATH, sshCommand: null }));
        const book = new RentalBook();
        const restart = { type: "restart", rentals: [rental], unixMs: CLOCK.unixMs } as const;
        book.handle(restart, CLOCK.now, []);
        const { at } = book.wakeup() ?? { at: Infinity };
        assert.ok(at >= CLOCK.now + 1_000, "signs of life that rest in between");
      }),
      { numRuns: 2_000 },
    );
  });
}

Deno.test("a lent VM whose row is damaged anywhere is set aside, or usable", () => {
  fc.assert(
    fc.property(damagedAt(ROWS.hosted.row), ({ path, by }) => {
      const row = stored<HostedRow>(HOSTED.columns, {
        ...ROWS.hosted,
        row: replaced(ROWS.hosted.row, path, by) as HostRow,
      });
      if (row === undefined) return;
      const vm = fromHostRow(row.row, POLICY, CLOCK);
      for (const at of [vm.deadline, vm.lifeEndsAt ?? vm.deadline]) {
        assert.ok(Number.isFinite(at), "a moment");
        new Date(Math.round(CLOCK.unixMs + (at - CLOCK.now))).toISOString();
      }
      JSON.stringify(toHostRow(vm, CLOCK));
    }),
    { numRuns: 2_000 },
  );
});
