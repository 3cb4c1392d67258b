/** Networks with a real store: made, joined, left, exported, and the clock that certificates need. */
import assert from "node:assert/strict";
import { type NamedNode, OmertaError, type PeerKey, peerKey } from "../../../src/base/mod.ts";
import { Networks } from "../../../src/daemon/networks/networks.ts";
import { networkDetailsDoc } from "../../../src/daemon/api/network_doc.ts";
import type { Joined } from "../../../src/daemon/networks/joined.ts";
import {
  type Invite,
  issueCertificate,
  parseInvite,
  renewalDueMs,
  signRevocation,
} from "../../../src/membership/mod.ts";
import { generateIdentity, identityFromSeed } from "../../../src/crypto/mod.ts";
import { JOIN_SOURCE_RATE } from "../../../src/daemon/networks/join_budget.ts";
import { withDirectory } from "../../host/scratch.ts";
import { FakeTime } from "../fake_time.ts";
import { Stand } from "../stand.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const ORDER = {
  grants: ["rent", "provide"] as const,
  uses: null,
  lifeMs: DAY,
  addresses: ["203.0.113.1:9000"],
  relays: [],
};

/** A node with networks. */
class Party {
  networks: Networks;
  changes = 0;

  constructor(readonly stand: Stand) {
    this.networks = this.#open();
  }

  restart(): void {
    this.stand.restart();
    this.networks = this.#open();
  }

  /** Its key as somebody who asks for admission. */
  caller({ row }: Pick<Joined, "row">): { peer: PeerKey; kind: "invite" } {
    return { peer: peerKey(row.id, this.stand.identity.id), kind: "invite" };
  }

  #open(): Networks {
    const networks = new Networks(this.stand.context, () => "me");
    networks.onChange(() => void this.changes++);
    return networks;
  }
}

interface Parties {
  readonly founder: Party;
  readonly joiner: Party;
  readonly third: Party;
  readonly time: FakeTime;
}

function withParties(test: (parties: Parties) => void | Promise<void>): () => Promise<void> {
  return () =>
    withDirectory(async (dir) => {
      using time = new FakeTime();
      const stands = [3, 5, 7].map((seed) => {
        Deno.mkdirSync(`${dir}/${seed}`);
        return new Stand(`${dir}/${seed}`, time, seed);
      });
      const [founder, joiner, third] = stands.map((stand) => new Party(stand));
      assert.ok(founder && joiner && third);
      try {
        await test({ founder, joiner, third, time });
      } finally {
        for (const stand of stands) stand.close();
      }
    });
}

/** The invite, as whoever gets the link reads it. */
function read(text: string, atMs: number): Invite {
  const invite = parseInvite(text, atMs);
  assert.ok(invite.ok, "a link that cannot be read");
  return invite.value;
}

/** A party redeems an invite and is a member. */
function join(party: Party, founder: Party, joined: Joined, secret: Uint8Array): Joined {
  const answer = founder.networks.redeem(party.caller(joined), { s: secret });
  const admitter = founder.stand.identity.id;
  const entries: NamedNode[] = [{ id: admitter, addresses: ORDER.addresses }];
  return party.networks.finishJoining(joined.row.id, answer, { admitter, entries });
}

/** A network with one more member. */
function joined(
  { founder, joiner }: Parties,
): { home: Joined; member: Joined; secret: Uint8Array } {
  const home = founder.networks.create("home");
  const { text } = founder.networks.invite(home, ORDER);
  const { secret } = read(text, founder.stand.wallMs());
  return { home, member: join(joiner, founder, home, secret), secret };
}

const code = (expected: string) => (error: unknown) =>
  error instanceof OmertaError && error.code === expected;

// Making and joining -----------------------------------------------------------------------------

Deno.test(
  "who makes a network holds every grant in it, and admits",
  withParties(({ founder }) => {
    const home = founder.networks.create("home");
    const details = networkDetailsDoc(founder.networks, home);
    assert.deepEqual([details.name, details.authority, details.members], ["home", true, 1]);
    assert.deepEqual(details.grants.toSorted(), ["admit", "provide", "relay", "rent"]);
    assert.equal(founder.changes, 1);
    assert.throws(() => founder.networks.create("home"), code("exists"));
  }),
);

Deno.test(
  "an invite leads where it was made, and its redeemer becomes a member",
  withParties((parties) => {
    const { founder, joiner } = parties;
    const home = founder.networks.create("home");
    const made = founder.networks.invite(home, ORDER);
    const invite = read(made.text, founder.stand.wallMs());
    assert.deepEqual([invite.network, invite.name], [home.row.id, "home"]);
    assert.deepEqual([invite.admitter, invite.addresses], [
      founder.stand.identity.id,
      ORDER.addresses,
    ]);
    const member = join(joiner, founder, home, invite.secret);
    assert.deepEqual(networkDetailsDoc(joiner.networks, member).grants, ["rent", "provide"]);
    assert.equal(networkDetailsDoc(joiner.networks, member).authority, false);
    assert.equal(founder.networks.summary(home).members, 2);
    assert.deepEqual(joiner.networks.key(member), founder.networks.key(home));
    const [entry] = joiner.networks.entries(member);
    assert.deepEqual(entry, { id: founder.stand.identity.id, addresses: ORDER.addresses });
  }),
);

