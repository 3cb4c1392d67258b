/**
 * A whole node, put together as users start it: who may ask for what, by grants and certificates; what
 * happens to one who asks without end, to one whose certificate ends, and to all when it goes.
 */
import assert from "node:assert/strict";
import { type NodeId, peerKey } from "../../src/base/mod.ts";
import {
  CLOCK_SLACK_MS,
  type Grant,
  GRANTS,
  type Role,
  signRecord,
  signRevocation,
} from "../../src/membership/mod.ts";
import { type CallName, CALLS, type Question } from "../../src/node/mod.ts";
import { codeOf, type Speaker } from "../e2e/lab/speaker.ts";
import { relayedPath } from "../../src/wire/mod.ts";
import { type WholeNode, withWholeNode } from "./whole_node.ts";

/** The words of one who asks for everything, in the order in which they are asked. */
const ATTEMPTS = {
  "redeem": ({ secret = new Uint8Array(32) }) => ({ s: secret }),
  "renew": ({ node, who }) => ({ c: node.certificate(who.identity.id, { grants: ["rent"] }) }),
  "ping": () => ({}),
  "path.candidates": () => ({ addresses: [] }),
  "record.publish": ({ node, who }) => ({ record: record(node, who, []) }),
  "record.list": () => ({ after: null }),
  "relay.allocate": ({ nobody }) => ({ peer: nobody }),
  "relay.offer": ({ nobody }) => ({ session: 7, peer: nobody, address: "192.0.2.1:53" }),
  "vm.reserve": () => ({
    key: null,
    cpu: 1,
    memoryBytes: 2 ** 28,
    storageBytes: 0,
    image: "micro",
    leaseMs: 60_000,
    dryRun: true,
  }),
  "vm.create": ({ who }) => ({
    vm: NO_VM,
    tunnel: 1,
    wireguardKey: who.staticKey.publicKey,
    sshKeys: [SSH_KEY],
    hostname: "box",
  }),
  "vm.status": () => ({ vms: [NO_VM] }),
  "vm.renew": () => ({ vms: [NO_VM] }),
  "vm.extend": () => ({ vm: NO_VM, leaseMs: 60_000 }),
  "vm.release": () => ({ vm: NO_VM }),
  "vm.event": () => GONE,
} satisfies { readonly [N in CallName]: (at: Attempt) => Question<N> } as {
  readonly [N in CallName]: (at: Attempt) => Question<CallName>;
};

interface Attempt {
  readonly node: WholeNode;
  readonly who: Speaker;
  readonly nobody: NodeId;
  /** Of the invite by which it came; a member came by none. */
  readonly secret?: Uint8Array;
}

const NO_VM = "2222222222222222";
const SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPLhIw0nOIqxzyMTZ6vUtBjJLy3rcCcvcWmO/6oKWpeA";

/** A word about a VM that is nobody's. */
const GONE: Question<"vm.event"> = {
  vm: NO_VM,
  state: "ready",
  leaseLeftMs: null,
  lifeLeftMs: null,
  bootMs: null,
  reason: null,
  endReason: null,
};

/** What a call comes to; "done" is an answer, else the code of the refusal. */
interface Row {
  /** For every member. */
  readonly member: string;
  /** For a member with that grant, where it is another. */
  readonly by?: Readonly<Partial<Record<Grant, string>>>;
  /** For one who has an invite and is no member yet. */
  readonly invite: string;
}

const REFUSED = "not-allowed";

/** Every call of the protocol. */
const TABLE: Readonly<Record<CallName, Row>> = {
  "redeem": { member: "invite-unknown", invite: "done" },
  "renew": { member: "done", invite: REFUSED },
  "ping": { member: "done", invite: REFUSED },
  "path.candidates": { member: "done", invite: REFUSED },
  "record.publish": { member: "done", invite: REFUSED },
  "record.list": { member: "done", invite: REFUSED },
  "relay.allocate": { member: "unreachable", invite: REFUSED },
  "relay.offer": { member: REFUSED, by: { relay: "done" }, invite: REFUSED },
  "vm.reserve": { member: REFUSED, by: { rent: "done" }, invite: REFUSED },
  "vm.create": { member: REFUSED, by: { rent: "not-found" }, invite: REFUSED },
  "vm.status": { member: "done", invite: REFUSED },
  "vm.renew": { member: "done", invite: REFUSED },
  "vm.extend": { member: "not-found", invite: REFUSED },
  "vm.release": { member: "not-found", invite: REFUSED },
  "vm.event": { member: "done", invite: REFUSED },
};

