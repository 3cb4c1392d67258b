/** How a peer is reached: over a relay, straight, or with the right error. */
import assert from "node:assert/strict";
import { OmertaError, type PeerKey, peerKey } from "../../../src/base/mod.ts";
import { generateIdentity } from "../../../src/crypto/mod.ts";
import { Networks } from "../../../src/daemon/networks/networks.ts";
import type { Joined } from "../../../src/daemon/networks/joined.ts";
import type { Peers } from "../../../src/daemon/mesh/peers.ts";
import { Reach } from "../../../src/daemon/mesh/reach.ts";
import type { NamedEntry, Relays } from "../../../src/daemon/mesh/relays.ts";
import type { NodeRecord } from "../../../src/membership/mod.ts";
import { settle } from "../fake_time.ts";
import { type Stand, withStand } from "../stand.ts";

const RELAY_AT = ["203.0.113.1:9000", "203.0.113.2:9000"] as const;
const THROUGH = RELAY_AT.map((address, i) => `${address}#0000000${i + 1}`);
const DIRECT = "198.51.100.7:9000";

/** A node with two relays, and a peer to be reached. */
class Rig {
  readonly joined: Joined;
  readonly relays: readonly PeerKey[];
  readonly peer: PeerKey;
  readonly reach: Reach;
  connected: PeerKey[];
  record: Partial<NodeRecord> | undefined;
  readonly straight: NamedEntry[] = [];
  /** Who answers at the addresses of the peer's record. */
  connectTo: () => Promise<PeerKey> = () => {
    this.stand.connected.add(this.peer);
    return Promise.resolve(this.peer);
  };

  constructor(readonly stand: Stand) {
    const networks = new Networks(stand.context, () => null);
    this.joined = networks.create("home");
    const somebody = () => {
      return peerKey(this.joined.row.id, generateIdentity(stand.random).identity.id);
    };
    this.relays = RELAY_AT.map((at) => {
      const relay = somebody();
      stand.paths.set(relay, at);
      return relay;
    });
    this.connected = [...this.relays];
    this.peer = somebody();
    this.reach = new Reach(stand.context, {
      networks,
      peers: { holds: () => true, member: () => undefined } as unknown as Peers,
      relays: {
        connected: () => this.connected,
        record: () => Promise.resolve(this.record),
        connectTo: (_joined: Joined, entry: NamedEntry) => {
          this.straight.push(entry);
          return this.connectTo();
        },
      } as unknown as Relays,
    });
    stand.answer("relay.allocate", (_question, relay) => {
      return { session: this.relays.indexOf(relay) + 1, address: DIRECT };
    });
    stand.onConnect = () => {
      stand.connected.add(this.peer);
      return this.peer;
    };
  }

  /** The relays that were asked, in order, by number. */
  asked(): number[] {
    return this.stand.called("relay.allocate").map(({ peer }) => this.relays.indexOf(peer));
  }
}

const withReach = (test: (rig: Rig) => Promise<void>) =>
  withStand(async (stand) => await test(new Rig(stand)));

Deno.test(
  "a peer with which there is a session is reached already",
  withReach(async (rig) => {
    rig.stand.connected.add(rig.peer);
    assert.equal(await rig.reach.peer(rig.peer), rig.peer);
    assert.deepEqual([rig.stand.calls, rig.stand.connects], [[], []]);
  }),
);

Deno.test(
  "a peer is reached through a relay, which says where it sees the peer",
  withReach(async (rig) => {
    await rig.reach.peer(rig.peer);
    assert.deepEqual(rig.stand.connects.map(({ path }) => path), [THROUGH[0]]);
    assert.deepEqual(rig.asked(), [0]);
  }),
);

Deno.test(
  "the relay at which the peer is at home is asked first",
  withReach(async (rig) => {
    const [, home] = rig.relays;
    assert.ok(home);
    rig.record = { relays: [{ id: home.split("/")[1] as NodeRecord["id"], addresses: [] }] };
    await rig.reach.peer(rig.peer);
    assert.deepEqual(rig.stand.connects.map(({ path }) => path), [THROUGH[1]]);
  }),
);

Deno.test(
  "where one relay cannot, the next is asked",
  withReach(async (rig) => {
    rig.stand.answer("relay.allocate", (_question, relay) => {
      if (relay === rig.relays[0]) throw new OmertaError("unreachable", "not registered here");
      return { session: 2, address: DIRECT };
    });
    await rig.reach.peer(rig.peer);
    assert.deepEqual([rig.asked(), rig.stand.connects.length], [[0, 1], 1]);
  }),
);

