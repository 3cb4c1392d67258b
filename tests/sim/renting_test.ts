/**
 * Renters × providers × network: commands drawn by lot against the real books over the real calls, and a
 * plain model beside them that knows only who gave a sign of life when.
 *
 * - No VM is lent twice: one owner each, no more than the policy allows, one for each request.
 * - No machine outlives its lease by more than the time that stopping takes.
 * - Every request ends exactly once, and in the end both sides agree about every VM.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { VmId } from "../../src/base/mod.ts";
import { isEnded } from "../../src/market/mod.ts";
import { type CallName, isCallName, parseQuestion } from "../../src/node/mod.ts";
import { fleetHosts, LENT, WANTED } from "../../src/sim/scenarios/fleet_hosts.ts";
import { type Out, type Provider, type Renter, Stage, type World } from "../../src/sim/mod.ts";

/** A machine takes a moment to stop, and the sign of life a moment to arrive. */
const SLACK_MS = 1_000;

/** What the model knows: when the owner of a VM was last heard about it. */
interface Model {
  readonly signs: Map<string, number>;
}

/** Two renters and two providers, and what their model is told of. */
class Subject {
  readonly fleet: {
    readonly world: World;
    readonly renters: readonly Renter[];
    readonly providers: readonly Provider[];
  };

  constructor(seed: number, readonly model: Model) {
    const plan = { hosts: fleetHosts(4), script: [], forMs: 0, expect: [] };
    const { world, lending } = new Stage(plan, seed);
    world.run(0);
    const [renters, providers] = [[...lending.renters.values()], [...lending.providers.values()]];
    this.fleet = { world, renters, providers };
    for (const provider of this.fleet.providers) {
      provider.host.listen((output) => {
        if (output.type === "request") this.#heard(provider, output);
      });
    }
  }

  /** Lets time pass, and looks at the machines at every second of it. */
  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 1_000) {
      this.fleet.world.run(Math.min(left, 1_000));
      this.check();
    }
  }

  check(): void {
    const { now } = this.fleet.world;
    for (const { machines, book } of this.fleet.providers) {
      const running = machines.running();
      const wishes = book.living().filter(({ state }) => state !== "releasing").map((vm) => {
        return `${vm.owner} ${vm.key}`;
      });
      assert.equal(new Set(wishes).size, wishes.length, "two VMs for one request");
      assert.ok(running.length <= LENT.maxVms, "more machines than the provider lends");
      for (const { id, beganAt } of running) {
        const sign = this.model.signs.get(id) ?? beganAt;
        assert.ok(now <= sign + WANTED.leaseMs + SLACK_MS, `${id} outlives its lease`);
        assert.ok(now <= beganAt + LENT.lifeMsMax + SLACK_MS, `${id} outlives its life`);
      }
    }
    const all = this.fleet.providers.flatMap(({ machines }) => machines.running());
    assert.equal(new Set(all.map(({ id }) => id)).size, all.length, "one VM at two providers");
    for (const { requests } of this.fleet.renters) {
      for (const { ends, id } of requests) {
        assert.ok(ends.length <= 1, `request ${id} ended as ${ends.join(" and as ")}`);
      }
    }
  }

  #heard(provider: Provider, { peer, name, body }: Out<"request">): void {
    if (!isCallName(name)) return;
    for (const id of vmsOf(name, body)) {
      const vm = provider.book.get(id);
      if (vm?.owner === peer) this.model.signs.set(id, this.fleet.world.now);
    }
  }
}

function vmsOf(name: CallName, body: Uint8Array): VmId[] {
  switch (name) {
    case "vm.create": {
      const question = parseQuestion(name, body);
      return question.ok ? [question.value.vm as VmId] : [];
    }
    case "vm.status":
    case "vm.renew": {
      const question = parseQuestion(name, body);
      return question.ok ? question.value.vms.map((id) => id as VmId) : [];
    }
    default:
      return [];
  }
}

/** A command, by what it does; it always may. */
class Command implements fc.Command<Model, Subject> {
  constructor(readonly name: string, readonly act: (subject: Subject) => void) {}

  check(): boolean {
    return true;
  }

  run(_model: Model, subject: Subject): void {
    this.act(subject);
    subject.check();
  }

  toString(): string {
    return this.name;
  }
}

const renterOf = ({ fleet }: Subject, n: number) => fleet.renters[n] as Renter;
const providerOf = ({ fleet }: Subject, n: number) => fleet.providers[n] as Provider;

function crash(node: Renter | Provider): void {
  if (node.host.isUp) node.crash();
}

function restart(node: Renter | Provider): void {
  if (!node.host.isUp) node.host.restart();
}

/** Releases one of the VMs that a renter has, if it has any. */
function release(renter: Renter, n: number): void {
  const living = renter.host.isUp ? renter.book.living() : [];
  const rental = living[n % Math.max(1, living.length)];
  if (rental !== undefined) renter.release(rental.id);
}

/** The renter's node dies in the middle of a request, and its person asks again. */
function cutShort(
  subject: Subject,
  renter: Renter,
  { key, ms }: { readonly key: number; readonly ms: number },
): void {
  renter.request(WANTED, `key-${key}`);
  subject.pass(ms);
  crash(renter);
  restart(renter);
  renter.request(WANTED, `key-${key}`);
}

