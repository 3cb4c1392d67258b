import assert from "node:assert/strict";
import { type Instant, seededRandom } from "../../src/base/mod.ts";
import {
  Chance,
  EventHeap,
  Fabric,
  HOME_NAT,
  Interface,
  type LinkQuality,
  Nat,
  type NatBehaviour,
  NatBox,
  type Packet,
  PERFECT,
  Realm,
} from "../../src/sim/mod.ts";

/** A network without nodes: hosts that note what comes. */
class Lab {
  now = 0 as Instant;
  readonly events = new EventHeap<() => void>();
  readonly fabric = new Fabric(this);
  readonly internet = this.realm("internet", { ...PERFECT, delayMs: 10 }, 8);
  #lot = 0;

  realm(name: string, quality = PERFECT, hops = 0): Realm {
    return new Realm(this.fabric, { name, quality, hops });
  }

  host(
    name: string,
    ip: string,
    at: Partial<
      { realm: Realm; quality: LinkQuality; firewall: NatBehaviour["filtering"] | null }
    > = {},
  ): Listener {
    return new Listener(this, { name, lot: this.#lot++ }, ip, at);
  }

  nat(
    ip: string,
    inside: Realm,
    outside = this.internet,
    behaviour: Partial<NatBehaviour> = {},
  ): NatBox {
    const chance = new Chance(1, `nat ${ip}`);
    const nat = new Nat({ ...HOME_NAT, ...behaviour }, chance);
    return new NatBox(this.fabric, nat, { inside, outside, ip, quality: PERFECT, chance });
  }

  run(forMs: number): void {
    const end = this.now + forMs;
    for (let at = this.events.nextAt(); at !== undefined && at <= end; at = this.events.nextAt()) {
      this.now = at;
      this.events.pop()?.();
    }
    this.now = end as Instant;
  }
}

class Listener {
  readonly heard: { readonly at: number; readonly packet: Packet }[] = [];
  readonly interface: Interface;
  blocksUdp = false;
  isUp = true;

  constructor(
    readonly lab: Lab,
    readonly origin: { readonly name: string; readonly lot: number },
    ip: string,
    { realm = lab.internet, quality = PERFECT, firewall = null }: {
      readonly realm?: Realm;
      readonly quality?: LinkQuality;
      readonly firewall?: NatBehaviour["filtering"] | null;
    },
  ) {
    const chance = new Chance(1, origin.name);
    this.interface = new Interface(lab.fabric, this, { realm, ip, quality, chance, firewall });
  }

  arrived(packet: Packet): void {
    this.heard.push({ at: this.lab.now, packet });
  }

  say(ip: string, { port = 9_000, bytes = 100, ttl = 0, tag = 0 } = {}): void {
    const data = seededRandom(tag).bytes(bytes).fill(tag, 0, 1);
    this.interface.send({ to: { ip, port }, port: 9_000, bytes: data, ttl });
  }

  /** Answers the last datagram at the address from which it came. */
  answer(): void {
    const from = this.heard.at(-1)?.packet.from;
    assert.ok(from, "nothing came");
    this.say(from.ip, { port: from.port });
  }

  get tags(): (number | undefined)[] {
    return this.heard.map(({ packet }) => packet.bytes[0]);
  }
}

function pair(quality: Partial<LinkQuality>): { lab: Lab; a: Listener; b: Listener } {
  const lab = new Lab();
  const a = lab.host("a", "203.0.113.1", { quality: { ...PERFECT, ...quality } });
  return { lab, a, b: lab.host("b", "203.0.113.2") };
}

/** A hundred datagrams from a to b, one a millisecond. */
function hundred({ lab, a, b }: ReturnType<typeof pair>, bytes = 100): Listener {
  for (let tag = 0; tag < 100; tag++) {
    a.say(b.interface.ip, { tag, bytes });
    lab.run(1);
  }
  lab.run(10_000);
  return b;
}

Deno.test("a link's delay is added to the realm's, and jitter only makes it longer", () => {
  const delays = (quality: Partial<LinkQuality>) =>
    hundred(pair(quality)).heard.map(({ at, packet }) => at - (packet.bytes[0] ?? 0));
  assert.deepEqual(new Set(delays({ delayMs: 5 })), new Set([15]));
  const jittered = delays({ delayMs: 5, jitterMs: 20 });
  assert.ok(Math.min(...jittered) >= 15 && Math.max(...jittered) <= 35);
  assert.ok(Math.max(...jittered) - Math.min(...jittered) > 15);
});

Deno.test("loss loses about its share, duplication doubles about its share", () => {
  const count = (quality: Partial<LinkQuality>) => hundred(pair(quality)).heard.length;
  assert.equal(count({}), 100);
  assert.ok(Math.abs(count({ loss: 0.3 }) - 70) < 20);
  assert.ok(Math.abs(count({ duplication: 0.3 }) - 130) < 20);
  assert.equal(count({ loss: 1 }), 0);
});

Deno.test("reordering lets later datagrams overtake, and loses none", () => {
  const ordered = Array.from({ length: 100 }, (_, tag) => tag);
  assert.deepEqual(hundred(pair({})).tags, ordered);
  const { tags } = hundred(pair({ reordering: 0.1 }));
  assert.notDeepEqual(tags, ordered);
  assert.deepEqual(tags.toSorted((x = 0, y = 0) => x - y), ordered);
});

Deno.test("a datagram beyond the MTU is lost, one of its length passes", () => {
  const { lab, a, b } = pair({ mtuBytes: 1_200 });
  a.say(b.interface.ip, { bytes: 1_200 });
  a.say(b.interface.ip, { bytes: 1_201 });
  lab.run(100);
  assert.deepEqual(b.heard.map(({ packet }) => packet.bytes.length), [1_200]);
  assert.deepEqual(lab.fabric.drops.read(), { "too-long": 1 });
});

Deno.test("a slow link queues, then drops", () => {
  const { lab, a, b } = pair({ bytesPerS: 12_800 }); // 100 datagrams of 100 bytes and headers a second
  for (let tag = 0; tag < 100; tag++) a.say(b.interface.ip, { tag });
  lab.run(10_000);
  assert.equal(b.heard.length, 51); // half a second of queue
  assert.equal(lab.fabric.drops.read()["queue-full"], 49);
  const gaps = b.heard.slice(1).map(({ at }, i) => at - (b.heard[i]?.at ?? 0));
  assert.ok(gaps.every((gap) => Math.abs(gap - 10) < 1e-6));
});

Deno.test("insiders of a NAT reach the internet, and are answered, by its public address", () => {
  const lab = new Lab();
  const home = lab.realm("home");
  lab.nat("203.0.113.9", home);
  const inside = lab.host("inside", "192.168.1.2", { realm: home });
  const outside = lab.host("outside", "203.0.113.1");
  inside.say("203.0.113.1");
  lab.run(100);
  assert.deepEqual(outside.heard[0]?.packet.from, { ip: "203.0.113.9", port: 9_000 });
  outside.answer();
  lab.run(100);
  assert.deepEqual(inside.heard[0]?.packet.to, { ip: "192.168.1.2", port: 9_000 });
  lab.host("stranger", "203.0.113.2").say("203.0.113.9");
  lab.run(100);
  assert.equal(inside.heard.length, 1);
  assert.deepEqual(lab.fabric.drops.read(), { "nat-filter": 1 });
});

Deno.test("neighbours in a LAN meet there, and not where it has no such address", () => {
  const lab = new Lab();
  const home = lab.realm("home");
  lab.nat("203.0.113.9", home);
  const [a, b] = [1, 2].map((n) => lab.host(`h${n}`, `192.168.1.${n}`, { realm: home }));
  a?.say("192.168.1.2");
  a?.say("192.168.1.3");
  lab.run(100);
  assert.deepEqual(b?.heard[0]?.packet.from, { ip: "192.168.1.1", port: 9_000 });
  assert.deepEqual(lab.fabric.drops.read(), { "no-route": 1 });
});

/** Two insiders of one NAT, each of which has sent to the outside. */
function neighbours(behaviour: Partial<NatBehaviour>): { lab: Lab; a: Listener; b: Listener } {
  const lab = new Lab();
  const home = lab.realm("home");
  lab.nat("203.0.113.9", home, lab.internet, { filtering: "endpoint-independent", ...behaviour });
  const outside = lab.host("outside", "203.0.113.1");
  const [a, b] = [1, 2].map((n) => lab.host(`h${n}`, `192.168.1.${n}`, { realm: home }));
  assert.ok(a && b);
  for (const each of [a, b]) each.say(outside.interface.ip);
  lab.run(100);
  a.say("203.0.113.9", { port: 9_001, tag: 7 }); // where b is seen
  lab.run(100);
  return { lab, a, b };
}

Deno.test("hairpin: neighbours meet at their NAT's public address, or do not", () => {
  const { b } = neighbours({ hairpin: true });
  assert.deepEqual(b.tags, [7]);
  assert.deepEqual(b.heard[0]?.packet.from, { ip: "203.0.113.9", port: 9_000 });
  const without = neighbours({ hairpin: false });
  assert.deepEqual(without.b.tags, []);
  assert.deepEqual(without.lab.fabric.drops.read(), { "no-hairpin": 1 });
});

Deno.test("hairpin obeys the filter", () => {
  const { b, lab } = neighbours({ hairpin: true, filtering: "address-and-port-dependent" });
  assert.deepEqual(b.tags, []);
  assert.deepEqual(lab.fabric.drops.read(), { "nat-filter": 1 });
});

/** A host behind a home NAT behind a carrier's. */
function layered(): {
  lab: Lab;
  inside: Listener;
  outside: Listener;
  home: NatBox;
  carrier: NatBox;
} {
  const lab = new Lab();
  const access = lab.realm("access", PERFECT, 1);
  const lan = lab.realm("lan");
  const carrier = lab.nat("203.0.113.9", access);
  const home = lab.nat("100.64.0.2", lan, access);
  const inside = lab.host("inside", "192.168.1.2", { realm: lan });
  return { lab, inside, outside: lab.host("outside", "203.0.113.1"), home, carrier };
}

Deno.test("NATs in layers translate one after the other, both ways", () => {
  const { lab, inside, outside } = layered();
  inside.say("203.0.113.1");
  lab.run(100);
  assert.equal(outside.heard[0]?.packet.from.ip, "203.0.113.9");
  outside.answer();
  lab.run(100);
  assert.equal(inside.heard.length, 1);
});

Deno.test("time to live: 2 opens the home NAT, 3 ends at the carrier's, 5 opens it, none of them arrives", () => {
  const openedBy = (ttl: number) => {
    const { lab, inside, outside, home, carrier } = layered();
    inside.say("203.0.113.1", { ttl });
    lab.run(100);
    assert.equal(outside.heard.length, 0);
    assert.equal(lab.fabric.drops.read()["time-to-live"], 1);
    return [home.nat.size, carrier.nat.size];
  };
  assert.deepEqual([1, 2, 3, 5].map(openedBy), [[0, 0], [1, 0], [1, 0], [1, 1]]);
});

Deno.test("a NAT that rebooted with another address answers at the new one only", () => {
  const lab = new Lab();
  const home = lab.realm("home");
  const nat = lab.nat("203.0.113.9", home);
  const inside = lab.host("inside", "192.168.1.2", { realm: home });
  const outside = lab.host("outside", "203.0.113.1");
  inside.say("203.0.113.1");
  lab.run(100);
  nat.reboot("203.0.113.10");
  outside.answer();
  lab.run(100);
  assert.deepEqual(lab.fabric.drops.read(), { "no-route": 1 });
  inside.say("203.0.113.1");
  lab.run(100);
  assert.equal(outside.heard.at(-1)?.packet.from.ip, "203.0.113.10");
});

Deno.test("IPv6 passes where it has a place of its own, never a NAT", () => {
  const lab = new Lab();
  const home = lab.realm("home");
  lab.nat("203.0.113.9", home);
  const inside = lab.host("inside", "fd00::2", { realm: home });
  const outside = lab.host("outside", "2001:db8::1");
  const dual = lab.host("dual", "2001:db8::2");
  inside.say("2001:db8::1");
  dual.say("2001:db8::1", { tag: 3 });
  lab.run(100);
  assert.deepEqual(outside.tags, [3]);
});

Deno.test("a firewall lets in answers and nothing else", () => {
  const lab = new Lab();
  const a = lab.host("a", "2001:db8::1", { firewall: "address-and-port-dependent" });
  const b = lab.host("b", "2001:db8::2");
  b.say("2001:db8::1");
  lab.run(100);
  assert.deepEqual([a.heard.length, lab.fabric.drops.read()], [0, { firewall: 1 }]);
  a.say("2001:db8::2");
  lab.run(100);
  b.answer();
  lab.run(100);
  assert.equal(a.heard.length, 1);
});

Deno.test("UDP is blocked at a host, or at its NAT, both ways", () => {
  const lab = new Lab();
  const home = lab.realm("home");
  const nat = lab.nat("203.0.113.9", home);
  const inside = lab.host("inside", "192.168.1.2", { realm: home });
  const outside = lab.host("outside", "203.0.113.1");
  inside.say("203.0.113.1");
  lab.run(100);
  nat.blocksUdp = true;
  inside.say("203.0.113.1");
  outside.answer();
  lab.run(100);
  assert.deepEqual([inside.heard.length, outside.heard.length], [0, 1]);
  nat.blocksUdp = false;
  outside.blocksUdp = true;
  outside.answer();
  inside.say("203.0.113.1");
  lab.run(100);
  assert.deepEqual([inside.heard.length, outside.heard.length], [0, 1]);
  assert.equal(lab.fabric.drops.read()["udp-blocked"], 4);
});

Deno.test("a partition cuts its groups from each other, and healing joins them again", () => {
  const lab = new Lab();
  const [a, b, c] = [1, 2, 3].map((n) => lab.host(`h${n}`, `203.0.113.${n}`));
  assert.ok(a && b && c);
  const round = () => {
    const before = [b, c].map(({ heard }) => heard.length);
    a.say("203.0.113.2");
    a.say("203.0.113.3");
    lab.run(100);
    return [b, c].map(({ heard }, i) => heard.length - (before[i] ?? 0));
  };
  lab.fabric.partition([["h1", "h2"], ["h3"]]);
  assert.deepEqual(round(), [1, 0]);
  lab.fabric.partition([]);
  assert.deepEqual(round(), [1, 1]);
  lab.fabric.cut("h2", "h1");
  assert.deepEqual(round(), [0, 1]);
  lab.fabric.cut("h1", "h2", false);
  assert.deepEqual(round(), [1, 1]);
});

Deno.test("who is down hears nothing", () => {
  const { lab, a, b } = pair({});
  b.isUp = false;
  a.say(b.interface.ip);
  lab.run(100);
  assert.deepEqual([b.heard.length, lab.fabric.drops.read()], [0, { "host-down": 1 }]);
});
