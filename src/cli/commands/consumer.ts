/**
 * `omerta consumer …`: rent virtual machines and reach them.
 *
 * @module
 */
import { formatDuration, OmertaError } from "../../base/mod.ts";
import type { VmDoc } from "../../api/nouns/consumer.ts";
import { command, type Verbs } from "../command.ts";
import { toggle } from "../flags.ts";
import { fromNow } from "../format.ts";
import { reportFailed } from "../partly.ts";
import { duration, must, reference } from "../values.ts";
import { recentVmTable, vmFacts, vmName, vmTable } from "../vm_text.ts";
import { request } from "./consumer_request.ts";
import { trust } from "./consumer_trust.ts";
import { forward, proxy, ssh, sshConfig } from "./consumer_ssh.ts";

/** A lease may be extended by so little or so much; the provider caps it. */
const EXTENSION = { min: 1_000, max: 365 * 86_400_000 };

const list = command({
  purpose: "list your VMs",
  details: [
    "It asks the providers for 2 s, and shows what was last known of those that are silent.",
    "Living VMs come first, then those that ended, with why; those that ended more than 24h ago are left out, except with --all or --json. The last 256 ends are remembered.",
  ],
  words: "",
  wordsMin: 0,
  wordsMax: 0,
  node: "started",
  flags: { all: toggle("also VMs that ended more than 24h ago") },
  examples: ["omerta consumer list", "omerta list --json"],
  exits: [3, 9],
  async run({ flags: { all }, call, out, name, terminal, globals: { network } }) {
    const result = await call("consumer.list", { network });
    const lines = all ? vmTable : recentVmTable;
    out.document(name, result, () => lines(result.vms, terminal.now()));
  },
});

const status = command({
  purpose: "show one VM",
  words: "[ID]",
  wordsMin: 0,
  wordsMax: 1,
  node: "started",
  flags: {},
  examples: ["omerta consumer status web", "omerta consumer status --json"],
  exits: [3, 9],
  async run({ words: [word], call, out, name, terminal }) {
    const vm = await call("consumer.status", { vm: vmOf(word) });
    out.document(name, vm, () => vmFacts(vm, terminal.now()));
  },
});

const extend = command({
  purpose: "move the end of a VM's lease to now + T, at least",
  words: "[ID] T",
  wordsMin: 1,
  wordsMax: 2,
  node: "started",
  flags: {},
  examples: ["omerta consumer extend web 2h", "omerta extend 30m --json"],
  exits: [3, 5, 6, 7],
  async run({ words, call, out, name, terminal }) {
    const [time = ""] = words.slice(-1);
    const leaseMs = must("T", duration(EXTENSION)(time));
    const word = words.length === 2 ? words[0] : undefined;
    const vm = await call("consumer.extend", { vm: vmOf(word), leaseMs });
    const leftMs = Date.parse(vm.lease_expires_at ?? "") - terminal.now();
    if (leftMs < leaseMs - CUT_MS) {
      const [to, from] = [formatDuration(wholeSeconds(leftMs)), formatDuration(leaseMs)];
      out.note(`The provider cut the lease to ${to}, from ${from}.`);
    }
    out.document(name, vm, () => [leaseLine(vm, terminal.now())]);
  },
});

function wholeSeconds(ms: number): number {
  return Math.max(0, Math.round(ms / 1_000) * 1_000);
}

/** A lease that ends earlier than asked for by less than this was not cut, only answered late. */
const CUT_MS = 5_000;

function leaseLine(vm: VmDoc, nowMs: number): string {
  return `the lease of VM ${vmName(vm)} ends ${fromNow(vm.lease_expires_at, nowMs)}`;
}

const release = command({
  purpose: "give VMs back; what was in them is gone",
  details: [
    "Releasing a VM that has ended is done, not an error.",
    "Where a provider is not reached, that VM is released when it is, or ends with its lease: the status is 5 then.",
  ],
  words: "[ID…]",
  wordsMin: 0,
  wordsMax: 1000,
  node: "started",
  flags: { all: toggle("every VM") },
  examples: ["omerta consumer release web", "omerta consumer release --all --json"],
  exits: [3, 5, 6],
  async run({ words, flags: { all }, call, out, name }) {
    if (all && words.length > 0) {
      throw new OmertaError("usage", "Which VMs? Name them, or write --all, not both");
    }
    const vms = words.map((word) => must("ID", reference(word)));
    const result = await call("consumer.release", { vms, all });
    out.document(name, result, () => {
      const lines = result.released.map((id) => `VM ${id} released`);
      return lines.length > 0 || result.failed.length > 0 ? lines : ["no VM to release"];
    });
    return reportFailed(out, result.failed);
  },
});

/** The VM that a word names; `null`: the only one. */
function vmOf(word: string | undefined): string | null {
  return word === undefined ? null : must("ID", reference(word));
}

/** The verbs of `omerta consumer`. */
export const consumer: Verbs = {
  request,
  list,
  status,
  ssh,
  proxy,
  "ssh-config": sshConfig,
  forward,
  extend,
  release,
  trust,
};
