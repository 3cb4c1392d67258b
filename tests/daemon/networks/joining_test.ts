/** Joining by an invite: whom the joiner talks to, and how it ends. */
import assert from "node:assert/strict";
import { type NodeId, OmertaError, type PeerKey, peerKey } from "../../../src/base/mod.ts";
import { generateIdentity } from "../../../src/crypto/mod.ts";
import { connectError } from "../../../src/daemon/run/call_errors.ts";
import { joinNetwork, readInvite } from "../../../src/daemon/networks/joining.ts";
import { Networks } from "../../../src/daemon/networks/networks.ts";
import { encodeInvite, type Grant } from "../../../src/membership/mod.ts";
import { withDirectory } from "../../host/scratch.ts";
import { FakeTime, settle } from "../fake_time.ts";
import { Stand } from "../stand.ts";

const NEVER = new AbortController().signal;
const AT = ["203.0.113.1:9000", "[2001:db8::1]:9000"];

interface Parties {
  readonly founder: Networks;
  readonly admitter: PeerKey;
  readonly invite: string;
  readonly stand: Stand;
  readonly networks: Networks;
  join(text?: string, signal?: AbortSignal): ReturnType<typeof joinNetwork>;
}

function withParties(test: (parties: Parties) => Promise<void>): () => Promise<void> {
  return () =>
    withDirectory(async (dir) => {
      using time = new FakeTime();
      const [host, stand] = [3, 5].map((seed) => {
        Deno.mkdirSync(`${dir}/${seed}`);
        return new Stand(`${dir}/${seed}`, time, seed);
      });
      assert.ok(host && stand);
      const founder = new Networks(host.context, () => "founder");
      const home = founder.create("home");
      const order = { grants: ["rent"] as const, uses: null, lifeMs: 3_600_000, relays: [] };
      const invite = founder.invite(home, { ...order, addresses: AT }).text;
      const networks = new Networks(stand.context, () => "joiner");
      const admitter = peerKey(home.row.id, host.identity.id);
      const joiner = peerKey(home.row.id, stand.identity.id);
      stand.answer("redeem", (question) => {
        return founder.redeem({ peer: joiner, kind: "invite" }, question);
      });
      stand.onConnect = () => admitter;
      const parts = { ...stand.context, networks, alias: () => "joiner" };
      const join = async (text = invite, signal = NEVER) => {
        return await joinNetwork(parts, readInvite(text, stand.wallMs()), signal);
      };
      try {
        await test({ founder, admitter, invite, stand, networks, join });
        await settle();
      } finally {
        host.close();
        stand.close();
      }
    });
}

Deno.test(
  "a joiner asks the admitter at all of its addresses, and says farewell",
  withParties(async (parties) => {
    const { admitter, stand, networks, join } = parties;
    const { joined, isNew } = await join();
    assert.equal(isNew, true);
    assert.equal(networks.require("home"), joined);
    assert.deepEqual(stand.connects.map(({ path }) => path), AT);
    assert.ok(stand.connects.every(({ peer }) => admitter.endsWith(`/${peer}`)));
    const farewell = { type: "disconnect", peer: admitter, kind: "invite" };
    assert.deepEqual(stand.inputs.at(-1), farewell);
    assert.equal(networks.revocationsOf(joined.row.id), joined.revocations.isRevoked);
  }),
);

Deno.test(
  "joining what was joined contacts nobody",
  withParties(async ({ stand, join }) => {
    const first = await join();
    stand.connects.length = 0;
    const second = await join();
    assert.deepEqual([second.joined, second.isNew], [first.joined, false]);
    assert.deepEqual(stand.connects, []);
  }),
);

Deno.test(
  "an invite tells a member where to enter only when its admitter was met there",
  withParties(async ({ founder, stand, admitter, networks, join }) => {
    const imported = networks.import(founder.export(founder.require("home")));
    const addresses = () => networks.entries(imported).map((entry) => entry.addresses);
    stand.onConnect = () => Promise.reject(new OmertaError("unreachable", "Nobody answers there"));
    await assert.rejects(join(), { code: "unreachable" });
    assert.deepEqual(addresses(), []);
    stand.onConnect = () => admitter;
    const { joined, isNew } = await join();
    assert.deepEqual([joined, isNew], [imported, false]);
    assert.deepEqual(addresses(), [AT]);
    stand.connects.length = 0;
    await join();
    assert.deepEqual(stand.connects, [], "nobody is contacted for what is known");
  }),
);

