/**
 * What a person asks for when renting a VM, and how its progress is told.
 *
 * @module
 */
import type { Requirements, VmPhase, WallsWanted } from "../../market/mod.ts";
import type { NodeAt } from "../ports.ts";

/** A request for a VM. */
export interface VmRequest extends Requirements, WallsWanted {
  /** `null`: the only one. */
  readonly network: string | null;
  /** The content of a public key file; `null`: the key of the state. */
  readonly sshPublicKey: string | null;
  /** Absolute path of the private key that belongs to it; `null` with `null` there. */
  readonly identityFile: string | null;
  readonly name: string | null;
  /** Repeated with the same key, it gives the same VM until that is to end. */
  readonly key: string | null;
  /** Who alone is asked: by name, or by address. */
  readonly peer: string | null;
  readonly provider: NodeAt | null;
  /** A node by which to find the network. */
  readonly bootstrap: NodeAt | null;
  /** Names of providers that alone may serve, and are trusted from now on; empty: anybody. */
  readonly trust: readonly string[];
  /** How long to wait for room; `null`: for a while, and less where waiting is vain. */
  readonly queueMs: number | null;
  /** False: it is done once the provider has accepted. */
  readonly wait: boolean;
  /** The whole protocol without a machine. */
  readonly dryRun: boolean;
}

/** How a request can be left, and to whom its progress is told. */
export interface RequestOptions {
  readonly signal: AbortSignal;
  progress(phase: VmPhase, text: string): void;
}
