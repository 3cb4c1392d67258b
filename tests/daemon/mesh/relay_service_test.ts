/** What members may have a relay do, and what not. */
import assert from "node:assert/strict";
import {
  type Instant,
  OmertaError,
  type PeerKey,
  peerKey,
  seededRandom,
  splitPeerKey,
} from "../../../src/base/mod.ts";
import { generateIdentity, type Identity, networkIdOf } from "../../../src/crypto/mod.ts";
import type { Context } from "../../../src/daemon/context.ts";
import type { Networks } from "../../../src/daemon/networks/networks.ts";
import { RelayService } from "../../../src/daemon/mesh/relay_service.ts";
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

/** A relay at which everybody of `paths` is registered. */
function relay(paths: ReadonlyMap<PeerKey, string>, grants: readonly Grant[] = ["rent"]) {
  const handlers = new Map<string, Handler>();
  const commands: string[] = [];
  const rig = { commands, offers: [] as PeerKey[], offersFail: false };
  const records = new RecordBook(network);
  const context = {
    random,
    now: () => 0 as Instant,
    wallMs: () => WALL_MS,
    log: { debug() {} },
    net: {
      command(op: string) {
        commands.push(op);
        return {};
      },
    },
    loop: {
      serve: (name: string, handler: Handler) => void handlers.set(name, handler),
      listen() {},
      machine: { activePath: (peer: PeerKey) => paths.get(peer) ?? null },
      call(peer: PeerKey) {
        rig.offers.push(peer);
        const error = new OmertaError("not-allowed", "no");
        return rig.offersFail ? Promise.reject(error) : Promise.resolve({});
      },
    },
  } as unknown as Context;
  const networks = { get: () => ({ records }), list: () => [] } as unknown as Networks;
  const peers = {
    member: (peer: PeerKey) => ({ ...splitPeerKey(peer), grants }) as unknown as Member,
  };
  const service = new RelayService(context, { networks, peers, limits: undefined });
  commands.length = 0; // the limits
  const ask = async (name: string, peer: PeerKey, question: unknown) => {
    try {
      return await handlers.get(name)?.({ peer, kind: "epoch" }, question);
    } finally {
      service.close();
    }
  };
  return { ...rig, rig, records, ask };
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
  const { ask, records } = relay(new Map());
  const ann = person();
  await ask("record.publish", ann.peer, { record: recordOf(ann.identity) });
  assert.equal(records.size, 1);
});

Deno.test("a member publishes nobody else's record, not even a genuine one", async () => {
  const { ask, records } = relay(new Map());
  const record = recordOf(person().identity);
  await assert.rejects(ask("record.publish", person().peer, { record }), { code: "not-allowed" });
  assert.equal(records.size, 0);
});

Deno.test("a member publishes no role that its certificate does not grant", async () => {
  for (const role of ["relay", "provider"] as const) {
    const { ask, records } = relay(new Map());
    const ann = person();
    const question = { record: recordOf(ann.identity, [role]) };
    await assert.rejects(ask("record.publish", ann.peer, question), { code: "not-allowed" });
    assert.equal(records.size, 0);
  }
});

Deno.test("a relay joins two members at the addresses that they proved", async () => {
  const [ann, bob] = [person(), person()];
  const paths = new Map([[ann.peer, "192.0.2.1:1"], [bob.peer, "192.0.2.2:2"]]);
  const { ask, commands, rig } = relay(paths);
  const answer = await ask("relay.allocate", ann.peer, { peer: bob.identity.id });
  assert.equal((answer as { address: string }).address, "192.0.2.2:2");
  assert.deepEqual([commands, rig.offers], [["relay.set"], [bob.peer]]);
});

Deno.test("a relay forwards to nobody who is not registered there directly", async () => {
  const [ann, bob] = [person(), person()];
  for (const path of [undefined, "192.0.2.9:9#00000001"]) {
    const paths = new Map([[ann.peer, "192.0.2.1:1"]]);
    if (path !== undefined) paths.set(bob.peer, path);
    const { ask, commands } = relay(paths);
    const question = { peer: bob.identity.id };
    await assert.rejects(ask("relay.allocate", ann.peer, question), { code: "unreachable" });
    assert.deepEqual(commands, []);
  }
});

Deno.test("a relay forwards no more when the other side does not take the offer", async () => {
  const [ann, bob] = [person(), person()];
  const paths = new Map([[ann.peer, "192.0.2.1:1"], [bob.peer, "192.0.2.2:2"]]);
  const { ask, commands, rig } = relay(paths);
  rig.offersFail = true;
  const question = { peer: bob.identity.id };
  await assert.rejects(ask("relay.allocate", ann.peer, question), { code: "not-allowed" });
  assert.deepEqual(commands, ["relay.set", "relay.remove"]);
});