Deno.test(
  "redeeming again gives the same member a fresh answer, counted once",
  withParties((parties) => {
    const { founder, joiner, third } = parties;
    const home = founder.networks.create("home");
    const { text } = founder.networks.invite(home, { ...ORDER, uses: 1 });
    const { secret } = read(text, founder.stand.wallMs());
    for (let i = 0; i < 3; i++) join(joiner, founder, home, secret);
    assert.equal(founder.networks.invites(home)[0]?.redeemed, 1);
    assert.equal(founder.networks.summary(home).members, 2);
    assert.throws(() => join(third, founder, home, secret), code("invite-used-up"));
  }),
);

Deno.test(
  "an invite that is over, revoked or unknown is refused by its own code",
  withParties((parties) => {
    const { founder, joiner } = parties;
    const home = founder.networks.create("home");
    const made = () => {
      const { text, row } = founder.networks.invite(home, ORDER);
      return { id: row.id, secret: read(text, founder.stand.wallMs()).secret };
    };
    const [late, revoked] = [made(), made()];
    assert.equal(founder.networks.revokeInvite(home, revoked.id.slice(0, 8)), revoked.id);
    assert.throws(() => join(joiner, founder, home, revoked.secret), code("invite-revoked"));
    founder.stand.wallSkewMs = DAY + 1_000;
    assert.throws(() => join(joiner, founder, home, late.secret), code("invite-expired"));
    assert.throws(() => join(joiner, founder, home, new Uint8Array(32)), code("invite-unknown"));
    assert.throws(() => founder.networks.revokeInvite(home, "ffff"), code("not-found"));
  }),
);

// Gates ------------------------------------------------------------------------------------------

/** How many invites open the gate of a party, and why the others do not. */
function gates({ networks }: Party): readonly [open: number, ...over: string[]] {
  const open = networks.acceptedKeys().filter(({ kind }) => kind === "invite").length;
  return [open, ...networks.refusedKeys().map(({ reason }) => reason)];
}

Deno.test(
  "only an invite by which somebody may come opens the gate; latecomers are told why for a week",
  withParties((parties) => {
    const { founder, joiner } = parties;
    const home = founder.networks.create("home");
    const [single, revoked] = [1, null].map((uses) =>
      founder.networks.invite(home, { ...ORDER, uses })
    );
    founder.networks.invite(home, ORDER);
    assert.ok(single && revoked);
    assert.deepEqual(gates(founder), [3]);
    founder.networks.revokeInvite(home, revoked.row.id);
    assert.deepEqual(gates(founder), [2, "invite-revoked"]);
    join(joiner, founder, home, read(single.text, founder.stand.wallMs()).secret);
    assert.deepEqual(gates(founder), [2, "invite-revoked"], "the answer may be lost");
    founder.stand.wallSkewMs = HOUR + 1;
    assert.deepEqual(gates(founder), [1, "invite-used-up", "invite-revoked"]);
    founder.restart();
    assert.deepEqual(gates(founder).toSorted(), [1, "invite-revoked", "invite-used-up"]);
    founder.stand.wallSkewMs = DAY + 1;
    assert.deepEqual(gates(founder)[0], 0);
    founder.stand.wallSkewMs = 9 * DAY;
    assert.deepEqual(gates(founder), [0]);
  }),
);

Deno.test(
  "gates shut as time goes by, and whoever keeps them hears of it once",
  withParties((parties) => {
    const { founder } = parties;
    const home = founder.networks.create("home");
    founder.networks.invite(home, ORDER);
    const before = founder.changes;
    for (
      const [skewMs, changes] of [[0, 0], [DAY, 0], [DAY + 1, 1], [DAY + 2, 1], [
        9 * DAY,
        2,
      ]] as const
    ) {
      founder.stand.wallSkewMs = skewMs;
      founder.networks.refresh();
      assert.equal(founder.changes - before, changes, `after ${skewMs} ms`);
    }
    assert.deepEqual(founder.networks.invites(home), []);
    assert.deepEqual(founder.stand.store.invites.list(), [], "nor does it come back");
  }),
);

Deno.test(
  "making an invite drops those that have been over for long",
  withParties(({ founder }) => {
    const home = founder.networks.create("home");
    founder.networks.invite(home, ORDER);
    founder.stand.wallSkewMs = 9 * DAY;
    const { row } = founder.networks.invite(home, ORDER);
    assert.deepEqual(founder.stand.store.invites.list().map(({ id }) => id), [row.id]);
  }),
);

