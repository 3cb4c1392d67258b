/**
 * The binding to the native network: what crosses the border between JavaScript and Go. The data path
 * itself is tested in Go, beside its source.
 */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import type { PeerKey } from "../../../src/base/mod.ts";
import type { NetOp } from "../../../src/host/net/commands.ts";
import { type NetEvent, type NetHost, openNet } from "../../../src/host/net/net.ts";
import { splice } from "../../../src/host/net/splice.ts";
import { inDirectory, testUnless, withDirectory } from "../scratch.ts";
import { asPath } from "../../../src/wire/mod.ts";

const library = new URL("../../../build/libomerta_net.so", import.meta.url).pathname;
const isBuilt = exists(library);
const obstacle = isBuilt ? undefined : "native: scripts/native has not built the network library";

// Loaded once and kept: a Go runtime cannot be unloaded.
const warm = isBuilt ? open() : undefined;
await warm?.net.close();

/** An open network and what it said. */
interface Heard {
  readonly net: NetHost;
  readonly datagrams: { path: string; bytes: Uint8Array }[];
  readonly events: NetEvent[];
  /** Resolves when the predicate holds; looks again whenever something is heard. */
  until(holds: () => boolean): Promise<void>;
}

function open(options: { port?: number; streamSocket?: string } = {}): Heard {
  const datagrams: { path: string; bytes: Uint8Array }[] = [];
  const events: NetEvent[] = [];
  let notify = () => {};
  const net = openNet({
    port: options.port ?? 0,
    streamSocket: options.streamSocket ?? null,
    library,
    onDatagram: (path, bytes) => {
      datagrams.push({ path, bytes });
      notify();
    },
    onEvent: (event) => {
      events.push(event);
      notify();
    },
  });
  return {
    net,
    datagrams,
    events,
    async until(holds) {
      while (!holds()) await new Promise<void>((resolve) => notify = resolve);
    },
  };
}

function exists(file: string): boolean {
  try {
    return Deno.statSync(file).isFile;
  } catch {
    return false;
  }
}

function netTest(name: string, fn: () => void | Promise<void>): void {
  testUnless(obstacle, name, fn);
}

/** Runs a test with two open networks. */
async function withTwo(test: (a: Heard, b: Heard) => Promise<void>): Promise<void> {
  const a = open();
  const b = open();
  try {
    await test(a, b);
  } finally {
    await a.net.close();
    await b.net.close();
  }
}

/** A control frame of a stranger with that text. */
function frame(text: string): Uint8Array {
  return new Uint8Array([0x6f, 0x6d, 1, 1, ...new TextEncoder().encode(text.padEnd(12))]);
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(4)).trimEnd();
}

/** A WireGuard key pair in hex. */
function keys(): { privateKey: string; publicKey: string } {
  const pair = generateKeyPairSync("x25519");
  return {
    privateKey: pair.privateKey.export({ format: "der", type: "pkcs8" }).subarray(-32).toString(
      "hex",
    ),
    publicKey: pair.publicKey.export({ format: "der", type: "spki" }).subarray(-32).toString("hex"),
  };
}

netTest(
  "send() reaches the other side in both families, with the path it came on",
  () =>
    withTwo(async (a, b) => {
      for (const host of ["127.0.0.1", "[::1]"]) {
        a.net.send(asPath(`${host}:${b.net.port}`), frame(host));
        await b.until(() => b.datagrams.length > 0);
        const { path, bytes } = b.datagrams.pop() ?? assert.fail();
        assert.equal(path, `${host}:${a.net.port}`);
        assert.equal(text(bytes), host);
      }
    }),
);

netTest(
  "frames of a session come once it is set, and no more once it is removed",
  () =>
    withTwo(async (a, b) => {
      const of = (text: string) => {
        const bytes = frame(text);
        bytes[3] = 8;
        bytes.set([0, 0, 0, 5], 4);
        return bytes;
      };
      const to = `127.0.0.1:${b.net.port}`;
      b.net.command("session.set", { add: [5], remove: [] });
      a.net.send(asPath(to), of("    first"));
      await b.until(() => b.datagrams.length === 1);
      b.net.command("session.set", { add: [], remove: [5] });
      a.net.send(asPath(to), of("    late"));
      a.net.send(asPath(to), frame("hello"));
      await b.until(() => b.datagrams.length === 2);
      assert.deepEqual(b.datagrams.map(({ bytes }) => bytes[3]), [8, 1]);
      assert.deepEqual(b.net.command("stats", {}).dropped, { "unknown-receiver": 1 });
    }),
);

