/** Peers by name, and providers. */
import assert from "node:assert/strict";
import { OmertaError, peerKey } from "../../../src/base/mod.ts";
import { generateIdentity, type Identity } from "../../../src/crypto/mod.ts";
import { openMarket, resolvePeer } from "../../../src/daemon/run/provider_market.ts";
import { Networks } from "../../../src/daemon/networks/networks.ts";
import {
  type NodeFacts,
  RECORD_LIFE_MS,
  signRecord,
  verifyRecord,
} from "../../../src/membership/mod.ts";
import { type Stand, withStand } from "../stand.ts";

const NEVER = new AbortController().signal;

function rig(stand: Stand) {
  const networks = new Networks(stand.context, () => null);
  const joined = networks.create("home");
  const { records } = stand;
  const network = joined.row.id;
  let seq = 1;
  const market = openMarket(stand.context, networks);
  const providers = () => market.providers(network, NEVER);
  const put = (identity: Identity, alias: string | null, lent: Partial<NodeFacts> = {}) => {
    const nowMs = stand.wallMs();
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
    records.put(verified.value);
  };
  const resolve = (name: string) => resolvePeer(stand.context, networks, { network, name });
  /** What the relays tell when they are asked. */
  const tell = (...told: (readonly [Identity, string | null])[]) => {
    records.onRefresh = () => {
      for (const [identity, alias] of told) put(identity, alias);
    };
  };
  return { joined, networks, put, tell, resolve, providers, market, records };
}

const somebody = (stand: Stand) => generateIdentity(stand.random).identity;

Deno.test(
  "a peer is found by id, prefix and alias, known ones without asking",
  withStand(async (stand) => {
    const { put, resolve, records } = rig(stand);
    const bob = somebody(stand);
    put(bob, "bob");
    for (const name of [bob.id, bob.id.slice(0, 8), "bob"]) {
      assert.equal(await resolve(name), bob.id);
    }
    assert.equal(records.asked, 0);
  }),
);

Deno.test(
  "an unknown name is asked for at the relays once",
  withStand(async (stand) => {
    const { tell, resolve, records } = rig(stand);
    const bob = somebody(stand);
    tell([bob, "bob"]);
    assert.equal(await resolve("bob"), bob.id);
    assert.equal(records.asked, 1);
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
    const { put, providers, records } = rig(stand);
    const fails = async (code: string, message: RegExp, hint: RegExp) => {
      const error = await providers().then(() => assert.fail("there is one"), (error) => error);
      assert.ok(error instanceof OmertaError);
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.match(error.hint ?? "", hint);
    };
    await fails("no-provider", /^No provider of home is known$/, /omerta provider/);
    records.isOfOtherTimes = true;
    await fails("no-provider", /of another time/, /clock/);
    records.isWithoutRelay = true;
    await fails("no-relay", /No relay of home answers/, /relay/);
    put(stand.identity, null, { roles: ["provider"] });
    await fails("no-provider", /is this node itself/, /--state/);
  }),
);

Deno.test(
  "a node that is named by its address is met, and entered by from then on",
  withStand(async (stand) => {
    const { joined, networks, market } = rig(stand);
    const network = joined.row.id;
    const at = { id: null, address: "relay.example:9000" };
    await assert.rejects(market.bootstrap(network, at), { code: "unreachable" });
    assert.deepEqual(networks.entries(joined), []);
    const { id } = somebody(stand);
    stand.ports.onMeet = (_network, { address }) => {
      assert.equal(address, at.address);
      return peerKey(network, id);
    };
    await market.bootstrap(network, at);
    assert.deepEqual(networks.entries(joined), [{ id, addresses: [at.address] }]);
  }),
);
