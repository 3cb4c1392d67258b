/**
 * systemd units for nodes: a relay, a provider, both in one, or neither. For root a system unit, which
 * runs as a user of its own; else one of the user's manager.
 *
 * `KillMode=process`: only the node is killed at a stop, the VMs' helpers live on and are adopted by
 * the next one. So the user is a static one: a dynamic one's number is given to somebody else while
 * helpers still run under it. Never a secret stands in a unit: the state has joined before.
 *
 * What a provider cannot be denied: namespaces and mounts, by which its helper confines QEMU, and an
 * uncovered /proc, without which the kernel refuses the helper one of its own (ProtectKernelTunables,
 * ProtectKernelLogs, ProtectHostname and ProtectProc cover it). What no node can be denied:
 * memory that is both written and run, for the JavaScript engine makes code (MemoryDenyWriteExecute).
 *
 * Sources: systemd.service(5), systemd.unit(5) on specifiers, systemd.exec(5) on quoting and
 * sandboxing, mount_namespaces(7); tried under systemd 252.
 *
 * @module
 */
import { hasControls, OmertaError } from "../base/mod.ts";
import type { FlagValues } from "./flags.ts";
import type { NODE_FLAGS } from "./foreground.ts";
import type { Invocation } from "./invocation.ts";

/** The user of system units. */
const USER = "omerta";

/** Ports below need a capability. Source: ip(7), ip_unprivileged_port_start. */
const FREE_PORT_MIN = 1024;

/** Variables that a unit takes over; secrets and what a flag says are none of them. */
const VARIABLES = ["OMERTA_DIRECT", "OMERTA_LOG", "OMERTA_QEMU"] as const;

/** What a unit runs. */
export interface UnitPart {
  readonly roles: { readonly relay: boolean; readonly provider: boolean };
  /** The words that start it: `relay`, or `mesh run --relay`. */
  readonly words: readonly string[];
  /** Flags beside those that every node has. */
  readonly extra: readonly string[];
}