Deno.test(
  "asking in vain takes nothing from those who are invited",
  withParties(async (parties) => {
    const { founder, third, time } = parties;
    const home = founder.networks.create("home");
    const made = () => {
      const { text, row } = founder.networks.invite(home, ORDER);
      return { id: row.id, secret: read(text, founder.stand.wallMs()).secret };
    };
    const [good, revoked] = [made(), made()];
    founder.networks.revokeInvite(home, revoked.id);
    let [vain, joiners] = [0, 0];
    for (let s = 0; s < 1_130; s += 10) {
      for (let i = 0; i < 110; i++) {
        const secret = i % 2 === 0 ? revoked.secret : new Uint8Array(32).fill(i);
        const caller = { ...somebody(third, home), source: "198.51.100.0/24" };
        const asked = () => founder.networks.redeem(caller, { s: secret });
        assert.throws(
          asked,
          (error) => error instanceof OmertaError && /^invite-/.test(error.code),
        );
        vain++;
      }
      founder.networks.redeem(somebody(third, home), { s: good.secret });
      joiners++;
      await time.advance(10_000);
    }
    assert.deepEqual([vain, joiners], [12_430, 113]);
  }),
);

Deno.test(
  "a crowd by one invite is let in by and by, and told when to come again",
  withParties(({ founder, third }) => {
    const home = founder.networks.create("home");
    const { text } = founder.networks.invite(home, ORDER);
    const { secret } = read(text, founder.stand.wallMs());
    const caller = () => ({ ...somebody(third, home), source: "198.51.100.0/24" });
    for (let i = 0; i < JOIN_SOURCE_RATE.burst; i++) {
      founder.networks.redeem(caller(), { s: secret });
    }
    assert.throws(() => founder.networks.redeem(caller(), { s: secret }), (error) => {
      assert.ok(error instanceof OmertaError && error.code === "refused");
      return Number(error.fields["retryMs"]) > 0;
    });
    assert.equal(founder.networks.invites(home)[0]?.redeemed, JOIN_SOURCE_RATE.burst);
    founder.networks.redeem({ ...caller(), source: "203.0.113.0/24" }, { s: secret });
  }),
);

/** Somebody of a fresh name who asks for admission. */
function somebody({ stand }: Party, { row }: Joined): { peer: PeerKey; kind: "invite" } {
  return { peer: peerKey(row.id, generateIdentity(stand.random).identity.id), kind: "invite" };
}

Deno.test(
  "a node that admits nobody admits nobody",
  withParties((parties) => {
    const { joiner, third } = parties;
    const { member, secret } = joined(parties);
    const asker = third.caller(member);
    assert.throws(() => joiner.networks.redeem(asker, { s: secret }), code("invite-unknown"));
    const certificate = { c: member.certificate.bytes };
    assert.throws(() => joiner.networks.renew(asker, certificate), code("unsupported"));
    assert.throws(() => joiner.networks.invite(member, ORDER), code("not-allowed"));
    assert.throws(() => joiner.networks.invites(member), code("not-allowed"));
    assert.throws(() => joiner.networks.export(member), code("not-allowed"));
  }),
);

Deno.test(
  "an invite that leads nowhere is not made",
  withParties(({ founder }) => {
    const home = founder.networks.create("home");
    const order = { ...ORDER, addresses: [] };
    assert.throws(() => founder.networks.invite(home, order), code("invite-unreachable"));
    assert.deepEqual(founder.networks.invites(home), []);
  }),
);

Deno.test(
  "an invite of a senseless life or number is a mistake of usage",
  withParties(({ founder }) => {
    const home = founder.networks.create("home");
    for (const change of [{ lifeMs: 0 }, { lifeMs: 1_000 * DAY }, { uses: 1_000_000 }]) {
      assert.throws(() => founder.networks.invite(home, { ...ORDER, ...change }), code("usage"));
    }
  }),
);

Deno.test(
  "an answer for another node, or of another network, makes nobody a member",
  withParties((parties) => {
    const { founder, joiner, third } = parties;
    const { home, secret } = joined(parties);
    const from = { admitter: founder.stand.identity.id, entries: [] };
    const others = founder.networks.redeem(joiner.caller(home), { s: secret });
    assert.throws(() => third.networks.finishJoining(home.row.id, others, from), code("refused"));
    const other = founder.networks.create("other");
    const own = founder.networks.redeem(third.caller(home), { s: secret });
    assert.throws(() => third.networks.finishJoining(other.row.id, own, from), code("refused"));
    assert.deepEqual(third.networks.list(), []);
  }),
);

