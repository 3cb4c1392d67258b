/** A hostile network and a hostile guest: nothing breaks, leaks or grows, and what is dropped is counted. */
import {
  assert,
  assertEquals,
  assertMatch,
  type Doc,
  startProvider,
  startRelay,
  until,
} from "./lab.ts";
import { e2e } from "./lab/e2e.ts";

const HARD = { provider: "hard", consumer: "hard" } as const;
const SMALL = ["--cpu", "1", "--memory", "256M"];
const LAB = new URL("./lab/", import.meta.url).pathname;

e2e(
  "garbage from strangers is dropped, counted and not answered",
  { plan: HARD, binary: true },
  async (lab) => {
    const { invite, port } = await startRelay(lab.relay);
    const stranger = await lab.addHost("stranger", "public");
    const before = await lab.relay.json(["mesh", "status"]);
    const outcome = await stranger.exec(Deno.execPath(), [
      "run",
      "-A",
      "--no-config",
      `${LAB}sprayer.ts`,
      lab.relay.address,
      `${port}`,
      "3000",
    ]);
    const { sent, received } = JSON.parse(outcome.stdout);
    assert(sent > 1_000_000, `only ${sent} B of garbage were sent`);
    assertEquals(received, 0, "bytes that came back to a stranger");
    const status = await lab.relay.json(["relay", "status"]);
    const dropped = Object.values<number>(status.dropped).reduce((sum, count) => sum + count, 0);
    assert(
      dropped > 1_000,
      `only ${dropped} datagrams were counted as dropped: ${JSON.stringify(status.dropped)}`,
    );
    const after = await lab.relay.json(["mesh", "status"]);
    const grown = after.memory_bytes - before.memory_bytes;
    assert(grown < 64e6, `the relay grew by ${grown} B`);
    await startProvider(lab.provider, invite, ["--dry-run"]);
    const vm = await lab.consumer.json(["consumer", "request", "--dry-run", "--join", "-"], {
      stdin: invite,
    });
    assertEquals(vm.state, "ready", "the state of a VM after the garbage");
  },
);

e2e(
  "replayed, truncated, altered and swollen copies change nothing",
  { plan: HARD },
  async (lab) => {
    const middle = await lab.addHost("middle", "public");
    const meddler = middle.spawn(Deno.execPath(), [
      "run",
      "-A",
      "--no-config",
      `${LAB}meddler.ts`,
      "9000",
      lab.relay.address,
      "9000",
    ]);
    assertEquals(await meddler.line("the meddler", 20_000), "forwarding", "the meddler");
    const { invite } = await startRelay(lab.relay, ["--advertise", middle.address]);
    const { ready } = await startProvider(lab.provider, invite);
    await lab.consumer.json(["network", "join", "-"], { stdin: invite });
    const ping = await lab.consumer.json([
      "mesh",
      "ping",
      ready.node.id,
      "--count",
      "50",
      "--interval",
      "20ms",
    ]);
    assert(ping.received >= 49, `${ping.received} of ${ping.sent} pongs`);
    const vm = await lab.consumer.json(["consumer", "request", ...SMALL], { withinMs: 180_000 });
    const bytes = 300_000;
    const command = `head -c ${bytes} /dev/zero | tr '\\0' x`;
    const outcome = await lab.consumer.run(["consumer", "ssh", vm.id, "--", command]);
    assertEquals([outcome.code, outcome.stdout.length], [0, bytes], "status and bytes of ssh");
    assertEquals(
      (await lab.consumer.json(["consumer", "release", vm.id])).released,
      [vm.id],
      "released",
    );
    await meddler.closeInput();
    const counts = JSON.parse(await meddler.line("the meddler's counts", 10_000));
    assert(
      counts.replayed > 10 && counts.altered > 10,
      `it hardly meddled: ${JSON.stringify(counts)}`,
    );
  },
);

e2e(
  "a guest reaches nothing but its renter's tunnel, and what it tries is counted",
  { plan: HARD },
  async (lab) => {
    const { invite } = await startRelay(lab.relay);
    await startProvider(lab.provider, invite);
    await lab.consumer.json(["network", "join", "-"], { stdin: invite });
    const vm = await lab.consumer.json(["consumer", "request", ...SMALL], { withinMs: 180_000 });
    const inside = (command: string) =>
      lab.consumer.run(["consumer", "ssh", vm.id, "--", command], { withinMs: 60_000 });
    const reached = await inside(`
      for where in 10.0.2.2 192.168.1.1 192.168.1.20 198.51.100.2; do
        ping -c 2 -W 1 $where >/dev/null 2>&1 && echo reached $where
        nslookup -timeout=1 -retry=0 x $where 2>/dev/null | grep -q '^Name' && echo reached $where udp
        nc -w 1 $where 22 </dev/null 2>/dev/null && echo reached $where tcp
      done
      ping -c 40 -i 0.05 -W 1 -s 1400 10.0.2.2 >/dev/null && echo reached by large ones
      arping -c 2 -w 1 -I eth0 10.0.2.3 2>/dev/null | grep -q reply && echo reached by arp
      echo tried`);
    assertEquals(reached.stdout, "tried\n", "what the guest reached");
    const opened = await inside(`
      renter=$(wg show wg0 allowed-ips | grep -o 'fd[0-9a-f:]*')
      for port in 22 80 51820; do nc -w 1 "$renter" $port </dev/null && echo opened; done
      ping -c 1 -W 1 "$renter" >/dev/null && echo ponged
      echo tried "$renter"`);
    assertMatch(opened.stdout, /^tried fd[0-9a-f:]+\n$/, "what the guest opened to its renter");
    const dropped = await until("counted frames", async () => {
      const { vms } = await lab.provider.json(["provider", "status"]);
      return vms[0]?.dropped_frames > 40 ? vms[0].dropped_frames : undefined;
    });
    assert(dropped > 40, `${dropped} frames were counted`);
    assertMatch((await inside("echo still here")).stdout, /still here/, "ssh after it all");
    await lab.consumer.json(["consumer", "release", vm.id]);
  },
);

