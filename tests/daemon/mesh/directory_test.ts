/** What members may have in the directory, and what not. */
import assert from "node:assert/strict";
import { type PeerKey, peerKey, seededRandom, splitPeerKey } from "../../../src/base/mod.ts";
import { generateIdentity, type Identity, networkIdOf } from "../../../src/crypto/mod.ts";
import type { Context } from "../../../src/daemon/context.ts";
import type { Networks } from "../../../src/daemon/networks/networks.ts";
import { Directory } from "../../../src/daemon/mesh/directory.ts";
import {
  type Grant,
  type Member,
  RecordBook,
  type Role,
  signRecord,
} from "../../../src/membership/mod.ts";

const random = seededRandom(5);
const network = networkIdOf(generateIdentity(random).identity.publicKey);
const WALL_MS = 1_800_000_000_000;

interface Person {
  readonly identity: Identity;
  readonly peer: PeerKey;
}

function person(): Person {
  const { identity } = generateIdentity(random);
  return { identity, peer: peerKey(network, identity.id) };
}

type Handler = (caller: { peer: PeerKey; kind: "epoch" }, question: unknown) => unknown;

/** A relay's directory, for members with those grants. */
function directory(grants: readonly Grant[] = ["rent"]) {
  const handlers = new Map<string, Handler>();
  const records = new RecordBook(network);
  const context = {
    wallMs: () => WALL_MS,
    loop: { serve: (name: string, handler: Handler) => void handlers.set(name, handler) },
  } as unknown as Context;
  const networks = { get: () => ({ records }), list: () => [] } as unknown as Networks;
  const peers = {
    member: (peer: PeerKey) => ({ ...splitPeerKey(peer), grants }) as unknown as Member,
  };
  const kept = new Directory(context, { networks, peers });
  const ask = async (name: string, peer: PeerKey, question: unknown) => {
    try {
      return await handlers.get(name)?.({ peer, kind: "epoch" }, question);
    } finally {
      kept.close();
    }
  };
  return { records, ask };
}

function recordOf(identity: Identity, roles: readonly Role[] = []): Uint8Array {
  return signRecord(identity, {
    network,
    seq: 1,
    alias: null,
    roles,
    staticKey: new Uint8Array(32),
    addresses: [],
    relays: [],
    capabilities: {},
    publishedAtMs: WALL_MS,
    expiresAtMs: WALL_MS + 60_000,
  });
}

Deno.test("a member publishes its own record", async () => {
  const { ask, records } = directory();
  const ann = person();
  await ask("record.publish", ann.peer, { record: recordOf(ann.identity) });
  assert.equal(records.size, 1);
});

Deno.test("a member publishes nobody else's record, not even a genuine one", async () => {
  const { ask, records } = directory();
  const record = recordOf(person().identity);
  await assert.rejects(ask("record.publish", person().peer, { record }), { code: "not-allowed" });
  assert.equal(records.size, 0);
});

Deno.test("a member publishes no role that its certificate does not grant", async () => {
  for (const role of ["relay", "provider"] as const) {
    const { ask, records } = directory();
    const ann = person();
    const question = { record: recordOf(ann.identity, [role]) };
    await assert.rejects(ask("record.publish", ann.peer, question), { code: "not-allowed" });
    assert.equal(records.size, 0);
  }
});
