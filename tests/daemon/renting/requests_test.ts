/** Whom a request asks, in which order, how long it waits, and what it believes. */
import assert from "node:assert/strict";
import type { ConsumerRequestInput, VmDoc } from "../../../src/api/nouns/consumer.ts";
import { OmertaError, splitPeerKey, type VmId } from "../../../src/base/mod.ts";
import { UNKNOWN_OFFER } from "../../../src/market/mod.ts";
import type { Answer } from "../../../src/node/mod.ts";
import { type FakeTime, settle } from "../fake_time.ts";
import { type Lender, type RentRig, type Requested, withRenter } from "./rent_rig.ts";

const SECOND = 1_000;
const MINUTE = 60_000;
const NEVER = new AbortController().signal;

const idOf = ({ peer }: Lender) => splitPeerKey(peer).node;

/** The lender at that place. */
function at(rig: RentRig, i: number): Lender {
  const lender = rig.lenders[i];
  assert.ok(lender);
  return lender;
}

function refuses(code: "vm-failed" | "provider-full" | "refused", retryMs?: number) {
  return () => {
    const fields = { said_by: "p", ...retryMs === undefined ? {} : { retryMs } };
    throw new OmertaError(code, `provider p says: ${code}`, { fields });
  };
}

/** What a reservation fails with. */
async function failure(requested: Requested): Promise<OmertaError> {
  const error = await requested.done.then(() => assert.fail("a VM came"), (error) => error);
  assert.ok(error instanceof OmertaError, String(error));
  return error;
}

/** An answer to `vm.reserve` as an honest provider gives it, with changes. */
async function reservation(
  rig: RentRig,
  lender: Lender,
  question: unknown,
  changes: Partial<Answer<"vm.reserve">>,
): Promise<Answer<"vm.reserve">> {
  const answer = await lender.stand.ask(rig.self, "vm.reserve", question as never);
  return { ...answer, ...changes };
}

// The next one -----------------------------------------------------------------------------------

Deno.test(
  "where one fails to create, the next one serves, and is asked first from then on",
  withRenter(2, async (rig, time) => {
    const [eve, bob] = [at(rig, 0), at(rig, 1)];
    eve.lies.set("vm.create", refuses("vm-failed"));
    const first = await rig.ready({ name: "box", key: "k" });
    assert.deepEqual([first.provider, first.name, first.key], [idOf(bob), "box", "k"]);
    eve.lies.clear();
    assert.equal((await rig.ready()).provider, idOf(bob), "the nearer one failed a moment ago");
    await time.advance(2 * MINUTE);
    assert.equal((await rig.ready()).provider, idOf(eve), "that is forgiven");
    assert.equal(eve.runner.machines.size, 1, "nothing is left of what failed");
  }),
);

Deno.test(
  "a failure is remembered over a restart, and the only provider is asked all the same",
  withRenter(2, async (rig) => {
    const [eve, bob] = [at(rig, 0), at(rig, 1)];
    eve.lies.set("vm.create", refuses("vm-failed"));
    await rig.ready();
    eve.lies.clear();
    rig.restart();
    assert.equal((await rig.ready()).provider, idOf(bob));
    bob.isReachable = false;
    assert.equal((await rig.ready()).provider, idOf(eve));
  }),
);

Deno.test(
  "where one never brings its VM up, the next one serves",
  withRenter(2, async (rig) => {
    const [eve, bob] = [at(rig, 0), at(rig, 1)];
    const requested = await rig.booting();
    eve.runner.end(eve.runner.only, { reason: "failed", detail: "QEMU ended" });
    await settle();
    await settle();
    await rig.answer();
    const vm = await requested.done;
    assert.equal(vm.provider, idOf(bob));
    const [, failed] = await rig.consumer.list(null);
    assert.deepEqual([failed?.provider, failed?.state], [idOf(eve), "failed"]);
  }),
);

