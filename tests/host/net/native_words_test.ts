/**
 * What the native library says is read strictly: its forms pass, and whatever else it says is an error
 * with a name, never something that is believed.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { OmertaError } from "../../../src/base/mod.ts";
import { type NetOp, parseNetAnswer } from "../../../src/host/net/commands.ts";
import { parseNetEvent } from "../../../src/host/net/events.ts";
import { Fields } from "../../../src/host/net/fields.ts";
import { checked, decodeJson } from "../../../src/host/net/library.ts";
import { recordsOf } from "../../../src/host/net/port.ts";

type Json = Readonly<Record<string, unknown>>;

const TRAFFIC = { control: { packets: 1, bytes: 2 }, tunnel: { packets: 3, bytes: 4 } };

/** A well-formed event of each type; every field of it is needed unless it is named in `MAY_LACK`. */
const EVENTS: readonly Json[] = [
  { type: "path-doubt", peer: "n/p", path: "192.0.2.1:9" },
  { type: "path-dead", peer: "n/p", path: "192.0.2.1:9", to: "192.0.2.2:9" },
  { type: "guest-gone", tunnel: 7 },
  { type: "guest-attached", tunnel: 7, ok: false, code: "vm-failed", message: "no" },
  { type: "probe-done", probe: "1", ok: true, handshakeMs: 1.5, bannerMs: 2, rttMs: 3, error: "" },
  { type: "tunnel-up", tunnel: 7 },
  { type: "stream", tunnel: 7, open: 0 },
  { type: "send-failed", address: "192.0.2.1:9", message: "no route" },
  { type: "defect", where: "a stream", message: "boom", stack: "at x" },
  { type: "socket-error", message: "gone" },
];

/** A well-formed answer to each operation that has one. */
const ANSWERS: readonly (readonly [NetOp, Json])[] = [
  ["tunnel.status", { lastHandshakeMsAgo: 9, rxBytes: 1, txBytes: 2, streams: 0 }],
  ["forward.listen", { address: "127.0.0.1:8080" }],
  ["relay.stats", {
    sessions: [{ session: 5, ...TRAFFIC, idleMs: 12 }],
    total: TRAFFIC,
    dropped: { "no-path": 3 },
  }],
  ["stats", {
    dropped: {},
    peers: 1,
    tunnels: 0,
    streams: 0,
    relaySessions: 0,
    memoryBytes: 1e6,
    goroutines: 9,
    defects: 0,
  }],
];

/** Fields that may be missing or `null`. */
const MAY_LACK = ["handshakeMs", "bannerMs", "rttMs", "error", "lastHandshakeMsAgo"];

/** Numbers that need not be whole. */
const FIGURES = ["handshakeMs", "bannerMs", "rttMs", "lastHandshakeMsAgo", "idleMs"];

const DAMAGED = { code: "native-damaged" };

/** Each way to spoil one of the document's fields, however deep. */
function* spoiled(document: Json): Generator<[string, Json]> {
  for (const [name, value] of Object.entries(document)) {
    const { [name]: _, ...without } = document;
    if (!MAY_LACK.includes(name)) {
      yield [`without ${name}`, without];
      yield [`${name}: null`, { ...document, [name]: null }];
    }
    for (const wrong of wrongFor(name, value)) {
      yield [`${name}: ${JSON.stringify(wrong)}`, { ...document, [name]: wrong }];
    }
    if (Array.isArray(value)) {
      for (const [how, inner] of spoiled(value[0])) {
        yield [`${name}[]: ${how}`, { ...document, [name]: [inner] }];
      }
    } else if (typeof value === "object") {
      for (const [how, inner] of spoiled(value as Json)) {
        yield [`${name}: ${how}`, { ...document, [name]: inner }];
      }
    }
  }
}

