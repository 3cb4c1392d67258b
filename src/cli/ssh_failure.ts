/**
 * Why an ssh session failed. ssh knows only that its connection is gone; the node knows whether the VM
 * is, too.
 *
 *     ssh ends with 255 ─▶ how does the VM stand? ─▶ it ended ─▶ why; 7 where its time was over
 *                                                  ├▶ its provider is silent ─▶ that
 *                                                  └▶ it runs ─▶ nothing: 255 was the command's own, or
 *                                                     ssh has said what there is to say
 *
 * @module
 */
import { OmertaError } from "../base/mod.ts";
import type { VmDoc } from "../api/nouns/consumer.ts";
import { delay } from "../host/delay.ts";
import type { Invocation } from "./invocation.ts";
import { vmName } from "./vm_text.ts";

/** What ssh ends with where the connection failed. Source: ssh(1), EXIT STATUS. */
export const SSH_FAILED = 255;

/** How long why is asked for, and how often; the node itself asks the provider for 2 s. */
const ASK_MS = 2_500;
const ASK_EVERY_MS = 200;

const ENDINGS: Readonly<Record<NonNullable<VmDoc["end"]>["reason"], string>> = {
  "released": "it was released",
  "expired": "its lease, or the life that its provider gives, was over",
  "evicted": "the provider's owner took it back",
  "oom": "it took more memory than it may",
  "guest-exit": "it powered itself off, or rebooted",
  "failed": "it could not be run",
  "lost": "its provider does not know it any more",
  "disk": "the provider's disk is full, or fails",
};

/**
 * Says what the end of the VM, or its provider's silence, has to do with a session that failed.
 *
 * @throws {OmertaError} `lease-ended`, where the VM's time was over.
 */
export async function tellWhy(invocation: Invocation<unknown>, id: string): Promise<void> {
  const { out, terminal } = invocation;
  const askedMs = terminal.now();
  const vm = await askHowItStands(invocation, id);
  if (vm === undefined) return;
  if (vm.end === null) {
    const isSilent = vm.checked_at === null || Date.parse(vm.checked_at) < askedMs;
    if (isSilent) out.complaint(`The provider of VM ${vmName(vm)} does not answer, either.`);
    return;
  }
  const { reason, detail } = vm.end;
  const sentence = `The VM ${vmName(vm)} has ended: ${ENDINGS[reason]}`;
  if (detail !== null) out.detail(`its provider says: ${detail}`);
  if (reason === "expired") throw new OmertaError("lease-ended", sentence);
  out.failure(`${sentence}.`, "Rent another with 'omerta request'.");
}

/** How the VM stands, its end awaited for a moment; `undefined` where that is not to be had soon. */
async function askHowItStands(
  { node, signal, out }: Invocation<unknown>,
  id: string,
): Promise<VmDoc | undefined> {
  const soon = AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]);
  let vm: VmDoc | undefined;
  try {
    do {
      if (vm !== undefined) await delay(ASK_EVERY_MS, soon);
      // Where no node runs any more, none is started to say why.
      vm = await node.call("consumer.status", { vm: id }, { signal: soon, start: false });
    } while (vm.state === "releasing");
  } catch (error) {
    out.detail(`how the VM stands is not known: ${error}`); // what ssh said stands
  }
  return vm;
}
