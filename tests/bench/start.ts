/**
 * How long a command takes as a whole process: `omerta --help`, and `omerta mesh status --json` against a
 * running node, beside an empty program in the same runtime.
 *
 *     scripts/bench start
 *
 * @module
 */
import { assertEquals, Lab, OMERTA, startRelay } from "../e2e/lab.ts";
import { figure, goal, heading, ratio, summarize, type Summary } from "./report.ts";

const ROUNDS = 20;
const GOAL_MS = 100;

/** The three in turn, so that a busy moment of the machine hits all of them. */
async function measure(commands: (() => Promise<number>)[]): Promise<Summary[]> {
  const samples = commands.map((): number[] => []);
  for (const command of commands) await command(); // caches warm: the second start is what people feel
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, command] of commands.entries()) samples[i]?.push(await command());
  }
  return samples.map(summarize);
}

async function time(program: string, args: string[], env: Record<string, string>): Promise<number> {
  const began = performance.now();
  const { code } = await new Deno.Command(program, { args, env, stdin: "null" }).output();
  const ms = performance.now() - began;
  assertEquals(code, 0, `status of ${program} ${args.join(" ")}`);
  return ms;
}

const lab = await Lab.open();
try {
  await startRelay(lab.relay);
  const empty = `${lab.dir}/empty.ts`;
  await Deno.writeTextFile(empty, "");
  const env = { OMERTA_STATE: lab.relay.state };
  const [bare, help, status] = await measure([
    () => time(Deno.execPath(), ["run", "-q", "--no-config", empty], env),
    () => time(OMERTA, ["--help"], env),
    () => time(OMERTA, ["mesh", "status", "--json"], env),
  ]);
  if (bare === undefined || help === undefined || status === undefined) {
    throw new Error("no samples");
  }
  heading(`Start, whole process (${OMERTA})`);
  figure("an empty program in Deno", bare, "ms");
  for (
    const [name, one] of [["omerta --help", help], ["omerta mesh status --json", status]] as const
  ) {
    figure(
      name,
      one,
      "ms",
      `${ratio(one.median, bare.median)} of empty; ${goal(one.median, GOAL_MS, "ms")}`,
    );
  }
} finally {
  await lab.close();
}