function divide({ fleet }: Subject, sides: readonly boolean[]): void {
  const names = [...fleet.world.hosts.keys()];
  const group = (side: boolean) => names.filter((_, n) => sides[n] === side);
  fleet.world.fabric.partition([group(false), group(true)]);
}

const two = fc.nat({ max: 1 });
const commands = [
  fc.tuple(two, fc.nat({ max: 3 })).map(([n, key]) =>
    new Command(`request ${n} ${key}`, (s) => renterOf(s, n).request(WANTED, `key-${key}`))
  ),
  fc.tuple(two, fc.nat({ max: 3 }), fc.nat({ max: 120 })).map(([n, key, ms]) =>
    new Command(
      `cut short ${n} ${key} after ${ms}`,
      (s) => cutShort(s, renterOf(s, n), { key, ms }),
    )
  ),
  fc.tuple(two, fc.nat({ max: 2 })).map(([n, i]) =>
    new Command(`release ${n} ${i}`, (s) => release(renterOf(s, n), i))
  ),
  two.map((n) => new Command(`crash renter ${n}`, (s) => crash(renterOf(s, n)))),
  two.map((n) => new Command(`restart renter ${n}`, (s) => restart(renterOf(s, n)))),
  two.map((n) => new Command(`crash provider ${n}`, (s) => crash(providerOf(s, n)))),
  two.map((n) => new Command(`restart provider ${n}`, (s) => restart(providerOf(s, n)))),
  fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }).map((sides) =>
    new Command(`divide ${sides.map(Number).join("")}`, (s) => divide(s, sides))
  ),
  fc.constant(new Command("heal", (s) => divide(s, []))),
  fc.constantFrom(15, 35, 100, 1_000, 5_000, 20_000, 45_000).map((ms) =>
    new Command(`pass ${ms}`, (s) => s.pass(ms))
  ),
];

/** All are there again, and joined; what was begun comes to its end. */
function settle(subject: Subject): void {
  divide(subject, []);
  for (const node of [...subject.fleet.renters, ...subject.fleet.providers]) restart(node);
  subject.pass(180_000);
}

/** Both sides agree about what lives, and every request has ended. */
function assertAgree({ fleet }: Subject): void {
  const running = fleet.providers.flatMap(({ machines }) => machines.running());
  const lent = fleet.providers.flatMap(({ book }) => book.living()).map(({ id }) => id);
  const rented = fleet.renters.flatMap(({ book }) => book.living()).map(({ id }) => id);
  assert.deepEqual(lent.toSorted(), running.map(({ id }) => id).toSorted());
  assert.deepEqual(rented.toSorted(), lent.toSorted());
  for (const { book, host } of fleet.renters) {
    for (const { id, state } of book.living()) {
      assert.equal(running.find((vm) => vm.id === id)?.owner, host.peer);
      assert.ok(state === "booting" || state === "ready", `${id} is ${state}`);
    }
  }
  for (const { requests } of fleet.renters) {
    assert.deepEqual(requests.filter(({ ends }) => ends.length !== 1), []);
  }
}

Deno.test("leases hold and requests end once, whatever crashes and falls apart", () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.commands(commands, { maxCommands: 60, size: "max" }),
      (seed, drawn) => {
        const model: Model = { signs: new Map() };
        const subject = new Subject(seed, model);
        fc.modelRun(() => ({ model, real: subject }), drawn);
        settle(subject);
        assertAgree(subject);
        for (const renter of subject.fleet.renters) {
          for (const { id } of renter.book.living()) renter.release(id);
        }
        subject.pass(10_000);
        const left = subject.fleet.providers.flatMap(({ machines }) => machines.running());
        assert.deepEqual(left, [], "released, and it runs");
        assert.ok(
          subject.fleet.renters.every(({ book }) =>
            book.list().every(({ state }) => isEnded(state))
          ),
        );
      },
    ),
    { numRuns: 100 },
  );
});

Deno.test("a renter that is gone keeps its VM for its lease, and not a moment more", () => {
  const subject = new Subject(1, { signs: new Map() });
  const [renter, provider] = [renterOf(subject, 0), subject.fleet.providers];
  renter.request(WANTED, "key");
  subject.pass(10_000);
  assert.deepEqual(renter.requests.map(({ ends }) => ends), [["ready"]]);
  renter.crash();
  const running = () => provider.flatMap(({ machines }) => machines.running()).length;
  subject.pass(WANTED.leaseMs - 11_000);
  assert.equal(running(), 1);
  subject.pass(11_000 + SLACK_MS);
  assert.equal(running(), 0);
});

Deno.test("a provider whose node crashed keeps its machines, and knows them again", () => {
  const subject = new Subject(1, { signs: new Map() });
  const renter = renterOf(subject, 0);
  renter.request(WANTED, "key");
  subject.pass(10_000);
  const provider = subject.fleet.providers.find(({ machines }) => machines.running().length > 0);
  assert.ok(provider);
  provider.crash();
  subject.pass(5_000);
  provider.host.restart();
  subject.pass(120_000);
  assert.deepEqual(provider.book.living().map(({ state }) => state), ["ready"]);
  assert.deepEqual(renter.book.living().map(({ state }) => state), ["ready"]);
});
