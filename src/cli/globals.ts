/**
 * The flags that every command has, and what they come to together with the environment.
 *
 * @module
 */
import { OmertaError } from "../base/errors.ts";
import { also, type FlagValues, maybe, toggle } from "./flags.ts";
import { duration, invite, must, oneOf, type Parse, path, quoted, reference } from "./values.ts";

/** Longest time that a timer of the platform can wait: 2³¹ - 1 ms. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** How long a background node outlives its last use. Source: the command line's contract. */
const LINGER_MS = 60_000;

/** An invite, or `-` for the one on stdin. */
const inviteOrDash: Parse<string> = (text) => {
  return text === "-" ? { ok: true, value: "-" } : invite(text);
};

/** The flags that every command has. */
export const GLOBAL_FLAGS = {
  json: toggle("print one JSON document"),
  output: maybe("FORMAT", "json or text", oneOf(["json", "text"])),
  state: maybe("DIR", "where identity, networks and the node's socket live (OMERTA_STATE)", path),
  network: maybe("N", "which network, where there are several (OMERTA_NETWORK)", reference),
  join: maybe("INVITE", "join first; - reads it from stdin (OMERTA_INVITE)", inviteOrDash),
  timeout: maybe(
    "T",
    "give up and undo after so long, exit 7",
    duration({ min: 1, max: TIMER_MS_MAX }),
  ),
  quiet: also(toggle("only errors on stderr"), "q"),
  verbose: also(toggle("more on stderr, also what lies beneath an error"), "v"),
  help: also(toggle("explain the command"), "h"),
};

/** The values of the flags that every command has. */
export type GlobalValues = FlagValues<typeof GLOBAL_FLAGS>;

/** What the flags and the environment come to. */
export interface Globals {
  readonly json: boolean;
  /** `--state` as it was written; `null`: the environment or the default says. */
  readonly state: string | null;
  readonly network: string | null;
  /** An invite to redeem first, of which only the form was looked at; `-` for stdin; or `null`. */
  readonly join: string | null;
  readonly timeoutMs: number | null;
  readonly quiet: boolean;
  readonly verbose: boolean;
}

/**
 * Joins flags and environment; a flag wins. Every variable of ours is looked at by every command, also
 * where its flag was given or a node runs already: a value that is not meant is told at once, not by
 * the first node that happens to be started with it.
 *
 * @throws {OmertaError} `usage` where a variable holds what its flag would not take.
 */
export function settle(
  flags: GlobalValues,
  env: Readonly<Record<string, string | undefined>>,
): Globals {
  if (flags.json && flags.output === "text") {
    throw new OmertaError("usage", "Cannot print --json as --output text: choose one");
  }
  checkNodeVariables(env);
  const invited = fromEnv(env, "OMERTA_INVITE", inviteOrDash);
  return {
    json: flags.json || flags.output === "json",
    state: flags.state,
    network: flags.network ?? fromEnv(env, "OMERTA_NETWORK", reference),
    join: flags.join ?? invited,
    timeoutMs: flags.timeout,
    quiet: flags.quiet,
    verbose: flags.verbose,
  };
}

/**
 * How long a background node outlives its last use, as OMERTA_LINGER says: a duration, or seconds as
 * a bare number. 0: it ends after its last call.
 *
 * @throws {OmertaError} `usage`, `bad-size`.
 */
export function lingerMs(env: Readonly<Record<string, string | undefined>>): number {
  const text = env.OMERTA_LINGER;
  if (text === undefined || text === "") return LINGER_MS;
  const written = /^[0-9]+$/.test(text) ? `${text}s` : text;
  return must("OMERTA_LINGER", duration({ min: 0, max: TIMER_MS_MAX })(written));
}

/** What a node's log may hold, as OMERTA_LOG says. */
const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;

/** Looks at the variables that only nodes use. @throws {OmertaError} `usage`, `bad-size`. */
function checkNodeVariables(env: Readonly<Record<string, string | undefined>>): void {
  lingerMs(env);
  fromEnv(env, "OMERTA_STATE", path);
  fromEnv(env, "OMERTA_LOG", oneOf(LOG_LEVELS));
  fromEnv(env, "OMERTA_DIRECT", oneOf(["never"]));
  fromEnv(env, "OMERTA_QEMU", programName);
}

/** A program by its path from the root, or by a name that PATH leads to. */
const programName: Parse<string> = (text) => {
  if (text.startsWith("/") || !text.includes("/")) return path(text);
  const reason = `${quoted(text)} is neither an absolute path nor a bare name`;
  return { ok: false, reason, code: "usage" };
};

/** A variable that is set and not empty. */
function fromEnv<T>(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
  parse: Parse<T>,
): T | null {
  const text = env[name];
  return text === undefined || text === "" ? null : must(name, parse(text));
}

/** What of a command line is ours: the words before `--`. */
export function ownWords(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf("--");
  return end < 0 ? argv : argv.slice(0, end);
}

/** Whether a command line asks for JSON, before it is known to be a right one. */
export function wantsJson(argv: readonly string[]): boolean {
  const ours = ownWords(argv);
  return ours.some((word, i) =>
    word === "--json" || word === "--output=json" ||
    (word === "--output" && ours[i + 1] === "json")
  );
}
