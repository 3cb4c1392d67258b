/** The relays that a node keeps, tells and asks, with real networks and records. */
import assert from "node:assert/strict";
import { OmertaError, type PeerKey, peerKey } from "../../../src/base/mod.ts";
import { generateIdentity, type Identity, identityFromSeed } from "../../../src/crypto/mod.ts";
import { Networks } from "../../../src/daemon/networks/networks.ts";
import type { Joined } from "../../../src/daemon/networks/joined.ts";
import { Relays } from "../../../src/daemon/mesh/relays.ts";
import {
  type Member,
  RECORD_LIFE_MS,
  signRecord,
  verifyRecord,
} from "../../../src/membership/mod.ts";
import type { FakeTime } from "../fake_time.ts";
import { type Stand, withStand } from "../stand.ts";
import { asPath } from "../../../src/wire/mod.ts";

const RELAY_AT = "203.0.113.1:9000";
const NEVER = new AbortController().signal;

/** A member with a relay that it knows. */
class Rig {
  readonly networks: Networks;
  readonly joined: Joined;
  readonly relay: Identity;
  readonly peer: PeerKey;
  readonly relays: Relays;
  alias = "me";
  readonly #authority: Identity;

  constructor(readonly stand: Stand, readonly time: FakeTime) {
    this.networks = new Networks(stand.context, () => this.alias);
    this.joined = this.networks.create("home");
    const { authoritySeed, id } = this.joined.row;
    assert.ok(authoritySeed);
    this.#authority = identityFromSeed(authoritySeed);
    this.relay = generateIdentity(stand.random).identity;
    this.peer = peerKey(id, this.relay.id);
    const facts = () => ({
      alias: this.alias,
      roles: [],
      addresses: [],
      capabilities: {},
    });
    this.relays = new Relays(stand.context, { networks: this.networks, facts });
    stand.answer("record.publish", () => ({}));
    stand.answer("record.list", () => ({ records: [], next: null }));
  }

  /** The relay is there. */
  up(): void {
    const { peer } = this;
    const { row: { id: network } } = this.joined;
    const member: Member = {
      network,
      node: this.relay.id,
      kind: "epoch",
      alias: null,
      grants: ["relay"],
      certificate: null,
    };
    const path = asPath(RELAY_AT);
    const up = { type: "peer-up", peer, kind: "epoch", path } as const;
    this.stand.emit({ ...up, member, initiator: true, renewed: false });
    this.stand.home.splice(0, 1, { peer, path });
    this.tell();
  }

  down(): void {
    this.stand.home.length = 0;
    this.tell();
  }

  /** The relays are told. */
  tell(isTrying = false): void {
    const home = [...this.stand.home];
    this.stand.emit({ type: "relays", network: this.joined.row.id, home, isTrying });
  }

  /** A record of somebody in this network. */
  record(
    identity: Identity,
    seq = 1,
    network = this.joined.row.id,
    more: Partial<Parameters<typeof signRecord>[1]> = {},
  ): Uint8Array {
    return signRecord(identity, {
      network,
      seq,
      alias: "them",
      roles: [],
      staticKey: new Uint8Array(32),
      addresses: [],
      relays: [],
      capabilities: {},
      publishedAtMs: this.stand.wallMs(),
      expiresAtMs: this.stand.wallMs() + RECORD_LIFE_MS,
      ...more,
    });
  }
}

function withRelays(test: (rig: Rig) => Promise<void>): () => Promise<void> {
  return withStand(async (stand, time) => {
    const rig = new Rig(stand, time);
    try {
      await test(rig);
    } finally {
      rig.relays.close();
    }
  });
}

Deno.test(
  "a relay that is there is told our record",
  withRelays(async (rig) => {
    rig.up();
    await rig.time.advance(200);
    assert.deepEqual(rig.relays.connected(rig.joined.row.id), [rig.peer]);
    const [published] = rig.stand.called("record.publish");
    const checks = { network: rig.joined.row.id, nowMs: rig.stand.wallMs() };
    const record = verifyRecord(published?.question.record, checks);
    assert.ok(record.ok);
    assert.deepEqual([record.value.id, record.value.alias], [rig.stand.identity.id, "me"]);
    assert.deepEqual(record.value.relays, [{ id: rig.relay.id, addresses: [RELAY_AT] }]);
  }),
);

