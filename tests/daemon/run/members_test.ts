/** What the node machine is told of networks. */
import assert from "node:assert/strict";
import { Networks } from "../../../src/daemon/networks/networks.ts";
import { Memberships } from "../../../src/daemon/run/members.ts";
import type { Role } from "../../../src/membership/mod.ts";
import type { NodeIn } from "../../../src/node/mod.ts";
import { type Stand, withStand } from "../stand.ts";

type Told = Extract<NodeIn, { type: "network" }>;

function rig(stand: Stand) {
  const networks = new Networks(stand.context, () => "me");
  const inputs: NodeIn[] = [];
  const facts = {
    alias: "me",
    roles: ["relay", "provider"] as readonly Role[],
    addresses: ["203.0.113.7:9000"],
    capabilities: {},
  };
  const memberships = new Memberships(
    { input: (input) => void inputs.push(input) },
    { networks, facts: () => facts },
  );
  /** What was told since the last look. */
  const told = () => inputs.splice(0);
  const networksTold = () => told().filter((input): input is Told => input.type === "network");
  return { networks, memberships, facts, told, networksTold };
}

Deno.test(
  "the machine is told of each network, by which keys it is spoken, and of changes",
  withStand((stand) => {
    const { networks, told } = rig(stand);
    assert.deepEqual(told().map(({ type }) => type), ["keys"]);
    const joined = networks.create("home");
    const [keys, network, ...others] = told();
    assert.ok(keys?.type === "keys" && network?.type === "network");
    assert.deepEqual([keys.keys.length, network.network, others], [1, joined.row.id, []]);
    networks.leave(joined);
    assert.deepEqual(told().map(({ type }) => type), ["keys", "network-gone"]);
    return Promise.resolve();
  }),
);

Deno.test(
  "a network is entered only when the node is ready for it",
  withStand((stand) => {
    const { networks, memberships, networksTold } = rig(stand);
    const joined = networks.create("home");
    const entry = { id: stand.identity.id, addresses: ["203.0.113.1:9000"] };
    networks.addEntry(joined, entry);
    assert.deepEqual(networksTold().at(-1)?.entries, []);
    memberships.enter();
    assert.deepEqual(networksTold().map(({ entries }) => entries), [[entry]]);
    return Promise.resolve();
  }),
);

Deno.test(
  "the node says of itself no more than it was granted there, and what changes is told",
  withStand((stand) => {
    const { networks, memberships, facts, networksTold } = rig(stand);
    const joined = networks.create("home");
    assert.deepEqual(networksTold()[0]?.facts, facts, "its maker has every grant");
    Object.assign(joined, { certificate: { ...joined.certificate, grants: ["rent", "relay"] } });
    facts.addresses = [];
    memberships.tellFacts();
    assert.deepEqual(networksTold().map((each) => each.facts), [{ ...facts, roles: ["relay"] }]);
    return Promise.resolve();
  }),
);
