/** A consumer behind a satellite: a round trip of 700 ms, and two packets lost of a hundred. */
import { assert, assertEquals, CONSUMER_NET, startProvider, startRelay } from "./lab.ts";
import { e2e } from "./lab/e2e.ts";

const HARD = { provider: "hard", consumer: "hard" } as const;
const WAY = { oneWayMs: 350, lossPerMille: 20, seed: 1 };
const PINGS = 8;

e2e("behind a satellite a path is stable, and a VM is rented and used", {
  plan: HARD,
}, async (lab) => {
  const { invite } = await startRelay(lab.relay);
  const { ready } = await startProvider(lab.provider, invite);
  await lab.internet?.setSlow("natc", CONSUMER_NET, WAY);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  const ping = async () =>
    await lab.consumer.json(
      ["mesh", "ping", ready.node.id, "--count", String(PINGS), "--interval", "300ms"],
    );
  const first = await ping();
  assert(first.rtt_ms.min >= 700, `the way is not slow: ${first.rtt_ms.min} ms`);
  assertAnswered(first.received, "at first");

  const order = ["consumer", "request", "--cpu", "1", "--memory", "256M"];
  const vm = await lab.consumer.json(order, { withinMs: 180_000 });
  const words = ["consumer", "ssh", vm.id, "--", "head -c 100000 /dev/zero"];
  const outcome = await lab.consumer.run(words, { withinMs: 120_000 });
  assertEquals([outcome.code, outcome.stdout.length], [0, 100_000], "status and bytes of ssh");

  const last = await ping();
  assertAnswered(last.received, "after it all");
  const since = [first, last].map(({ path }) => Date.parse(path.since_at));
  const apartMs = Math.abs((since[1] ?? 0) - (since[0] ?? NaN));
  assert(apartMs < 1_000, `the path ended and came back: since ${since.join(" and ")}`);
  await lab.consumer.json(["consumer", "release", vm.id]);
});

/** One of them may meet two losses, and then take longer than it is waited for. */
function assertAnswered(received: number, when: string): void {
  assert(received >= PINGS - 1, `${received} of ${PINGS} pings were answered ${when}`);
}
