import { deepStrictEqual, strictEqual } from "node:assert/strict";
import {
  isEnded,
  isOver,
  isStarting,
  isVmState,
  nextVmState,
  VM_EVENTS,
  VM_STATES,
  type VmEvent,
  type VmState,
} from "../../src/market/mod.ts";

/** One row per state, one column per event in the order of `VM_EVENTS`; `-` refuses. */
const TABLE: Readonly<Record<VmState, string>> = {
  //          reserve  create   launched ready release   ended    failed   lost
  requested: "reserved -        -        -     released  released failed   lost",
  reserved: " -        creating -        -     released  released failed   lost",
  creating: " -        -        booting  -     releasing released failed   lost",
  booting: "  -        -        -        ready releasing released failed   lost",
  ready: "    -        -        -        -     releasing released failed   lost",
  releasing: "-        -        -        -     releasing released released released",
  released: " -        -        -        -     released  -        -        -",
  failed: "   -        -        -        -     failed    -        -        -",
  lost: "     -        -        -        -     lost      -        -        -",
};

Deno.test("every state answers every event as the table says", () => {
  for (const state of VM_STATES) {
    const expected = TABLE[state].trim().split(/ +/);
    const actual = VM_EVENTS.map((event) => nextVmState(state, event) ?? "-");
    deepStrictEqual(actual, expected, state);
  }
});

Deno.test("an ended VM never lives again, whatever happens to it", () => {
  const ended: readonly VmState[] = VM_STATES.filter(isEnded);
  deepStrictEqual(ended, ["released", "failed", "lost"]);
  for (const state of ended) {
    for (const event of VM_EVENTS) strictEqual(nextVmState(state, event) ?? state, state);
  }
});

Deno.test("every VM that has not ended can be brought to its end by a release", () => {
  const way: readonly VmEvent[] = ["release", "ended"];
  for (const state of VM_STATES) {
    const end = way.reduce<VmState>((at, event) => nextVmState(at, event) ?? at, state);
    strictEqual(isEnded(end), true, state);
  }
});

Deno.test("a VM starts while it is reserved, creating or booting", () => {
  deepStrictEqual(VM_STATES.filter(isStarting), ["reserved", "creating", "booting"]);
});

Deno.test("isVmState() knows the nine words and nothing else", () => {
  strictEqual(VM_STATES.every(isVmState), true);
  for (const other of ["", "Ready", "toString", null, 3, {}]) strictEqual(isVmState(other), false);
});

Deno.test("of every state it is known whether the VM has ended, or is to end", () => {
  const over = VM_STATES.filter(isOver);
  deepStrictEqual(over, ["releasing", "released", "failed", "lost"]);
  deepStrictEqual(VM_STATES.filter(isEnded), over.slice(1));
});
