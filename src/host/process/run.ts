/**
 * Runs a program to its end.
 *
 * @module
 */
import { OmertaError } from "../../base/mod.ts";

/** Letters of a program's last words that are told. */
const WORDS_MAX = 300;

/**
 * Runs a program without a shell and without our environment, and returns what it printed.
 *
 * @throws {OmertaError} `internal` with its last words when it fails.
 */
export async function runProgram(program: string, args: readonly string[]): Promise<string> {
  const command = new Deno.Command(program, {
    args: [...args],
    clearEnv: true, // where ours may hold an invite
    env: { PATH: Deno.env.get("PATH") ?? "", HOME: Deno.env.get("HOME") ?? "", LC_ALL: "C" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const { success, stdout, stderr } = await command.output();
  if (success) return new TextDecoder().decode(stdout);
  const words = new TextDecoder().decode(stderr).trim().slice(-WORDS_MAX);
  throw new OmertaError("internal", `${program} failed: ${words}`);
}
