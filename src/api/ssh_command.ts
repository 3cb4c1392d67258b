/**
 * How OpenSSH reaches a VM: argument lists, entries for `~/.ssh/config`, lines of known-hosts files.
 *
 *     ssh -F none -o … root@ID ──ProxyCommand──▶ omerta consumer proxy ID ──▶ the VM's sshd
 *
 * Strict: no agent, no X11, only the VM's identity, only our known-hosts file with the key that the
 * provider's signed answer named, no configuration of the user's or the system's.
 *
 * What comes from a peer (ID, user, host key) must match a narrow pattern. The ProxyCommand is a line
 * for the user's shell and for ssh's own expansion, so it is quoted and its `%` are doubled. Pure.
 *
 * Sources: ssh_config(5), OpenSSH 9.2 readconf.c: values of IdentityFile and UserKnownHostsFile are
 * split like words (quotes, backslashes) and expanded (`%`, `${}`); ProxyCommand is the rest of its
 * line, expanded (`%`), then given to `$SHELL -c`.
 *
 * @module
 */
import { OmertaError } from "../base/mod.ts";

/** A VM as ssh needs it. */
export interface SshTarget {
  readonly id: string;
  readonly name: string | null;
  readonly user: string;
  /** Absolute path of the private key. */
  readonly identityFile: string;
  /** Absolute path of the file that holds the VM's `knownHostsLine`. */
  readonly knownHostsFile: string;
}

/** How this program is started again. */
export interface SelfCommand {
  /** Argument list of the program, all paths absolute. */
  readonly program: readonly string[];
  /** State directory, absolute. */
  readonly state: string;
}

const VM_ID = /^[a-z2-7]{16}$/;
const USER = /^[a-z_][a-z0-9_-]{0,31}$/;
const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;

/** Base64 of the blob of an Ed25519 key: 51 bytes. Source: RFC 8709 §4. */
const HOST_KEY = /^ssh-ed25519 ([A-Za-z0-9+/]{68})$/;
const BLOB_HEAD = "AAAAC3NzaC1lZDI1NTE5AAAAI";

/**
 * The argument list that opens an ssh session; a command for the VM may be put after it.
 *
 * @param ssh The program; default: `ssh` as PATH finds it.
 * @throws {OmertaError} `refused` for hostile strings, `unsupported` for paths that ssh cannot take.
 * @example
 * ```ts
 * sshCommand(target, { program: ["/usr/bin/omerta"], state: "/home/ann/.omerta" });
 * // ["ssh", "-F", "none", "-o", "HostKeyAlias=omerta-ab3dqt5zk2m7w6xy", …, "root@ab3dqt5zk2m7w6xy"]
 * ```
 */
export function sshCommand(target: SshTarget, self: SelfCommand, ssh = "ssh"): string[] {
  const options = Object.entries(sshOptions(target, self));
  const { id, user } = checkTarget(target);
  return [ssh, "-F", "none", ...options.flatMap(([k, v]) => ["-o", `${k}=${v}`]), `${user}@${id}`];
}

/**
 * An entry for `~/.ssh/config`: the VM by its name and its id, for ssh, scp, rsync and editors.
 *
 * @throws {OmertaError} as `sshCommand`, also for paths with line ends.
 * @example
 * ```text
 * Host web ab3dqt5zk2m7w6xy
 *   User root
 *   HostKeyAlias omerta-ab3dqt5zk2m7w6xy
 *   …
 * ```
 */
export function sshConfigEntry(target: SshTarget, self: SelfCommand): string {
  const { id, name, user } = checkTarget(target);
  const options = { User: user, ...sshOptions(target, self), ...AGAINST_OTHERS };
  const lines = Object.entries(options).map(([key, value]) => {
    if (/[\r\n]/.test(value)) throw unusablePath(value, "an ssh configuration");
    return `  ${key} ${value}`;
  });
  const hosts = name === null ? id : `${name} ${id}`;
  return [`Host ${hosts}`, ...lines, ""].join("\n");
}

/**
 * What an entry says besides, so that a `Host *` of the user's has no say in it: ssh's own defaults, of
 * which the first that is written counts. None of them lends anything to the VM, looks for its host key
 * elsewhere, or starts what was not asked for. Options that add up cannot be taken back by an entry:
 * IdentityFile, CertificateFile, SendEnv, forwards (ClearAllForwardings would clear those of the command
 * line, too, which editors need).
 */
