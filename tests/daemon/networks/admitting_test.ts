/** Admission where the book of members is full. */
import assert from "node:assert/strict";
import { peerKey } from "../../../src/base/mod.ts";
import { generateIdentity } from "../../../src/crypto/mod.ts";
import { Admitting } from "../../../src/daemon/networks/admitting.ts";
import { JOIN_SOURCE_RATE } from "../../../src/daemon/networks/join_budget.ts";
import { Networks } from "../../../src/daemon/networks/networks.ts";
import { type Admitter, MemberBook } from "../../../src/membership/mod.ts";
import { withStand } from "../stand.ts";

Deno.test(
  "a full network refuses newcomers, counts none of them, and still answers its members",
  withStand((stand) => {
    const networks = new Networks(stand.context, () => null);
    const home = networks.create("home");
    assert.ok(home.admitter);
    const admitter: Admitter = { ...home.admitter, members: new MemberBook([], 1) };
    const order = { grants: ["rent"], uses: 2, lifeMs: 3_600_000, relays: [] } as const;
    const { row } = networks.invite(home, { ...order, addresses: ["203.0.113.1:9000"] });
    const admitting = new Admitting(stand.context);
    const [first, second] = [1, 2].map(() => {
      const { id } = generateIdentity(stand.random).identity;
      return { peer: peerKey(home.row.id, id), kind: "invite" } as const;
    });
    assert.ok(first && second);
    const question = { s: Uint8Array.fromHex(row.secret) };
    admitting.redeem(admitter, first, question);
    assert.throws(() => admitting.redeem(admitter, second, question), {
      code: "refused",
      message: /no room for another member/,
    });
    assert.equal(admitter.invites.get(row.id)?.redeemed, 1);
    const { c } = admitting.redeem(admitter, first, question);
    assert.ok(admitting.renew(admitter, first, { c }).c.length > 0);
    assert.equal(stand.store.members.count(), 1);
    return Promise.resolve();
  }),
);

Deno.test(
  "one source's joiners are put off in time, asking in vain takes nothing, others come in",
  withStand((stand) => {
    const networks = new Networks(stand.context, () => null);
    const home = networks.create("home");
    const { admitter } = home;
    assert.ok(admitter);
    const order = { grants: ["rent"], uses: null, lifeMs: 3_600_000, relays: [] } as const;
    const { row } = networks.invite(home, { ...order, addresses: ["203.0.113.1:9000"] });
    const admitting = new Admitting(stand.context);
    const { id } = generateIdentity(stand.random).identity;
    const from = (source: string) =>
      ({ peer: peerKey(home.row.id, id), kind: "invite", source }) as const;
    const question = { s: Uint8Array.fromHex(row.secret) };
    const vain = { s: new Uint8Array(32) };
    const here = from("192.0.2.0/24");
    for (let i = 0; i < 2 * JOIN_SOURCE_RATE.burst; i++) {
      assert.throws(() => admitting.redeem(admitter, here, vain), { code: "invite-unknown" });
    }
    for (let i = 0; i < JOIN_SOURCE_RATE.burst; i++) admitting.redeem(admitter, here, question);
    assert.throws(() => admitting.redeem(admitter, here, question), {
      code: "refused",
      message: /Too many join/,
      fields: { retryMs: 5_000 },
    });
    admitting.redeem(admitter, from("198.51.100.0/24"), question);
    return Promise.resolve();
  }),
);
