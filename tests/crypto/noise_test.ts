/** Noise XXpsk0 against published vectors, and what a bad message must not do. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Random, seededRandom } from "../../src/base/mod.ts";
import {
  generateKeyPair,
  keyPairFromPrivate,
  NOISE_PROTOCOL,
  NoiseHandshake,
  seal,
} from "../../src/crypto/mod.ts";
import { NobleNoise } from "./noble_noise.ts";
import published from "../vectors/noise_xxpsk0.json" with { type: "json" };

const hex = (text: string) => Uint8Array.fromHex(text);
const NOTHING = new Uint8Array();

/** A source that gives one ephemeral key. */
function fixedRandom(privateKey: string): Random {
  return { bytes: () => hex(privateKey) };
}

function fromVector(vector: typeof published.vectors[number], initiator: boolean): NoiseHandshake {
  return new NoiseHandshake({
    initiator,
    prologue: hex(vector.prologue),
    psk: hex(vector.psk),
    staticKey: keyPairFromPrivate(hex(initiator ? vector.initStatic : vector.respStatic)),
    random: fixedRandom(initiator ? vector.initEphemeral : vector.respEphemeral),
  });
}

for (const [i, vector] of published.vectors.entries()) {
  Deno.test(`NoiseHandshake agrees with published vector ${i} of ${NOISE_PROTOCOL}`, () => {
    assert.equal(published.protocol, NOISE_PROTOCOL);
    const [first, second] = [fromVector(vector, true), fromVector(vector, false)];
    let [writer, reader] = [first, second];
    for (const { payload, ciphertext } of vector.messages.slice(0, 3)) {
      const written = writer.writeMessage(hex(payload));
      assert.equal(written.ok && written.value.toHex(), ciphertext);
      assert.deepEqual(reader.readMessage(hex(ciphertext)), { ok: true, value: hex(payload) });
      [writer, reader] = [reader, writer];
    }
    const [ours, theirs] = [first.split(), second.split()];
    const [toResponder, toInitiator] = vector.messages.slice(3);
    assert.ok(toResponder && toInitiator);
    assert.equal(
      seal(ours.send, { counter: 0 }, hex(toResponder.payload)).toHex(),
      toResponder.ciphertext,
    );
    assert.equal(
      seal(theirs.send, { counter: 0 }, hex(toInitiator.payload)).toHex(),
      toInitiator.ciphertext,
    );
    assert.deepEqual(theirs.receive, ours.send);
    assert.deepEqual(ours.hash, theirs.hash);
  });
}

/** Two sides that share a psk, unless another is given to the responder. */
function pair(seed: number, responderPsk?: Uint8Array): [NoiseHandshake, NoiseHandshake] {
  const random = seededRandom(seed);
  const psk = random.bytes(32);
  const side = (initiator: boolean, psk: Uint8Array) =>
    new NoiseHandshake({
      initiator,
      prologue: NOTHING,
      psk,
      staticKey: generateKeyPair(random),
      random,
    });
  return [side(true, psk), side(false, responderPsk ?? psk)];
}

function write(side: NoiseHandshake, payload: Uint8Array): Uint8Array {
  const message = side.writeMessage(payload);
  assert.ok(message.ok);
  return message.value;
}

Deno.test("readMessage() refuses any changed or cut message and then takes the right one", () => {
  const payloads = [hex("00"), hex("0011"), hex("001122")];
  const sides = pair(1);
  for (const [i, payload] of payloads.entries()) {
    const [writer, reader] = i % 2 === 0 ? sides : [sides[1], sides[0]];
    assert.ok(writer && reader);
    const message = write(writer, payload);
    for (let at = 0; at < message.length; at++) {
      const changed = message.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      assert.ok(!reader.readMessage(changed).ok, `byte ${at} of message ${i}`);
      assert.ok(!reader.readMessage(message.subarray(0, at)).ok, `cut at ${at}`);
    }
    assert.deepEqual(reader.readMessage(message), { ok: true, value: payload });
  }
  assert.deepEqual(sides[0].split().hash, sides[1].split().hash);
});

Deno.test("readMessage() never throws on any bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, isFirst) => {
    const [initiator, responder] = pair(2);
    const first = write(initiator, NOTHING);
    if (isFirst) return assert.ok(!responder.readMessage(bytes).ok);
    responder.readMessage(first);
    assert.ok(!initiator.readMessage(bytes).ok);
  }));
});

Deno.test("readMessage() refuses the first message under another psk", () => {
  const [initiator, responder] = pair(3, new Uint8Array(32));
  const read = responder.readMessage(write(initiator, hex("01")));
  assert.deepEqual(read, { ok: false, reason: "bad-tag" });
});

Deno.test("writeMessage() refuses to answer an ephemeral key of small order", () => {
  const psk = new Uint8Array(32);
  const keys = { s: new Uint8Array(32).fill(1), e: new Uint8Array(32).fill(2) };
  const smallOrder = hex("01" + "00".repeat(31));
  const forger = new NobleNoise(true, psk, keys, NOTHING, smallOrder);
  const random = seededRandom(4);
  const staticKey = generateKeyPair(random);
  const options = { initiator: false, prologue: NOTHING, psk, random, staticKey };
  const responder = new NoiseHandshake(options);
  assert.ok(responder.readMessage(forger.write(NOTHING)).ok, "sealed by somebody with the psk");
  assert.deepEqual(responder.writeMessage(NOTHING), { ok: false, reason: "bad-key" });
});

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const payload = fc.uint8Array({ maxLength: 200 });

Deno.test("NoiseHandshake speaks with a second implementation, on either side", () => {
  const keys = fc.record({ s: bytes32, e: bytes32 });
  const inputs = fc.record({ keys, ours: keys, psk: bytes32, prologue: payload });
  const payloads = fc.tuple(payload, payload, payload);
  fc.assert(
    fc.property(inputs, payloads, fc.boolean(), (input, payloads, initiator) => {
      const noble = new NobleNoise(!initiator, input.psk, input.keys, input.prologue);
      const handshake = new NoiseHandshake({
        initiator,
        prologue: input.prologue,
        psk: input.psk,
        staticKey: keyPairFromPrivate(input.ours.s),
        random: { bytes: () => input.ours.e.slice() },
      });
      for (const [i, payload] of payloads.entries()) {
        if ((i % 2 === 0) === initiator) {
          assert.deepEqual(noble.read(write(handshake, payload)), payload);
        } else {
          assert.deepEqual(handshake.readMessage(noble.write(payload)), {
            ok: true,
            value: payload,
          });
        }
      }
      const { send, receive, hash } = handshake.split();
      assert.deepEqual(noble.split(), [receive, send]);
      assert.deepEqual(noble.h, hash);
      assert.deepEqual(handshake.remoteStatic, keyPairFromPrivate(input.keys.s).publicKey);
    }),
    { numRuns: 25 },
  );
});

Deno.test("NoiseHandshake throws when it is used out of turn", () => {
  const [initiator, responder] = pair(5);
  assert.throws(() => responder.writeMessage(NOTHING), TypeError);
  assert.throws(() => initiator.readMessage(NOTHING), TypeError);
  assert.throws(() => initiator.split(), TypeError);
});

Deno.test("clone() goes its own way", () => {
  const [initiator, responder] = pair(6);
  responder.readMessage(write(initiator, NOTHING));
  const reply = write(responder, hex("aa"));
  const copy = initiator.clone();
  assert.ok(copy.readMessage(reply).ok);
  assert.ok(initiator.readMessage(reply).ok, "the original still waits for the reply");
});
