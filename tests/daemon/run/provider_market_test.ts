/** Peers by name, and `mesh ping`. */
import assert from "node:assert/strict";
import { OmertaError, peerKey } from "../../../src/base/mod.ts";
import { generateIdentity, type Identity } from "../../../src/crypto/mod.ts";
import { openMarket, resolvePeer } from "../../../src/daemon/run/provider_market.ts";
import { Networks } from "../../../src/daemon/networks/networks.ts";
import { NO_PATH, type Peers } from "../../../src/daemon/mesh/peers.ts";
import { pingPeer } from "../../../src/daemon/mesh/pinging.ts";
import type { Relays } from "../../../src/daemon/mesh/relays.ts";
import {
  type NodeFacts,
  RECORD_LIFE_MS,
  signRecord,
  verifyRecord,
} from "../../../src/membership/mod.ts";
import { settle } from "../fake_time.ts";
import { type Stand, withStand } from "../stand.ts";

const NEVER = new AbortController().signal;

function rig(stand: Stand) {
  const networks = new Networks(stand.context, () => null);
  const joined = networks.create("home");
  let asked = 0;
  /** What the relays tell when they are asked. */
  let told: (readonly [Identity, string | null])[] = [];
  let seq = 1;
  const relays = {
    refresh: () => {
      asked++;
      for (const [identity, alias] of told) put(identity, alias);
      return Promise.resolve();
    },
    isCutOff: () => state.isCutOff,
    tellsOfOtherTimes: () => state.isOfOtherTimes,
  } as unknown as Relays;
  const state = { isCutOff: false, isOfOtherTimes: false };
  const reach = { address: () => Promise.reject(new OmertaError("unreachable", "nobody")) };
  const peers = { pathTo: () => NO_PATH } as unknown as Peers;
  const market = openMarket(stand.context, { networks, peers, relays, reach });
  const providers = () => market.providers(joined.row.id, NEVER);
  const put = (identity: Identity, alias: string | null, lent: Partial<NodeFacts> = {}) => {
    const nowMs = stand.wallMs();
    const network = joined.row.id;
    const bytes = signRecord(identity, {
      network,
      seq: seq++,
      alias,
      roles: [],
      staticKey: new Uint8Array(32),
      addresses: [],
      relays: [],
      capabilities: {},
      publishedAtMs: nowMs,
      expiresAtMs: nowMs + RECORD_LIFE_MS,
      ...lent,
    });
    const verified = verifyRecord(bytes, { network, nowMs });
    assert.ok(verified.ok);
    joined.records.put(verified.value, nowMs);
  };
  const resolve = (name: string) =>
    resolvePeer(stand.context, { networks, relays }, { network: joined.row.id, name });
  const tell = (...records: typeof told) => void (told = records);
  return { joined, put, tell, resolve, providers, market, state, asked: () => asked };
}

const somebody = (stand: Stand) => generateIdentity(stand.random).identity;

Deno.test(
  "a peer is found by id, prefix and alias, known ones without asking",
  withStand(async (stand) => {
    const { put, resolve, asked } = rig(stand);
    const bob = somebody(stand);
    put(bob, "bob");
    for (const name of [bob.id, bob.id.slice(0, 8), "bob"]) {
      assert.equal(await resolve(name), bob.id);
    }
    assert.equal(asked(), 0);
  }),
);

Deno.test(
  "an unknown name is asked for at the relays once",
  withStand(async (stand) => {
    const { tell, resolve, asked } = rig(stand);
    const bob = somebody(stand);
    tell([bob, "bob"]);
    assert.equal(await resolve("bob"), bob.id);
    assert.equal(asked(), 1);
    await assert.rejects(resolve("carol"), { code: "not-found" });
  }),
);

Deno.test(
  "a whole id is taken, though nobody has told of it",
  withStand(async (stand) => {
    const { resolve } = rig(stand);
    const { id } = somebody(stand);
    assert.equal(await resolve(id), id);
  }),
);

Deno.test(
  "a prefix of two peers is ambiguous",
  withStand(async (stand) => {
    const { put, resolve } = rig(stand);
    const first = somebody(stand);
    let second = somebody(stand);
    while (second.id[0] !== first.id[0]) second = somebody(stand);
    put(first, "one");
    put(second, "one");
    await assert.rejects(resolve("one"), (error) => {
      assert.ok(error instanceof OmertaError && error.code === "ambiguous");
      assert.deepEqual(error.fields["candidates"], [first.id, second.id]);
      assert.match(error.hint ?? "", new RegExp(second.id), "the hint names them");
      return true;
    });
  }),
);

Deno.test(
  "an alias means whom it meant first, whoever claims it later",
  withStand(async (stand) => {
    const { put, resolve } = rig(stand);
    const [bob, eve] = [somebody(stand), somebody(stand)];
    put(bob, "bob");
    assert.equal(await resolve("bob"), bob.id);
    put(eve, "bob");
    put(bob, "robert");
    assert.equal(await resolve("bob"), bob.id);
    const pin = stand.store.pins.list();
    assert.deepEqual(pin.map(({ name, node }) => [name, node]), [["bob", bob.id]]);
    put(bob, "bob");
    assert.equal(await resolve("bob"), bob.id);
  }),
);

