/**
 * Steps that may fail without anything else failing with them: a full disk must not stop a timer, nor
 * keep a VM from being ended.
 *
 * @module
 */
import { OmertaError } from "../base/mod.ts";
import type { Log } from "./log.ts";

/** Takes the step; what a person can understand is logged, defects are thrown. */
export function attempt(log: Pick<Log, "warn">, what: string, step: () => void): void {
  try {
    step();
  } catch (error) {
    if (!(error instanceof OmertaError)) throw error;
    log.warn(`${what}: ${error.message}`);
  }
}
