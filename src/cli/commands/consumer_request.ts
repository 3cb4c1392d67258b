/**
 * `omerta consumer request`: rent a virtual machine.
 *
 * @module
 */
import type { ConsumerRequestInput, VmDoc } from "../../api/nouns/consumer.ts";
import { formatDuration, OmertaError, VM_SIZE_RANGES, VM_TIME_RANGE_MS } from "../../base/mod.ts";
import type { Terminal } from "../../host/terminal.ts";
import type { Invocation } from "../invocation.ts";
import { command } from "../command.ts";
import { also, type FlagValues, list, maybe, option, toggle } from "../flags.ts";
import { shortId } from "../format.ts";
import {
  alias,
  duration,
  hostPort,
  image,
  ipPort,
  nodeAt,
  oneOf,
  path,
  reference,
  requestKey,
  size,
  sizeOrNone,
  wholeNumber,
} from "../values.ts";
import { requestLines, vmTable } from "../vm_text.ts";

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;

/** Longest public key file. Source: an RSA key of 16384 bits has 2.8 KB; guess beyond. */
const KEY_FILE_BYTES_MAX = 16_384;

/** Most VMs of one command. Guess: a provider lends a few dozen. */
const COUNT_MAX = 64;

/** What a provider's confinement may be, weakest first. */
const LEVELS = ["basic", "landlock", "namespaces", "full"] as const;

/** What a request says while there is no room: it ends with the time that it may wait. */
const WAITING = "waiting for room";

const ISOLATIONS = ["hardware", "emulated"] as const;

/** A lease that differs from what was asked for by less than this was not cut, only late. */
const CUT_MS = 5_000;

const FLAGS = {
  cpu: option("N", "CPUs", { parse: wholeNumber(VM_SIZE_RANGES.cpu), initial: 1, shown: "1" }),
  memory: option("S", "memory", {
    parse: size(VM_SIZE_RANGES.memoryBytes),
    initial: 512 * MIB,
    shown: "512M",
  }),
  storage: option("S", "disk at /data; 0: none", {
    parse: sizeOrNone(VM_SIZE_RANGES.storageBytes),
    initial: 0,
    shown: "0",
  }),
  image: option("I", "what to boot: a name, or sha256:DIGEST", {
    parse: image,
    initial: "micro",
    shown: "micro",
  }),
  lease: option("T", "how long it outlives our last sign of life, from 30s", {
    parse: duration(VM_TIME_RANGE_MS),
    initial: HOUR_MS,
    shown: "1h",
  }),
  sshKey: maybe("FILE", "public key that may log in", path),
  name: maybe("N", "name for this VM", alias),
  key: also(
    maybe("KEY", "the same key gives the same VM until that has ended", requestKey),
    "id",
  ),
  count: maybe("N", "so many VMs alike, or none", wholeNumber({ min: 1, max: COUNT_MAX })),
  trust: list("P", "only such a provider serves, trusted from now on (may be repeated)", reference),
  isolation: maybe(
    "LEVEL",
    "least isolation of the guest: hardware, emulated",
    oneOf(ISOLATIONS),
  ),
  minConfinement: maybe("LEVEL", `least confinement of QEMU: ${LEVELS.join(", ")}`, oneOf(LEVELS)),
  peer: maybe("P", "provider: id, beginning of one, or alias", reference),
  provider: maybe("[ID@]IP:PORT", "provider by its address", nodeAt(ipPort)),
  bootstrap: maybe("[ID@]HOST:PORT", "node by which to find the network", nodeAt(hostPort)),
  noWait: toggle("return when the provider has accepted"),
  dryRun: toggle("run the whole protocol without a machine"),
};