/** Values that the field cannot have. */
function wrongFor(name: string, value: unknown): unknown[] {
  const others = [[[]], [1], "x", {}, true].filter((other) => typeof other !== typeof value);
  if (typeof value !== "number") return [...others, 1.5];
  return [...others, NaN, Infinity, ...FIGURES.includes(name) ? [] : [-1, 1.5]];
}

for (const event of EVENTS) {
  Deno.test(`an event ${event["type"]} is read as it is, and not where a field is wrong`, () => {
    const read = parseNetEvent(new Fields({ ...event, later: 1 }, "event"));
    if (read.type === "guest-attached") {
      assert.equal(read.tunnel, 7);
      assert.equal(read.error?.code, "vm-failed");
    } else assert.deepEqual(read, event);
    for (const [how, wrong] of spoiled(event)) {
      assert.throws(() => parseNetEvent(new Fields(wrong, "event")), DAMAGED, how);
    }
  });
}

for (const [op, answer] of ANSWERS) {
  Deno.test(`the answer to ${op} is read as it is, and not where a field is wrong`, () => {
    assert.deepEqual(parseNetAnswer(op, new Fields({ ok: true, ...answer }, op)), answer);
    for (const [how, wrong] of spoiled(answer)) {
      // Of what was dropped any reason may be told.
      if (how.startsWith("dropped: without")) continue;
      assert.throws(() => parseNetAnswer(op, new Fields(wrong, op)), DAMAGED, how);
    }
  });
}

Deno.test("an attachment that went well has no error", () => {
  const told = new Fields({ type: "guest-attached", tunnel: 7, ok: true }, "event");
  assert.deepEqual(parseNetEvent(told), { type: "guest-attached", tunnel: 7, error: null });
});

Deno.test("an event that nobody knows is damage, also under the name of an object's own", () => {
  for (const type of ["bench-done", "toString", "__proto__", ""]) {
    assert.throws(() => parseNetEvent(new Fields({ type }, "event")), DAMAGED, type);
  }
});

Deno.test("a failure has the library's code where there is such a one", () => {
  const throwing = (document: Json) => () => checked(new Fields(document, "answer"));
  assert.throws(throwing({ ok: false, code: "not-found", message: "none" }), { code: "not-found" });
  assert.throws(throwing({ ok: false, code: "strange", message: "none" }), { code: "internal" });
  assert.throws(throwing({ ok: false }), DAMAGED);
  assert.throws(throwing({}), DAMAGED);
});

Deno.test("what is no JSON object is damage, whatever it is", () => {
  const encoder = new TextEncoder();
  for (const text of ["", "{", "null", "[]", "1", '"x"', "true"]) {
    assert.throws(() => decodeJson(encoder.encode(text), "answer"), DAMAGED, text);
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
    try {
      decodeJson(bytes, "answer");
    } catch (error) {
      assert.ok(error instanceof OmertaError && error.code === "native-damaged");
    }
  }));
});

Deno.test("a batch gives its records whole, and tells where it is cut off", () => {
  const record = fc.uint8Array({ minLength: 0, maxLength: 20 });
  fc.assert(fc.property(fc.array(record, { maxLength: 6 }), fc.nat(), (records, at) => {
    const batch = new Uint8Array(records.reduce((sum, { length }) => sum + 4 + length, 0));
    const ends = [0];
    for (const bytes of records) {
      const begin = ends.at(-1) ?? 0;
      new DataView(batch.buffer).setUint32(begin, bytes.length);
      batch.set(bytes, begin + 4);
      ends.push(begin + 4 + bytes.length);
    }
    const cut = batch.length === 0 ? 0 : at % (batch.length + 1);
    const errors: OmertaError[] = [];
    const read = [...recordsOf(batch.subarray(0, cut), (error) => errors.push(error))];
    const whole = ends.filter((end) => end > 0 && end <= cut).length;
    assert.deepEqual(read, records.slice(0, whole));
    assert.deepEqual(errors.map(({ code }) => code), ends.includes(cut) ? [] : ["native-damaged"]);
  }));
});
