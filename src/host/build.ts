/**
 * What identifies the code that runs, so that a command does not talk to a node of another build.
 *
 * @module
 */
import { VERSION } from "../base/mod.ts";

/**
 * The build: version, and for a compiled binary when it was made. From source all are one build: a
 * background node that is older than an edit ends by itself soon.
 */
export function buildId(): string {
  if (!Deno.build.standalone) return `${VERSION}+source`;
  const info = Deno.statSync(Deno.execPath());
  return `${VERSION}+${(info.mtime?.getTime() ?? 0).toString(36)}.${info.size.toString(36)}`;
}
