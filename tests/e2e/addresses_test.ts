/** Hosts with several addresses: what was asked answers. */
import { assertEquals, startRelay } from "./lab.ts";
import { e2e } from "./lab/e2e.ts";

const ADDRESSES = ["10.90.0.2", "10.90.0.3", "fd90::2", "fd90::3"];
const TWO_NATS = { provider: "easy", consumer: "easy" } as const;

e2e("a relay answers from each of its addresses", { plan: TWO_NATS }, async (lab) => {
  const { internet } = lab;
  if (internet === undefined) throw new Error("no namespaces");
  const neighbour = await lab.addHost("neighbour", "public");
  await internet.addCable(
    { name: "relay", addresses: ADDRESSES.map(withPrefix) },
    { name: "neighbour", addresses: ["10.90.0.1/24", "fd90::1/64"] },
  );
  const { invite } = await startRelay(lab.relay, ADDRESSES.flatMap((one) => ["--advertise", one]));
  for (const [index, address] of ADDRESSES.entries()) {
    await internet.nft("neighbour", onlyTo(address));
    const joiner = lab.addState(neighbour, `joiner${index}`);
    const outcome = await joiner.run(["join", "-"], { stdin: `${invite}\n` });
    assertEquals(outcome.code, 0, `join by ${address}: ${outcome.stderr}`);
    await joiner.json(["mesh", "stop"]);
  }
});

function withPrefix(address: string): string {
  return `${address}/${address.includes(":") ? 64 : 24}`;
}

/** Lets this host ask no other address; answers may come from anywhere. */
function onlyTo(address: string): string {
  const field = address.includes(":") ? "ip6 daddr" : "ip daddr";
  return `
    flush ruleset
    table inet wall {
      chain output { type filter hook output priority 0;
        meta l4proto udp ${field} ${address} accept
        meta l4proto udp drop
      }
    }`;
}