Deno.test(
  "changes in quick order are told once, and a record is told again before it is over",
  withRelays(async (rig) => {
    rig.up();
    await rig.time.advance(1_000);
    const before = rig.stand.called("record.publish").length;
    for (let i = 0; i < 10; i++) {
      rig.alias = `me-${i}`;
      rig.relays.publishSoon();
    }
    await rig.time.advance(1_000);
    assert.equal(rig.stand.called("record.publish").length, before + 1);
    await rig.time.advance(RECORD_LIFE_MS);
    assert.ok(rig.stand.called("record.publish").length >= before + 3);
  }),
);

Deno.test(
  "a record that says what it said is neither signed nor kept nor told again",
  withRelays(async (rig) => {
    rig.up();
    await rig.time.advance(1_000);
    const told = () => rig.stand.called("record.publish").length;
    const number = () => rig.stand.store.values.get("record-seq");
    const before = [told(), number()];
    for (let i = 1; i <= 20; i++) {
      rig.stand.emit({ type: "endpoints", addresses: [`203.0.113.7:${i}`] });
      await rig.time.advance(1_000);
    }
    assert.deepEqual([told(), number()], before);
    rig.down();
    rig.up(); // a relay that comes back may have begun anew
    await rig.time.advance(1_000);
    assert.equal(told(), 1 + Number(before[0]));
    assert.equal(number(), before[1]);
    rig.alias = "another";
    rig.relays.publishSoon();
    await rig.time.advance(1_000);
    assert.equal(told(), 2 + Number(before[0]));
    assert.ok(Number(number()) > Number(before[1]));
  }),
);

Deno.test(
  "no peer that sees us elsewhere all the time keeps what changed from being told",
  withRelays(async (rig) => {
    rig.up();
    await rig.time.advance(1_000);
    const told = () => rig.stand.called("record.publish").length;
    const before = told();
    rig.alias = "another";
    for (let i = 1; i <= 100; i++) {
      rig.stand.emit({ type: "endpoints", addresses: [`203.0.113.7:${i}`] });
      await rig.time.advance(50);
    }
    assert.equal(told(), before + 1);
  }),
);

Deno.test(
  "a record that a relay did not take is told it again",
  withRelays(async (rig) => {
    rig.stand.answer("record.publish", () => Promise.reject(new OmertaError("unreachable", "no")));
    rig.up();
    await rig.time.advance(1_000);
    const before = rig.stand.called("record.publish").length;
    rig.relays.publishSoon();
    await rig.time.advance(1_000);
    assert.equal(rig.stand.called("record.publish").length, before + 1);
  }),
);

Deno.test(
  "each record has a higher number than the one before, also after the clock went back",
  withRelays(async (rig) => {
    rig.up();
    await rig.time.advance(500);
    rig.stand.wallSkewMs = -86_400_000;
    rig.relays.publishSoon();
    await rig.time.advance(500);
    const numbers = rig.stand.called("record.publish").flatMap(({ question }) => {
      const times = [rig.stand.wallMs(), rig.stand.wallMs() + 86_400_000];
      const network = rig.joined.row.id;
      return times.flatMap((nowMs) => {
        const record = verifyRecord(question.record, { network, nowMs });
        return record.ok ? [record.value.seq] : [];
      }).slice(0, 1);
    });
    assert.ok(numbers.length >= 2 && numbers.every((n, i) => i === 0 || n > (numbers[i - 1] ?? 0)));
  }),
);

Deno.test(
  "a directory is read page by page, and what is forged or foreign in it is left out",
  withRelays(async (rig) => {
    rig.up();
    await rig.time.advance(200);
    const [one, two, eve] = [1, 2, 3].map(() => generateIdentity(rig.stand.random).identity);
    assert.ok(one && two && eve);
    const forged = rig.record(eve);
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    const foreign = rig.record(eve, 1, rig.relay.id as string as Joined["row"]["id"]);
    rig.stand.answer(
      "record.list",
      ({ after }) =>
        after === null
          ? { records: [rig.record(one), forged], next: one.id }
          : { records: [rig.record(two), foreign, new Uint8Array(9)], next: null },
    );
    await rig.relays.refresh(rig.joined.row.id, NEVER);
    const known = rig.joined.records.list(rig.stand.wallMs()).map(({ id }) => id);
    assert.deepEqual(known.toSorted(), [one.id, two.id, rig.stand.identity.id].toSorted());
  }),
);