const NAMES = Object.keys(CALLS) as CallName[];

/** Members by their grants. */
const MEMBERS: Readonly<Record<string, readonly Grant[]>> = {
  "no grant": [],
  ...Object.fromEntries(GRANTS.map((grant) => [`the grant ${grant}`, [grant]])),
  "all grants": GRANTS,
};

/** What a member with those grants gets. */
function expected({ member, by = {} }: Row, grants: readonly Grant[]): string {
  return grants.flatMap((grant) => by[grant] ?? []).at(0) ?? member;
}

function record(node: WholeNode, who: Speaker, roles: readonly Role[]): Uint8Array {
  return signRecord(who.identity, {
    network: node.network,
    seq: Date.now(),
    alias: "who",
    roles,
    staticKey: who.staticKey.publicKey,
    addresses: [],
    relays: [],
    capabilities: {},
    publishedAtMs: Date.now(),
    expiresAtMs: Date.now() + 60_000,
  });
}

/** What each call comes to, one after another. */
async function attempts(at: Attempt): Promise<Record<string, string>> {
  const got: Record<string, string> = {};
  for (const name of NAMES) got[name] = await attempt(at, name);
  return got;
}

async function attempt(at: Attempt, name: CallName): Promise<string> {
  const kind = at.secret === undefined ? "epoch" : "invite";
  return codeOf(await at.who.call(at.node.key, name, ATTEMPTS[name](at), kind));
}

function wanted(of: (row: Row) => string): Record<string, string> {
  return Object.fromEntries(NAMES.map((name) => [name, of(TABLE[name])]));
}

Deno.test("every call of the protocol has its row in the tables here, and no other has", () => {
  assert.deepEqual(Object.keys(TABLE).sort(), NAMES.toSorted());
  assert.deepEqual(Object.keys(ATTEMPTS).sort(), NAMES.toSorted());
});

Deno.test("a whole node gives each grant what it permits, and no more", async () => {
  await withWholeNode(async (node) => {
    await node.start();
    const nobody = node.speaker().identity.id;
    for (const [with_, grants] of Object.entries(MEMBERS)) {
      const who = await node.member({ grants });
      const got = await attempts({ node, who, nobody });
      assert.deepEqual(got, wanted((row) => expected(row, grants)), `a member with ${with_}`);
      for (const [role, needed] of [["provider", "provide"], ["relay", "relay"]] as const) {
        const published = await who.call(node.key, "record.publish", {
          record: record(node, who, [role]),
        });
        const expected = grants.includes(needed) ? "done" : "not-allowed";
        assert.equal(codeOf(published), expected, `a record as ${role} by one with ${with_}`);
      }
    }
  });
});

Deno.test("a whole node lets the holder of an invite redeem it, and nothing else", async () => {
  await withWholeNode(async (node) => {
    const [secret, another] = [node.invite(["rent"]), node.invite(["rent", "relay"])];
    await node.start();
    const nobody = node.speaker().identity.id;
    const who = await node.joiner(secret);
    const stolen = await who.call(node.key, "redeem", { s: another }, "invite");
    assert.equal(codeOf(stolen), "done", "the secret is the right, wherever it is shown");
    const got = await attempts({ node, who, nobody, secret });
    assert.deepEqual(got, wanted(({ invite }) => invite));
    await assert.rejects(node.joiner(new Uint8Array(32).fill(9)), /timeout/, "no such invite");
  });
});

Deno.test("a whole node refuses a call that it does not know, and goes on", async () => {
  await withWholeNode(async (node) => {
    await node.start();
    const who = await node.member({ grants: GRANTS });
    for (const name of ["vm.steal", "x", "constructor"]) {
      const refused = await who.call(node.key, name as CallName, {});
      assert.ok("code" in refused, name);
      assert.notEqual(refused.code, "internal", name);
    }
    assert.equal(codeOf(await who.call(node.key, "ping", {})), "done");
  });
});

