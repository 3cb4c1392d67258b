/**
 * `omerta consumer request`: rent a virtual machine.
 *
 * @module
 */
import { OmertaError } from "../../base/mod.ts";
import type { Terminal } from "../../host/terminal.ts";
import type { Invocation } from "../invocation.ts";
import { also, command, maybe, option, toggle } from "../command.ts";
import {
  alias,
  duration,
  hostPort,
  ipPort,
  nodeAt,
  path,
  plainText,
  reference,
  requestKey,
  size,
  sizeOrNone,
  wholeNumber,
} from "../values.ts";
import { requestLines } from "../vm_text.ts";

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;

/** What no provider goes beyond, whatever it lends. Source: `src/vm/limits.ts`; a test compares. */
export const VM_RANGES = {
  cpu: { min: 1, max: 64 },
  memory: { min: 128 * MIB, max: 2 ** 40 },
  storage: { min: 16 * MIB, max: 2 ** 44 },
  leaseMs: { min: 30_000, max: 365 * 24 * HOUR_MS },
} as const;

/** Longest public key file. Source: an RSA key of 16384 bits has 2.8 KB; guess beyond. */
const KEY_FILE_BYTES_MAX = 16_384;

/** The entry of the table. */
export const request = command({
  purpose: "rent a virtual machine; ssh answers when this returns",
  details: [
    "Ended before that, by Ctrl-C or --timeout, it undoes what it had begun, unless --key or --no-wait was given.",
    "Without --ssh-key a key in the state directory is used, made once. Without --peer the nearest provider that accepts.",
  ],
  words: "",
  wordsMin: 0,
  wordsMax: 0,
  node: "started",
  flags: {
    cpu: option("N", "CPUs", { parse: wholeNumber(VM_RANGES.cpu), initial: 1, shown: "1" }),
    memory: option("S", "memory", {
      parse: size(VM_RANGES.memory),
      initial: 512 * MIB,
      shown: "512M",
    }),
    storage: option("S", "disk at /data; 0: none", {
      parse: sizeOrNone(VM_RANGES.storage),
      initial: 0,
      shown: "0",
    }),
    image: option("I", "what to boot", { parse: plainText, initial: "micro", shown: "micro" }),
    lease: option("T", "how long it outlives our last sign of life, at least 30s", {
      parse: duration(VM_RANGES.leaseMs),
      initial: HOUR_MS,
      shown: "1h",
    }),
    sshKey: maybe("FILE", "public key that may log in", path),
    name: maybe("N", "name for this VM", alias),
    key: also(
      maybe("KEY", "the same key gives the same VM until that has ended", requestKey),
      "id",
    ),
    peer: maybe("P", "provider: id, beginning of one, or alias", reference),
    provider: maybe("[ID@]IP:PORT", "provider by its address", nodeAt(ipPort)),
    bootstrap: maybe("[ID@]HOST:PORT", "node by which to find the network", nodeAt(hostPort)),
    noWait: toggle("return when the provider has accepted"),
    dryRun: toggle("run the whole protocol without a machine"),
  },
  examples: [
    "omerta consumer request --cpu 2 --memory 2G",
    "omerta consumer request --name web --lease 8h --ssh-key ~/.ssh/id_ed25519.pub",
    "omerta consumer request --key build-42 --timeout 60s --json",
  ],
  exits: [3, 5, 6, 7, 9, 10],
  async run(invocation) {
    const { flags, call, out, name: schema, terminal, globals: { network } } = invocation;
    const { cpu, memory, storage, image, lease, name, key, peer, provider, bootstrap } = flags;
    if (peer !== null && provider !== null) {
      throw new OmertaError("usage", "Cannot use --peer and --provider at once: choose one");
    }
    const keyFile = flags.sshKey === null ? NO_KEY : await readKey(flags.sshKey, terminal);
    await noteLoneKey(keyFile, invocation);
    const sizes = { cpu, memoryBytes: memory, storageBytes: storage, image, leaseMs: lease };
    const where = { network, peer, provider, bootstrap };
    const how = { name, key, wait: !flags.noWait, dryRun: flags.dryRun };
    const vm = await call("consumer.request", { ...sizes, ...keyFile, ...where, ...how });
    out.document(schema, vm, () => requestLines(vm, terminal.now()));
  },
});

interface KeyFile {
  readonly sshPublicKey: string | null;
  readonly identityFile: string | null;
}

const NO_KEY: KeyFile = { sshPublicKey: null, identityFile: null };

/** Tells that a key which may log in is not where ssh will look for it. */
async function noteLoneKey(
  { identityFile }: KeyFile,
  { terminal, out }: Pick<Invocation<unknown>, "terminal" | "out">,
): Promise<void> {
  if (identityFile === null || await terminal.exists(identityFile)) return;
  out.note(`The private key is not at ${identityFile}: put it there for 'omerta ssh'.`);
  out.note("Your own ssh (see 'omerta consumer ssh-config') takes it from elsewhere with -i.");
}

/** The public key, and where its private half lies; the private key's own path will do, too. */
async function readKey(file: string, terminal: Terminal): Promise<KeyFile> {
  const given = terminal.absolute(file);
  const isPrivate = !given.endsWith(".pub") && await terminal.exists(`${given}.pub`);
  const path = isPrivate ? `${given}.pub` : given;
  const text = (await terminal.readFile(path, KEY_FILE_BYTES_MAX)).trim();
  if (text.includes("PRIVATE KEY")) {
    throw new OmertaError("bad-ssh-key", `The file ${given} is a private key: it stays here`, {
      hint: `Name the public key's file; 'ssh-keygen -y -f ${given}' makes one.`,
    });
  }
  if (text === "" || text.includes("\n")) {
    throw new OmertaError("bad-ssh-key", `The file ${path} does not hold exactly one public key`, {
      hint: "Name a file with one line as 'ssh-ed25519 AAAA…'; ssh-keygen -t ed25519 makes one.",
    });
  }
  return { sshPublicKey: text, identityFile: path.replace(/\.pub$/, "") };
}