Deno.test(
  "without a relay the addresses of the peer's record are tried, as a record's",
  withReach(async (rig) => {
    rig.connected = [];
    rig.record = { relays: [], addresses: [DIRECT, "192.168.1.9:9000"] };
    await rig.reach.peer(rig.peer);
    const id = rig.peer.split("/")[1];
    const addresses = [DIRECT, "192.168.1.9:9000"];
    assert.deepEqual(rig.straight, [{ id, addresses, named: "record" }]);
  }),
);

Deno.test(
  "who is known to nobody is unreachable, and without a relay that is the reason",
  withReach(async (rig) => {
    rig.stand.answer("relay.allocate", () => {
      throw new OmertaError("unreachable", "not registered here");
    });
    await assert.rejects(rig.reach.peer(rig.peer), { code: "unreachable" });
    rig.connected = [];
    await assert.rejects(rig.reach.peer(rig.peer), { code: "no-relay" });
  }),
);

Deno.test(
  "a peer that no relay knows of is told as offline, by its alias and id, in words of ours",
  withReach(async (rig) => {
    const said = { fields: { said_by: "r" } };
    rig.stand.answer("relay.allocate", () => {
      throw new OmertaError("unreachable", "relay r says: not registered", said);
    });
    const record = { alias: "gpu", relays: [] };
    rig.record = { ...record, addresses: [] };
    const short = rig.peer.split("/")[1]?.slice(0, 8);
    await assert.rejects(rig.reach.peer(rig.peer), {
      code: "unreachable",
      message: `The peer gpu (${short}) is offline: no relay knows where it is`,
    });
    rig.record = { ...record, addresses: [DIRECT] };
    rig.connectTo = () => Promise.reject(new OmertaError("unreachable", "No address answers"));
    await assert.rejects(rig.reach.peer(rig.peer), {
      message: `The peer gpu (${short}) is offline: no relay knows where it is`,
    });
    rig.stand.answer("relay.allocate", () => ({ session: 1, address: DIRECT }));
    rig.stand.onConnect = () => {
      throw new OmertaError("unreachable", "Nobody answers there");
    };
    await assert.rejects(rig.reach.peer(rig.peer), {
      message: `The peer gpu (${short}) does not answer`,
    });
    rig.stand.answer("relay.allocate", () => {
      throw new OmertaError("refused", "relay r says: no room for another session", said);
    });
    await assert.rejects(rig.reach.peer(rig.peer), { code: "refused" });
  }),
);

Deno.test(
  "a peer in a network that is not joined is not looked for",
  withReach(async (rig) => {
    const network = generateIdentity(rig.stand.random).identity.id as string as Joined["row"]["id"];
    const stranger = peerKey(network, rig.peer.split("/")[1] as NodeRecord["id"]);
    await assert.rejects(rig.reach.peer(stranger), { code: "no-network" });
  }),
);

Deno.test(
  "all who want one peer at a time share one attempt",
  withReach(async (rig) => {
    await Promise.all([1, 2, 3].map(() => rig.reach.peer(rig.peer)));
    assert.deepEqual([rig.asked(), rig.stand.connects.length], [[0], 1]);
  }),
);

Deno.test(
  "who gives up does not end the attempt of the others",
  withReach(async (rig) => {
    const answers = Promise.withResolvers<PeerKey>();
    rig.stand.onConnect = () => answers.promise;
    const controller = new AbortController();
    const [one, two] = [
      rig.reach.peer(rig.peer, { signal: controller.signal }),
      rig.reach.peer(rig.peer),
    ];
    await settle();
    controller.abort(new OmertaError("timeout", "The command was given up"));
    await assert.rejects(one, { code: "timeout" });
    answers.resolve(rig.peer);
    assert.equal(await two, rig.peer);
  }),
);

Deno.test(
  "an attempt that failed is made anew by the next who wants the peer",
  withReach(async (rig) => {
    const { onConnect } = rig.stand;
    rig.stand.onConnect = () => Promise.reject(new OmertaError("unreachable", "nobody"));
    await assert.rejects(rig.reach.peer(rig.peer), { code: "unreachable" });
    rig.stand.onConnect = onConnect;
    assert.equal(await rig.reach.peer(rig.peer), rig.peer);
  }),
);

Deno.test(
  "a call to a peer that began anew is made once more, any other not",
  withReach(async (rig) => {
    let failures = [new OmertaError("unreachable", "gone", { fields: { reason: "gone" } })];
    rig.stand.answer("vm.status", () => {
      const failure = failures.shift();
      if (failure !== undefined) throw failure;
      return { vms: [] };
    });
    assert.deepEqual(await rig.reach.call(rig.peer, "vm.status", { vms: [] }), { vms: [] });
    assert.equal(rig.stand.called("vm.status").length, 2);
    failures = [new OmertaError("unreachable", "no answer", { fields: { reason: "timeout" } })];
    await assert.rejects(rig.reach.call(rig.peer, "vm.status", { vms: [] }));
    assert.equal(rig.stand.called("vm.status").length, 3);
  }),
);