Deno.test(
  "one that takes its VM back while it boots, or forgets it each time, is passed over, too",
  withRenter(3, async (rig) => {
    const [eve, mallory, bob] = [at(rig, 0), at(rig, 1), at(rig, 2)];
    mallory.lies.set("vm.create", () => {
      throw new OmertaError("not-found", "provider m says: no such VM", {
        fields: { said_by: "m" },
      });
    });
    const requested = await rig.booting();
    const [booting] = await rig.consumer.list(null);
    await eve.provider.evict(booting?.id as VmId);
    for (let i = 0; i < 4; i++) await settle();
    await rig.answer();
    assert.equal((await requested.done).provider, idOf(bob));
  }),
);

Deno.test(
  "a VM that its person releases while it boots is not made anew elsewhere",
  withRenter(2, async (rig) => {
    const requested = await rig.booting();
    const [booting] = await rig.consumer.list(null);
    await rig.consumer.release([booting?.id ?? ""], false, NEVER);
    await settle();
    await failure(requested);
    assert.equal(rig.stand.called("vm.reserve").length, 1);
    assert.equal(rig.machines(), 0);
  }),
);

Deno.test(
  "when all have failed, the last failure is told, and nothing is left",
  withRenter(3, async (rig) => {
    for (const { lies } of rig.lenders) lies.set("vm.create", refuses("vm-failed"));
    const error = await failure(rig.request());
    assert.deepEqual([error.code, error.message], ["vm-failed", "provider p says: vm-failed"]);
    await settle();
    assert.equal(rig.stand.called("vm.create").length, 3);
    assert.equal(rig.machines(), 0);
    const states = (await rig.consumer.list(null)).map(({ state }) => state);
    assert.ok(states.every((state) => state === "failed" || state === "released"));
  }),
);

Deno.test(
  "a request that was given up asks nobody else",
  withRenter(2, async (rig) => {
    const requested = await rig.booting();
    requested.abort();
    assert.equal((await failure(requested)).code, "timeout");
    assert.equal(rig.stand.called("vm.create").length, 1);
  }),
);

// Waiting for room -------------------------------------------------------------------------------

/** Lets time pass and every guest answer, until all requests are settled. */
async function serveAll(rig: RentRig, time: FakeTime, requested: Requested[]): Promise<VmDoc[]> {
  let isDone = false;
  const all = Promise.all(requested.map(({ done }) => done)).finally(() => isDone = true);
  all.catch(() => {});
  for (let s = 0; s < 60 && !isDone; s++) {
    await time.advance(SECOND);
    for (const { runner } of rig.lenders) {
      for (const machine of runner.machines.values()) {
        if (!machine.isReady && machine.isAlive) {
          machine.isReady = true;
          machine.happens({ type: "ready", bootMs: 1 });
        }
      }
    }
    await rig.answer();
  }
  return await all;
}

Deno.test(
  "requests at once all get their VM where there is room, one after the other",
  withRenter(0, async (rig, time) => {
    rig.lend({ startingPerOwnerMax: 1, livingPerOwnerMax: 4 });
    const requested = [rig.request(), rig.request(), rig.request()];
    await settle();
    const vms = await serveAll(rig, time, requested);
    assert.deepEqual(vms.map(({ state }) => state), ["ready", "ready", "ready"]);
    assert.equal(new Set(vms.map(({ id }) => id)).size, 3);
    assert.ok(requested.some(({ told }) => told.some((text) => /^waiting for room: /.test(text))));
  }),
);

Deno.test(
  "without a time limit a request waits 30 s for room, then tells who said what",
  withRenter(1, async (rig, time) => {
    rig.lender.lies.set("vm.reserve", refuses("provider-full", 1_000));
    const requested = rig.request();
    await time.advance(29 * SECOND);
    const asked = rig.stand.called("vm.reserve").length;
    assert.ok(asked >= 6 && asked <= 16, `asked ${asked} times`);
    await time.advance(2 * SECOND);
    const error = await failure(requested);
    assert.deepEqual([error.code, error.exit], ["provider-full", 6]);
    assert.match(error.message, /provider p says/);
    assert.equal(error.fields["retry_ms"], 1_000);
  }),
);