Deno.test(
  "the beginning of an id means whom it meant first, whoever calls itself that later",
  withStand(async (stand) => {
    const { put, resolve } = rig(stand);
    const [bob, eve] = [somebody(stand), somebody(stand)];
    const begun = bob.id.slice(0, 8);
    put(bob, null);
    assert.equal(await resolve(begun), bob.id);
    put(eve, begun);
    assert.equal(await resolve(begun), bob.id);
    await assert.rejects(resolve(bob.id.slice(0, 7)), { code: "not-found" });
    stand.store.pins.delete({ name: begun });
    await assert.rejects(resolve(begun), { code: "ambiguous" });
  }),
);

// Providers --------------------------------------------------------------------------------------

Deno.test(
  "providers are those of the records, with what they offer and how they are called",
  withStand(async (stand) => {
    const { joined, put, providers, market } = rig(stand);
    const [bob, carol] = [somebody(stand), somebody(stand)];
    const walls = { isolation: "hardware", confinement: "full" };
    put(bob, "bob", { roles: ["provider"], capabilities: { accepting: true, cpu: 2, ...walls } });
    put(carol, null, { roles: ["relay"] });
    put(stand.identity, "self", { roles: ["provider"] });
    const [found, ...others] = await providers();
    assert.deepEqual([found?.node, found?.rttMs, others], [bob.id, null, []]);
    assert.deepEqual([found?.offer.cpu, found?.offer.isolation, found?.offer.confinement], [
      2,
      "hardware",
      "full",
    ]);
    assert.equal(market.nameOf(peerKey(joined.row.id, bob.id)), `bob (${bob.id.slice(0, 8)})`);
    assert.equal(market.nameOf(peerKey(joined.row.id, carol.id)), carol.id.slice(0, 8));
    assert.equal(market.networkName(joined.row.id), "home");
  }),
);

Deno.test(
  "why there is no provider is told: nobody lends, only this node, other times, no relay",
  withStand(async (stand) => {
    const { put, providers, state } = rig(stand);
    const fails = async (code: string, message: RegExp, hint: RegExp) => {
      const error = await providers().then(() => assert.fail("there is one"), (error) => error);
      assert.ok(error instanceof OmertaError);
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.match(error.hint ?? "", hint);
    };
    await fails("no-provider", /^No provider of home is known$/, /omerta provider/);
    state.isOfOtherTimes = true;
    await fails("no-provider", /of another time/, /clock/);
    state.isCutOff = true;
    await fails("no-relay", /No relay of home answers/, /relay/);
    put(stand.identity, null, { roles: ["provider"] });
    await fails("no-provider", /is this node itself/, /--state/);
  }),
);

// mesh ping --------------------------------------------------------------------------------------

const paths = (kinds: ("relay" | "direct")[]) => {
  return { pathTo: () => ({ ...NO_PATH, kind: kinds.shift() ?? "direct" }) } as unknown as Peers;
};
const PING = { count: 4, intervalMs: 100, untilDirect: false };

Deno.test(
  "mesh ping asks so often, counts what is lost, and claims the paths meanwhile",
  withStand(async (stand, time) => {
    const peer = peerKey(rig(stand).joined.row.id, somebody(stand).id);
    const answers = [10, null, 30, 20];
    stand.answer("ping", async () => {
      const rttMs = answers.shift() ?? null;
      if (rttMs === null) throw new OmertaError("unreachable", "no answer");
      await new Promise<void>((resolve) => void setTimeout(resolve, rttMs));
      return {};
    });
    const items: (number | null)[] = [];
    const item = ({ rtt_ms }: { rtt_ms: number | null }) => void items.push(rtt_ms);
    const on = { signal: NEVER, item };
    const pinged = pingPeer(stand.context, paths([]), { ...PING, peer }, on);
    await settle();
    assert.equal(stand.holds.of(peer), "busy");
    await time.advance(1_000);
    const { sent, received, rtt_ms } = await pinged;
    assert.deepEqual([sent, received, items], [4, 3, [10, null, 30, 20]]);
    assert.deepEqual(rtt_ms, { min: 10, p50: 20, p99: 30, max: 30 });
    assert.equal(stand.holds.of(peer), "hold");
  }),
);

Deno.test(
  "mesh ping --until-direct ends with the first answer over a direct path",
  withStand(async (stand, time) => {
    const peer = peerKey(rig(stand).joined.row.id, somebody(stand).id);
    stand.answer("ping", () => ({}));
    const ping = { ...PING, count: 100, untilDirect: true, peer };
    const on = { signal: NEVER, item() {} };
    const pinged = pingPeer(stand.context, paths(["relay", "relay"]), ping, on);
    await time.advance(1_000);
    const { sent, direct_after_ms } = await pinged;
    assert.deepEqual([sent, direct_after_ms], [3, 200]);
  }),
);

Deno.test(
  "mesh ping that nobody answers has no times, and one given up claims nothing",
  withStand(async (stand, time) => {
    const peer = peerKey(rig(stand).joined.row.id, somebody(stand).id);
    const lost = pingPeer(stand.context, paths([]), { ...PING, peer }, {
      signal: NEVER,
      item() {},
    });
    await time.advance(1_000);
    assert.deepEqual((await lost).rtt_ms, { min: null, p50: null, p99: null, max: null });
    const controller = new AbortController();
    const on = { signal: controller.signal, item() {} };
    const given = pingPeer(stand.context, paths([]), { ...PING, peer }, on);
    given.catch(() => {});
    await settle();
    controller.abort(new OmertaError("timeout", "The command was given up"));
    await assert.rejects(given);
    assert.equal(stand.holds.of(peer), "hold");
  }),
);
