/**
 * Preloaded into every suite (`deno test --preload tests/limits.ts`): a test that says nothing of its
 * own time ends, and fails, at a limit, so that one that hangs has a name. The limits are no statement
 * about speed: they are many times what the slowest test took on two busy cores.
 *
 * @module
 */

/** A test in `tests/e2e` boots machines and waits for leases; the longest was seen to take 90 s. */
const E2E_MS = 600_000;
/** Any other; the longest boots three guests: 23 s. */
const UNIT_MS = 180_000;

type Define = (...given: unknown[]) => void;

const define = Deno.test as unknown as Define;

/** `Deno.test` takes a definition, or options, or a name first; a function last. */
function withLimit(...given: unknown[]): void {
  const timeout = Deno.env.get("OMERTA_TEST_KIND") === "unit" ? UNIT_MS : E2E_MS;
  const parts = given.map((part) => {
    if (typeof part === "string") return { name: part };
    if (typeof part === "function") {
      return { fn: part, ...part.name === "" ? {} : { name: part.name } };
    }
    return part as object;
  });
  // A name that stands first goes before that of the function.
  define(Object.assign({ timeout }, ...parts.toReversed()));
}

Object.defineProperty(Deno, "test", { value: Object.assign(withLimit, Deno.test) });
