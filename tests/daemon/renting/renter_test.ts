/** The renter with real providers whose machines, calls and tunnels a test moves. */
import assert from "node:assert/strict";
import { OmertaError, type VmId } from "../../../src/base/mod.ts";
import { settle } from "../fake_time.ts";
import { type RentRig, withRenter } from "./rent_rig.ts";

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NEVER = new AbortController().signal;

/** The ids of VMs that this node believes to live. */
async function living(rig: RentRig): Promise<string[]> {
  const vms = await rig.consumer.list(null);
  return vms.filter(({ state }) => !["released", "failed", "lost"].includes(state)).map((v) =>
    v.id
  );
}

// Requests ---------------------------------------------------------------------------------------

Deno.test(
  "a request ends with a VM whose ssh answered",
  withRenter(1, async (rig) => {
    const requested = await rig.booting({ name: "box" });
    const { runner } = rig.lender;
    runner.only.happens({ type: "ready", bootMs: 500 });
    await settle();
    await rig.answer();
    const vm = await requested.done;
    assert.deepEqual(requested.phases, ["match", "reserve", "create", "boot", "network"]);
    assert.deepEqual([vm.state, vm.name, vm.ssh_user, vm.accelerator, vm.isolation], [
      "ready",
      "box",
      "root",
      "tcg",
      "emulated",
    ]);
    assert.match(vm.ssh_address ?? "", /^\[fd[0-9a-f:]+\]:22$/);
    assert.match(vm.ssh_host_key ?? "", /^ssh-ed25519 [A-Za-z0-9+/=]+$/);
    assert.deepEqual([vm.ssh_command?.at(0), vm.ssh_command?.at(-1)], ["ssh", `root@${vm.id}`]);
    assert.deepEqual([vm.timings_ms.boot, vm.timings_ms.network, vm.timings_ms.ssh], [
      500,
      300,
      100,
    ]);
    const known = Deno.readTextFileSync(`${rig.dir}/renter/ssh/known_hosts`);
    assert.ok(known.includes(vm.ssh_host_key ?? "none"));
  }),
);

Deno.test(
  "a request repeated with its key gives the same VM",
  withRenter(1, async (rig) => {
    const first = await rig.ready({ key: "k" });
    const second = await rig.request({ key: "k" }).done;
    assert.equal(second.id, first.id);
    assert.equal(rig.machines(), 1);
  }),
);

Deno.test(
  "requests with one key at the same time give one VM to all",
  withRenter(1, async (rig) => {
    const both = [await rig.booting({ key: "k" }), await rig.booting({ key: "k" })];
    await rig.answer();
    const [a, b] = await Promise.all(both.map(({ done }) => done));
    assert.equal(a?.id, b?.id);
    assert.equal(rig.machines(), 1);
  }),
);

Deno.test(
  "who gives up a keyed request takes nothing from another who waits for it",
  withRenter(1, async (rig) => {
    const first = await rig.booting({ key: "k" });
    const second = await rig.booting({ key: "k" });
    first.abort();
    await assert.rejects(first.done, { code: "timeout" });
    await rig.answer();
    assert.equal((await second.done).state, "ready");
  }),
);

Deno.test(
  "a keyed request that was given up goes on, and its repetition gets the VM",
  withRenter(1, async (rig) => {
    const first = await rig.booting({ key: "k" });
    first.abort();
    await assert.rejects(first.done, { code: "timeout" });
    await rig.answer();
    const [vm] = await rig.consumer.list(null);
    assert.equal(vm?.state, "ready");
    assert.equal((await rig.request({ key: "k" }).done).id, vm?.id);
  }),
);

Deno.test(
  "a keyed request that was given up before its VM was created goes on, too",
  withRenter(1, async (rig) => {
    for (const name of ["vm.reserve", "vm.create"] as const) {
      const arrives = Promise.withResolvers<void>();
      rig.held.set(name, arrives.promise);
      const requested = await rig.booting({ key: name });
      requested.abort();
      await assert.rejects(requested.done, { code: "timeout" });
      arrives.resolve();
      await settle();
      await settle();
      await rig.answer();
      const vm = await rig.request({ key: name }).done;
      assert.deepEqual([vm.state, vm.key], ["ready", name]);
    }
    assert.equal(rig.machines(), 2);
  }),
);