Deno.test(
  "a member keeps nothing of an invite whose addresses do not answer, and stays joined",
  withParties(async ({ founder, stand, networks, join }) => {
    const { joined } = await join();
    const before = networks.entries(joined);
    const order = { uses: null, lifeMs: 3_600_000, relays: [], addresses: ["203.0.113.66:1"] };
    const { text } = founder.invite(founder.require("home"), { ...order, grants: ["rent"] });
    stand.onConnect = () => Promise.reject(new OmertaError("unreachable", "Nobody answers there"));
    assert.deepEqual(await join(text), { joined, isNew: false });
    assert.deepEqual(networks.entries(joined), before);
    assert.match(stand.logged.at(-1) ?? "", /^warn nobody answers where the invite leads/);
    const controller = new AbortController();
    stand.onConnect = () => {
      controller.abort();
      return Promise.reject(new OmertaError("timeout", "The command was given up"));
    };
    await assert.rejects(join(text, controller.signal), { code: "timeout" });
  }),
);

// Invites of ill will ----------------------------------------------------------------------------

/** An "invite" of a member that has no right to admit, with what it wants to be asked for. */
function bait({ founder, stand }: Parties, evil: NodeId, grants: readonly Grant[]): string {
  return encodeInvite({
    network: founder.require("home").row.id,
    name: "home",
    admitter: evil,
    addresses: ["198.51.100.66:1"],
    relays: [{ id: evil, addresses: ["198.51.100.67:1"] }],
    secret: new Uint8Array(32).fill(9),
    grants,
    expiresAtMs: stand.wallMs() + 60_000,
  });
}

Deno.test(
  "a pasted invite of a plain member takes neither key, nor admitter, nor places from anybody",
  withParties(async (parties) => {
    const { stand, networks, join } = parties;
    const { joined } = await join();
    const before = structuredClone(joined.row);
    const evil = generateIdentity(stand.random).identity.id;
    const replayed = { c: joined.certificate.bytes, m: "home", k: new Uint8Array(32).fill(0x66) };
    stand.onConnect = () => peerKey(joined.row.id, evil);
    for (const q of [4_000_000_000, 1, 2]) {
      stand.answer("redeem", () => ({ ...replayed, q }));
      const asked = join(bait(parties, evil, ["rent", "provide"]));
      await assert.rejects(asked, { code: "refused" }, `epoch ${q}`);
    }
    const refusal = new OmertaError("not-member", "…", { fields: { detail: "no-admitter" } });
    stand.onConnect = () => Promise.reject(refusal);
    await assert.rejects(join(bait(parties, evil, ["rent", "provide"])), (error) => {
      assert.ok(error instanceof OmertaError && error.code === "not-allowed");
      assert.match(error.message, /may not invite/);
      return true;
    });
    stand.onConnect = () => Promise.reject(new OmertaError("unreachable", "Nobody answers there"));
    await join(bait(parties, evil, ["rent"]));
    assert.deepEqual(networks.require("home").row, before);
  }),
);

Deno.test(
  "why an invite is over is told in the same words by a shut gate, its admitter and our own clock",
  withParties(async ({ invite, stand, networks, join }) => {
    const failing = async (error: OmertaError) => {
      stand.onConnect = () => Promise.reject(error);
      const thrown = await join(invite).then(() => undefined, (reason) => reason);
      assert.ok(thrown instanceof OmertaError);
      assert.match(thrown.hint ?? "", /Ask for a new one/);
      return [thrown.code, thrown.message];
    };
    const at = (detail: string) => new OmertaError("not-member", "…", { fields: { detail } });
    assert.deepEqual(await failing(at("invite-revoked")), [
      "invite-revoked",
      "The invite was revoked",
    ]);
    assert.deepEqual((await failing(at("invite-used-up")))[0], "invite-used-up");
    const says = new OmertaError("invite-expired", "peer abcd says: \u0007ha", {});
    const expired = ["invite-expired", "The invite's time is over"];
    assert.deepEqual(await failing(says), expired);
    stand.wallSkewMs = 3_600_000 + 1;
    assert.deepEqual(await failing(new OmertaError("unreachable", "Nobody")), expired);
    assert.deepEqual(networks.list(), []);
    stand.wallSkewMs = 0;
    stand.onConnect = () => Promise.reject(at("not-yet-valid"));
    await assert.rejects(join(invite), { code: "not-member" }, "any other reason is told as it is");
  }),
);

