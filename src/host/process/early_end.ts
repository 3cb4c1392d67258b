/**
 * How a background node tells the command that started it why it could not start: a file
 * `node.failed.PID` in the state directory, an error document, taken by the one who reads it.
 *
 * @module
 */
import type { OmertaError } from "../../base/errors.ts";
import { removeIfThere, writeFileAtomic } from "../files.ts";
import { errorOf } from "./node_client.ts";
import type { StatePaths } from "../state/state.ts";

/** An error file that nobody took is swept after so long. Guess: its parent reads it at once. */
const AGE_MAX_MS = 60_000;

/** Leaves the error that ends this background node, as a document, for the command that started it. */
export function reportEarlyEnd(
  paths: StatePaths,
  document: Readonly<Record<string, unknown>>,
): void {
  writeFileAtomic(errorFile(paths, Deno.pid), new TextEncoder().encode(JSON.stringify(document)));
}

/** The error that process `pid` left, which is removed; `undefined` where it left none. */
export function takeEarlyEnd(paths: StatePaths, pid: number): OmertaError | undefined {
  const path = errorFile(paths, pid);
  try {
    const document = JSON.parse(Deno.readTextFileSync(path));
    Deno.removeSync(path);
    return errorOf(document);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function errorFile(paths: StatePaths, pid: number): string {
  return `${paths.dir}/node.failed.${pid}`;
}

/** Removes error files that no command took. */
export function sweepEarlyEnds(paths: StatePaths, nowMs: number): void {
  for (const { name } of Deno.readDirSync(paths.dir)) {
    if (!name.startsWith("node.failed.")) continue;
    const path = `${paths.dir}/${name}`;
    if (nowMs - modifiedMs(path, nowMs) > AGE_MAX_MS) removeIfThere(path);
  }
}

function modifiedMs(path: string, otherwise: number): number {
  try {
    return Deno.lstatSync(path).mtime?.getTime() ?? otherwise;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return otherwise; // taken just now
    throw error;
  }
}