for (const held of ["vm.reserve", "vm.create", null] as const) {
  const when = held === null ? "while its guest boots" : `during ${held}`;
  Deno.test(
    `a request without a key that is given up ${when} leaves nothing`,
    withRenter(1, async (rig, time) => {
      const arrives = Promise.withResolvers<void>();
      if (held !== null) rig.held.set(held, arrives.promise);
      const requested = await rig.booting();
      requested.abort();
      arrives.resolve();
      await assert.rejects(requested.done, { code: "timeout" });
      await time.advance(15 * SECOND); // a reservation that nobody uses ends by itself
      assert.deepEqual(await living(rig), []);
      assert.deepEqual([rig.machines(), rig.lender.provider.used().vms], [0, 0]);
    }),
  );
}

Deno.test(
  "--no-wait answers once the VM is created, and the VM becomes ready",
  withRenter(1, async (rig) => {
    const vm = await rig.request({ wait: false }).done;
    assert.equal(vm.state, "booting", "its provider has said so");
    await settle();
    await rig.answer();
    assert.equal((await rig.consumer.status(vm.id)).state, "ready");
  }),
);

Deno.test(
  "--no-wait goes on when its command is gone",
  withRenter(1, async (rig) => {
    const arrives = Promise.withResolvers<void>();
    rig.held.set("vm.create", arrives.promise);
    const requested = await rig.booting({ wait: false });
    requested.abort();
    arrives.resolve();
    await requested.done.catch(() => {});
    await settle();
    await settle();
    await rig.answer();
    assert.deepEqual((await rig.consumer.list(null)).map(({ state }) => state), ["ready"]);
  }),
);

Deno.test(
  "a VM that fails to boot is told with its reason, and nothing of it is left",
  withRenter(1, async (rig) => {
    for (const key of [null, "k"]) {
      const requested = await rig.booting({ key });
      const { runner } = rig.lender;
      runner.end(runner.only, { reason: "failed", detail: "QEMU died" });
      await assert.rejects(requested.done, (error: OmertaError) => {
        assert.equal(error.code, "vm-failed");
        assert.match(error.message, /QEMU died/);
        return true;
      });
      assert.deepEqual(await living(rig), []);
      assert.equal(rig.machines(), 0);
    }
  }),
);

Deno.test(
  "a VM whose ssh never answers is released, also with --key and --no-wait",
  withRenter(1, async (rig) => {
    for (const [key, wait] of [[null, true], ["k", true], [null, false]] as const) {
      const requested = await rig.booting({ key, wait });
      await rig.answer(false);
      if (wait) await assert.rejects(requested.done, { code: "vm-failed" });
      await settle();
      assert.deepEqual([rig.machines(), await living(rig)], [0, []], `key ${key}, wait ${wait}`);
    }
  }),
);

Deno.test(
  "a key whose VM failed gives a new one",
  withRenter(1, async (rig) => {
    const requested = await rig.booting({ key: "k" });
    const [first] = await rig.consumer.list(null);
    await rig.answer(false);
    await assert.rejects(requested.done);
    const second = await rig.ready({ key: "k" });
    assert.notEqual(second.id, first?.id);
  }),
);

Deno.test(
  "a key whose VM is being released gives a new one",
  withRenter(1, async (rig) => {
    const first = await rig.ready({ key: "k" });
    const arrives = Promise.withResolvers<void>();
    rig.held.set("vm.release", arrives.promise);
    const released = rig.consumer.release([first.id], false, NEVER);
    await settle();
    const second = await rig.booting({ key: "k" });
    arrives.resolve();
    assert.deepEqual((await released).released, [first.id]);
    await settle();
    await rig.answer();
    assert.notEqual((await second.done).id, first.id);
  }),
);

Deno.test(
  "a key whose VM ended unnoticed gives a new one",
  withRenter(1, async (rig) => {
    const first = await rig.ready({ key: "k" });
    rig.lender.stand.connected.clear(); // so that the renter is not told
    await rig.lender.provider.evict(first.id as VmId);
    const second = await rig.ready({ key: "k" });
    assert.notEqual(second.id, first.id);
  }),
);

