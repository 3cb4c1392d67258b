/** Values as people read them. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import {
  count,
  facts,
  fromNow,
  millis,
  nodeName,
  pathText,
  shortIds,
  table,
  words,
} from "../../src/cli/format.ts";
import { requestLines, vmFacts, vmTable } from "../../src/cli/vm_text.ts";
import { DIRECT, NODE_ID, NOW_MS, VM } from "./fakes.ts";

Deno.test("shortIds() shows as much as tells ids from each other", () => {
  const ids = ["aaaaaaaabbbb", "aaaaaaaacccc", "ddddddddeeee"];
  deepStrictEqual([...shortIds(ids).values()], ["aaaaaaaab", "aaaaaaaac", "dddddddde"]);
  deepStrictEqual([...shortIds(["abc"]).values()], ["abc"]);
  deepStrictEqual([...shortIds([]).values()], []);
});

Deno.test("fromNow() reads in both directions", () => {
  strictEqual(fromNow("2026-11-20T13:00:00Z", NOW_MS), "in 1h");
  strictEqual(fromNow("2026-11-20T11:59:57.4Z", NOW_MS), "3s ago");
  strictEqual(fromNow(new Date(NOW_MS - 293).toISOString(), NOW_MS), "now");
  strictEqual(fromNow(new Date(NOW_MS + 293).toISOString(), NOW_MS), "now");
  strictEqual(fromNow(new Date(NOW_MS + 819).toISOString(), NOW_MS), "in 1s");
  strictEqual(fromNow(null, NOW_MS), "-");
  strictEqual(fromNow("soon", NOW_MS), "soon");
});

Deno.test("pathText() names kind, next hop and time", () => {
  strictEqual(pathText(DIRECT), "direct 192.0.2.1:9000 (12 ms)");
  const relayed = { ...DIRECT, kind: "relay", via: NODE_ID, rtt_ms: 3.21 } as const;
  strictEqual(pathText(relayed), `via ${NODE_ID.slice(0, 8)} (udp, 3.2 ms)`);
  const none = { ...DIRECT, kind: "none", address: null, transport: null, rtt_ms: null } as const;
  strictEqual(pathText(none), "none");
});

Deno.test("tables and facts are aligned, without trailing blanks", () => {
  deepStrictEqual(table(["A", "LONG"], [["xyz", "1"], ["x", ""]]), ["A    LONG", "xyz  1", "x"]);
  deepStrictEqual(facts([["a", "1"], ["none", null], ["long", "2"]]), ["a     1", "long  2"]);
});

Deno.test("small words are right", () => {
  strictEqual(count(1, "VM"), "1 VM");
  strictEqual(count(0, "VM"), "0 VMs");
  strictEqual(words([]), "-");
  strictEqual(millis(null), "-");
  strictEqual(nodeName(NODE_ID, "rack"), "rack (eaeaeaea)");
});

Deno.test("a VM's facts leave out what is unknown, and the lease of one that has ended", () => {
  const text = vmFacts(VM, NOW_MS).join("\n");
  strictEqual(text.includes("key "), false);
  strictEqual(text.includes("lease ends  in 1h"), true);
  strictEqual(
    vmFacts({ ...VM, state: "released" }, NOW_MS).join("\n").includes("lease ends"),
    false,
  );
  strictEqual(vmTable([], NOW_MS).length, 1);
});

Deno.test("a request ends with the command that connects, a dry run without", () => {
  strictEqual(requestLines(VM, NOW_MS).at(-1), "connect: omerta ssh web");
  strictEqual(requestLines({ ...VM, dry_run: true }, NOW_MS).at(-1)?.startsWith("dry run"), true);
});