Deno.test(
  "an invite that gives more than the membership has is redeemed",
  withParties(async ({ founder, stand, networks, join }) => {
    await join();
    const order = { uses: null, lifeMs: 3_600_000, relays: [], addresses: AT };
    const grants = ["rent", "provide"] as const;
    const { text } = founder.invite(founder.require("home"), { ...order, grants });
    assert.equal((await join(text)).isNew, true);
    assert.deepEqual(networks.require("home").certificate.grants, grants);
    stand.connects.length = 0;
    assert.equal((await join(text)).isNew, false);
    assert.deepEqual(stand.connects, []);
  }),
);

Deno.test(
  "one address that answers is enough",
  withParties(async ({ stand, admitter, join }) => {
    stand.onConnect = ({ path }) => {
      if (path !== AT[1]) throw new OmertaError("unreachable", "Nobody answers there");
      return admitter;
    };
    assert.equal((await join()).isNew, true);
  }),
);

Deno.test(
  "where nobody answers, the error names the network and where it was looked for",
  withParties(async (parties) => {
    const { stand, networks, join } = parties;
    stand.onConnect = () => Promise.reject(new OmertaError("unreachable", "Nobody answers there"));
    await assert.rejects(join(), (error) => {
      assert.ok(error instanceof OmertaError && error.code === "unreachable");
      assert.match(error.message, /home/);
      assert.match(error.hint ?? "", /203\.0\.113\.1:9000/);
      return true;
    });
    assert.deepEqual(networks.list(), []);
  }),
);

Deno.test(
  "the admitter's refusal is the error, by its own code",
  withParties(async (parties) => {
    const { founder, networks, join } = parties;
    const home = founder.require("home");
    founder.revokeInvite(home, founder.invites(home)[0]?.id ?? "");
    await assert.rejects(join(), { code: "invite-revoked" });
    assert.deepEqual(networks.list(), []);
  }),
);

Deno.test(
  "a joiner whose clock is slow is told of the clock, and of no new invite",
  withParties(async ({ stand, networks, join }) => {
    const slow = async () => {
      const error = await join().then(() => undefined, (reason) => reason);
      assert.ok(error instanceof OmertaError);
      assert.match(error.hint ?? "", /Is this machine's clock right\?/);
      assert.doesNotMatch(error.hint ?? "", /invite/);
      assert.deepEqual(networks.list(), []);
      return error.code;
    };
    stand.wallSkewMs = -3 * 3_600_000; // who invites was a member before; its answer is of the future
    assert.equal(await slow(), "refused");
    stand.onConnect = () =>
      Promise.reject(connectError({ reason: "unverified", detail: "not-yet-valid" }));
    assert.equal(await slow(), "not-member");
  }),
);

Deno.test(
  "after a failure nobody's certificates of that network are judged any more",
  withParties(async (parties) => {
    const { admitter, stand, networks, join } = parties;
    stand.onConnect = () => Promise.reject(new OmertaError("unreachable", "Nobody answers there"));
    await assert.rejects(join());
    assert.equal(networks.revocationsOf(admitter.split("/")[0] as never), undefined);
  }),
);

Deno.test(
  "a text that is no invite is refused before anybody is asked",
  withParties(async (parties) => {
    const { invite, stand, join } = parties;
    const bad = ["", "hello", "omerta://join/", invite.slice(0, -4), `${invite}AA`];
    for (const text of bad) await assert.rejects(join(text), { code: "bad-invite" });
    assert.deepEqual(stand.connects, []);
  }),
);

Deno.test(
  "an invite is read with white space around it, and one that is over is told apart",
  withParties(({ invite, stand }) => {
    assert.equal(readInvite(` ${invite}\n`, stand.wallMs()).name, "home");
    const late = stand.wallMs() + 86_400_000;
    assert.throws(() => readInvite(invite, late), (error) => {
      assert.ok(error instanceof OmertaError && error.code === "invite-expired");
      assert.match(error.hint ?? "", /a new one, unless this machine's clock is wrong: it says 20/);
      return true;
    });
    return Promise.resolve();
  }),
);