Deno.test(
  "a VM's name is its own while it lives",
  withRenter(1, async (rig) => {
    const { id } = await rig.ready({ name: "box" });
    await assert.rejects(rig.request({ name: "box" }).done, { code: "exists" });
    assert.equal(rig.machines(), 1);
    await rig.consumer.release(["box"], false, NEVER);
    assert.notEqual((await rig.ready({ name: "box" })).id, id);
  }),
);

Deno.test(
  "of two requests for one name at the same time one gets it, and the other nothing",
  withRenter(1, async (rig, time) => {
    const both = [await rig.booting({ name: "box" }), rig.request({ name: "box" })];
    const together = [rig.request({ name: "two" }), rig.request({ name: "two" })];
    await settle();
    await settle();
    await rig.answer();
    const codes = async (requests: typeof both) =>
      (await Promise.allSettled(requests.map(({ done }) => done))).map((end) =>
        end.status === "fulfilled" ? end.value.state : end.reason.code
      ).toSorted();
    assert.deepEqual(await codes(both), ["exists", "ready"]);
    assert.deepEqual(await codes(together), ["exists", "ready"]);
    await time.advance(15 * SECOND);
    assert.equal(rig.machines(), 2);
    assert.equal((await living(rig)).length, 2);
  }),
);

Deno.test(
  "the reason of a provider that refuses is told, and nothing is kept",
  withRenter(0, async (rig) => {
    rig.lend({ accepting: false });
    await assert.rejects(rig.request().done, (error: OmertaError) => {
      assert.ok(["refused", "provider-full"].includes(error.code), error.code);
      return true;
    });
    assert.deepEqual(await rig.consumer.list(null), []);
  }),
);

Deno.test(
  "without a provider a request says so",
  withRenter(0, async (rig) => {
    await assert.rejects(rig.request().done, { code: "no-provider" });
  }),
);

Deno.test(
  "a provider that is silent is asked beside the next, and its late answer undone",
  withRenter(2, async (rig, time) => {
    const [slow, quick] = rig.lenders;
    assert.ok(slow && quick);
    const arrives = Promise.withResolvers<void>();
    rig.held.set("vm.reserve", arrives.promise);
    const requested = await rig.booting();
    await time.advance(SECOND); // both are asked by now
    arrives.resolve();
    await settle();
    await settle();
    await rig.answer();
    const vm = await requested.done;
    await settle();
    const used = rig.lenders.map(({ provider }) => provider.used().vms);
    assert.deepEqual(used.toSorted(), [0, 1]);
    assert.ok([slow, quick].some(({ peer }) => peer.endsWith(vm.provider)));
  }),
);

Deno.test(
  "a provider that is gone is passed over",
  withRenter(2, async (rig) => {
    rig.lender.isReachable = false;
    const vm = await rig.ready();
    assert.ok(rig.lenders[1]?.peer.endsWith(vm.provider));
  }),
);

Deno.test(
  "a dry run ends ready, without ssh",
  withRenter(0, async (rig) => {
    rig.lend({ dryRunOnly: true });
    const vm = await rig.request({ dryRun: true }).done;
    assert.deepEqual([vm.state, vm.dry_run, vm.ssh_command, vm.ssh_address], [
      "ready",
      true,
      null,
      null,
    ]);
    assert.deepEqual(rig.stand.commanded("tunnel.open"), []);
    await assert.rejects(rig.consumer.sshTargets(vm.id, false), { code: "not-found" });
    assert.deepEqual((await rig.consumer.release([], true, NEVER)).released, [vm.id]);
  }),
);

Deno.test(
  "an ssh key that is none is refused before anybody is asked",
  withRenter(1, async (rig) => {
    await assert.rejects(rig.request({ sshPublicKey: "ssh-ed25519 x" }).done, {
      code: "bad-ssh-key",
    });
    assert.deepEqual(rig.stand.calls, []);
  }),
);

