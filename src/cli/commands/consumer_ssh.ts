/**
 * `omerta consumer ssh|proxy|ssh-config|forward`: the ways into a virtual machine.
 *
 * @module
 */
import { OmertaError } from "../../base/mod.ts";
import type { SshTargetDoc } from "../../api/nouns/consumer.ts";
import {
  type SelfCommand,
  sshCommand,
  sshConfigEntry,
  type SshTarget,
} from "../../api/ssh_command.ts";
import { command } from "../command.ts";
import { toggle } from "../flags.ts";
import { Interrupted } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import {
  forward as parseForward,
  guestPort,
  looksLikeForward,
  must,
  reference,
} from "../values.ts";
import { SSH_FAILED, tellWhy } from "../ssh_failure.ts";

/** The port of sshd. */
const SSH_PORT = 22;

/** Variables that another program has no business with. */
const SECRETS = ["OMERTA_INVITE"];

/** `consumer ssh`. */
export const ssh = command({
  purpose: "open an ssh session, or run a command, in a VM",
  details: [
    "This runs the system's OpenSSH with the VM's own key and host key; nothing of your ssh configuration or agent is used.",
    "Flags of omerta stand before the command's first word; from that word on, or from --, all is the command's. Where the ID is left out, -- must stand before the command.",
    "It exits with the status of the remote command, and with 255 where the connection itself failed: it then asks how the VM stands, says why it ended, and exits with 7 where its lease had.",
  ],
  words: "[ID]",
  wordsMin: 0,
  wordsMax: 1,
  takesRest: true,
  node: "started",
  flags: { tty: toggle("ask for a terminal for the command") },
  examples: [
    "omerta consumer ssh k3p6x2aa",
    "omerta ssh web df -h",
    "omerta ssh -- tar cf - /data > data.tar",
  ],
  exits: [3, 5, 6, 7, 10, 255],
  async run(invocation) {
    const { words: [word], rest, flags, terminal, out, node } = invocation;
    const program = await terminal.findProgram("ssh");
    if (program === undefined) throw noSsh();
    const target = await sshTarget(invocation, word);
    const [, ...args] = sshCommand(target, self(invocation));
    const batch = terminal.stdinIsTerminal ? [] : ["-o", "BatchMode=yes"];
    const tty = flags.tty ? ["-tt"] : [];
    // ssh reads options after the destination, too: -- ends them.
    const line = [program, ...batch, ...tty, ...args, ...rest === null ? [] : ["--", ...rest]];
    out.detail(`${line.join(" ")} (state ${node.state})`);
    const status = await inForeground(invocation, line);
    if (status === SSH_FAILED) await tellWhy(invocation, target.id);
    return status;
  },
});

function noSsh(): OmertaError {
  return new OmertaError("ssh-missing", "OpenSSH's client 'ssh' is not on PATH", {
    hint: "Install it; on Debian: apt install openssh-client.",
  });
}

/** Gives the terminal to a program until that ends; passes on what would end us. */
async function inForeground(
  { terminal, signal, out }: Invocation<unknown>,
  line: readonly string[],
): Promise<number> {
  out.clearProgress();
  const child = terminal.start(line, SECRETS);
  const pass = () => {
    child.kill(signal.reason instanceof Interrupted ? signal.reason.signal : "SIGTERM");
  };
  signal.addEventListener("abort", pass);
  try {
    return (await child.ended).status;
  } finally {
    signal.removeEventListener("abort", pass);
  }
}

async function sshTarget(
  { call }: Invocation<unknown>,
  word: string | undefined,
): Promise<SshTarget> {
  const vm = word === undefined ? null : must("ID", reference(word));
  const { targets: [target] } = await call("consumer.sshTarget", { vm, all: false });
  if (target === undefined) throw new TypeError("Cannot use the answer: no target is in it");
  return plainTarget(target);
}

function plainTarget(target: SshTargetDoc): SshTarget {
  const { id, name, user, identity_file, known_hosts_file } = target;
  return { id, name, user, identityFile: identity_file, knownHostsFile: known_hosts_file };
}

function self({ terminal, node }: Invocation<unknown>): SelfCommand {
  return { program: terminal.program, state: node.state };
}

