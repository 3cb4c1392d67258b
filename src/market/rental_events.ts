/**
 * What the renter's book takes and what it gives.
 *
 * @module
 */
import type { PeerKey, VmId } from "../base/mod.ts";
import type { ProviderWord, Rental } from "./rental.ts";
import type { RentalChange } from "./rental_life.ts";

/** How a request is known. */
export interface RequestOrder {
  readonly name: string | null;
  readonly key: string | null;
}

/** Changes that somebody here names a VM for. */
type OfVm = Extract<
  RentalChange,
  { type: "creating" | "created" | "ready" | "noted" | "dropped" | "released" }
>;

/** What happens to rentals. */
export type RentalEvent =
  /** A node begins, with what the one before it had written; once, before all else. */
  | { readonly type: "restart"; readonly rentals: readonly Rental[] }
  /** Calls reach others from now on: what was left half done is taken up. */
  | { readonly type: "resume" }
  /** A request begins, by a number of the caller's; `refusalOf` found nothing against it. */
  | ({ readonly type: "requested"; readonly request: number } & RequestOrder)
  /** It got its VM, which is `reserved`. */
  | { readonly type: "reserved"; readonly request: number; readonly rental: Rental }
  /** The request is over; its name is free where no VM has it. */
  | { readonly type: "given-up"; readonly request: number }
  /** What happens to one VM; one that is `dropped` is released at its provider, asked once. */
  | (OfVm & { readonly vm: VmId })
  /** A provider says how a VM stands. */
  | { readonly type: "told"; readonly from: PeerKey; readonly word: ProviderWord }
  /** A provider was asked about VMs; one that it does not name it does not know. */
  | {
    readonly type: "answered";
    readonly from: PeerKey;
    readonly asked: readonly VmId[];
    readonly words: readonly ProviderWord[];
  }
  /** It is wanted no more, by its person or by the request that had begun it. */
  | { readonly type: "release"; readonly vm: VmId; readonly by: "person" | "request" }
  /** Its provider was not reached, or did not release it. */
  | { readonly type: "unreleased"; readonly vm: VmId }
  | { readonly type: "peer-up"; readonly peer: PeerKey }
  | { readonly type: "peer-down"; readonly peer: PeerKey }
  | { readonly type: "wake" };

/** An event, and when it is by the wall clock: rows and deadlines outlive a process. */
export type RentalIn = RentalEvent & { readonly unixMs: number };

/** What is to be done. */
export type RentalOut =
  /** To be on the disk before what follows is done. */
  | { readonly type: "write"; readonly rental: Rental }
  | { readonly type: "forget"; readonly vm: VmId }
  /** Give a sign of life for these; `answered`, if anything comes back. */
  | { readonly type: "renew"; readonly peer: PeerKey; readonly vms: readonly VmId[] }
  /** Ask for the release; ends in one `released` or `unreleased`. */
  | { readonly type: "release"; readonly peer: PeerKey; readonly vm: VmId }
  /** Open its tunnel and wait for its ssh: the request that did so was cut off; `ready`, if it answers. */
  | { readonly type: "finish"; readonly rental: Rental }
  /** Open its tunnel; close it, with every stream in it. */
  | { readonly type: "open"; readonly rental: Rental }
  | { readonly type: "close"; readonly rental: Rental }
  /** Which VMs have a way in has changed. */
  | { readonly type: "reachable" }
  /** For whoever waits for the VM: its provider said that; its provider is gone for too long. */
  | { readonly type: "word"; readonly vm: VmId; readonly word: ProviderWord }
  | { readonly type: "gone"; readonly vm: VmId };

/** Why a request does not begin. */
export type RequestRefusal = "name-taken" | "full";