Deno.test(
  "a network's name that is taken here gets a part of its id",
  withParties((parties) => {
    const { joiner } = parties;
    const own = joiner.networks.create("home");
    const { member } = joined(parties);
    assert.equal(joiner.networks.require("home"), own);
    assert.match(member.row.name, /^home-[a-z2-7]{6}$/);
    assert.equal(joiner.networks.require(member.row.name), member);
  }),
);

Deno.test(
  "a role that no membership includes is refused, one that some include is not",
  withParties((parties) => {
    const { founder, joiner } = parties;
    joined(parties);
    joiner.networks.requireRole("provider");
    assert.throws(() => joiner.networks.requireRole("relay"), (error) => {
      assert.ok(error instanceof OmertaError && error.code === "not-allowed");
      assert.match(error.message, /^The membership of home does not include relaying/);
      assert.match(error.hint ?? "", /--grant rent,provide,relay:/);
      return true;
    });
    founder.networks.requireRole("relay");
    joiner.networks.create("own");
    joiner.networks.requireRole("relay");
    assert.match(joiner.stand.logged.at(-1) ?? "", /^warn The membership of home does not/);
  }),
);

Deno.test(
  "redeeming another invite keeps since when, and by which places",
  withParties(async (parties) => {
    const { founder, joiner, time } = parties;
    const { home, member, secret } = joined(parties);
    const entry = { id: parties.third.stand.identity.id, addresses: ["203.0.113.3:9000"] };
    joiner.networks.addEntry(member, entry);
    await time.advance(5_000);
    const again = join(joiner, founder, home, secret);
    assert.equal(again.row.joinedAtMs, member.row.joinedAtMs);
    const ids = joiner.networks.entries(again).map(({ id }) => id);
    assert.deepEqual(ids, [founder.stand.identity.id, entry.id]);
  }),
);

// What stays -------------------------------------------------------------------------------------

Deno.test(
  "a restart keeps networks, keys, invites and their counts",
  withParties((parties) => {
    const { founder, joiner, third } = parties;
    const { home, member, secret } = joined(parties);
    const before = [
      networkDetailsDoc(founder.networks, home),
      networkDetailsDoc(joiner.networks, member),
    ];
    const keys = founder.networks.acceptedKeys();
    founder.restart();
    joiner.restart();
    const [again] = founder.networks.list();
    const [memberAgain] = joiner.networks.list();
    assert.ok(again && memberAgain);
    const after = [
      networkDetailsDoc(founder.networks, again),
      networkDetailsDoc(joiner.networks, memberAgain),
    ];
    assert.deepEqual(after, before);
    assert.deepEqual(founder.networks.acceptedKeys(), keys);
    assert.equal(founder.networks.invites(again)[0]?.redeemed, 1);
    assert.equal(join(third, founder, again, secret).row.name, "home");
    assert.deepEqual(joiner.networks.entries(memberAgain), joiner.networks.entries(member));
  }),
);

Deno.test(
  "a revoked or used-up invite stays so after a restart",
  withParties((parties) => {
    const { founder, joiner, third } = parties;
    const home = founder.networks.create("home");
    const [one, two] = [1, null].map((uses) => {
      const { text, row } = founder.networks.invite(home, { ...ORDER, uses });
      return { row, secret: read(text, founder.stand.wallMs()).secret };
    });
    assert.ok(one && two);
    join(joiner, founder, home, one.secret);
    founder.networks.revokeInvite(home, two.row.id);
    founder.restart();
    const again = founder.networks.require("home");
    assert.throws(() => join(third, founder, again, one.secret), code("invite-used-up"));
    assert.throws(() => join(third, founder, again, two.secret), code("invite-revoked"));
  }),
);

Deno.test(
  "leaving forgets the network for good",
  withParties((parties) => {
    const { joiner } = parties;
    const { member } = joined(parties);
    joiner.networks.leave(member);
    assert.deepEqual([joiner.networks.list(), joiner.networks.acceptedKeys()], [[], []]);
    assert.equal(joiner.networks.revocationsOf(member.row.id), undefined);
    joiner.restart();
    assert.deepEqual(joiner.networks.list(), []);
    assert.throws(() => joiner.networks.require(null), code("no-network"));
  }),
);

Deno.test(
  "a network is meant by its name, its id or a prefix, or alone",
  withParties(({ founder }) => {
    const { networks } = founder;
    const home = networks.create("home");
    for (const name of ["home", home.row.id, home.row.id.slice(0, 8), null]) {
      assert.equal(networks.require(name), home);
    }
    networks.create("other");
    assert.throws(() => networks.require(null), code("ambiguous"));
    assert.throws(() => networks.require("nothing"), code("not-found"));
  }),
);

