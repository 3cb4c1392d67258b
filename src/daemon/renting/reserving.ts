/**
 * One round of a request among providers: each candidate is reached, asked, and its answer judged,
 * until one has set a VM aside that is what was asked for.
 *
 * @module
 */
import type { ConsumerRequestInput } from "../../api/nouns/consumer.ts";
import {
  type NetworkId,
  type NodeId,
  OmertaError,
  type PeerKey,
  peerKey,
  type VmId,
} from "../../base/mod.ts";
import {
  type Candidate,
  imageDigestOf,
  MatchingMachine,
  type MatchingOut,
  type NoVm,
  suffices,
} from "../../market/mod.ts";
import type { Answer, Question } from "../../node/mod.ts";
import type { Context } from "../context.ts";
import type { KnownProviders } from "./known_providers.ts";
import { noProvider, notProvider } from "../networks/network_errors.ts";
import type { Reach } from "../mesh/reach.ts";
import { hasEnded, type Rental } from "./rental.ts";

/** How long an answer to `reserve` or `create` may take. Guess: images are hashed meanwhile. */
export const ANSWER_MS = 15_000;

const NONE_REACHED =
  "Do their nodes run, and reach a relay? See 'omerta mesh peers' for when they were seen.";

/** A VM that was set aside, and by whom. */
export type Reserved = Answer<"vm.reserve"> & { readonly provider: NodeId };

/** What a round needs of its surroundings. */
export interface RoundParts {
  readonly context: Context;
  readonly reach: Reach;
  readonly known: KnownProviders;
  readonly market: {
    /** Whether the peer's membership lets it lend. */
    mayProvide(peer: PeerKey): boolean;
    /** What the peer calls itself; `null` where that is not known. */
    aliasOf(network: NetworkId, node: NodeId): string | null;
    networkName(network: NetworkId): string;
  };
  readonly signal: AbortSignal;
  current(id: VmId): Rental | undefined;
}

/** Who is asked for what. */
export interface RoundPlan {
  readonly network: NetworkId;
  readonly candidates: readonly Candidate[];
  readonly input: ConsumerRequestInput;
}

/**
 * Asks the candidates in turn, a slow one beside the next; the first reservation wins.
 *
 * @throws {OmertaError} The most telling refusal; its field `retryMs` says when somebody may have
 * room, `tried` what each one said.
 */
export async function reserve(parts: RoundParts, plan: RoundPlan): Promise<Reserved> {
  return await new Round(parts, plan).run();
}

/** What is wrong with a reservation, and whether its provider had promised otherwise. */
interface Fault {
  readonly text: string;
  readonly isLie: boolean;
}