/** `consumer proxy`. */
export const proxy = command({
  purpose: "connect stdin and stdout to a port of a VM",
  details: [
    "This is what ssh uses as ProxyCommand, in the entries that 'omerta consumer ssh-config' prints.",
  ],
  words: "ID [PORT]",
  wordsMin: 1,
  wordsMax: 2,
  node: "started",
  ignoresInvite: true,
  flags: {},
  examples: [
    "omerta consumer proxy k3p6x2aa 80",
    "omerta consumer proxy web 5432 < query > answer",
  ],
  exits: [3, 5, 6, 7],
  async run({ words: [id = "", port = String(SSH_PORT)], call, node, terminal }) {
    if (terminal.stdoutIsTerminal && terminal.stdinIsTerminal) throw notForPeople();
    const vm = must("ID", reference(id));
    const stream = await call("consumer.ticket", { vm, port: must("PORT", guestPort(port)) });
    await node.splice(stream);
  },
});

function notForPeople(): OmertaError {
  return new OmertaError(
    "usage",
    "'omerta consumer proxy' moves raw bytes: no terminal takes them",
    {
      hint: "For a shell in the VM: omerta ssh. Else redirect stdin or stdout.",
    },
  );
}

/** `consumer ssh-config`. */
export const sshConfig = command({
  purpose: "print entries for ~/.ssh/config, so that ssh, scp and rsync go by name",
  details: [
    "Without an ID: all VMs that are ready.",
    "Keep them in ~/.ssh/omerta and write 'Include omerta' at the top of ~/.ssh/config: the first value of an option counts there, and the ForwardAgent of a 'Host *' above would lend your agent to the VM's provider.",
    "What a 'Host *' adds up to, it still adds: IdentityFile, CertificateFile, SendEnv, SetEnv, LocalForward, RemoteForward. 'ssh -F ~/.ssh/omerta NAME' leaves all of yours out.",
    "An entry is for one VM: write the file again after a new request, also of the same name.",
  ],
  words: "[ID]",
  wordsMin: 0,
  wordsMax: 1,
  node: "started",
  flags: {},
  examples: [
    "omerta consumer ssh-config > ~/.ssh/omerta",
    "omerta consumer ssh-config web > ~/.ssh/web && ssh -F ~/.ssh/web web",
  ],
  exits: [3, 9, 10],
  async run(invocation) {
    const { words: [word], call, out, name } = invocation;
    const vm = word === undefined ? null : must("ID", reference(word));
    const { targets } = await call("consumer.sshTarget", { vm, all: word === undefined });
    const plain = targets.map(plainTarget);
    const config = plain.map((target) => sshConfigEntry(target, self(invocation))).join("\n");
    const hosts = plain.map(({ id, name }) => ({ id, name }));
    if (out.json) out.document(name, { config, hosts }, () => []);
    else out.verbatim(config);
    if (hosts.length === 0) out.note("No VM is ready.");
  },
});

/** `consumer forward`. */
export const forward = command({
  purpose: "forward local ports into a VM, until Ctrl-C",
  details: [
    "LOCAL 0 means any free port. It listens on 127.0.0.1 unless IP: stands before LOCAL.",
    "Under --json it prints a line for each listener as it opens.",
  ],
  words: "[ID] LOCAL:REMOTE…",
  wordsMin: 1,
  wordsMax: 65,
  node: "started",
  flags: {},
  examples: [
    "omerta consumer forward web 8080:80",
    "omerta consumer forward web 8080:80 5432:5432",
    "omerta consumer forward web 0.0.0.0:8080:80 --json",
  ],
  exits: [3, 5, 6, 7, 8],
  async run({ words, call, out, name }) {
    const [first = ""] = words;
    const vm = looksLikeForward(first) ? null : must("ID", reference(first));
    const texts = vm === null ? words : words.slice(1);
    if (texts.length === 0) {
      throw new OmertaError("usage", "'omerta consumer forward' needs ports: LOCAL:REMOTE", {
        hint: "As in 'omerta consumer forward ID 8080:80'.",
      });
    }
    const forwards = texts.map((text) => must("LOCAL:REMOTE", parseForward(text)));
    await call("consumer.forward", { vm, forwards }, (item) => {
      out.document(name, item, () => [`${item.local} → ${item.remote}`]);
    });
  },
});