Deno.test(
  "with a time limit it waits until then, and no longer than that is worth without one",
  withRenter(1, async (rig, time) => {
    rig.lender.lies.set("vm.reserve", refuses("provider-full", 45_000));
    assert.equal((await failure(rig.request())).code, "provider-full", "vain within 30 s");
    const patient = rig.request({ queueMs: 40 * SECOND });
    await time.advance(39 * SECOND);
    assert.equal(await Promise.race([patient.done, Promise.resolve("waits")]), "waits");
    await time.advance(2 * SECOND);
    assert.equal((await failure(patient)).code, "provider-full");
    const longer = rig.request({ queueMs: 2 * MINUTE });
    await time.advance(44 * SECOND);
    rig.lender.lies.clear();
    await time.advance(MINUTE);
    await rig.answer();
    assert.equal((await longer.done).state, "ready");
  }),
);

Deno.test(
  "what asking again cannot mend is told at once",
  withRenter(2, async (rig) => {
    for (const { lies } of rig.lenders) lies.set("vm.reserve", refuses("provider-full"));
    assert.equal((await failure(rig.request())).code, "provider-full");
    assert.equal(rig.stand.called("vm.reserve").length, 2);
  }),
);

Deno.test(
  "while it waits it asks only those who may have room later",
  withRenter(2, async (rig, time) => {
    const [full, closed] = [at(rig, 0), at(rig, 1)];
    full.lies.set("vm.reserve", refuses("provider-full", 1_000));
    closed.lies.set("vm.reserve", refuses("refused"));
    const requested = rig.request();
    await time.advance(10 * SECOND);
    full.lies.clear();
    await time.advance(10 * SECOND);
    await rig.answer();
    assert.equal((await requested.done).provider, idOf(full));
    const asked = rig.stand.called("vm.reserve").filter(({ peer }) => peer === closed.peer);
    assert.equal(asked.length, 1);
  }),
);

Deno.test(
  "a request that is given up while it waits ends at once, and leaves nothing",
  withRenter(1, async (rig, time) => {
    rig.lender.lies.set("vm.reserve", refuses("provider-full", 1_000));
    const requested = rig.request();
    await time.advance(3 * SECOND);
    requested.abort();
    assert.equal((await failure(requested)).code, "timeout");
    assert.deepEqual(await rig.consumer.list(null), []);
  }),
);

for (
  const [stage, changes] of [
    ["a provider is looked for", {}],
    ["a name is looked up", { peer: "far" }],
    ["whom to trust is looked up", { trust: ["far"] }],
  ] as const
) {
  Deno.test(
    `a request is left at once while ${stage}`,
    withRenter(1, async (rig) => {
      rig.lookups = new Promise<void>(() => {});
      const requested = rig.request(changes);
      await settle();
      requested.abort();
      assert.equal((await failure(requested)).code, "timeout");
      assert.equal(rig.stand.called("vm.reserve").length, 0);
    }),
  );
}

// Several ------------------------------------------------------------------------------------------

function many(
  rig: RentRig,
  count: number,
  { signal = NEVER, ...changes }: Partial<ConsumerRequestInput> & { signal?: AbortSignal } = {},
) {
  return rig.consumer.requestMany({ ...rig.input(changes), count }, { signal, progress() {} });
}

Deno.test(
  "several VMs alike have names and keys of their own",
  withRenter(1, async (rig) => {
    const requested = many(rig, 3, { name: "web", key: "k" });
    await settle();
    await settle();
    await rig.answer();
    const vms = await requested;
    assert.deepEqual(vms.map(({ name, key }) => [name, key]), [
      ["web-1", "k-1"],
      ["web-2", "k-2"],
      ["web-3", "k-3"],
    ]);
  }),
);