Deno.test(
  "places to enter are kept, the newest first, each node once, eight at most",
  withParties((parties) => {
    const { joiner, founder } = parties;
    const { member } = joined(parties);
    for (let i = 0; i < 12; i++) {
      const id = `${"abcdefghijkl"[i]}${"a".repeat(51)}` as NamedNode["id"];
      joiner.networks.addEntry(member, { id, addresses: [`192.0.2.${i}:9000`] });
    }
    joiner.networks.addEntry(member, { id: founder.stand.identity.id, addresses: ["new:1"] });
    joiner.restart();
    const entries = joiner.networks.entries(joiner.networks.require(null));
    assert.equal(entries.length, 8);
    assert.deepEqual(entries[0]?.addresses, ["new:1"]);
    assert.equal(new Set(entries.map(({ id }) => id)).size, 8);
  }),
);

Deno.test(
  "a stored revocation that cannot be read lets nobody in: it is told by its row",
  withParties(({ founder }) => {
    const { row } = founder.networks.create("home");
    const node = founder.stand.identity.id;
    const bytes = Uint8Array.of(1, 2, 3);
    founder.stand.store.revocations.put({ network: row.id, node, bytes, atMs: 1 });
    assert.throws(() => founder.restart(), {
      code: "state-damaged",
      fields: { table: "revocations", key: `${row.id} ${node}`, column: "bytes" },
    });
  }),
);

// Export and import ------------------------------------------------------------------------------

Deno.test(
  "an exported network goes on elsewhere: the same keys, and it admits",
  withParties((parties) => {
    const { founder, joiner, third } = parties;
    const { home } = joined(parties);
    const moved = third.networks.import(founder.networks.export(home));
    assert.equal(moved.row.id, home.row.id);
    assert.deepEqual(third.networks.key(moved), founder.networks.key(home));
    const { text } = third.networks.invite(moved, ORDER);
    const { secret } = read(text, third.stand.wallMs());
    joiner.networks.leave(joiner.networks.require(null));
    assert.equal(join(joiner, third, moved, secret).row.id, home.row.id);
    third.restart();
    assert.equal(networkDetailsDoc(third.networks, third.networks.require("home")).authority, true);
  }),
);

Deno.test(
  "importing twice changes nothing, and what is no export is a mistake of usage",
  withParties((parties) => {
    const { founder, third } = parties;
    const text = founder.networks.export(founder.networks.create("home"));
    const first = third.networks.import(text);
    assert.equal(third.networks.import(text), first);
    for (const bad of ["", "omerta://network/", text.slice(0, -3), `${text}x`]) {
      assert.throws(() => third.networks.import(bad), code("usage"));
    }
  }),
);

Deno.test(
  "a member that imports the network's authority still knows where to enter it",
  withParties((parties) => {
    const { founder, joiner } = parties;
    const { home, member } = joined(parties);
    const entries = joiner.networks.entries(member);
    const imported = joiner.networks.import(founder.networks.export(home));
    assert.deepEqual(joiner.networks.entries(imported), entries);
    assert.equal(imported.row.joinedAtMs, member.row.joinedAtMs);
  }),
);

Deno.test(
  "an imported network learns where it is entered, after the places that it knows",
  withParties(({ founder, joiner, third }) => {
    const moved = third.networks.import(founder.networks.export(founder.networks.create("home")));
    assert.deepEqual(third.networks.entries(moved), []);
    const own = { id: third.stand.identity.id, addresses: ["203.0.113.3:9000"] };
    assert.equal(third.networks.knowsEntry(moved, own), true, "itself it need not look for");
    const entry = { id: founder.stand.identity.id, addresses: ["203.0.113.1:9000"] };
    const other = { id: joiner.stand.identity.id, addresses: ["203.0.113.5:9000"] };
    assert.equal(third.networks.knowsEntry(moved, entry), false);
    const before = third.changes;
    third.networks.learnEntry(moved, entry);
    assert.equal(third.changes, before + 1, "whoever keeps relays connected hears of it");
    third.networks.learnEntry(moved, other);
    const elsewhere = { ...entry, addresses: ["203.0.113.2:9000"] };
    assert.equal(third.networks.knowsEntry(moved, entry), true);
    assert.equal(third.networks.knowsEntry(moved, elsewhere), false, "it moved");
    third.networks.learnEntry(moved, elsewhere);
    third.restart();
    const again = third.networks.require("home");
    assert.deepEqual(third.networks.entries(again), [elsewhere, other]);
    for (let i = 0; i < 12; i++) {
      const id = `${"a".repeat(51)}${"abcdefghijkl"[i]}` as NamedNode["id"];
      third.networks.learnEntry(again, { id, addresses: [`192.0.2.${i}:9000`] });
    }
    assert.equal(third.networks.entries(again).length, 8);
    assert.deepEqual(third.networks.entries(again).slice(0, 2), [elsewhere, other], "these stay");
  }),
);

