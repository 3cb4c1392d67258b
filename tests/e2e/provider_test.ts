/** A provider and its system: what it has not, what it does not permit, what does not answer. */
import { assertEquals, type Doc, startProvider, startRelay } from "./lab.ts";
import { assertMatch } from "./lab/assert.ts";
import { e2e } from "./lab/e2e.ts";
import { OMERTA } from "./lab/host.ts";
import { until } from "./lab/wait.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const TOOL = `${ROOT}build/omerta-vm.obj/tool`;
const POOR = ["without", "namespaces,mounts,landlock", OMERTA];

e2e("what the machine has not is not lent, and the error says what it has", {}, async (lab) => {
  const { invite } = await startRelay(lab.relay);
  await lab.provider.json(["network", "join", "-"], { stdin: invite });
  for (const words of [["--cpu", "4096"], ["--memory", "1000T"], ["--storage", "1000T"]]) {
    const error = await lab.provider.fails(["provider", ...words], { exit: 2, code: "bad-size" });
    assertMatch(error.message, / is more than /, words.join(" "));
  }
});

e2e("where QEMU cannot be confined, nothing is lent unless the owner says so", {}, async (lab) => {
  const made = await lab.provider.exec("make", [
    ...["-s", "-C", `${ROOT}ffi/vm`, `OUT=${ROOT}build/omerta-vm`, "tools"],
  ]);
  assertEquals(made.code, 0, `make tools (${made.stderr})`);
  const { invite } = await startRelay(lab.relay);
  await lab.provider.json(["network", "join", "-"], { stdin: invite });
  const refused = await lab.provider.exec(TOOL, [...POOR, "provider", "--json"]);
  const { error } = JSON.parse(refused.stdout);
  assertEquals([refused.code, error.code, error.level], [10, "weak-isolation", "basic"], "refusal");
  assertMatch(error.hint, /--accept-weak-isolation basic/, "the hint");
  const words = [...POOR, "provider", "--json", "--accept-weak-isolation", "basic"];
  const provider = lab.provider.spawn(TOOL, words);
  await provider.line("the provider to be ready", 60_000);
  const { confinement } = await lab.provider.json(["provider", "status"]);
  assertEquals(confinement.level, "basic", "the level that is told");
  await provider.stop("SIGTERM", 30_000);
});

e2e("a helper that does not answer keeps nobody waiting, and no room is lent twice", {
  plan: { provider: "hard", consumer: "hard" },
}, async (lab) => {
  const { invite } = await startRelay(lab.relay);
  const { node } = await startProvider(lab.provider, invite, ["--cpu", "1"]);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  const words = ["consumer", "request", "--cpu", "1", "--memory", "256M"];
  const vm = await lab.consumer.json(words, { withinMs: 180_000 });
  const [before] = await status();
  Deno.kill(before.pid, "SIGSTOP");
  await node.stop("SIGKILL");
  await lab.provider.node(["provider", "--cpu", "1"], { withinMs: 20_000 });
  const stuck = await until("the VM to be known as stuck", async () => {
    const [one] = await status();
    return typeof one.stuck === "string" ? one : undefined;
  }, 20_000);
  assertEquals([stuck.id, stuck.pid], [vm.id, before.pid], "the VM and its helper");
  const { accepting, used } = await lab.provider.json(["provider", "status"]);
  assertEquals([accepting, used.vms, used.cpu], [false, 1, 1], "accepting, VMs and CPUs in use");
  Deno.kill(before.pid, "SIGCONT");
  await until("the VM to be taken up", async () => (await status())[0].stuck === null, 60_000);
  assertEquals(
    (await lab.consumer.run(["consumer", "ssh", vm.id, "--", "true"])).code,
    0,
    "ssh to the VM",
  );
  Deno.kill(before.pid, "SIGSTOP");
  await lab.provider.json(["provider", "evict", vm.id], { withinMs: 60_000 });
  await lab.provider.noVms();

  async function status(): Promise<Doc[]> {
    return (await lab.provider.json(["provider", "status"])).vms;
  }
});