Deno.test("a whole node lets in nobody without a certificate that holds", async () => {
  await withWholeNode(async (node) => {
    const [stranger, expired, other, revoked] = Array.from({ length: 4 }, () => node.speaker());
    assert.ok(stranger && expired && other && revoked);
    const bytes = signRevocation({
      by: node.authority,
      network: node.network,
      subject: revoked.identity.id,
      nowMs: Date.now(),
    });
    const row = { network: node.network, node: revoked.identity.id, bytes, atMs: Date.now() };
    node.keep((store) => store.revocations.put(row));
    await node.start();
    const day = 86_400_000;
    const rent = { grants: ["rent"] } as const;
    const cases: [string, Speaker, Uint8Array | null, RegExp][] = [
      ["a stranger", stranger, null, /no-certificate/],
      [
        "one whose certificate ended",
        expired,
        node.certificate(expired.identity.id, { ...rent, ageMs: 2 * day, lifeMs: day }),
        /expired/,
      ],
      ["one with another's", other, node.certificate(node.id, rent), /other-subject/],
      [
        "one who was revoked",
        revoked,
        node.certificate(revoked.identity.id, { ...rent, ageMs: 60_000 }),
        /revoked/,
      ],
    ];
    for (const [who, speaker, certificate, why] of cases) {
      await assert.rejects(node.connect(speaker, certificate), why, who);
    }
  });
});

Deno.test("a whole node joins two members, who then speak through it", async () => {
  await withWholeNode(async (node) => {
    await node.start();
    const [caller, called] = [await node.member(), await node.member()];
    const { key, payload } = node.membership(node.certificate(called.identity.id));
    const asked: string[] = [];
    await called.answer([{ ...key, payload }], (name) => {
      asked.push(name);
      return {};
    });
    const peer = called.identity.id;
    const allocated = await caller.call(node.key, "relay.allocate", { peer });
    assert.ok("answer" in allocated, codeOf(allocated));
    const path = relayedPath(node.path, allocated.answer.session);
    const shown = node.membership(node.certificate(caller.identity.id));
    await caller.connect({ peer, path, ...shown });
    const answered = await caller.call(peerKey(node.network, peer), "vm.event", GONE);
    assert.deepEqual([codeOf(answered), asked], ["done", ["vm.event"]]);
  });
});

Deno.test("a whole node refuses one who asks without end, and answers the others", async () => {
  await withWholeNode(async (node) => {
    await node.start();
    const [eager, patient] = [await node.member(), await node.member()];
    const codes = new Map<string, number>();
    for (let i = 0; i < 40; i++) {
      const round = Array.from(
        { length: 40 },
        () => eager.call(node.key, "record.list", { after: null }),
      );
      for (const outcome of await Promise.all(round)) {
        codes.set(codeOf(outcome), (codes.get(codeOf(outcome)) ?? 0) + 1);
      }
    }
    assert.ok((codes.get("refused") ?? 0) > 100, `of 1600: ${JSON.stringify([...codes])}`);
    assert.equal(codeOf(await patient.call(node.key, "record.list", { after: null })), "done");
  });
});

Deno.test("a whole node puts out a member whose certificate ends", async () => {
  await withWholeNode(async (node) => {
    await node.start();
    const who = await node.member({ grants: ["rent"], ageMs: CLOCK_SLACK_MS, lifeMs: 2_000 });
    const down = who.nextDown();
    assert.equal(codeOf(await who.call(node.key, "ping", {})), "done");
    const { peer, reason } = await down;
    assert.deepEqual([peer, reason], [node.key, "left"], "put out, not forgotten");
  });
});

Deno.test("a whole node says farewell to everybody when it goes", async () => {
  await withWholeNode(async (node) => {
    await node.start();
    const members = [await node.member(), await node.member()];
    const downs = Promise.all(members.map((who) => who.nextDown()));
    await node.stop();
    assert.deepEqual((await downs).map(({ reason }) => reason), ["left", "left"]);
  });
});
