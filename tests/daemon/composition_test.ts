/**
 * A whole node, put together as users start it: who may ask for what, by grants and certificates; what
 * happens to one who asks without end, to one whose certificate ends, and to all when it goes.
 */
import assert from "node:assert/strict";
import type { NodeId } from "../../src/base/mod.ts";
import {
  CLOCK_SLACK_MS,
  type Grant,
  type Role,
  signRecord,
  signRevocation,
} from "../../src/membership/mod.ts";
import { type CallName, CALLS, type Question } from "../../src/node/mod.ts";
import { codeOf, type Speaker } from "../e2e/lab/speaker.ts";
import { type WholeNode, withWholeNode } from "./whole_node.ts";

/** The words of one who asks for everything, in the order in which they are asked. */
const ATTEMPTS = {
  "redeem": () => ({ s: new Uint8Array(32) }),
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
  "vm.event": () => ({
    vm: NO_VM,
    state: "ready",
    leaseLeftMs: null,
    lifeLeftMs: null,
    bootMs: null,
    reason: null,
    endReason: null,
  }),
} satisfies { readonly [N in CallName]: (at: Attempt) => Question<N> } as {
  readonly [N in CallName]: (at: Attempt) => Question<CallName>;
};

interface Attempt {
  readonly node: WholeNode;
  readonly who: Speaker;
  readonly nobody: NodeId;
}

const NO_VM = "2222222222222222";
const SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPLhIw0nOIqxzyMTZ6vUtBjJLy3rcCcvcWmO/6oKWpeA";

/** What every member gets; "done" is an answer. */
const ANYBODY: Readonly<Record<CallName, string>> = {
  "redeem": "invite-unknown",
  "renew": "done",
  "ping": "done",
  "path.candidates": "done",
  "record.publish": "done",
  "record.list": "done",
  "relay.allocate": "unreachable",
  "relay.offer": "not-allowed",
  "vm.reserve": "not-allowed",
  "vm.create": "not-allowed",
  "vm.status": "done",
  "vm.renew": "done",
  "vm.extend": "not-found",
  "vm.release": "not-found",
  "vm.event": "done",
};

/** What a grant changes. */
const BY_GRANT: Readonly<Record<Grant | "nothing", Partial<Record<CallName, string>>>> = {
  nothing: {},
  rent: { "vm.reserve": "done", "vm.create": "not-found" },
  provide: {},
  relay: { "relay.offer": "done" },
  admit: {},
};

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

// The native library is loaded once in a process, and stays: here, before any test looks for leaks.
await withWholeNode(() => Promise.resolve());

async function attempt(at: Attempt, name: CallName): Promise<string> {
  return codeOf(await at.who.call(at.node.key, name, ATTEMPTS[name](at)));
}

Deno.test("a whole node gives each grant what it permits, and no more", async () => {
  await withWholeNode(async (node) => {
    await node.start();
    const nobody = node.speaker().identity.id;
    for (const [grant, changed] of Object.entries(BY_GRANT)) {
      const grants = grant === "nothing" ? [] : [grant as Grant];
      const who = await node.member({ grants });
      const got: Record<string, string> = {};
      for (const name of Object.keys(CALLS) as CallName[]) {
        got[name] = await attempt({ node, who, nobody }, name);
      }
      assert.deepEqual(got, { ...ANYBODY, ...changed }, `a member with ${grant}`);
      for (const [role, needed] of [["provider", "provide"], ["relay", "relay"]] as const) {
        const published = await who.call(node.key, "record.publish", {
          record: record(node, who, [role]),
        });
        const expected = grant === needed ? "done" : "not-allowed";
        assert.equal(codeOf(published), expected, `a record as ${role} by one with ${grant}`);
      }
    }
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
