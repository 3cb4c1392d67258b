/** Drives one part: its own clock, woken exactly when it asks to be. */
import {
  after,
  type Instant,
  type Machine,
  type NetworkId,
  type NodeId,
  type PeerKey,
  peerKey,
} from "../../src/base/mod.ts";

export const NET = "net" as NetworkId;

/** The member of that name in the network. */
export function peer(name: string, network: NetworkId = NET): PeerKey {
  return peerKey(network, name as NodeId);
}

/** A part with its clock and all that came out of it. */
export class Rig<In extends { readonly type: string }, Out extends { readonly type: string }> {
  now = 0 as Instant;
  #out: Out[] = [];

  constructor(readonly machine: Machine<In | { readonly type: "wake" }, Out>) {}

  /** Hands inputs in, and returns what came out of them, and of nothing before. */
  put(...inputs: readonly (In | { readonly type: "wake" })[]): Out[] {
    this.#out = [];
    for (const input of inputs) this.machine.handle(input, this.now, this.#out);
    return this.#out;
  }

  /** Lets time pass, and returns what came out meanwhile with the time of each. */
  advance(ms: number): { readonly atMs: number; readonly output: Out }[] {
    const end = after(this.now, ms);
    const all: { readonly atMs: number; readonly output: Out }[] = [];
    for (;;) {
      const wakeup = this.machine.wakeup();
      if (wakeup === undefined || wakeup.at > end) break;
      if (wakeup.at > this.now) this.now = wakeup.at;
      all.push(...this.put({ type: "wake" }).map((output) => ({ atMs: this.now, output })));
    }
    this.now = end;
    return all;
  }
}

/** Outputs of one type. */
export function only<Out extends { readonly type: string }, T extends Out["type"]>(
  out: readonly Out[],
  type: T,
): Extract<Out, { readonly type: T }>[] {
  return out.filter((each): each is Extract<Out, { readonly type: T }> => each.type === type);
}