/** The entry of the table. */
export const request = command({
  purpose: "rent a virtual machine; ssh answers when this returns",
  details: [
    "Ended before that, by Ctrl-C or --timeout, it undoes what it had begun, unless --key or --no-wait was given.",
    "Where there is no room now but may be soon, it waits: for 30s, or as long as --timeout says.",
    "Without --peer or --trust any provider may serve: the near ones are asked first, by lot where none is nearer, and the next one where one fails. One that is neither trusted nor known is told on stderr.",
    "With --count all of them come or none stays; --name and --key get -1, -2, … appended. VMs with a key stay for the repetition.",
    "Without --ssh-key a key in the state directory is used, made once.",
  ],
  words: "",
  wordsMin: 0,
  wordsMax: 0,
  node: "started",
  flags: FLAGS,
  examples: [
    "omerta consumer request --cpu 2 --memory 2G",
    "omerta consumer request --name web --lease 8h --trust home --isolation hardware",
    "omerta consumer request --key build-42 --timeout 60s --json",
  ],
  exits: [3, 5, 6, 7, 9, 10],
  async run(invocation) {
    const { flags, call, out, name: schema, terminal } = invocation;
    requireOneWay(flags);
    const keyFile = flags.sshKey === null ? NO_KEY : await readKey(flags.sshKey, terminal);
    await noteLoneKey(keyFile, invocation);
    const input = { ...inputOf(invocation), ...keyFile };
    const endNote = noteGoesOn(invocation);
    try {
      if (flags.count === null) {
        const vm = await call("consumer.request", input);
        noteTerms(invocation, [vm]);
        out.document(schema, vm, () => requestLines(vm, terminal.now()));
      } else {
        const { vms } = await call("consumer.requestMany", { ...input, count: flags.count });
        noteTerms(invocation, vms);
        out.document(schema, { vms }, () => vmTable(vms, terminal.now()));
      }
    } finally {
      endNote();
    }
  },
});

type Run = Invocation<FlagValues<typeof FLAGS>>;

function requireOneWay({ peer, provider, trust }: Run["flags"]): void {
  if (peer !== null && provider !== null) {
    throw new OmertaError("usage", "Cannot use --peer and --provider at once: choose one");
  }
  if (trust.length === 0 || (peer === null && provider === null)) return;
  throw new OmertaError("usage", "Cannot use --trust beside --peer or --provider: choose one", {
    hint: "'omerta consumer trust add P' trusts a provider without a request.",
  });
}

function inputOf(
  { flags, globals: { network, timeoutMs } }: Run,
): Omit<ConsumerRequestInput, keyof KeyFile> {
  const { cpu, memory, storage, image, lease, name, key, peer, provider, bootstrap } = flags;
  const { trust, isolation, minConfinement, noWait, dryRun } = flags;
  const sizes = { cpu, memoryBytes: memory, storageBytes: storage, image, leaseMs: lease };
  const where = { network, peer, provider, bootstrap, trust, isolation, minConfinement };
  return { ...sizes, ...where, queueMs: timeoutMs, name, key, wait: !noWait, dryRun };
}

/** Says what a person would not expect of VMs that came: a lease that was cut, an unknown provider. */
function noteTerms({ flags, out }: Run, vms: readonly VmDoc[]): void {
  const cut = Math.min(...vms.map(({ lease_ms }) => lease_ms));
  if (cut < flags.lease - CUT_MS) {
    const [to, from] = [formatDuration(cut), formatDuration(flags.lease)];
    out.note(`The provider cut the lease to ${to}, from ${from}.`);
  }
  const unknown = new Set(vms.filter((vm) => !vm.provider_known).map(({ provider }) => provider));
  for (const id of unknown) {
    out.note(
      `The provider ${shortId(id)} serves you for the first time, and can look into its VMs. ` +
        `If you trust it: omerta consumer trust add ${shortId(id)}`,
    );
  }
}

/** A request with a key, or that nobody waits for, goes on when its command is given up: says so. */
function noteGoesOn({ flags, out, signal }: Run): () => void {
  const goesOn = flags.key !== null || flags.noWait;
  const again = flags.key === null ? "" : ", or repeat the command with the same --key";
  const tell = () => {
    const isOver = signal.reason instanceof OmertaError && out.doing?.startsWith(WAITING) === true;
    if (!isOver) out.note(`The request goes on: see 'omerta list' for its VM${again}.`);
  };
  if (goesOn) signal.addEventListener("abort", tell, { once: true });
  return () => signal.removeEventListener("abort", tell);
}

interface KeyFile {
  readonly sshPublicKey: string | null;
  readonly identityFile: string | null;
}

const NO_KEY: KeyFile = { sshPublicKey: null, identityFile: null };

/** Tells that a key which may log in is not where ssh will look for it. */
async function noteLoneKey(
  { identityFile }: KeyFile,
  { terminal, out }: Pick<Run, "terminal" | "out">,
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