e2e("direct where both NATs permit it: an ssh session lives through the upgrade", {
  plan: { provider: "easy", consumer: "easy" },
}, async (lab) => {
  await lab.setDirect(false);
  const { invite } = await startRelay(lab.relay);
  const { ready } = await startProvider(lab.provider, invite);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  const vm = await lab.consumer.json(["consumer", "request", ...SMALL], { withinMs: 180_000 });
  assertEquals(vm.path.kind, "relay", "the path behind the wall");
  const session = lab.consumer.start([
    "consumer",
    "ssh",
    vm.id,
    "--",
    "while read -r line; do echo $line; done",
  ]);
  await session.write("before\n");
  assertEquals(await session.line("an echo", 20_000), "before", "the echo");
  await lab.setDirect(true);
  const ping = await lab.consumer.json([
    "mesh",
    "ping",
    ready.node.id,
    "--until-direct",
    "--timeout",
    "60s",
  ]);
  assertEquals(ping.path.kind, "direct", "the path without the wall");
  await session.write("after\n");
  assertEquals(await session.line("an echo", 20_000), "after", "the echo");
  // And back: the direct path dies silently, the relay takes over beneath the same session.
  await lab.setDirect(false);
  await session.write("walled\n");
  assertEquals(await session.line("an echo over the relay again", 20_000), "walled", "the echo");
  await session.closeInput();
  assertEquals((await session.ended).code, 0, "status of the session");
  const peers = (await lab.consumer.json(["mesh", "peers"])).peers;
  assert(peers.some((peer: Doc) => peer.id === ready.node.id), "the provider among the peers");
  await lab.consumer.json(["consumer", "release", vm.id]);
});

e2e("easy NATs come to a direct path by themselves", {
  plan: { provider: "easy", consumer: "easy" },
}, async (lab) => {
  const { invite } = await startRelay(lab.relay);
  const { ready } = await startProvider(lab.provider, invite, ["--dry-run"]);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  const ping = await lab.consumer.json([
    "mesh",
    "ping",
    ready.node.id,
    "--until-direct",
    "--timeout",
    "30s",
  ]);
  assertEquals([ping.path.kind, ping.path.via], ["direct", null], "the path");
  assert(ping.direct_after_ms < 10_000, `direct after ${ping.direct_after_ms} ms`);
});

e2e(
  "hard NATs on both sides stay on the relay, and it serves them",
  { plan: HARD },
  async (lab) => {
    const { invite, ready: relay } = await startRelay(lab.relay);
    const { ready } = await startProvider(lab.provider, invite, ["--dry-run"]);
    await lab.consumer.json(["network", "join", "-"], { stdin: invite });
    const ping = await lab.consumer.json([
      "mesh",
      "ping",
      ready.node.id,
      "--count",
      "10",
      "--interval",
      "300ms",
    ]);
    assertEquals(
      [ping.received, ping.path.kind, ping.path.via],
      [10, "relay", relay.node.id],
      "pongs and path",
    );
    const status = await lab.relay.json(["relay", "status"]);
    assert(status.sessions >= 1 && status.forwarded.control.packets > 0, JSON.stringify(status));
  },
);

e2e(
  "who is kept on the relay stays there, and gets no more than its owner lets through",
  {},
  async (lab) => {
    const { invite } = await startRelay(lab.relay, ["--limit-session-rate", "64K/s"]);
    const env = { OMERTA_DIRECT: "never" };
    const { ready } = await startProvider(lab.provider, invite, ["--dry-run"]);
    await lab.consumer.json(["network", "join", "-"], { stdin: invite, env });
    const words = ["mesh", "ping", ready.node.id, "--interval", "10ms", "--count"];
    const ping = await lab.consumer.json([...words, "20"], { env });
    assertEquals(ping.path.kind, "relay", "the path of one who is not to be met directly");
    const storm = Array.from({ length: 6 }, () => lab.consumer.run([...words, "100"], { env }));
    await Promise.all(storm); // some of its pings are lost
    const status = await lab.relay.json(["relay", "status"]);
    assertEquals(status.limits.session_bytes_per_s, 64 * 1024, "the limit of a session");
    assertEquals(status.limits.sessions, 4096, "the limit that nobody set");
    assert(status.dropped["rate-limited"] > 0, `nothing was dropped: ${JSON.stringify(status)}`);
  },
);