Deno.test(
  "no answer swaps the key of the epoch that a member knows, nor sends it back or far ahead",
  withParties((parties) => {
    const { founder, joiner } = parties;
    const { home, member } = joined(parties);
    const { authoritySeed, epochKey } = home.row;
    assert.ok(authoritySeed);
    const other = new Uint8Array(32).fill(0x66);
    const from = { admitter: founder.stand.identity.id, entries: [] };
    const answer = (epoch: number, key: Uint8Array) => ({
      c: issueCertificate({
        issuer: identityFromSeed(authoritySeed),
        network: home.row.id,
        subject: joiner.stand.identity.id,
        grants: ["rent"],
        epoch,
        nowMs: founder.stand.wallMs(),
      }),
      m: "home",
      q: epoch,
      k: key,
    });
    const takes = {
      join: (told: ReturnType<typeof answer>) => {
        joiner.networks.finishJoining(home.row.id, told, from);
      },
      renew: (told: ReturnType<typeof answer>) => {
        joiner.networks.takeRenewal(joiner.networks.require("home"), told);
      },
    };
    for (const take of [takes.join, takes.renew]) {
      for (const told of [answer(1, other), answer(4_000_000_000, other)]) {
        assert.throws(() => take(told), code("refused"));
        assert.deepEqual(joiner.networks.require("home").row, member.row, "nothing was changed");
      }
      assert.throws(() => take({ ...answer(1, epochKey), q: 2, k: other }), code("refused"));
    }
    const later = answer(5, other);
    takes.renew(later);
    assert.deepEqual(joiner.networks.require("home").row.epochKey, other, "a later epoch is taken");
    takes.join(answer(1, epochKey));
    assert.equal(joiner.networks.require("home").row.epoch, 5, "and not left again");
    joiner.restart();
    assert.equal(joiner.networks.require("home").row.epoch, 5);
  }),
);

Deno.test(
  "a membership that is over keeps the key of its epoch, too",
  withParties((parties) => {
    const { founder, joiner } = parties;
    const { home } = joined(parties);
    for (const party of [founder, joiner]) party.stand.wallSkewMs = 40 * DAY;
    joiner.restart();
    const { text } = founder.networks.invite(home, ORDER);
    const { secret } = read(text, founder.stand.wallMs());
    const answer = founder.networks.redeem(joiner.caller(home), { s: secret });
    const from = { admitter: founder.stand.identity.id, entries: [] };
    const swapped = { ...answer, k: new Uint8Array(32).fill(0x66) };
    const take = (told: typeof answer) => joiner.networks.finishJoining(home.row.id, told, from);
    assert.throws(() => take(swapped), code("refused"));
    assert.equal(take(answer).row.name, "home");
  }),
);

Deno.test(
  "revocations travel with an export and are in force after a restart",
  withParties((parties) => {
    const { founder, joiner, third } = parties;
    const { home, member, secret } = joined(parties);
    const { authoritySeed } = home.row;
    assert.ok(authoritySeed);
    const subject = joiner.stand.identity.id;
    const order = { by: identityFromSeed(authoritySeed), network: home.row.id, subject };
    const bytes = signRevocation({ ...order, nowMs: founder.stand.wallMs() });
    founder.stand.store.revocations.put({ network: home.row.id, node: subject, bytes, atMs: 0 });
    founder.restart();
    const again = founder.networks.require("home");
    assert.throws(() => join(joiner, founder, again, secret), code("not-member"));
    const question = { c: member.certificate.bytes };
    assert.throws(() => founder.networks.renew(joiner.caller(home), question), code("not-member"));
    const moved = third.networks.import(founder.networks.export(again));
    assert.equal(moved.revocations.has(subject), true);
    third.restart();
    assert.equal(third.networks.require("home").revocations.has(subject), true);
  }),
);

// Certificates and the clock ---------------------------------------------------------------------

Deno.test(
  "a member renews at half of its certificate's life, with the same grants",
  withParties((parties) => {
    const { founder, joiner } = parties;
    const { home, member } = joined(parties);
    assert.equal(joiner.networks.needsRenewal(member), false);
    for (const party of [founder, joiner]) party.stand.wallSkewMs = 15 * DAY + HOUR;
    assert.equal(joiner.networks.needsRenewal(member), true);
    const question = { c: member.certificate.bytes };
    const until = member.certificate.notAfterMs;
    joiner.networks.takeRenewal(member, founder.networks.renew(joiner.caller(home), question));
    assert.equal(joiner.networks.needsRenewal(member), false);
    assert.ok(member.certificate.notAfterMs > until);
    joiner.restart();
    const [again] = joiner.networks.list();
    assert.equal(again?.certificate.notAfterMs, member.certificate.notAfterMs);
    assert.deepEqual(again?.certificate.grants, ["rent", "provide"]);
  }),
);

