/** A member of ill will: what it has no right to it does not get, and nobody is aimed at a victim. */
import { assert, assertEquals, startProvider, startRelay } from "./lab.ts";
import { e2e } from "./lab/e2e.ts";
import type { Host } from "./lab.ts";

const HARD = { provider: "hard", consumer: "hard" } as const;
const LAB = new URL("./lab/", import.meta.url).pathname;
const CONFIG = new URL("../../deno.json", import.meta.url).pathname;

/** UDP datagrams that came to a host, whether anybody listened or not. */
async function datagramsAt(host: Host): Promise<number> {
  const { stdout } = await host.exec("cat", ["/proc/net/snmp"]);
  const [names = [], figures = []] = stdout.split("\n").filter((line) => line.startsWith("Udp:"))
    .map((line) => line.split(" "));
  const of = (name: string) => Number(figures[names.indexOf(name)] ?? 0);
  return of("InDatagrams") + of("NoPorts");
}

e2e("a member gets nothing that it has no right to", { plan: HARD }, async (lab) => {
  await startRelay(lab.relay);
  const order = ["--grant", "rent,provide", "--uses", "2"];
  const { invite } = await lab.relay.json(["network", "invite", ...order]);
  const { invite: rentOnly } = await lab.relay.json(["network", "invite", "--grant", "rent"]);
  const { ready } = await startProvider(lab.provider, invite, ["--dry-run"]);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  const vm = await lab.consumer.json(["consumer", "request", "--dry-run"]);
  const [traitor, victim, named] = [
    await lab.addHost("traitor", "public"),
    await lab.addHost("victim", "public"),
    await lab.addHost("named", "public"),
  ];
  const before = await datagramsAt(victim);
  const outcome = await traitor.exec(Deno.execPath(), [
    "run",
    "-A",
    "--no-check",
    "--config",
    CONFIG,
    `${LAB}traitor.ts`,
    ready.node.id,
    vm.id,
    victim.address,
    named.address,
  ], { stdin: rentOnly });
  assertEquals(outcome.code, 0, `status of the traitor (${outcome.stderr})`);
  const got = JSON.parse(outcome.stdout);

  assert(got.relay.others.length >= 2, "it saw no records of others");
  for (const code of got.relay.others) assertEquals(code, "not-allowed", "another's record");
  assertEquals(got.relay.asRelay, "not-allowed", "a record as relay");
  assertEquals(got.relay.asProvider, "not-allowed", "a record as provider");
  assertEquals(got.relay.plain, "done", "its own record");
  assertEquals(got.relay.withItself, "refused", "a session with itself");
  assertEquals(got.relay.withNobody, "unreachable", "a session with nobody");

  assertEquals(got.provider.status, 0, "VMs of another that it was told of");
  for (const name of ["extend", "release", "create"]) {
    assertEquals(got.provider[name], "not-owner", `vm.${name} with another's VM`);
  }
  assertEquals(got.provider.offer, "not-allowed", "relay.offer of a member that is no relay");

  assert(got.named > 300, `it named only ${got.named} addresses of the victim`);
  assert(got.named < 2_000, `it was asked for candidates ${got.named / 16} times`);
  const aimed = await datagramsAt(victim) - before;
  assert(aimed < 150, `${aimed} datagrams were aimed at the victim`);
  assert(got.flooded < 300, `${got.flooded} of 400 relay sessions were asked for and given`);

  const untouched = await datagramsAt(named);
  for (let i = 0; i < 3; i++) {
    await lab.consumer.fails(["mesh", "ping", got.id, "--count", "1"], {
      exit: 5,
      code: "unreachable",
    });
  }
  const knocked = await datagramsAt(named) - untouched;
  assert(knocked <= 8, `${knocked} datagrams went to where its record points`);
  assert(knocked > 0, "nobody tried the addresses of its record: the test sees nothing");

  const after = await lab.consumer.json(["consumer", "status", vm.id]);
  assertEquals(after.state, "ready", "the other's VM after it all");
});