Deno.test(
  "a provider that goes away while its VM boots is waited for, and given up in the end",
  withRenter(1, async (rig, time) => {
    const { lender } = rig;
    const { peer } = lender;
    const away = () => {
      lender.isReachable = false;
      rig.stand.views.emit({ type: "peer-down", peer, reason: "lost" });
    };
    const back = () => {
      lender.isReachable = true;
      rig.stand.views.emit({ type: "peer-up", peer, renewed: false });
    };
    const first = await rig.booting({ name: "one" });
    away();
    await time.advance(10 * SECOND);
    back();
    await time.advance(10 * SECOND);
    await rig.answer();
    assert.equal((await first.done).state, "ready");
    const second = await rig.booting({ name: "two" });
    away();
    await time.advance(20 * SECOND);
    await assert.rejects(second.done, { code: "unreachable" });
    back();
    const two = rig.renter.rentals.find("two");
    await settle();
    assert.equal((await rig.consumer.status(two.id)).state, "released");
    assert.equal(rig.machines(), 1);
  }),
);

// Restarts of the renter -------------------------------------------------------------------------

Deno.test(
  "a request that was cut off before its VM was created has failed, and its key is free",
  withRenter(1, async (rig) => {
    const arrives = Promise.withResolvers<void>();
    rig.held.set("vm.create", arrives.promise);
    await rig.booting({ key: "k", name: "box" });
    rig.restart();
    assert.deepEqual((await rig.consumer.list(null)).map(({ state }) => state), ["failed"]);
    rig.held.clear();
    const vm = await rig.ready({ key: "k", name: "box" });
    assert.equal(vm.state, "ready");
  }),
);

Deno.test(
  "what may have been created when the node ended is released before its key is used again",
  withRenter(1, async (rig) => {
    const arrives = Promise.withResolvers<void>();
    rig.lender.lies.set("vm.create", async (question) => {
      await rig.lender.stand.ask(rig.self, "vm.create", question as never);
      return await arrives.promise;
    });
    await rig.booting({ key: "k" });
    assert.equal(rig.machines(), 1);
    rig.restart();
    rig.lender.lies.clear();
    const released = Promise.withResolvers<void>();
    rig.held.set("vm.release", released.promise);
    rig.renter.resume();
    const again = rig.request({ key: "k" });
    await settle();
    assert.equal(rig.stand.called("vm.reserve").length, 1, "it waits");
    released.resolve();
    for (let i = 0; i < 3; i++) await settle();
    await rig.answer();
    assert.equal((await again.done).state, "ready");
    assert.equal(rig.machines(), 1);
    arrives.reject(new OmertaError("unreachable", "it is too late"));
  }),
);

Deno.test(
  "a VM whose boot was not seen to its end is waited for by the next node",
  withRenter(1, async (rig) => {
    await rig.booting({ name: "box" });
    rig.restart();
    rig.renter.resume();
    await settle();
    await rig.answer();
    assert.equal((await rig.consumer.status("box")).state, "ready");
  }),
);

Deno.test(
  "everything that is known of a VM survives a restart",
  withRenter(1, async (rig) => {
    const before = await rig.ready({ name: "box", key: "k" });
    rig.restart();
    const after = await rig.consumer.status("box");
    assert.deepEqual({ ...after, checked_at: null }, { ...before, checked_at: null });
  }),
);

// Ends -------------------------------------------------------------------------------------------

Deno.test(
  "releasing twice is done, and each VM is named once",
  withRenter(1, async (rig) => {
    const { id } = await rig.ready();
    const once = { released: [id], failed: [] };
    assert.deepEqual(await rig.consumer.release([id, id, id.slice(0, 6)], false, NEVER), once);
    assert.deepEqual(await rig.consumer.release([id], false, NEVER), once);
    assert.equal(rig.stand.called("vm.release").length, 1);
  }),
);

Deno.test(
  "what cannot be released is told with its error beside what can",
  withRenter(2, async (rig) => {
    const first = await rig.ready();
    rig.lender.isReachable = false;
    const second = await rig.ready();
    const { released, failed } = await rig.consumer.release([], true, NEVER);
    assert.deepEqual(released, [second.id]);
    assert.deepEqual(failed.map(({ id, error }) => [id, error.code]), [[first.id, "unreachable"]]);
    const unknown = await rig.consumer.release(["nothing"], false, NEVER);
    assert.deepEqual(unknown.failed.map(({ error }) => error.code), ["not-found"]);
  }),
);