Deno.test(
  "several VMs come all or not at all",
  withRenter(0, async (rig) => {
    const lender = rig.lend();
    const reserve = (question: unknown) => {
      if (rig.stand.called("vm.reserve").length > 2) return refuses("refused")();
      return lender.stand.ask(rig.self, "vm.reserve", question as never);
    };
    lender.lies.set("vm.reserve", reserve);
    const kept = await rig.ready();
    await assert.rejects(many(rig, 3), { code: "refused" });
    await settle();
    assert.equal(rig.machines(), 1);
    const living = (await rig.consumer.list(null)).filter(({ end }) => end === null);
    assert.deepEqual(living.map(({ id }) => id), [kept.id], "another VM lives on");
  }),
);

Deno.test(
  "several VMs that are given up leave nothing, whichever had come",
  withRenter(1, async (rig, time) => {
    const controller = new AbortController();
    const requested = many(rig, 2, { signal: controller.signal });
    requested.catch(() => {});
    await settle();
    await settle();
    const [first] = rig.stand.commanded("tunnel.probe");
    const times = { handshakeMs: 1, bannerMs: 2 };
    rig.tunnels.onProbeDone({
      type: "probe-done",
      probe: String(first?.["probe"]),
      ok: true,
      ...times,
    });
    await settle();
    assert.equal(rig.machines(), 2);
    controller.abort(new OmertaError("timeout", "The command was given up"));
    await assert.rejects(requested, { code: "timeout" });
    await time.advance(SECOND);
    assert.equal(rig.machines(), 0);
  }),
);

// Trust --------------------------------------------------------------------------------------------

Deno.test(
  "only whom the request trusts serves, and is asked first from then on",
  withRenter(3, async (rig) => {
    const trusted = at(rig, 2);
    const vm = await rig.ready({ trust: [idOf(trusted)] });
    assert.deepEqual([vm.provider, vm.provider_known], [idOf(trusted), true]);
    assert.deepEqual(new Set(rig.stand.called("vm.reserve").map(({ peer }) => peer)).size, 1);
    rig.restart();
    assert.equal((await rig.ready()).provider, idOf(trusted));
    trusted.isReachable = false;
    const error = await failure(rig.request({ trust: [idOf(trusted)] }));
    assert.equal(error.code, "unreachable", "nobody else serves");
    const other = await rig.ready();
    assert.equal(other.provider, idOf(at(rig, 0)), "without it, somebody else does");
  }),
);

Deno.test(
  "a stranger that serves is told as one, the first time",
  withRenter(1, async (rig) => {
    assert.equal((await rig.ready()).provider_known, false);
    assert.equal((await rig.ready()).provider_known, true);
  }),
);

Deno.test(
  "trust is shown, given and taken back",
  withRenter(2, async (rig) => {
    const [bob, carol] = [idOf(at(rig, 0)), idOf(at(rig, 1))];
    const change = async (add: string[], remove: string[] = []) => {
      const { providers } = await rig.consumer.trust({ network: null, add, remove }, NEVER);
      return providers.map(({ id, trusted }) => [id, trusted]);
    };
    assert.deepEqual(await change([]), []);
    assert.deepEqual(await change([carol]), [[carol, true]]);
    assert.equal((await rig.ready()).provider, carol);
    assert.deepEqual(await change([bob], [carol]), [[bob, true], [carol, false]]);
    await assert.rejects(change(["nobody"]), { code: "not-found" });
  }),
);

// What was asked for ---------------------------------------------------------------------------

Deno.test(
  "who says that its walls are weaker is not asked, and who lies about them does not serve",
  withRenter(4, async (rig) => {
    const wanted = { isolation: "hardware", minConfinement: "namespaces" } as const;
    const walls = { isolation: "hardware", confinement: "full" } as const;
    const [weak, liar, silent, good] = [at(rig, 0), at(rig, 1), at(rig, 2), at(rig, 3)];
    weak.offer = { ...UNKNOWN_OFFER, isolation: "emulated", confinement: "full" };
    liar.offer = { ...UNKNOWN_OFFER, ...walls };
    good.lies.set("vm.reserve", (question) => reservation(rig, good, question, walls));
    const vm = await rig.ready(wanted);
    assert.deepEqual([vm.provider, vm.isolation, vm.confinement], [idOf(good), "hardware", "full"]);
    const asked = rig.stand.called("vm.reserve").map(({ peer }) => peer);
    assert.deepEqual(asked, [liar.peer, silent.peer, good.peer]);
    await settle();
    assert.equal(rig.stand.called("vm.release").length, 2, "what is not wanted is given back");
    assert.equal((await rig.ready()).provider, idOf(weak));
    weak.isReachable = false;
    assert.equal((await rig.ready()).provider, idOf(silent), "the liar is asked later");
  }),
);

