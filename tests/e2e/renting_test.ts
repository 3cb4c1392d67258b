/** Whom a request asks: many at once, a provider that fails beside one that does not, and trust. */
import { assert, assertEquals, assertMatch, startProvider, startRelay } from "./lab.ts";
import { e2e } from "./lab/e2e.ts";

const HARD = { provider: "hard", consumer: "hard" } as const;
const DRY = ["consumer", "request", "--dry-run"];

e2e("three requests at once all get a VM, and --count gives all or none", {}, async (lab) => {
  const { invite } = await startRelay(lab.relay);
  await startProvider(lab.provider, invite, ["--dry-run", "--cpu", "6", "--per-owner", "6"]);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  const vms = await Promise.all([1, 2, 3].map(() => lab.consumer.json(DRY)));
  assertEquals(new Set(vms.map(({ id }) => id)).size, 3, "VMs");
  const { schema, vms: more } = await lab.consumer.json([...DRY, "--count", "3", "--name", "web"]);
  assertEquals(schema, "omerta.consumer.request/1", "the schema");
  assertEquals(more.map(({ name }: { name: string }) => name).toSorted(), [
    "web-1",
    "web-2",
    "web-3",
  ], "names");
  await lab.consumer.json(["consumer", "release", "web-1"]);
  await lab.consumer.fails([...DRY, "--count", "2"], { exit: 6, code: "provider-full" });
  const { used } = await lab.provider.json(["provider", "status"]);
  assertEquals(used.vms, 5, "VMs after two were asked for and one had room");
});

e2e("where a provider fails, the next one serves, and is told as a stranger", {
  plan: HARD,
}, async (lab) => {
  const { invite } = await startRelay(lab.relay);
  const broken = await lab.addHost("broken", "natp");
  const { ready: first } = await startProvider(broken, invite, ["--alias", "broken"]);
  const { ready: second } = await startProvider(lab.provider, invite, ["--alias", "good"]);
  await Deno.remove(`${broken.state}/vms`, { recursive: true }); // and no VM can be started there
  await Deno.symlink(`${broken.dir}/nowhere`, `${broken.state}/vms`);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  // Trusted, it is asked first.
  await lab.consumer.json(["consumer", "trust", "add", first.node.id]);
  const words = ["consumer", "request", "--memory", "256M"];
  const outcome = await lab.consumer.run([...words, "--json"], { withinMs: 180_000 });
  assertEquals(outcome.code, 0, `status of the request (${outcome.stderr})`);
  const vm = JSON.parse(outcome.stdout);
  assertEquals([vm.provider, vm.state, vm.provider_known], [second.node.id, "ready", false], "it");
  assertMatch(outcome.stderr, /serves you for the first time/, "what stderr says");
  const { providers } = await lab.consumer.json(["consumer", "trust"]);
  const failures = providers.map((each: { id: string; failures: number }) =>
    `${each.id === first.node.id ? "broken" : "good"} ${each.failures}`
  );
  assertEquals(failures, ["broken 1", "good 0"], "what is remembered");
  const { vms } = await lab.consumer.json(["consumer", "list"]);
  assertEquals(vms.map(({ state }: { state: string }) => state), ["ready", "failed"], "the list");
  assert(Date.parse(vm.life_ends_at) > Date.now(), "the end of its life is told");
  assertMatch(String(vm.image_digest), /^sha256:[0-9a-f]{64}$/, "the image's digest");
  await lab.consumer.json(["consumer", "release", "--all"]);
  const image = (name: string) => [...words, "--trust", "good", "--no-wait", "--image", name];
  await lab.consumer.fails(image(`sha256:${"0".repeat(64)}`), { exit: 10, code: "image-missing" });
  const again = await lab.consumer.json(image(vm.image_digest));
  assertEquals(again.image_digest, vm.image_digest, "the image that was asked for by its digest");
  await lab.consumer.json(["consumer", "release", "--all"]);
  await lab.provider.noVms();
});