Deno.test(
  "a VM that is to end is kept alive no more, though its provider was not reached",
  withRenter(1, async (rig, time) => {
    const { id } = await rig.ready({ leaseMs: 10 * MINUTE });
    rig.lender.isReachable = false;
    await rig.consumer.release([id], false, NEVER);
    rig.lender.isReachable = true;
    await time.advance(11 * MINUTE);
    assert.equal(rig.machines(), 0);
    assert.equal((await rig.consumer.status(id)).state, "released");
  }),
);

Deno.test(
  "a release that did not get through can be repeated",
  withRenter(1, async (rig) => {
    const { id } = await rig.ready();
    rig.lender.isReachable = false;
    assert.equal((await rig.consumer.release([id], false, NEVER)).failed.length, 1);
    rig.lender.isReachable = true;
    assert.deepEqual((await rig.consumer.release([id], false, NEVER)).released, [id]);
    assert.equal(rig.machines(), 0);
  }),
);

Deno.test(
  "a VM released while it is waited for ends the request, and does not come back",
  withRenter(1, async (rig) => {
    const requested = await rig.booting();
    const [vm] = await rig.consumer.list(null);
    await rig.consumer.release([vm?.id ?? ""], false, NEVER);
    await rig.answer();
    await assert.rejects(requested.done);
    assert.deepEqual(await living(rig), []);
  }),
);

Deno.test(
  "a VM that its provider does not know any more is lost",
  withRenter(1, async (rig) => {
    const { id } = await rig.ready();
    rig.stand.answer("vm.status", () => ({ vms: [] }));
    assert.equal((await rig.consumer.status(id)).state, "lost");
    assert.deepEqual(rig.stand.commanded("tunnel.close"), [
      { tunnel: rig.stand.commanded("tunnel.open")[0]?.["tunnel"] },
    ]);
  }),
);

Deno.test(
  "a provider that does not answer leaves what was known, with the time of it",
  withRenter(1, async (rig, time) => {
    const vm = await rig.ready();
    rig.lender.isReachable = false;
    await time.advance(5 * SECOND);
    const [shown] = await rig.consumer.list(null);
    assert.deepEqual([shown?.state, shown?.checked_at], ["ready", vm.checked_at]);
  }),
);

Deno.test(
  "only its provider's word counts for a VM",
  withRenter(2, async (rig) => {
    const { id } = await rig.ready();
    const other = rig.lenders[1]?.peer ?? rig.lender.peer;
    const message = {
      vm: id,
      state: "failed",
      leaseLeftMs: null,
      lifeLeftMs: null,
      bootMs: null,
      reason: "lies",
      endReason: "failed",
    } as const;
    await rig.stand.ask(other, "vm.event", message);
    assert.equal((await rig.consumer.status(id)).state, "ready");
    await rig.stand.ask(rig.lender.peer, "vm.event", message);
    assert.equal((await rig.consumer.status(id)).state, "failed");
  }),
);

Deno.test(
  "no word about a VM that ended brings it back",
  withRenter(1, async (rig) => {
    const { id } = await rig.ready();
    await rig.consumer.release([id], false, NEVER);
    const late = {
      vm: id,
      state: "booting",
      leaseLeftMs: 5,
      lifeLeftMs: 5,
      bootMs: null,
      reason: null,
      endReason: null,
    } as const;
    await rig.stand.ask(rig.lender.peer, "vm.event", late);
    assert.equal((await rig.consumer.status(id)).state, "released");
  }),
);

Deno.test(
  "list shows what lives first, then the ends, the newest first, also those of days ago",
  withRenter(1, async (rig, time) => {
    for (const name of ["one", "two", "three", "four"]) {
      await rig.ready({ name });
      await time.advance(1);
    }
    await rig.consumer.release(["one"], false, NEVER);
    await time.advance(SECOND);
    await rig.consumer.release(["three"], false, NEVER);
    rig.stand.wallSkewMs = 3 * DAY;
    await time.advance(2 * MINUTE);
    rig.restart();
    const names = (await rig.consumer.list(null)).map(({ name }) => name);
    assert.deepEqual(names, ["two", "four", "three", "one"]);
  }),
);

