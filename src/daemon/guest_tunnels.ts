/**
 * A provider's ends of the tunnels between renters and their guests: opened and closed natively, and
 * claimed as long as they stand.
 *
 * @module
 */
import { randomUint32 } from "../base/mod.ts";
import type { HostVm } from "../market/mod.ts";
import { guestPlan } from "../tunnel/mod.ts";
import type { Context } from "./context.ts";
import type { Created, Hosted } from "./hosted.ts";

/** Opens the way between a guest's helper and its renter, where both are there. */
export function openGuestTunnel(
  { net, demands }: Context,
  vm: HostVm,
  { created, running }: Hosted,
): void {
  const control = running?.control ?? null;
  if (created === null || control === null) return;
  const plan = guestPlan({
    tunnel: created.localTunnel,
    peer: vm.owner,
    remote: created.remoteTunnel,
    control,
  });
  net.command("tunnel.open", { ...plan });
  demands.claim(vm.owner, useOf(vm), "busy");
}

/** Closes it; that it never was open is no failure. */
export function closeGuestTunnel(
  { net, demands, log }: Context,
  vm: HostVm,
  { created }: Hosted,
): void {
  demands.drop(vm.owner, useOf(vm));
  if (created === null) return;
  try {
    net.command("tunnel.close", { tunnel: created.localTunnel });
  } catch (error) {
    log.debug("a tunnel was closed already", { error: String(error) });
  }
}

/** A tunnel's id that no VM has. */
export function freshTunnel({ random }: Context, taken: Iterable<{ created: Created | null }>) {
  const ids = new Set([...taken].map(({ created }) => created?.localTunnel));
  for (;;) {
    const id = randomUint32(random);
    if (!ids.has(id)) return id;
  }
}

function useOf({ id }: HostVm): string {
  return `lent VM ${id}`;
}
