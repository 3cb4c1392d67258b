import assert from "node:assert/strict";
import {
  type Host,
  HostClock,
  type HostOptions,
  type Out,
  PERFECT,
  World,
} from "../../src/sim/mod.ts";
import type { Instant } from "../../src/base/mod.ts";

const DAY_MS = 86_400_000;

/** A relay and a member that enters there. */
function registered(options: Partial<HostOptions> = {}): { world: World; relay: Host; host: Host } {
  const world = new World(1);
  const { internet: realm } = world;
  const relay = world.host({
    name: "relay",
    relay: true,
    grants: ["relay"],
    attachments: [{ realm, ip: "198.51.100.1" }],
  });
  const entries = [{ id: relay.identity.id, addresses: relay.addresses }];
  const host = world.host({
    name: "host",
    entries,
    attachments: [{ realm, ip: "203.0.113.1" }],
    ...options,
  });
  return { world, relay, host };
}

function sequence(relay: Host, host: Host): number | undefined {
  return relay.machine.view.records.record(host.peer)?.seq;
}

Deno.test("a clock that runs fast or slow shows a moment no sooner than it is there", () => {
  for (const rate of [0.5, 0.999_9, 1, 1.000_1, 3]) {
    const clock = new HostClock({ rate, skewMs: 0 });
    for (const local of [0, 1, 1_000 / 3, 123_456.789, 1e9]) {
      const world = clock.world(local as Instant);
      assert.ok(clock.local(world) >= local);
      assert.ok(Math.abs(world - local / rate) < 1);
    }
  }
});

Deno.test("a host whose clock is a day behind is no member yet, and is one when it is set right", () => {
  const { world, relay, host } = registered({ clock: { rate: 1, skewMs: -DAY_MS } });
  world.run(10_000);
  assert.equal(host.machine.view.isConnected(relay.peer), false);
  host.clock.skew(0);
  world.run(60_000);
  assert.equal(host.machine.view.isConnected(relay.peer), true);
});

Deno.test("hosts whose clocks run at other rates keep their sessions", () => {
  const { world, relay, host } = registered({ clock: { rate: 1.01, skewMs: 0 } });
  world.run(600_000);
  assert.ok(host.machine.view.isConnected(relay.peer) && relay.machine.view.isConnected(host.peer));
});

Deno.test("a crash loses everything but the keys and what was kept", () => {
  const { world, relay, host } = registered();
  world.run(5_000);
  const before = sequence(relay, host);
  assert.ok(before !== undefined);
  const { peer } = host;
  host.crash();
  world.run(1_000);
  host.clock.skew(-60_000); // what the clock says would be a lower number
  host.restart();
  assert.equal(host.peer, peer);
  assert.equal(host.machine.view.isConnected(relay.peer), false);
  world.run(5_000);
  assert.ok(host.machine.view.isConnected(relay.peer));
  assert.ok((sequence(relay, host) ?? 0) > before, "the numbers of records go on");
});

Deno.test("a host that is down takes nothing and does nothing", () => {
  const { world, host } = registered();
  host.crash();
  const said: string[] = [];
  host.listen(({ type }) => void said.push(type));
  host.take({ type: "wake" });
  world.run(60_000);
  assert.deepEqual(said, []);
});

Deno.test("a host with both families answers each at its own address", () => {
  const world = new World(1);
  const { internet: realm } = world;
  const [a, b] = ["a", "b"].map((name, n) =>
    world.host({
      name,
      attachments: [
        { realm, ip: `203.0.113.${n + 1}` },
        { realm, ip: `2001:db8:${n + 1}::1` },
      ],
    })
  );
  assert.ok(a && b);
  const sent: Out<"transmit">[] = [];
  a.listen((output) => void (output.type === "transmit" && sent.push(output)));
  a.connect(b, () => {});
  world.run(1_000);
  assert.ok(a.machine.view.isConnected(b.peer));
  assert.deepEqual(a.addresses, ["203.0.113.1:9000", "[2001:db8:1::1]:9000"]);
});

Deno.test("who moves is met at its new address, and no more at the old one", () => {
  const { world, relay, host } = registered();
  world.run(5_000);
  host.move([{ realm: world.internet, ip: "203.0.113.77" }]);
  world.run(10_000);
  assert.equal(relay.machine.view.activePath(host.peer), "203.0.113.77:9000");
  assert.equal(world.internet.has("203.0.113.1"), false);
});

Deno.test("a link that gets worse is as bad for what comes as for what goes", () => {
  const { world, relay, host } = registered();
  world.run(5_000);
  host.setQuality({ ...PERFECT, delayMs: 100 });
  world.run(600_000);
  const [path] = relay.machine.view.pathsOf(host.peer, relay.now);
  assert.ok(Math.abs((path?.rttMs ?? 0) - 220) < 30, `${path?.rttMs} ms`);
});