Deno.test(
  "of the VMs that ended the newest 256 are remembered",
  withRenter(1, async (rig) => {
    const { id } = await rig.ready();
    await rig.consumer.release([id], false, NEVER);
    const row = rig.row(id);
    assert.ok(row);
    for (let i = 0; i < 300; i++) {
      const old = String.fromCharCode(97 + i % 26, 97 + Math.floor(i / 26));
      rig.stand.store.rentals.put({ ...row, id: `${id.slice(0, 14)}${old}` as VmId, endedAtMs: i });
    }
    rig.restart();
    const vms = await rig.consumer.list(null);
    assert.equal(vms.length, 256);
    assert.equal(vms[0]?.id, id);
    assert.equal(rig.stand.store.rentals.count(), 256);
  }),
);

// Leases -----------------------------------------------------------------------------------------

Deno.test(
  "a running node keeps its VMs alive, at a third of the lease, a minute at most",
  withRenter(1, async (rig, time) => {
    for (const [leaseMs, everyMs] of [[30 * SECOND, 10 * SECOND], [DAY, MINUTE]] as const) {
      const { id } = await rig.ready({ leaseMs });
      const before = rig.stand.called("vm.renew").length;
      await time.advance(10 * everyMs);
      const renewals = rig.stand.called("vm.renew").length - before;
      assert.ok(renewals >= 9 && renewals <= 11, `${renewals} renewals of ${leaseMs} ms`);
      assert.equal((await rig.consumer.status(id)).state, "ready");
      await rig.consumer.release([id], false, NEVER);
    }
  }),
);

Deno.test(
  "more VMs of one provider than a call may name are all kept alive, and all asked about",
  withRenter(1, async (rig, time) => {
    const { id } = await rig.ready();
    const row = rig.row(id);
    assert.ok(row);
    for (let i = 0; i < 70; i++) {
      const own = String.fromCharCode(97 + i % 26, 97 + Math.floor(i / 26));
      rig.stand.store.rentals.put({ ...row, id: `${id.slice(0, 14)}${own}` as VmId });
    }
    const called = (name: "vm.renew" | "vm.status") =>
      rig.stand.called(name).map(({ question }) => question.vms.length);
    rig.restart();
    await rig.consumer.list(null);
    assert.deepEqual(called("vm.status"), [64, 7]);
    for (const { id: each } of rig.stand.store.rentals.list()) {
      rig.stand.store.rentals.put({ ...row, id: each });
    }
    rig.restart();
    await time.advance(MINUTE);
    assert.deepEqual(called("vm.renew"), [64, 7]);
  }),
);

Deno.test(
  "a provider that says another thing each time has its renter write seldom, but for the end",
  withRenter(1, async (rig) => {
    const { id } = await rig.ready();
    const { rentals } = rig.stand.store;
    const put = rentals.put.bind(rentals);
    let writes = 0;
    rentals.put = (row) => {
      writes++;
      return put(row);
    };
    const word = { vm: id, leaseLeftMs: HOUR, lifeLeftMs: DAY, bootMs: null, endReason: null };
    for (let i = 0; i < 500; i++) {
      const say = { ...word, state: "booting", reason: `now ${i}` } as const;
      await rig.stand.ask(rig.lender.peer, "vm.event", say);
    }
    assert.ok(writes <= 20, `${writes} writes`);
    const end = { ...word, state: "failed", endReason: "oom", reason: "no more" } as const;
    await rig.stand.ask(rig.lender.peer, "vm.event", end);
    assert.deepEqual([rig.row(id)?.state, rig.row(id)?.endedAtMs !== null], ["failed", true]);
  }),
);

Deno.test(
  "a node that rents nothing says nothing",
  withRenter(1, async (rig, time) => {
    await time.advance(HOUR);
    assert.deepEqual([rig.stand.calls, rig.reached], [[], 0]);
  }),
);

Deno.test(
  "extend tells the new end of the lease",
  withRenter(1, async (rig) => {
    const { id } = await rig.ready({ leaseMs: MINUTE });
    const vm = await rig.consumer.extend(id, 2 * HOUR, NEVER);
    const leftMs = Date.parse(vm.lease_expires_at ?? "") - rig.stand.wallMs();
    assert.equal(leftMs, 2 * HOUR);
    await rig.consumer.release([id], false, NEVER);
    await assert.rejects(rig.consumer.extend(id, HOUR, NEVER), { code: "lease-ended" });
  }),
);

