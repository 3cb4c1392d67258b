/**
 * The program as a process, for tests of what a person meets.
 *
 * @module
 */

/** The program's main module. */
export const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** How a run of the program ended. */
export interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program with nothing at its stdin and an environment of its own. */
export async function omerta(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Ended> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", MAIN, ...args],
    clearEnv: true,
    env: { PATH: Deno.env.get("PATH") ?? "", HOME: "/nonexistent", ...kept(), ...env },
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { status: code, stdout: text(stdout), stderr: text(stderr) };
}

/** Where Deno keeps what it loaded: without it, it would look under HOME. */
export function kept(): Record<string, string> {
  const home = Deno.env.get("HOME");
  const dir = Deno.env.get("DENO_DIR") ?? `${home}/.cache/deno`;
  return { DENO_DIR: dir };
}

/** Gives a test a fresh private directory. */
export async function withState(run: (state: string) => Promise<void>): Promise<void> {
  const state = await Deno.makeTempDir({ prefix: "omerta-cli-" });
  try {
    await run(state);
  } finally {
    await Deno.remove(state, { recursive: true });
  }
}
