/** Every call's question and answer: what is sent is read, and nothing else is. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { toBase32 } from "../../src/base/mod.ts";
import {
  admissionAnswer,
  admissionWord,
  BODY_BYTES_MAX,
  type CallName,
  CALLS,
  encodeBody,
  encodeRefusal,
  isCallName,
  parseAnswer,
  parseQuestion,
  parseRefusal,
} from "../../src/node/mod.ts";
import { type CborMap, encodeCbor } from "../../src/wire/mod.ts";
import { address, ended, node, random, SAMPLES, state, vm } from "./call_samples.ts";

const NAMES = Object.keys(CALLS) as CallName[];
const MALFORMED = { ok: false, reason: "malformed-body" };

/** Both bodies of a call, each with its reader. */
function bodiesOf(name: CallName) {
  const { question, answer } = SAMPLES[name];
  return [
    { what: `the question of ${name}`, body: question as CborMap, parse: parseQuestion },
    { what: `the answer of ${name}`, body: answer as CborMap, parse: parseAnswer },
  ];
}

/** Whether a field that holds `value` may hold `other` as well: what is null may be text. */
function isAlike(value: unknown, other: unknown): boolean {
  return typeof other === typeof value || (value === null && typeof other === "string");
}

for (const name of NAMES) {
  for (const { what, body, parse } of bodiesOf(name)) {
    Deno.test(`${what} is read as it was written, within the bound`, () => {
      const bytes = encodeBody(body);
      assert.ok(bytes.length <= BODY_BYTES_MAX);
      assert.deepEqual(parse(name, bytes), { ok: true, value: body });
    });

    Deno.test(`${what} is refused with a field less, one more, or another type`, () => {
      assert.deepEqual(parse(name, encodeBody({ ...body, extra: 1 })), MALFORMED);
      for (const field of Object.keys(body)) {
        const { [field]: value, ...rest } = body;
        assert.deepEqual(parse(name, encodeBody(rest)), MALFORMED, `without ${field}`);
        const others = [true, -1, "", [[]], { a: 1 }, new Uint8Array(7)];
        for (const other of others.filter((other) => !isAlike(value, other))) {
          const bytes = encodeBody({ ...body, [field]: other });
          assert.deepEqual(parse(name, bytes), MALFORMED, `${field} as ${JSON.stringify(other)}`);
        }
      }
    });

    Deno.test(`${what} is refused cut off, lengthened, or as any other bytes`, () => {
      const bytes = encodeBody(body);
      for (let length = 0; length < Math.min(bytes.length, 200); length++) {
        assert.deepEqual(parse(name, bytes.subarray(0, length)), MALFORMED);
      }
      assert.deepEqual(parse(name, Uint8Array.of(...bytes, 0)), MALFORMED);
      fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (noise) => {
        const isEmptyMap = noise.length === 1 && noise[0] === 0xa0;
        if (!isEmptyMap) assert.deepEqual(parse(name, noise), MALFORMED);
      }));
    });
  }
}

const REFUSED: readonly (readonly [string, CallName, object])[] = [
  ["a node id with a wrong letter", "relay.allocate", { peer: node.replace(/.$/, "1") }],
  ["a session that is 0", "relay.offer", { session: 0, peer: node, address }],
  ["a session past 32 bits", "relay.offer", { session: 2 ** 32, peer: node, address }],
  ["an address without a port", "path.candidates", { addresses: ["192.0.2.1"] }],
  ["a name for an address", "path.candidates", { addresses: ["example.org:1"] }],
  ["too many addresses", "path.candidates", { addresses: Array(17).fill(address) }],
  ["one VM twice", "vm.status", { vms: [vm, vm] }],
  ["one VM twice", "vm.renew", { vms: [vm, vm] }],
  ["too many VMs", "vm.status", {
    vms: Array.from({ length: 65 }, () => toBase32(random.bytes(10))),
  }],
  ["a VM's id in capitals", "vm.release", { vm: vm.toUpperCase() }],
  ["a record of 1025 bytes", "record.publish", { record: new Uint8Array(1_025) }],
  ["a secret of 31 bytes", "redeem", { s: new Uint8Array(31) }],
  ["a secret that is text", "redeem", { s: "secret" }],
  ["no secret", "redeem", {}],
  ["more than a secret", "redeem", { s: new Uint8Array(32), c: new Uint8Array(300) }],
  ["a certificate that is text", "renew", { c: "certificate" }],
  ["a certificate of 1025 bytes", "renew", { c: new Uint8Array(1_025) }],
  ["no ssh key", "vm.create", { ...SAMPLES["vm.create"].question, sshKeys: [] }],
  ["a lease of two years", "vm.extend", { vm, leaseMs: 732 * 86_400_000 }],
  ["a negative lease", "vm.extend", { vm, leaseMs: -1 }],
  ["an unknown state", "vm.event", { ...state, state: "asleep" }],
  ["an unknown end", "vm.event", { ...ended, endReason: "boredom" }],
  ["a long reason", "vm.event", { ...state, reason: "x".repeat(501) }],
];

