/**
 * systemd units for relay and provider. For root a system unit, else one of the user's manager.
 *
 * `KillMode=process`: only the node is killed at a stop, the VMs' helpers live on and are adopted by
 * the next one. Never a secret stands in a unit: the state has joined before.
 *
 * Sources: systemd.service(5), systemd.unit(5) on specifiers, systemd.exec(5) on quoting.
 *
 * @module
 */
import { OmertaError } from "../base/mod.ts";
import type { FlagValues } from "./command.ts";
import type { NODE_FLAGS } from "./foreground.ts";
import type { Invocation } from "./invocation.ts";

/** What a unit runs. */
export interface UnitPart {
  readonly role: "relay" | "provider";
  /** Flags beside those that every node has. */
  readonly extra: readonly string[];
}

/** Facts of a unit's text. */
export interface UnitFacts {
  readonly role: "relay" | "provider";
  /** The whole command, the program's path absolute. */
  readonly command: readonly string[];
  /** A unit of the system, not of a user. */
  readonly isSystem: boolean;
}

/**
 * Prints the unit that runs what the invocation says.
 *
 * @throws {OmertaError} `usage` where an invite is given, or where a path cannot stand in a unit.
 */
export function printUnit(
  invocation: Invocation<FlagValues<typeof NODE_FLAGS>>,
  { role, extra }: UnitPart,
): void {
  const { terminal, node, flags, invite, out, name } = invocation;
  if (invite !== null) {
    throw new OmertaError("usage", "Cannot put an invite into a unit: it is a secret", {
      hint: "Join first with 'omerta network join', then print the unit without the invite.",
    });
  }
  const command = [
    ...terminal.program,
    role,
    ...["--state", node.state],
    ...flags.port === null ? [] : ["--port", String(flags.port)],
    ...flags.advertise.flatMap((address) => ["--advertise", address]),
    ...flags.alias === null ? [] : ["--alias", flags.alias],
    ...extra,
  ];
  const unit = unitText({ role, command, isSystem: terminal.uid === 0 });
  if (out.json) out.document(name, { unit, name: `omerta-${role}.service` }, () => []);
  else out.verbatim(unit);
}

/** The text of a unit. @throws {OmertaError} `usage` for words that no unit can hold. */
export function unitText({ role, command, isSystem }: UnitFacts): string {
  const file = `omerta-${role}.service`;
  const folder = isSystem ? "/etc/systemd/system" : "~/.config/systemd/user";
  const control = isSystem ? "systemctl" : "systemctl --user";
  return [
    `# ${folder}/${file}`,
    `# Then: ${control} daemon-reload && ${control} enable --now omerta-${role}`,
    ...isSystem ? [] : ["# It runs while you are logged out after: loginctl enable-linger"],
    "[Unit]",
    `Description=Omerta ${role}`,
    ...isSystem ? ["After=network-online.target", "Wants=network-online.target"] : [],
    "",
    "[Service]",
    `ExecStart=${command.map(unitWord).join(" ")}`,
    "Restart=always",
    "RestartSec=5",
    "# What stays wrong: the command line (2), no network (3), damage (9), what is missing (10).",
    "RestartPreventExitStatus=2 3 9 10",
    "# Virtual machines outlive a restart and are taken up again.",
    "KillMode=process",
    "TimeoutStopSec=30",
    "",
    "[Install]",
    `WantedBy=${isSystem ? "multi-user.target" : "default.target"}`,
    "",
  ].join("\n");
}

/** A word of ExecStart: specifiers and variables doubled, quoted where it must be. */
function unitWord(word: string): string {
  // deno-lint-ignore no-control-regex -- they are what is refused
  if (/[\u0000-\u001f\u007f]/.test(word)) {
    throw new OmertaError("usage", "Cannot write a unit: a path holds control characters");
  }
  const doubled = word.replaceAll("%", "%%").replaceAll("$", "$$$$");
  if (/^[A-Za-z0-9_@%:./=+,\[\]-]+$/.test(doubled)) return doubled;
  return `"${doubled.replace(/[\\"]/g, "\\$&")}"`;
}