Deno.test(
  "who runs dry is not asked for a machine where others are (T5)",
  withRenter(3, async (rig) => {
    const dry = at(rig, 1);
    for (const lender of [0, 1, 2]) { // by what they say, the dry one would come first
      at(rig, lender).offer = { ...UNKNOWN_OFFER, accepting: lender === 1, dryRun: lender === 1 };
    }
    await rig.ready();
    const asked = rig.stand.called("vm.reserve").map(({ peer }) => peer);
    assert.ok(asked.length > 0 && !asked.includes(dry.peer), "the dry one was asked");
  }),
);

Deno.test(
  "a provider that is reached and never answers is asked later the next time",
  withRenter(2, async (rig) => {
    const [eve, bob] = [at(rig, 0), at(rig, 1)];
    eve.lies.set("vm.reserve", () => {
      throw new OmertaError("unreachable", "It did not answer", { fields: { reason: "timeout" } });
    });
    const first = () => rig.stand.called("vm.reserve").map(({ peer }) => peer);
    assert.equal((await rig.ready()).provider, idOf(bob));
    assert.deepEqual(first(), [eve.peer, bob.peer]);
    await rig.ready();
    assert.deepEqual(first(), [eve.peer, bob.peer, bob.peer]);
  }),
);

Deno.test(
  "where nobody's walls suffice, that is said",
  withRenter(1, async (rig) => {
    rig.lender.offer = { ...UNKNOWN_OFFER, isolation: "emulated" };
    const error = await failure(rig.request({ isolation: "hardware" }));
    assert.equal(error.code, "no-provider");
    assert.match(error.message, /does not confine/);
  }),
);

Deno.test(
  "an image that is named by its digest is that image, or the next provider is asked",
  withRenter(2, async (rig) => {
    const digest = "cd".repeat(32);
    const [eve, bob] = [at(rig, 0), at(rig, 1)];
    bob.lies.set(
      "vm.reserve",
      (question) => reservation(rig, bob, question, { imageDigest: digest }),
    );
    const vm = await rig.ready({ image: `sha256:${digest}` });
    assert.deepEqual([vm.provider, vm.image_digest], [idOf(bob), `sha256:${digest}`]);
    const [first] = rig.stand.called("vm.reserve");
    assert.deepEqual([first?.peer, first?.question.image], [eve.peer, digest]);
    eve.isReachable = false;
    const other = await failure(rig.request({ image: `sha256:${"00".repeat(32)}` }));
    assert.match(other.message, /another image/);
  }),
);

Deno.test(
  "a provider that only runs dry lends no machine, and one that does not gives no dry run",
  withRenter(2, async (rig) => {
    const [eve, bob] = [at(rig, 0), at(rig, 1)];
    eve.lies.set("vm.reserve", (question) => reservation(rig, eve, question, { dryRun: true }));
    assert.equal((await rig.ready()).provider, idOf(bob));
  }),
);