/** Facts of a unit's text. */
export interface UnitFacts {
  readonly roles: UnitPart["roles"];
  /** The whole command, the program's path absolute. */
  readonly command: readonly string[];
  /** A unit of the system, not of a user. */
  readonly isSystem: boolean;
  /** The state directory, absolute. */
  readonly state: string;
  /** Whether it listens below 1024. */
  readonly hasLowPort: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Prints the unit that runs what the invocation says.
 *
 * @throws {OmertaError} `usage` where an invite is given, or where a path cannot stand in a unit.
 */
export function printUnit(
  invocation: Invocation<FlagValues<typeof NODE_FLAGS>>,
  { roles, words, extra }: UnitPart,
): void {
  const { terminal, node, flags, invite, out } = invocation;
  if (invite !== null) {
    throw new OmertaError("usage", "Cannot put an invite into a unit: it is a secret", {
      hint: "Join first with 'omerta join -', then print the unit without the invite.",
    });
  }
  const command = [
    ...terminal.program,
    ...words,
    ...["--state", node.state],
    ...flags.port === null ? [] : ["--port", String(flags.port)],
    ...flags.advertise.flatMap((address) => ["--advertise", address]),
    ...flags.alias === null ? [] : ["--alias", flags.alias],
    ...extra,
  ];
  const isSystem = terminal.uid === 0;
  const hasLowPort = flags.port !== null && flags.port !== 0 && flags.port < FREE_PORT_MIN;
  const { state } = node;
  const unit = unitText({ roles, command, isSystem, state, hasLowPort, env: terminal.env });
  const noun = words[0] ?? "mesh";
  if (out.json) out.document(`${noun}.unit`, { name: unitName(roles), unit }, () => []);
  else out.verbatim(unit);
}

/** The unit's file name: a relay and a provider may both be there, on states of their own. */
function unitName({ relay, provider }: UnitPart["roles"]): string {
  if (relay === provider) return "omerta.service";
  return relay ? "omerta-relay.service" : "omerta-provider.service";
}

/** The text of a unit. @throws {OmertaError} `usage` for words that no unit can hold. */
export function unitText(facts: UnitFacts): string {
  const { roles, isSystem, command, env } = facts;
  const names = [...roles.relay ? ["relay"] : [], ...roles.provider ? ["provider"] : []];
  return [
    ...head(facts),
    "[Unit]",
    `Description=Omerta ${names.join(" and ") || "node"}`,
    ...isSystem ? ["After=network-online.target", "Wants=network-online.target"] : [],
    "",
    "[Service]",
    `ExecStart=${command.map((word) => unitWord(word, { expands: true })).join(" ")}`,
    ...VARIABLES.flatMap((name) => {
      const value = env[name];
      return value ? [`Environment=${unitWord(`${name}=${value}`, { expands: false })}`] : [];
    }),
    "Restart=always",
    "RestartSec=10",
    "# What stays wrong: the command line (2), no network (3), another node on this state or a port",
    "# that is taken (8), damage (9). A full disk does not.",
    "RestartPreventExitStatus=2 3 8 9",
    "# Told to end before it was ready.",
    "SuccessExitStatus=143",
    ...roles.provider
      ? [
        "# Virtual machines outlive a restart and are taken up again; one that took too much memory",
        "# does not end the others.",
        "OOMPolicy=continue",
      ]
      : [],
    "KillMode=process",
    "TimeoutStopSec=30",
    "",
    ...confinement(facts),
    "",
    "[Install]",
    `WantedBy=${isSystem ? "multi-user.target" : "default.target"}`,
    "",
  ].join("\n");
}

/** What to do with the unit. */
function head({ roles, isSystem, state }: UnitFacts): string[] {
  const file = unitName(roles);
  const folder = isSystem ? "/etc/systemd/system" : "~/.config/systemd/user";
  const control = isSystem ? "systemctl" : "systemctl --user";
  const start = `${control} daemon-reload && ${control} enable --now ${file}`;
  if (!isSystem) {
    return [
      `# ${folder}/${file}`,
      `# Then: ${start}`,
      "# It runs while you are logged out after: loginctl enable-linger",
    ];
  }
  return [
    `# ${folder}/${file}`,
    `# Once: useradd --system --home-dir ${state} --no-create-home --shell /usr/sbin/nologin ${USER}`,
    ...stateFolder(state) === undefined ? [`# And:  chown -R ${USER}: ${state}`] : [],
    `# Then: ${start}`,
    "# One state has one node: for a relay and a provider on one machine take one unit for both,",
    "# omerta mesh run --relay --provider --systemd, or another --state for one of them.",
  ];
}

function confinement(facts: UnitFacts): string[] {
  return [
    "NoNewPrivileges=yes",
    "LockPersonality=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "SystemCallArchitectures=native",
    "SystemCallErrorNumber=EPERM",
    ...calls(facts),
    ...facts.isSystem ? systemConfinement(facts) : [],
  ];
}

/** A relay starts nothing and mounts nothing; a provider's helper makes namespaces and a jail. */
function calls({ roles }: UnitFacts): string[] {
  return roles.provider
    ? [
      "SystemCallFilter=~@clock @cpu-emulation @keyring @module @obsolete @raw-io @reboot @swap",
      "SystemCallFilter=~bpf perf_event_open pidfd_getfd userfaultfd",
    ]
    : [
      "SystemCallFilter=@system-service",
      "SystemCallFilter=~@keyring @privileged",
      "RestrictNamespaces=yes",
    ];
}

/** What only the system's manager can do. */
function systemConfinement(facts: UnitFacts): string[] {
  const { roles, state, command, hasLowPort } = facts;
  const folder = stateFolder(state);
  const isAtHome = command.some((word) => /^\/(home|root)\//.test(word));
  const low = hasLowPort ? "CAP_NET_BIND_SERVICE" : "";
  return [
    `User=${USER}`,
    `Group=${USER}`,
    "UMask=0077",
    ...folder === undefined
      ? [`ReadWritePaths=${unitWord(state, { expands: false })}`]
      : [`StateDirectory=${unitWord(folder, { expands: false })}`, "StateDirectoryMode=0700"],
    `CapabilityBoundingSet=${low}`,
    `AmbientCapabilities=${low}`,
    "ProtectSystem=strict",
    `ProtectHome=${isAtHome ? "read-only" : "yes"}`,
    "PrivateTmp=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectKernelModules=yes",
    ...roles.provider ? lendersOnly() : relaysOnly(hasLowPort),
  ];
}

/** KVM, and nothing that covers /proc. */
function lendersOnly(): string[] {
  return [
    "DevicePolicy=closed",
    "DeviceAllow=/dev/kvm rw",
    "SupplementaryGroups=kvm",
  ];
}

function relaysOnly(hasLowPort: boolean): string[] {
  return [
    "PrivateDevices=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "ProcSubset=all",
    "RemoveIPC=yes",
    // In a user namespace of its own it would have no right to a port of the machine.
    ...hasLowPort ? [] : ["PrivateUsers=yes"],
  ];
}

/** The state's place below /var/lib, where the service manager makes and owns it. */
function stateFolder(state: string): string | undefined {
  return /^\/var\/lib\/([A-Za-z0-9_.-]+(?:\/[A-Za-z0-9_.-]+)*)$/.exec(state)?.[1];
}

/** A word of a unit: specifiers doubled, variables too where they are expanded, quoted where needed. */
function unitWord(word: string, { expands }: { readonly expands: boolean }): string {
  if (hasControls(word)) {
    throw new OmertaError("usage", "Cannot write a unit: a path holds control characters");
  }
  const specified = word.replaceAll("%", "%%");
  const doubled = expands ? specified.replaceAll("$", "$$$$") : specified;
  if (/^[A-Za-z0-9_@%:./=+,\[\]-]+$/.test(doubled)) return doubled;
  return `"${doubled.replace(/[\\"]/g, "\\$&")}"`;
}