for (const [what, name, body] of REFUSED) {
  Deno.test(`a question with ${what} is refused`, () => {
    assert.deepEqual(parseQuestion(name, encodeBody(body)), MALFORMED);
  });
}

Deno.test("the user of a new VM is a plain login name", () => {
  const { answer } = SAMPLES["vm.create"];
  for (const user of ["", "-oProxyCommand=x", "root x", "a\nb", "Root", "a".repeat(33), "$(x)"]) {
    assert.deepEqual(parseAnswer("vm.create", encodeBody({ ...answer, user })), MALFORMED, user);
  }
});

Deno.test("a body past the bound is refused before it is looked at", () => {
  const body = encodeCbor({ record: new Uint8Array(BODY_BYTES_MAX) });
  assert.deepEqual(parseQuestion("record.publish", body), MALFORMED);
});

Deno.test("only the table's own names are calls", () => {
  for (const name of NAMES) assert.ok(isCallName(name));
  for (const name of ["", "toString", "__proto__", "constructor", "vm", "PING", "ping "]) {
    assert.equal(isCallName(name), false);
  }
});

Deno.test("a refusal is read as it was written, an unknown code as `refused`", () => {
  const refusal = { code: "provider-full", message: "There is no room" };
  assert.deepEqual(parseRefusal(encodeRefusal(refusal)), refusal);
  const unknown = parseRefusal(encodeRefusal({ code: "of-tomorrow", message: "why" }));
  assert.deepEqual(unknown, { code: "refused", message: "why" });
});

Deno.test("a refusal that passes by itself says when to ask again, in whole milliseconds", () => {
  const refusal = { code: "provider-full", message: "A moment", retryMs: 1_500 };
  assert.deepEqual(parseRefusal(encodeRefusal(refusal)), refusal);
  assert.equal(parseRefusal(encodeRefusal({ ...refusal, retryMs: 0.2 })).retryMs, 1);
  assert.equal(parseRefusal(encodeRefusal({ ...refusal, retryMs: 1e12 })).retryMs, 3_600_000);
  for (const retryMs of [-1, 3_600_001, "1"]) {
    const read = parseRefusal(encodeBody({ code: "refused", message: "x", retryMs }));
    assert.deepEqual([read.code, read.retryMs], ["refused", undefined], String(retryMs));
  }
});

Deno.test("whatever the sentence of a refusal is, it can be sent and read", () => {
  const texts = fc.oneof(
    fc.string({ unit: "binary", maxLength: 600 }),
    fc.nat({ max: 3 }).map((n) => `${"x".repeat(n)}${"\u{1f4a5}".repeat(300)}`),
    fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((c) => String.fromCharCode(c)) }),
  );
  fc.assert(fc.property(texts, (message) => {
    const read = parseRefusal(encodeRefusal({ code: "refused", message }));
    assert.equal(read.code, "refused");
    assert.ok(read.message.length <= 500);
    if (message.length < 500 && message.isWellFormed()) assert.equal(read.message, message);
  }));
});

Deno.test("bytes that are no refusal are one without a reason", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (noise) => {
    assert.equal(parseRefusal(noise).code, "refused");
  }));
});

Deno.test("an admitter's word is read as it was said", () => {
  const word = {
    certificate: random.bytes(215),
    name: "home",
    epoch: { epoch: 3, key: random.bytes(32) },
  };
  const answer = parseAnswer("redeem", encodeBody(admissionAnswer(word)));
  assert.ok(answer.ok);
  assert.deepEqual(admissionWord(answer.value), word);
});
