/** How a node ends. */
import assert from "node:assert/strict";
import { Closers } from "../../../src/daemon/run/ending.ts";

Deno.test("what was opened is closed in reverse, each after the one before has ended", async () => {
  const closers = new Closers();
  const closed: string[] = [];
  closers.push(() => closed.push("first"), async () => {
    await Promise.resolve();
    closed.push("second");
  });
  closers.push(() => closed.push("third"));
  await closers.close(() => assert.fail("nothing fails"));
  assert.deepEqual(closed, ["third", "second", "first"]);
});

Deno.test("what cannot be closed keeps nothing else open, and is told in the end", async () => {
  const closers = new Closers();
  const closed: string[] = [];
  const defects: string[] = [];
  closers.push(() => closed.push("first"));
  closers.push(() => Promise.reject(new Error("second")));
  closers.push(() => {
    throw new Error("third");
  });
  const onDefect = (error: unknown, where: string) => defects.push(`${error} ${where}`);
  await assert.rejects(closers.close(onDefect), /third/);
  assert.deepEqual(closed, ["first"]);
  assert.deepEqual(defects, ["Error: third at its end", "Error: second at its end"]);
});