Deno.test(
  "a provider that gives a VM the id of another that lives is passed over, the other untouched",
  withRenter(2, async (rig) => {
    const [bob, eve] = [at(rig, 0), at(rig, 1)];
    const honest = await rig.ready();
    assert.equal(honest.provider, idOf(bob));
    bob.isReachable = false;
    const carol = rig.lend();
    eve.lies.set(
      "vm.reserve",
      (question) => reservation(rig, eve, question, { vm: honest.id, existing: false }),
    );
    const before = rig.row(honest.id);
    assert.equal((await rig.ready()).provider, idOf(carol));
    await settle();
    assert.deepEqual(rig.stand.called("vm.release"), []);
    assert.deepEqual(rig.row(honest.id), before);
    for (const existing of [false, true]) {
      eve.lies.set(
        "vm.reserve",
        (question) => reservation(rig, eve, question, { vm: honest.id, existing }),
      );
      const only = await failure(rig.request({ peer: idOf(eve) }));
      assert.equal(only.code, "refused");
      assert.match(only.message, /id of another/);
    }
    assert.deepEqual(rig.row(honest.id), before);
  }),
);

Deno.test(
  "a provider that gives two requests at once one id serves the first, and the next one the second",
  withRenter(2, async (rig) => {
    const [eve, bob] = [at(rig, 0), at(rig, 1)];
    let first: Promise<Answer<"vm.reserve">> | undefined;
    eve.lies.set("vm.reserve", (question) => {
      return first ??= reservation(rig, eve, question, {});
    });
    const both = [rig.request(), rig.request()];
    for (let i = 0; i < 3; i++) await settle();
    await rig.answer();
    const vms = await Promise.all(both.map(({ done }) => done));
    assert.deepEqual(new Set(vms.map(({ provider }) => provider)), new Set([idOf(eve), idOf(bob)]));
    assert.equal(new Set(vms.map(({ id }) => id)).size, 2);
    assert.equal(rig.machines(), 2);
  }),
);

Deno.test(
  "a VM that cannot be written down is given back at once",
  withRenter(1, async (rig) => {
    const { rentals } = rig.stand.store;
    const put = rentals.put.bind(rentals);
    rentals.put = () => {
      throw new OmertaError("disk-full", "No space is left");
    };
    assert.equal((await failure(rig.request({ name: "box" }))).code, "disk-full");
    await settle();
    assert.deepEqual([rig.stand.called("vm.release").length, rig.machines()], [1, 0]);
    rentals.put = put;
    assert.equal((await rig.ready({ name: "box" })).state, "ready", "its name is free");
  }),
);

Deno.test(
  "who may not lend by its membership is not asked",
  withRenter(2, async (rig) => {
    const [eve, bob] = [at(rig, 0), at(rig, 1)];
    rig.mayProvide = (peer) => peer !== eve.peer;
    assert.equal((await rig.ready()).provider, idOf(bob));
    assert.ok(rig.stand.called("vm.reserve").every(({ peer }) => peer === bob.peer));
    const error = await failure(rig.request({ peer: idOf(eve) }));
    assert.equal(error.code, "not-allowed");
    assert.match(error.message, /membership/);
  }),
);

// Why nobody serves ------------------------------------------------------------------------------

Deno.test(
  "a node does not rent from itself, and says so",
  withRenter(1, async (rig) => {
    const error = await failure(rig.request({ peer: rig.stand.identity.id }));
    assert.deepEqual([error.code, error.exit], ["no-provider", 5]);
    assert.match(error.message, /this node itself/);
    assert.match(error.hint ?? "", /--state/);
  }),
);

Deno.test(
  "a peer that runs no provider is told as one",
  withRenter(1, async (rig) => {
    rig.lender.lies.set("vm.reserve", () => {
      throw new OmertaError("refused", "relay p says: no", { fields: { reason: "unserved" } });
    });
    const error = await failure(rig.request({ peer: idOf(rig.lender) }));
    assert.deepEqual([error.code, error.exit], ["no-provider", 5]);
    assert.match(error.message, /runs no provider/);
  }),
);

Deno.test(
  "all providers that are offline are named",
  withRenter(2, async (rig) => {
    for (const lender of rig.lenders) lender.isReachable = false;
    const error = await failure(rig.request());
    assert.equal(error.code, "unreachable");
    for (const lender of rig.lenders) assert.ok(error.message.includes(idOf(lender).slice(0, 8)));
  }),
);

// Terms --------------------------------------------------------------------------------------------