Deno.test(
  "who came by an invite that was revoked stays until its certificate ends, and is not renewed",
  withParties((parties) => {
    const { founder, joiner, third } = parties;
    const { home, member } = joined(parties);
    const other = founder.networks.invite(home, ORDER);
    const spared = join(third, founder, home, read(other.text, founder.stand.wallMs()).secret);
    const [by] = founder.networks.invites(home).filter(({ id }) => id !== other.row.id);
    founder.networks.revokeInvite(home, by?.id ?? "");
    const renewal = (party: Party, { certificate }: Joined) => () =>
      founder.networks.renew(party.caller(home), { c: certificate.bytes });
    for (let days = 10; days <= 400; days += 10) {
      for (const party of [founder, joiner, third]) party.stand.wallSkewMs = days * DAY;
      founder.networks.refresh();
      if (days % 100 === 0) founder.restart();
      assert.throws(renewal(joiner, member), code("not-member"), `on day ${days}`);
      third.networks.takeRenewal(spared, renewal(third, spared)());
    }
  }),
);

Deno.test(
  "a revocation says in words why nobody is renewed",
  withParties((parties) => {
    const { founder, joiner } = parties;
    const { home, member } = joined(parties);
    founder.networks.revokeInvite(home, founder.networks.invites(home)[0]?.id ?? "");
    const question = { c: member.certificate.bytes };
    assert.throws(
      () => founder.networks.renew(joiner.caller(home), question),
      /invite .* was revoked/,
    );
  }),
);

Deno.test(
  "another invite, redeemed later, is the one that counts",
  withParties((parties) => {
    const { founder, joiner } = parties;
    const { home, member } = joined(parties);
    const [first] = founder.networks.invites(home);
    const { text } = founder.networks.invite(home, ORDER);
    const [before] = founder.stand.store.members.list();
    for (const party of [founder, joiner]) party.stand.wallSkewMs = HOUR;
    const again = join(joiner, founder, home, read(text, founder.stand.wallMs()).secret);
    const [after] = founder.stand.store.members.list();
    assert.deepEqual(after?.admittedAtMs, before?.admittedAtMs, "it is a member since then");
    founder.networks.revokeInvite(home, first?.id ?? "");
    founder.restart();
    for (const { certificate } of [member, again]) {
      founder.networks.renew(joiner.caller(home), { c: certificate.bytes });
    }
  }),
);

Deno.test(
  "members are counted without their rows, kept while they renew and forgotten when they do not",
  withParties((parties) => {
    const { founder, joiner, third } = parties;
    const { home, member, secret } = joined(parties);
    join(third, founder, home, secret);
    const count = () => [
      founder.networks.summary(founder.networks.require("home")).members,
      founder.stand.store.members.count(),
    ];
    assert.deepEqual(count(), [3, 2]);
    for (const party of [founder, joiner]) party.stand.wallSkewMs = 20 * DAY;
    founder.networks.refresh();
    const question = { c: member.certificate.bytes };
    joiner.networks.takeRenewal(member, founder.networks.renew(joiner.caller(home), question));
    for (const party of [founder, joiner]) party.stand.wallSkewMs = 31 * DAY;
    founder.networks.refresh();
    assert.deepEqual(count(), [2, 1]);
    founder.restart();
    founder.networks.refresh();
    assert.deepEqual(count(), [2, 1]);
    assert.deepEqual(founder.stand.store.redemptions.count(), 0, "they went with the invite");
  }),
);

Deno.test(
  "redemptions of an unlimited invite are counted, not kept",
  withParties((parties) => {
    const { founder, third } = parties;
    const { home } = joined(parties);
    const { row, text } = founder.networks.invite(home, { ...ORDER, uses: 3 });
    join(third, founder, home, read(text, founder.stand.wallMs()).secret);
    founder.restart();
    assert.deepEqual(founder.stand.store.redemptions.list().map(({ invite }) => invite), [row.id]);
    const [first] = founder.networks.invites(founder.networks.require("home"));
    assert.equal(first?.redeemed, 1);
  }),
);

Deno.test(
  "the founder's own certificate is renewed at half of its life while the node runs",
  withParties((parties) => {
    const { founder } = parties;
    const home = founder.networks.create("home");
    const dueMs = renewalDueMs(home.certificate);
    const { certificate } = home;
    founder.networks.refresh();
    assert.equal(home.certificate, certificate);
    founder.stand.wallSkewMs = dueMs - founder.stand.wallMs() + 1_000;
    const before = founder.changes;
    founder.networks.refresh();
    assert.ok(home.certificate.notAfterMs > certificate.notAfterMs);
    assert.equal(founder.changes, before + 1, "the keys show it from now on");
    const shown = founder.networks.acceptedKeys()[0]?.payload.toHex() ?? "";
    assert.ok(shown.includes(home.certificate.bytes.toHex()));
    founder.restart();
    const [again] = founder.networks.list();
    assert.equal(again?.certificate.notAfterMs, home.certificate.notAfterMs);
  }),
);

