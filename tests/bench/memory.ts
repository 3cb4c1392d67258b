/**
 * Memory at rest of a relay, a provider and a consumer that know each other, beside an empty program in the
 * same runtime.
 *
 *     scripts/bench memory
 *
 * @module
 */
import { assert, type Host, Lab, OMERTA, startProvider, startRelay, until } from "../e2e/lab.ts";
import { figure, goal, heading, summarize } from "./report.ts";

const GOAL_MIB = 80;
/** At rest: what start and joining needed has been given back, or it never will be. A guess. */
const REST_MS = 15_000;

/** Resident and proportional size of a process in MiB. Source: proc(5), smaps_rollup. */
function sizes(pid: number): { rss: number; pss: number } {
  const text = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
  const mib = (name: string) =>
    Number(new RegExp(`^${name}: +([0-9]+)`, "m").exec(text)?.[1]) / 1024;
  return { rss: mib("Rss"), pss: mib("Pss") };
}

/** The node of a host: the process that holds its lock. */
async function nodeOf(host: Host): Promise<number> {
  return (await host.json(["mesh", "status"])).node.pid;
}

function report(name: string, pid: number): void {
  const { rss, pss } = sizes(pid);
  figure(name, summarize([rss]), "MiB", `PSS ${pss.toFixed(1)} MiB; ${goal(rss, GOAL_MIB, "MiB")}`);
}

const lab = await Lab.open();
const idle = new Deno.Command(Deno.execPath(), {
  args: ["eval", "--no-config", "setInterval(() => {}, 1e6)"],
  stdin: "null",
}).spawn();
try {
  const { node: relay, invite } = await startRelay(lab.relay);
  const { node: provider } = await startProvider(lab.provider, invite, ["--dry-run"]);
  const vm = await lab.consumer.json(["consumer", "request", "--dry-run", "--join", "-"], {
    stdin: invite,
  });
  assert(vm.state === "ready", "no VM");
  const consumer = await nodeOf(lab.consumer);
  const rested = performance.now() + REST_MS;
  await until("rest", () => performance.now() > rested, REST_MS + 1_000);
  heading(`Memory at rest, resident (${OMERTA})`);
  figure("an empty program in Deno", summarize([sizes(idle.pid).rss]), "MiB");
  report("relay", relay.pid);
  report("provider (dry run, one VM)", provider.pid);
  report("consumer (background node, one VM)", consumer);
} finally {
  idle.kill("SIGKILL");
  await idle.status;
  await lab.close();
}