const AGAINST_OTHERS: Readonly<Record<string, string>> = {
  PubkeyAuthentication: "yes",
  AddKeysToAgent: "no",
  NoHostAuthenticationForLocalhost: "no",
  VerifyHostKeyDNS: "no",
  CanonicalizeHostname: "no",
  ControlMaster: "no",
  PermitLocalCommand: "no",
  RemoteCommand: "none",
  ProxyUseFdpass: "no",
  Tunnel: "no",
};

/**
 * The line of a known-hosts file that pins a VM's host key.
 *
 * @param hostKey A whole `ssh-ed25519 …` line without comment.
 * @throws {OmertaError} `refused` for anything else.
 * @example
 * ```ts
 * knownHostsLine("ab3dqt5zk2m7w6xy", "ssh-ed25519 AAAAC3Nza…");
 * // "omerta-ab3dqt5zk2m7w6xy ssh-ed25519 AAAAC3Nza…\n"
 * ```
 */
export function knownHostsLine(id: string, hostKey: string): string {
  if (!VM_ID.test(id)) throw hostile("id");
  const blob = HOST_KEY.exec(hostKey)?.[1];
  if (blob === undefined || !blob.startsWith(BLOB_HEAD)) throw hostile("ssh host key");
  return `${hostKeyAlias(id)} ${hostKey}\n`;
}

/** The name under which a VM's host key is known. */
function hostKeyAlias(id: string): string {
  return `omerta-${id}`;
}

function sshOptions(target: SshTarget, self: SelfCommand): Record<string, string> {
  const { id } = checkTarget(target);
  return {
    HostKeyAlias: hostKeyAlias(id),
    HostKeyAlgorithms: "ssh-ed25519",
    StrictHostKeyChecking: "yes",
    UserKnownHostsFile: pathValue(target.knownHostsFile),
    GlobalKnownHostsFile: "/dev/null",
    UpdateHostKeys: "no",
    IdentityFile: pathValue(target.identityFile),
    IdentitiesOnly: "yes",
    IdentityAgent: "none",
    PreferredAuthentications: "publickey",
    ForwardAgent: "no",
    ForwardX11: "no",
    ControlPath: "none",
    // A VM that is gone ends the session within a minute.
    ServerAliveInterval: "20",
    ProxyCommand: proxyCommand(id, self),
  };
}

/** The line for the shell that starts `consumer proxy`. */
export function proxyCommand(id: string, { program, state }: SelfCommand): string {
  if (!VM_ID.test(id)) throw hostile("id");
  const words = [...program, "consumer", "proxy", id, "--state", state, "--quiet"];
  const line = words.map(shellWord).join(" ");
  if (line.includes("\0")) throw unusablePath(line, "a command");
  return line.replaceAll("%", "%%");
}

/**
 * A word for a shell: as it stands where it is harmless, else in single quotes. Quotes and backslashes
 * stand outside of them behind a backslash, for inside fish reads them differently than sh.
 */
export function shellWord(word: string): string {
  if (/^[A-Za-z0-9_@:./=+,-]+$/.test(word)) return word;
  const parts = word.split(/(['\\])/).filter((part) => part !== "");
  if (parts.length === 0) return "''";
  return parts.map((part) => part === "'" || part === "\\" ? `\\${part}` : `'${part}'`).join("");
}

/** A path as the value of an option that ssh splits into words and expands. */
function pathValue(path: string): string {
  // Expanded from the environment, and nothing quotes it.
  if (!path.startsWith("/") || path.includes("${") || path.includes("\0")) {
    throw unusablePath(path, "OpenSSH");
  }
  return `"${path.replace(/[\\"]/g, "\\$&").replaceAll("%", "%%")}"`;
}

function checkTarget({ id, name, user }: SshTarget): Pick<SshTarget, "id" | "name" | "user"> {
  if (!VM_ID.test(id)) throw hostile("id");
  if (!USER.test(user)) throw hostile("ssh user");
  if (name !== null && !NAME.test(name)) throw hostile("name");
  return { id, name, user };
}

function hostile(what: string): OmertaError {
  return new OmertaError("refused", `The ${what} of the virtual machine is not what one may be`, {
    hint: "Its provider sent something that no honest one sends. Release it and use another.",
  });
}

function unusablePath(path: string, by: string): OmertaError {
  return new OmertaError("unsupported", `${by} cannot hold the path ${JSON.stringify(path)}`, {
    hint: "Use a state directory with a plainer path: --state DIR.",
  });
}