// Streams and tunnels ----------------------------------------------------------------------------

Deno.test(
  "a ticket is for one VM's port, and a VM that ended gets none",
  withRenter(1, async (rig) => {
    const { id } = await rig.ready();
    const ticket = await rig.consumer.ticket(id, 22, NEVER);
    assert.match(ticket, /^[0-9a-f]{64}$/);
    const [added] = rig.stand.commanded("ticket.add");
    assert.deepEqual([added?.["port"], added?.["ticket"]], [22, ticket]);
    await rig.consumer.release([id], false, NEVER);
    await assert.rejects(rig.consumer.ticket(id, 22, NEVER), { code: "lease-ended" });
  }),
);

Deno.test(
  "a ticket has the node wait for its stream, a forward has it stay while it listens",
  withRenter(1, async (rig) => {
    const { id } = await rig.ready();
    await rig.consumer.ticket(id, 22, NEVER);
    assert.deepEqual(rig.expected, [30_000]);
    rig.stand.answers.set("forward.listen", () => ({ address: "127.0.0.1:4000" }));
    const controller = new AbortController();
    const items: unknown[] = [];
    const forwarded = rig.consumer.forward(id, [{ bind: "127.0.0.1:0", port: 80 }], {
      signal: controller.signal,
      item: (item) => items.push(item),
    });
    await settle();
    const [item] = items as { local: string; remote: string }[];
    assert.equal(item?.local, "127.0.0.1:4000");
    assert.match(item?.remote ?? "", /^\[fd[0-9a-f:]+\]:80$/);
    const [[name, open] = []] = rig.holds;
    assert.ok(name?.startsWith(`forward of VM ${id}`));
    assert.equal(open, 1);
    controller.abort();
    await forwarded;
    assert.deepEqual(rig.holds, [[name, 1], [name, 0]]);
    assert.equal(rig.stand.commanded("forward.close").length, 1);
    await rig.consumer.release([id], false, NEVER);
    const late = rig.consumer.forward(id, [{ bind: "127.0.0.1:0", port: 80 }], {
      signal: NEVER,
      item() {},
    });
    await assert.rejects(late, { code: "lease-ended" });
  }),
);

Deno.test(
  "an open tunnel wants its provider back, until it is closed or the node ends",
  withRenter(1, async (rig, time) => {
    const { id } = await rig.ready();
    const { lender } = rig;
    lender.isReachable = false;
    rig.stand.views.emit({ type: "peer-down", peer: lender.peer, reason: "lost" });
    await time.advance(10 * SECOND);
    assert.ok(rig.reached > 5);
    lender.isReachable = true;
    await time.advance(3 * SECOND);
    const after = rig.reached;
    await time.advance(10 * SECOND);
    assert.equal(rig.reached, after);
    await rig.consumer.release([id], false, NEVER);
    const released = rig.reached;
    rig.stand.views.emit({ type: "peer-down", peer: lender.peer, reason: "lost" });
    await time.advance(10 * SECOND);
    assert.equal(rig.reached, released);
  }),
);

Deno.test(
  "ssh is offered for what is ready, with strict host keys",
  withRenter(1, async (rig) => {
    const requested = await rig.booting({ name: "box" });
    await assert.rejects(rig.consumer.sshTargets("box", false), { code: "not-found" });
    await rig.answer();
    const vm = await requested.done;
    const [target] = await rig.consumer.sshTargets(null, true);
    assert.deepEqual([target?.id, target?.name, target?.host_key], [vm.id, "box", vm.ssh_host_key]);
  }),
);

// Names ------------------------------------------------------------------------------------------

Deno.test(
  "a VM is meant by its id, a prefix, its name, or alone",
  withRenter(1, async (rig) => {
    const box = await rig.ready({ name: "box" });
    for (const name of [box.id, box.id.slice(0, 4), "box", null]) {
      assert.equal(rig.renter.rentals.find(name).id, box.id);
    }
    await rig.ready({ name: "other" });
    assert.throws(() => rig.renter.rentals.find(null), { code: "ambiguous" });
    assert.throws(() => rig.renter.rentals.find("none"), { code: "not-found" });
    assert.throws(() => rig.renter.rentals.find(box.id.slice(0, 3)), { code: "not-found" });
  }),
);