netTest(
  "an answer leaves from the address that was asked; what is sent later does not",
  async () => {
    const a = open();
    const said: string[] = [];
    const b = openNet({
      port: 0,
      streamSocket: null,
      library,
      onDatagram: (path, bytes) => {
        b.send(path, bytes);
        setTimeout(() => b.send(path, frame("later")));
      },
      onEvent() {},
    });
    try {
      a.net.send(asPath(`127.0.0.2:${b.port}`), frame("now"));
      await a.until(() => a.datagrams.length === 2);
      for (const { path, bytes } of a.datagrams) said.push(`${text(bytes)} ${path}`);
      assert.deepEqual(said, [`now 127.0.0.2:${b.port}`, `later 127.0.0.1:${b.port}`]);
    } finally {
      await a.net.close();
      await b.close();
    }
  },
);

netTest("attach() tells how it ended, and ends with the node", async () => {
  const heard = open();
  const plan = { tunnel: 7, peer: "p" as PeerKey, remote: 0, mode: "guest" } as const;
  await withDirectory(async (dir) => {
    const none = { ...plan, control: `${dir}/none` };
    await assert.rejects(heard.net.attach(none), {
      code: "vm-failed",
      message: /cannot be reached/,
    });
    assert.throws(() => heard.net.command("tunnel.status", { tunnel: 7 }), { code: "not-found" });
    using helper = Deno.listen({ transport: "unix", path: `${dir}/slow` });
    const slow = heard.net.attach({ ...plan, control: `${dir}/slow` });
    using _asked = await helper.accept();
    const ended = assert.rejects(slow, { code: "vm-failed" });
    await heard.net.close();
    await ended;
  });
});

netTest("heard() sends nothing", () =>
  withTwo(async (a, b) => {
    const to = `127.0.0.1:${b.net.port}`;
    a.net.heard(asPath(to));
    a.net.send(asPath(to), frame("hello"));
    await b.until(() => b.datagrams.length > 0);
    assert.equal(text(b.datagrams[0]?.bytes ?? assert.fail()), "hello");
    assert.deepEqual(b.net.command("stats", {}).dropped, {});
  }));

netTest("send() keeps the order of a batch, however large", () =>
  withTwo(async (a, b) => {
    const count = 300; // fewer than one source may have waiting
    for (let i = 0; i < count; i++) a.net.send(asPath(`127.0.0.1:${b.net.port}`), frame(`${i}`));
    await b.until(() => b.datagrams.length === count);
    assert.deepEqual(b.datagrams.map(({ bytes }) => Number(text(bytes))), [...Array(count).keys()]);
  }));

netTest(
  "send() takes the bytes at once, so that the caller may reuse them",
  () =>
    withTwo(async (a, b) => {
      const bytes = frame("before");
      a.net.send(asPath(`127.0.0.1:${b.net.port}`), bytes);
      bytes.fill(0);
      await b.until(() => b.datagrams.length > 0);
      assert.equal(text(b.datagrams[0]?.bytes ?? new Uint8Array()), "before");
    }),
);

netTest(
  "a datagram of the callee's own does not change with the next poll",
  () =>
    withTwo(async (a, b) => {
      for (const word of ["first", "second"]) {
        const before = b.datagrams.length;
        a.net.send(asPath(`127.0.0.1:${b.net.port}`), frame(word));
        await b.until(() => b.datagrams.length > before);
      }
      assert.deepEqual(b.datagrams.map(({ bytes }) => text(bytes)), ["first", "second"]);
    }),
);

netTest("openNet() says that a port is taken", async () => {
  const { net } = open();
  assert.throws(() => open({ port: net.port }), { code: "port-taken", exit: 8 });
  await net.close();
});

netTest("openNet() says that a library cannot be loaded", () => {
  const options = { port: 0, streamSocket: null, onDatagram() {}, onEvent() {} };
  assert.throws(() => openNet({ ...options, library: "/nowhere.so" }), { code: "native-damaged" });
});

netTest("command() throws the library's code", async () => {
  const { net } = open();
  assert.throws(() => net.command("tunnel.close", { tunnel: 7 }), { code: "not-found" });
  assert.throws(() => net.command("nothing" as NetOp, {}), { code: "unsupported" });
  await net.close();
});

