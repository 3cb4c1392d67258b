/**
 * Preloaded into the unit suite: properties throw their dice from the run's seed, which `scripts/test`
 * prints. Alone, `deno test` leaves them random; a property that fails names its seed either way.
 *
 * @module
 */
import { configureGlobal } from "fast-check";

const seed = Number(Deno.env.get("OMERTA_TEST_SEED") ?? NaN);
if (Number.isSafeInteger(seed)) configureGlobal({ seed });
