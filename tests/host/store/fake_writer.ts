/**
 * A program that writes to a database until it is killed: `fake_writer.ts DATABASE` prints each
 * number once it is written.
 *
 * @module
 */
import { openStore } from "../../../src/host/store/mod.ts";
import { say } from "../scratch.ts";

const store = openStore(Deno.args[0] ?? "");
for (let number = 1;; number++) {
  store.values.put("number", number);
  say(String(number));
}