netTest("command() takes an answer of any length", async () => {
  const { net } = open();
  const count = 2000;
  for (let session = 1; session <= count; session++) {
    const b = `10.0.${session >> 8}.${session & 255}:9`;
    net.command("relay.set", { session, a: "10.1.0.1:9", b });
  }
  const { sessions } = net.command("relay.stats", {});
  assert.equal(sessions.length, count);
  await net.close();
});

netTest("two devices shake hands, and tell", () =>
  withTwo(async (a, b) => {
    const [left, right] = [keys(), keys()];
    const ends = [
      {
        heard: a,
        other: b,
        mine: left,
        theirs: right,
        tunnel: 1,
        addresses: ["fd00::1", "fd00::2"],
      },
      {
        heard: b,
        other: a,
        mine: right,
        theirs: left,
        tunnel: 2,
        addresses: ["fd00::2", "fd00::1"],
      },
    ];
    for (const { heard, other, mine, theirs, tunnel, addresses } of ends) {
      heard.net.command("peer.set", { peer: "p", active: asPath(`127.0.0.1:${other.net.port}`) });
      heard.net.command("tunnel.open", {
        ...{ tunnel, remote: 3 - tunnel, peer: "p", mode: "device", mtu: 1280, keepaliveS: 25 },
        ...{ privateKey: mine.privateKey, peerKey: theirs.publicKey },
        ...{ address: addresses[0] ?? "", peerAddress: addresses[1] ?? "" },
      });
    }
    for (const { heard, tunnel } of ends) {
      await heard.until(() => heard.events.length > 0);
      assert.deepEqual(heard.events, [{ type: "tunnel-up", tunnel }]);
      const { lastHandshakeMsAgo } = heard.net.command("tunnel.status", { tunnel });
      assert.equal(typeof lastHandshakeMsAgo, "number");
    }
  }));

netTest("a probe gives back the name by which it was asked for", async () => {
  const heard = open();
  const { privateKey } = keys();
  heard.net.command("tunnel.open", {
    ...{ tunnel: 1, remote: 0, peer: "p", mode: "device", mtu: 1280, keepaliveS: 0, privateKey },
    ...{ peerKey: keys().publicKey, address: "fd00::1", peerAddress: "fd00::2" },
  });
  heard.net.command("tunnel.ping", { tunnel: 1, probe: "mine", timeoutMs: 1 });
  await heard.until(() => heard.events.length > 0);
  assert.deepEqual(heard.events, [
    {
      type: "probe-done",
      probe: "mine",
      ok: false,
      handshakeMs: null,
      bannerMs: null,
      rttMs: null,
      error: "timeout",
    },
  ]);
  await heard.net.close();
});

netTest(
  "splice() reports a node that is not there, and a ticket that is not valid",
  inDirectory(async (dir) => {
    const socket = `${dir}/s`;
    const ticket = "0".repeat(64);
    await assert.rejects(splice({ library, socket, ticket }), { code: "no-node" });
    const { net } = open({ streamSocket: socket });
    await assert.rejects(splice({ library, socket, ticket }), { code: "not-found" });
    await net.close();
    assert.throws(() => Deno.statSync(socket), Deno.errors.NotFound);
  }),
);

netTest("close() frees the port and leaves no descriptor", async () => {
  const { net } = open();
  const before = [...Deno.readDirSync("/proc/self/fd")].length;
  await net.close();
  await net.close();
  assert.equal([...Deno.readDirSync("/proc/self/fd")].length, before - 2);
  const again = open({ port: net.port });
  assert.equal(again.net.port, net.port);
  await again.net.close();
});

netTest("nothing is sent or delivered after close()", () =>
  withTwo(async (a, b) => {
    await b.net.close();
    a.net.send(asPath(`127.0.0.1:${b.net.port}`), frame("x"));
    b.net.send(asPath(`127.0.0.1:${a.net.port}`), frame("x"));
    a.net.send(asPath(`127.0.0.1:${a.net.port}`), frame("to itself"));
    await a.until(() => a.datagrams.length > 0);
    assert.deepEqual(a.datagrams.map(({ bytes }) => text(bytes)), ["to itself"]);
    assert.throws(() => b.net.command("stats", {}), { code: "internal" });
  }));
