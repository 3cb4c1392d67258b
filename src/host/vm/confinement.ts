/**
 * How well QEMU must be confined before anything is lent: whoever escapes from QEMU where it is not is
 * in the account of the machine's owner, with its keys and files.
 *
 * @module
 */
import { OmertaError } from "../../base/mod.ts";
import { type Confinement, CONFINEMENTS } from "../../market/mod.ts";
import type { AcceleratorVerdict } from "./accelerator.ts";

/** Below it, an escape from QEMU is an escape into the owner's account: nothing is lent unasked. */
export const LEAST_CONFINEMENT: Confinement = "namespaces";

/** Whether `level` is at least `least`. */
export function isConfined(level: Confinement, least: Confinement): boolean {
  return CONFINEMENTS.indexOf(level) >= CONFINEMENTS.indexOf(least);
}

/** What a person can do about what is missing; `userNamespaces`: the switch that forbids them. */
export function confinementRemedy(
  missing: readonly string[],
  userNamespaces: string | null,
): string | null {
  const remedies = [
    ...missing.includes("user-ns")
      ? [userNamespaces ?? "run the provider outside of the container that forbids namespaces"]
      : ["mount-ns", "private-root", "pid-ns", "net-ns"].some((name) => missing.includes(name))
      ? ["run the provider where namespaces and mounts are permitted: not in a container"]
      : [],
    ...missing.includes("landlock")
      ? ["use Linux 5.13 or later with Landlock among its security modules (lsm=landlock,…)"]
      : [],
  ];
  return remedies.length === 0 ? null : remedies.join("; ");
}

/** @throws {OmertaError} `weak-isolation` where QEMU is confined worse than its owner accepts. */
export function requireConfinement(
  { level, missing }: AcceleratorVerdict["confinement"],
  accepted: Confinement | null,
  remedy: string | null,
): void {
  const least = accepted ?? LEAST_CONFINEMENT;
  if (isConfined(level, least)) return;
  const without = missing.length === 0 ? "" : ` (without ${missing.join(", ")})`;
  const mend = remedy === null ? "" : `To mend it: ${remedy}. `;
  throw new OmertaError(
    "weak-isolation",
    `QEMU is confined no better than "${level}"${without} here, and nothing below "${least}" is lent`,
    {
      hint: `${mend}To lend all the same, to people whom you trust with this account: ` +
        `--accept-weak-isolation ${level}`,
      fields: { level, missing },
    },
  );
}
