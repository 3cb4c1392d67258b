/**
 * A provider's ends of the tunnels between renters and their guests: opened and closed natively, and
 * claimed as long as they stand.
 *
 * @module
 */
import { randomUint32 } from "../../base/mod.ts";
import type { HostVm } from "../../market/mod.ts";
import { guestPlan } from "../../tunnel/mod.ts";
import type { Created, Hosted } from "./hosted.ts";
import type { LendingPorts } from "./ports.ts";

/**
 * Opens the way between a guest's helper and its renter, where both are there, and claims it.
 *
 * @param isWanted Whether the VM still is what it was. What fails for one that is not is no failure.
 * @returns What `isWanted` says when the helper has answered.
 */
export async function openGuestTunnel(
  { ends, holds }: Pick<LendingPorts, "ends" | "holds">,
  { vm, created, running }: Pick<Hosted, "created" | "running"> & { readonly vm: HostVm },
  isWanted: () => boolean,
): Promise<boolean> {
  const control = running?.control ?? null;
  if (created === null || control === null) return true;
  const plan = guestPlan({
    tunnel: created.localTunnel,
    peer: vm.owner,
    remote: created.remoteTunnel,
    control,
  });
  try {
    await ends.open(plan);
  } catch (error) {
    if (isWanted()) throw error;
  }
  if (!isWanted()) return false;
  holds.claim(vm.owner, useOf(vm), "busy");
  return true;
}

/** Closes it; that it never was open is no failure. */
export function closeGuestTunnel(
  { ends, holds, log }: Pick<LendingPorts, "ends" | "holds" | "log">,
  vm: HostVm,
  { created }: Hosted,
): void {
  holds.drop(vm.owner, useOf(vm));
  if (created === null) return;
  try {
    ends.close(created.localTunnel);
  } catch (error) {
    log.debug("a tunnel was closed already", { error: String(error) });
  }
}

/** A tunnel's id that no VM has. */
export function freshTunnel(
  { random }: Pick<LendingPorts, "random">,
  taken: Iterable<{ readonly created: Created | null }>,
): number {
  const ids = new Set([...taken].map(({ created }) => created?.localTunnel));
  for (;;) {
    const id = randomUint32(random);
    if (!ids.has(id)) return id;
  }
}

function useOf({ id }: HostVm): string {
  return `lent VM ${id}`;
}