Deno.test(
  "records of another time are left out, and that they came is known until the next look",
  withRelays(async (rig) => {
    rig.up();
    await rig.time.advance(200);
    const { id } = rig.joined.row;
    const records = [rig.record(generateIdentity(rig.stand.random).identity)];
    rig.stand.answer("record.list", () => ({ records, next: null }));
    for (const [days, isOther] of [[-2, true], [0, false], [2, true]] as const) {
      rig.stand.wallSkewMs = days * 86_400_000;
      await rig.relays.refresh(id, NEVER);
      assert.equal(rig.relays.tellsOfOtherTimes(id), isOther, `${days} days off`);
    }
  }),
);

Deno.test(
  "a directory without end is read to a limit",
  withRelays(async (rig) => {
    rig.up();
    await rig.time.advance(200);
    rig.stand.answer("record.list", () => ({ records: [], next: rig.relay.id }));
    await rig.relays.refresh(rig.joined.row.id, NEVER);
    assert.ok(rig.stand.called("record.list").length <= 1_000);
  }),
);

Deno.test(
  "a record that is known is not asked for",
  withRelays(async (rig) => {
    rig.up();
    await rig.time.advance(200);
    const other = generateIdentity(rig.stand.random).identity;
    const peer = peerKey(rig.joined.row.id, other.id);
    assert.equal(await rig.relays.record(peer, NEVER), undefined);
    rig.stand.answer("record.list", () => ({ records: [rig.record(other)], next: null }));
    assert.equal((await rig.relays.record(peer, NEVER))?.alias, "them");
    const asked = rig.stand.called("record.list").length;
    await rig.relays.record(peer, NEVER);
    assert.equal(rig.stand.called("record.list").length, asked);
  }),
);

Deno.test(
  "another node with this node's key is noticed",
  withRelays(async (rig) => {
    rig.up();
    await rig.time.advance(200);
    const own = rig.joined.records.get(rig.stand.identity.id, rig.stand.wallMs());
    assert.ok(own);
    const records = [rig.record(rig.stand.identity, own.seq)];
    rig.stand.answer("record.list", () => ({ records, next: null }));
    await rig.relays.refresh(rig.joined.row.id, NEVER);
    assert.ok(rig.stand.logged.some((line) => line.startsWith("error another node")));
  }),
);

Deno.test(
  "waiting for relays ends when one is there, when none can be, or when it is given up",
  withRelays(async (rig) => {
    const { id: network } = rig.joined.row;
    const wanted = () => rig.stand.inputs.filter(({ type }) => type === "relay-wanted").length;
    const controller = new AbortController();
    const given = rig.relays.ready(network, controller.signal);
    assert.equal(wanted(), 1);
    rig.tell(true);
    controller.abort();
    await given;
    const vain = rig.relays.ready(network, NEVER);
    rig.tell();
    await vain;
    const waited = rig.relays.ready(network, NEVER);
    rig.up();
    await waited;
    await rig.relays.ready(network, NEVER);
    assert.equal(wanted(), 3, "nothing is wanted where one is there");
    await rig.time.advance(200);
  }),
);

Deno.test(
  "those that say that they are relays are told to the node",
  withRelays(async (rig) => {
    rig.up();
    await rig.time.advance(200);
    const { id: network } = rig.joined.row;
    const eve = generateIdentity(rig.stand.random).identity;
    const said = { roles: ["relay"], addresses: ["198.51.100.7:9"] } as const;
    const records = [
      rig.record(eve, 1, network, said),
      rig.record(generateIdentity(rig.stand.random).identity),
    ];
    rig.stand.answer("record.list", () => ({ records, next: null }));
    await rig.relays.refresh(network, NEVER);
    const told = rig.stand.inputs.flatMap((each) =>
      each.type === "relay-records" ? each.relays : []
    );
    assert.deepEqual(told.map(({ id, addresses }) => [id, addresses]), [[eve.id, said.addresses]]);
  }),
);

Deno.test(
  "a directory that is closed tells nothing any more",
  withRelays(async (rig) => {
    rig.up();
    rig.relays.close();
    rig.relays.publishSoon();
    await rig.time.advance(60_000);
    assert.deepEqual(rig.stand.called("record.publish"), []);
  }),
);