Deno.test(
  "a founder that was away for a year, or whose clock was wrong, signs itself in again",
  withParties((parties) => {
    const { founder } = parties;
    founder.networks.create("home");
    for (const skewMs of [365 * DAY, -365 * DAY, 0]) {
      founder.stand.wallSkewMs = skewMs;
      founder.restart();
      const { certificate } = founder.networks.require("home");
      const nowMs = founder.stand.wallMs();
      assert.ok(certificate.notBeforeMs <= nowMs && nowMs < certificate.notAfterMs);
    }
  }),
);

Deno.test(
  "a member whose certificate is over starts, says so, and can leave or join again",
  withParties((parties) => {
    const { founder, joiner } = parties;
    const { home, secret } = joined(parties);
    const own = joiner.networks.create("own");
    joiner.stand.wallSkewMs = 31 * DAY;
    joiner.restart();
    assert.deepEqual(joiner.networks.list().map(({ row }) => row.id), [own.row.id]);
    assert.throws(() => joiner.networks.require("home"), code("not-member"));
    assert.ok(joiner.stand.logged.some((line) => /^warn The membership of home .*over/.test(line)));
    founder.stand.wallSkewMs = 31 * DAY;
    const { text } = founder.networks.invite(home, ORDER);
    assert.notDeepEqual(read(text, founder.stand.wallMs()).secret, secret);
    join(joiner, founder, home, read(text, founder.stand.wallMs()).secret);
    assert.equal(joiner.networks.require("home").row.id, home.row.id);
    joiner.stand.wallSkewMs = 90 * DAY;
    joiner.restart();
    assert.equal(joiner.networks.leaveUnsound("home")?.id, home.row.id);
    assert.throws(() => joiner.networks.require("home"), code("not-found"));
    joiner.restart();
    assert.throws(() => joiner.networks.require("home"), code("not-found"));
  }),
);

Deno.test(
  "with another identity a node starts, says so, and can leave or join again",
  withParties((parties) => {
    const { founder, joiner, third } = parties;
    const { home, member, secret } = joined(parties);
    for (const end of ["leave", "join"] as const) {
      third.stand.store.networks.put(member.row); // what is there once identity.key was moved away
      third.restart();
      assert.deepEqual(third.networks.summaries().map(({ isEnabled }) => isEnabled), [false]);
      const { logged } = third.stand;
      assert.match(logged.at(-1) ?? "", /^warn The membership of home .*another identity/);
      assert.equal(third.networks.get(home.row.id), undefined);
      if (end === "leave") assert.equal(third.networks.leaveUnsound(null)?.id, home.row.id);
      else assert.equal(join(third, founder, home, secret).row.id, home.row.id);
    }
    assert.deepEqual(third.networks.summaries().map(({ isEnabled }) => isEnabled), [true]);
    assert.equal(joiner.networks.require("home"), member);
  }),
);

Deno.test(
  "where the only network does not hold, that is the error, whatever is asked",
  withParties((parties) => {
    const { joiner } = parties;
    joined(parties);
    joiner.stand.wallSkewMs = 31 * DAY;
    joiner.restart();
    assert.throws(() => joiner.networks.require(null), code("not-member"));
    assert.throws(() => joiner.networks.requireSound(), code("not-member"));
  }),
);

Deno.test(
  "a membership that does not hold yet holds when the clock is right",
  withParties((parties) => {
    const { joiner } = parties;
    const { member } = joined(parties);
    joiner.stand.wallSkewMs = -3 * DAY;
    joiner.restart();
    assert.deepEqual(joiner.networks.list(), []);
    joiner.stand.wallSkewMs = 0;
    joiner.networks.refresh();
    assert.equal(joiner.networks.require(null).row.id, member.row.id);
    joiner.networks.requireSound();
  }),
);

Deno.test(
  "joining with a wrong clock says what to look at",
  withParties((parties) => {
    const { founder, joiner } = parties;
    const home = founder.networks.create("home");
    const { text } = founder.networks.invite(home, ORDER);
    const { secret } = read(text, founder.stand.wallMs());
    joiner.stand.wallSkewMs = -DAY;
    assert.throws(() => join(joiner, founder, home, secret), (error) => {
      assert.ok(error instanceof OmertaError && error.code === "refused");
      assert.match(error.hint ?? "", /clock/);
      return true;
    });
  }),
);

Deno.test(
  "certificates of a network are judged while it is being joined, and no longer",
  withParties((parties) => {
    const { founder, third } = parties;
    const { row: { id } } = founder.networks.create("home");
    assert.equal(third.networks.revocationsOf(id), undefined);
    const end = third.networks.beginJoining(id);
    assert.notEqual(third.networks.revocationsOf(id), undefined);
    end();
    assert.equal(third.networks.revocationsOf(id), undefined);
  }),
);
