/** The renter's memory of providers: kept, bounded, and never in the way. */
import assert from "node:assert/strict";
import { type NodeId, OmertaError } from "../../../src/base/mod.ts";
import { KnownProviders } from "../../../src/daemon/renting/known_providers.ts";
import { someNetwork, type Stand, withStand } from "../stand.ts";

const portsOf = ({ context }: Stand) => {
  return { rows: context.store, clock: context, log: context.log };
};

/** A well-formed id for each number. */
const node = (n: number) => {
  const letters = n.toString(16).padStart(4, "0").replaceAll(/\d/g, (d) => "ghijklmnop".charAt(+d));
  return `${"b".repeat(47)}${letters}a` as NodeId;
};

Deno.test(
  "more than 1024 are not remembered, the oldest go, and trusted ones never",
  withStand(async (stand, time) => {
    const known = new KnownProviders(portsOf(stand));
    const network = someNetwork(stand.random);
    known.trust(network, [node(0)]);
    known.served(network, node(1));
    await time.advance(1);
    stand.store.transaction(() => {
      for (let n = 2; n < 1_026; n++) known.failed(network, node(n));
    });
    assert.equal(known.list(null).length, 1_024);
    assert.deepEqual(known.trusted(network), [node(0)]);
    assert.equal(known.of(network, node(1)).servedAtMs, null, "it was seen longest ago");
  }),
);

Deno.test(
  "no more than 256 can be trusted, until some are taken back",
  withStand((stand) => {
    const known = new KnownProviders(portsOf(stand));
    const network = someNetwork(stand.random);
    const many = Array.from({ length: 256 }, (_, n) => node(n));
    stand.store.transaction(() => known.trust(network, many));
    assert.throws(() => known.trust(network, [node(300)]), { code: "refused" });
    known.trust(network, many);
    known.distrust(network, [node(7), node(301)]);
    known.trust(network, [node(300)]);
    assert.equal(known.trusted(network).length, 256);
    return Promise.resolve();
  }),
);

Deno.test(
  "trust belongs to a network, and a disk that is full fails no request",
  withStand((stand) => {
    const known = new KnownProviders(portsOf(stand));
    const [home, work] = [someNetwork(stand.random), someNetwork(stand.random)];
    known.trust(home, [node(1)]);
    assert.deepEqual([known.trusted(home), known.trusted(work)], [[node(1)], []]);
    stand.store.providers.put = () => {
      throw new OmertaError("disk-full", "No space is left");
    };
    known.served(home, node(2));
    known.failed(home, node(2));
    assert.deepEqual(stand.logged.length, 2);
    return Promise.resolve();
  }),
);
