/** The inputs of the nouns: what schemas let in, and nothing else. */
import assert from "node:assert/strict";
import * as v from "valibot";
import * as common from "../../src/api/nouns/common.ts";
import * as consumer from "../../src/api/nouns/consumer.ts";
import * as mesh from "../../src/api/nouns/mesh.ts";
import * as network from "../../src/api/nouns/network.ts";
import * as node from "../../src/api/nouns/node.ts";
import * as provider from "../../src/api/nouns/provider.ts";

const REQUEST: consumer.ConsumerRequestInput = {
  network: null,
  cpu: 1,
  memoryBytes: 2 ** 29,
  storageBytes: 0,
  image: "micro",
  leaseMs: 3_600_000,
  sshPublicKey: null,
  identityFile: null,
  name: "web",
  key: "job-1",
  peer: null,
  provider: { id: null, address: "192.0.2.1:9000" },
  bootstrap: null,
  trust: [],
  isolation: null,
  minConfinement: "namespaces",
  queueMs: null,
  wait: true,
  dryRun: false,
};

/** Each input with a right value of it. */
const INPUTS: readonly (readonly [string, v.GenericSchema, Readonly<Record<string, unknown>>])[] = [
  ["nothing", common.NOTHING, {}],
  ["a network", common.NETWORK, { network: null }],
  ["a VM", common.VM, { vm: "web" }],
  ["network.create", network.NETWORK_CREATE, { name: "home", invite: true }],
  ["network.join", network.NETWORK_JOIN, { invite: "omerta://join/x" }],
  ["network.leave", network.NETWORK_LEAVE, { network: "home", force: false }],
  ["network.invite", network.NETWORK_INVITE, {
    network: null,
    expiresMs: 86_400_000,
    uses: null,
    grants: ["rent", "provide"],
  }],
  ["network.revoke", network.NETWORK_REVOKE, { network: null, target: "3f9a12cd" }],
  ["network.import", network.NETWORK_IMPORT, { export: "omerta://network/x" }],
  ["mesh.ping", mesh.MESH_PING, {
    network: null,
    peer: "bob",
    count: 1,
    intervalMs: 1_000,
    untilDirect: false,
  }],
  ["provider.evict", provider.PROVIDER_EVICT, { vms: [], all: true }],
  ["consumer.request", consumer.CONSUMER_REQUEST, { ...REQUEST }],
  ["consumer.requestMany", consumer.CONSUMER_REQUEST_MANY, { ...REQUEST, count: 64 }],
  ["consumer.trust", consumer.CONSUMER_TRUST, { network: null, add: ["bob"], remove: [] }],
  ["consumer.ticket", consumer.CONSUMER_TICKET, { vm: null, port: 22 }],
  ["consumer.forward", consumer.CONSUMER_FORWARD, {
    vm: null,
    forwards: [{ bind: "127.0.0.1:0", port: 80 }],
  }],
  ["consumer.sshTarget", consumer.CONSUMER_SSH_TARGET, { vm: null, all: true }],
  ["consumer.extend", consumer.CONSUMER_EXTEND, { vm: "web", leaseMs: 60_000 }],
  ["consumer.release", consumer.CONSUMER_RELEASE, { vms: ["web"], all: false }],
  ["node.yield", node.NODE_YIELD, { by: "build", build: "0.1.0" }],
];

for (const [what, schema, right] of INPUTS) {
  Deno.test(`the input of ${what} is taken as it is, with all of its fields and no other`, () => {
    assert.deepEqual(v.parse(schema, right), right);
    assert.equal(v.is(schema, { ...right, more: 1 }), false, "an unknown field");
    for (const field of Object.keys(right)) {
      const { [field]: _, ...rest } = right;
      assert.equal(v.is(schema, rest), false, `without ${field}`);
      assert.equal(v.is(schema, { ...right, [field]: {} }), false, `${field} of another type`);
    }
  });
}

const REFUSED: readonly (readonly [string, v.GenericSchema, unknown])[] = [
  ["an empty name", common.NETWORK, { network: "" }],
  ["a name of 257 characters", common.VM, { vm: "a".repeat(257) }],
  ["a name with a capital", network.NETWORK_CREATE, { name: "Home", invite: true }],
  ["an invite of 2 MB", network.NETWORK_JOIN, { invite: "x".repeat(2_000_001) }],
  ["an invite for nobody", network.NETWORK_INVITE, {
    network: null,
    expiresMs: 1_000,
    uses: 0,
    grants: ["rent"],
  }],
  ["an invite to nothing", network.NETWORK_INVITE, {
    network: null,
    expiresMs: 1_000,
    uses: 1,
    grants: [],
  }],
  ["a year and a week", consumer.CONSUMER_EXTEND, { vm: null, leaseMs: 373 * 86_400_000 }],
  ["a lease that is no number", consumer.CONSUMER_EXTEND, { vm: null, leaseMs: NaN }],
  ["port 0", consumer.CONSUMER_TICKET, { vm: null, port: 0 }],
  ["port 65536", consumer.CONSUMER_TICKET, { vm: null, port: 65_536 }],
  ["half a processor", consumer.CONSUMER_REQUEST, { ...REQUEST, cpu: 0.5 }],
  ["a key with a space", consumer.CONSUMER_REQUEST, { ...REQUEST, key: "job 1" }],
  ["65 VMs at once", consumer.CONSUMER_REQUEST_MANY, { ...REQUEST, count: 65 }],
  ["no forward", consumer.CONSUMER_FORWARD, { vm: null, forwards: [] }],
];

for (const [what, schema, input] of REFUSED) {
  Deno.test(`an input with ${what} is refused`, () => assert.equal(v.is(schema, input), false));
}