class Round {
  readonly #parts: RoundParts;
  readonly #plan: RoundPlan;
  readonly #machine: MatchingMachine;
  readonly #answers = new Map<NodeId, Reserved>();
  readonly #refusals = new Map<NodeId, OmertaError>();
  readonly #done = Promise.withResolvers<Reserved>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(parts: RoundParts, plan: RoundPlan) {
    this.#parts = parts;
    this.#plan = plan;
    this.#machine = new MatchingMachine(plan.candidates, plan.input, parts.context.random);
  }

  async run(): Promise<Reserved> {
    const { signal } = this.#parts;
    const onAbort = () => {
      this.#step({ type: "cancel" });
      this.#done.reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    else this.#step({ type: "start" });
    return await this.#done.promise.finally(() => {
      clearTimeout(this.#timer);
      signal.removeEventListener("abort", onAbort);
    });
  }

  #step(input: Parameters<MatchingMachine["handle"]>[0]): void {
    const { context } = this.#parts;
    const out: MatchingOut[] = [];
    this.#machine.handle(input, context.now(), out);
    for (const output of out) this.#perform(output);
    clearTimeout(this.#timer);
    const at = this.#machine.wakeup()?.at;
    if (at === undefined) return;
    const waitMs = Math.max(0, at - context.now());
    this.#timer = setTimeout(() => this.#step({ type: "wake" }), waitMs);
  }

  #perform(output: MatchingOut): void {
    const { context } = this.#parts;
    const { network } = this.#plan;
    switch (output.type) {
      case "ask":
        return void this.#ask(output.node);
      case "won":
        return this.#done.resolve(this.#answers.get(output.node) as Reserved);
      case "undo":
        return context.background("undo a second reservation", () => {
          const peer = peerKey(network, output.node);
          return context.loop.call(peer, "vm.release", { vm: output.vm });
        });
      case "lost":
        return this.#done.reject(this.#lost(output));
    }
  }

  async #ask(node: NodeId): Promise<void> {
    try {
      const answer = await this.#reserveAt(node);
      this.#answers.set(node, answer);
      this.#step({ type: "reserved", node, vm: answer.vm as VmId });
    } catch (error) {
      const known = error instanceof OmertaError
        ? error
        : new OmertaError("internal", String(error), { cause: error });
      this.#refusals.set(node, known);
      const { code, message } = known;
      this.#step({ type: "refused", node, code, message, retryMs: retryMsOf(known) });
    }
  }

  async #reserveAt(node: NodeId): Promise<Reserved> {
    const { context, reach, signal, market, known } = this.#parts;
    const { network, input } = this.#plan;
    const peer = await reach.peer(peerKey(network, node), { signal });
    const name = providerName(market, network, node);
    if (!market.mayProvide(peer)) {
      throw new OmertaError(
        "not-allowed",
        `The membership of ${name} does not include lending VMs`,
      );
    }
    const options = { signal, timeoutMs: ANSWER_MS };
    try {
      const answer = await context.loop.call(peer, "vm.reserve", questionOf(input), options);
      this.#judge(node, answer);
      return { ...answer, provider: node };
    } catch (error) {
      const reason = error instanceof OmertaError ? error.fields["reason"] : undefined;
      // Who keeps a request waiting and says nothing does not come first the next time.
      if (reason === "timeout") known.failed(network, node);
      throw reason === "unserved" ? notProvider(name) : error;
    }
  }

  /** What was set aside must be what was asked for; where it is not, it is given back. */
  #judge(node: NodeId, answer: Answer<"vm.reserve">): void {
    const { context, known, market } = this.#parts;
    const { network } = this.#plan;
    const taken = this.#takenId(node, answer);
    const fault = taken ?? this.#fault(node, answer);
    if (fault === null) return;
    if (fault.isLie) known.failed(network, node);
    if (taken === null) {
      context.background("give a reservation back", () => {
        return context.loop.call(peerKey(network, node), "vm.release", { vm: answer.vm });
      });
    }
    throw new OmertaError(
      "refused",
      `The provider ${providerName(market, network, node)} ${fault.text}`,
    );
  }

  /** An honest provider draws ids by lot: another would have us forget, or release, another VM. */
  #takenId(node: NodeId, { vm, existing }: Answer<"vm.reserve">): Fault | null {
    const holder = this.#parts.current(vm as VmId);
    if (holder === undefined || hasEnded(holder.state)) return null;
    const isFormer = existing && holder.provider === node;
    return isFormer
      ? { text: "still has the former VM of that key", isLie: false }
      : { text: "gives the VM the id of another that lives", isLie: true };
  }

  /** In what a reservation differs from what was asked for; `null`: in nothing that matters. */
  #fault(node: NodeId, answer: Answer<"vm.reserve">): Fault | null {
    const { input, candidates } = this.#plan;
    if (answer.dryRun !== input.dryRun) {
      const text = input.dryRun ? "does not run dry" : "only runs dry: it lends no machine";
      return { text, isLie: false };
    }
    if (answer.dryRun) return null; // no machine, no walls
    const digest = imageDigestOf(input.image);
    if (digest !== null && answer.imageDigest !== digest) {
      return { text: "would boot another image than the one of that digest", isLie: true };
    }
    if (suffices(answer, input) === true) return null;
    const offer = candidates.find((candidate) => candidate.node === node)?.offer;
    const isLie = offer !== undefined && suffices(offer, input) === true;
    return { text: "does not confine a VM as well as was asked for", isLie };
  }

  #lost({ why, tried }: Extract<MatchingOut, { type: "lost" }>): OmertaError {
    const { network } = this.#plan;
    if (why === null) return noProvider(this.#parts.market.networkName(network), "nobody");
    const known = this.#refusals.get(why.node);
    const retries = tried.flatMap(({ retryMs }) => retryMs === null ? [] : [retryMs]);
    const retry = retries.length === 0 ? {} : { retryMs: Math.min(...retries) };
    const { retryMs: _, ...fields } = known?.fields ?? {};
    const offline = tried.length > 0 && tried.every(({ code }) => code === "unreachable");
    const names = tried.map(({ node }) => providerName(this.#parts.market, network, node));
    const told = offline && tried.length > 1
      ? { message: `No provider is reached: ${names.join(", ")}`, hint: NONE_REACHED }
      : { message: why.message, hint: known?.hint };
    return new OmertaError(why.code, told.message, {
      ...told.hint === undefined ? {} : { hint: told.hint },
      fields: { ...fields, ...retry, tried: tried.map(triedDoc) },
    });
  }
}

/** A provider by its alias, which is its own word, and the beginning of its id, which is not. */
export function providerName(
  market: RoundParts["market"],
  network: NetworkId,
  node: NodeId,
): string {
  const alias = market.aliasOf(network, node);
  return alias === null ? node.slice(0, 8) : `${alias} (${node.slice(0, 8)})`;
}

/** After how long a refusal may be another answer; `null`: never. */
export function retryMsOf(error: unknown): number | null {
  const retryMs = error instanceof OmertaError ? error.fields["retryMs"] : undefined;
  return typeof retryMs === "number" ? retryMs : null;
}

/** One line of `tried` in an error's document. */
function triedDoc({ node, code, message, retryMs }: NoVm): Record<string, unknown> {
  return { node, code, message, retry_ms: retryMs };
}

function questionOf(input: ConsumerRequestInput): Question<"vm.reserve"> {
  const { key, cpu, memoryBytes, storageBytes, leaseMs, dryRun } = input;
  const image = imageDigestOf(input.image) ?? input.image;
  return { key, cpu, memoryBytes, storageBytes, image, leaseMs, dryRun };
}