Deno.test(
  "lease and life are the provider's word, also before it is asked again",
  withRenter(0, async (rig, time) => {
    rig.lend({ leaseMsMax: 10 * MINUTE, lifeMsMax: 30 * MINUTE });
    const vm = await rig.ready({ leaseMs: 100 * 60 * MINUTE });
    const inMs = (at: string | null) => Date.parse(at ?? "") - rig.stand.wallMs();
    assert.deepEqual([vm.lease_ms, inMs(vm.lease_expires_at)], [10 * MINUTE, 10 * MINUTE]);
    assert.equal(inMs(vm.life_ends_at), 30 * MINUTE);
    await time.advance(MINUTE);
    const beats = rig.stand.called("vm.renew").length;
    assert.equal(beats, 1, "signs of life follow the lease that was granted");
    const extended = await rig.consumer.extend(vm.id, 100 * 60 * MINUTE, NEVER);
    assert.ok(inMs(extended.lease_expires_at) <= 10 * MINUTE);
    rig.restart();
    assert.equal((await rig.consumer.status(vm.id)).lease_ms, 10 * MINUTE);
  }),
);

Deno.test(
  "each end is told by its own word",
  withRenter(1, async (rig, time) => {
    const { runner, provider } = rig.lender;
    const ends = new Map<string, string>();
    const evicted = await rig.ready();
    await provider.evict(evicted.id as VmId);
    ends.set(evicted.id, "evicted");
    const exited = await rig.ready();
    const machine = runner.machines.get(exited.id as VmId);
    assert.ok(machine);
    runner.end(machine, { reason: "guest-exit", detail: null });
    ends.set(exited.id, "guest-exit");
    const released = await rig.ready();
    await rig.consumer.release([released.id], false, NEVER);
    ends.set(released.id, "released");
    await time.advance(SECOND);
    for (const { id, end } of await rig.consumer.list(null)) {
      assert.equal(end?.reason, ends.get(id));
      assert.ok(end?.at);
    }
  }),
);

Deno.test(
  "a VM that its provider is ending is not shown as ready",
  withRenter(1, async (rig) => {
    const { id } = await rig.ready();
    const nothing = { bootMs: null, leaseLeftMs: null, lifeLeftMs: null, reason: null };
    const message = { vm: id, state: "releasing", endReason: null, ...nothing } as const;
    await rig.stand.ask(rig.lender.peer, "vm.event", message);
    assert.equal(rig.renter.rentals.find(id).state, "releasing");
  }),
);

Deno.test(
  "a provider's word that changes nothing is not written",
  withRenter(1, async (rig) => {
    const { id } = await rig.ready();
    await rig.consumer.status(id);
    let writes = 0;
    const { rentals } = rig.stand.store;
    const put = rentals.put.bind(rentals);
    rentals.put = (row) => {
      writes++;
      put(row);
    };
    const same = { state: "ready", bootMs: null, reason: null, endReason: null } as const;
    for (let i = 0; i < 64; i++) {
      const left = { leaseLeftMs: 3_600_000 - i, lifeLeftMs: null };
      await rig.stand.ask(rig.lender.peer, "vm.event", { vm: id, ...same, ...left });
    }
    assert.equal(writes, 0);
    const left = { leaseLeftMs: 1_800_000, lifeLeftMs: null };
    await rig.stand.ask(rig.lender.peer, "vm.event", { vm: id, ...same, ...left });
    assert.equal(writes, 1);
  }),
);

Deno.test(
  "a release whose provider is not reached says that it will be done",
  withRenter(1, async (rig) => {
    const { id } = await rig.ready();
    rig.lender.isReachable = false;
    const { released, failed } = await rig.consumer.release([id], false, NEVER);
    assert.deepEqual([released, failed.length, failed[0]?.error.exit], [[], 1, 5]);
    assert.match(failed[0]?.error.message ?? "", /^Not released yet/);
    assert.match(failed[0]?.error.hint ?? "", /released when its provider is reached/);
  }),
);
