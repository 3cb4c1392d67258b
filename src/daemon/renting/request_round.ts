/**
 * One round of a request among providers: each candidate is reached, asked, and its answer judged,
 * until one has set a VM aside that is what was asked for.
 *
 * @module
 */
import { type NetworkId, type NodeId, OmertaError, peerKey, type VmId } from "../../base/mod.ts";
import {
  type Candidate,
  isEnded,
  MatchingMachine,
  type MatchingOut,
  type NoVm,
  type Offer,
  type TermsFault,
  termsFault,
  termsQuestion,
} from "../../market/mod.ts";
import type { Answer } from "../../node/mod.ts";
import { ANSWER_MS } from "./bring_up.ts";
import type { KnownProviders } from "./known_providers.ts";
import type { Market, RentingPorts } from "./ports.ts";
import type { Rentals } from "./rentals.ts";
import { noProvider, notProvider } from "./renting_errors.ts";
import type { VmRequest } from "./vm_request.ts";

const NONE_REACHED =
  "Do their nodes run, and reach a relay? See 'omerta mesh peers' for when they were seen.";

/** A VM that was set aside, and by whom. */
export type Reserved = Answer<"vm.reserve"> & { readonly provider: NodeId };

/** What a round needs of its surroundings. */
export interface RoundParts {
  readonly ports: RentingPorts;
  readonly market: Pick<Market, "networkName" | "nameOf">;
  readonly known: KnownProviders;
  readonly rentals: Rentals;
  readonly signal: AbortSignal;
}

/** Who is asked for what. */
export interface RoundPlan {
  readonly network: NetworkId;
  readonly candidates: readonly Candidate[];
  readonly request: VmRequest;
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

class Round {
  readonly #parts: RoundParts;
  readonly #plan: RoundPlan;
  readonly #machine: MatchingMachine;
  readonly #answers = new Map<NodeId, Reserved>();
  readonly #refusals = new Map<NodeId, OmertaError>();
  readonly #done = Promise.withResolvers<Reserved>();
  #voidTimer: () => void = () => {};

  constructor(parts: RoundParts, plan: RoundPlan) {
    this.#parts = parts;
    this.#plan = plan;
    this.#machine = new MatchingMachine(plan.candidates, plan.request, parts.ports.random);
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
      this.#voidTimer();
      signal.removeEventListener("abort", onAbort);
    });
  }

  #step(input: Parameters<MatchingMachine["handle"]>[0]): void {
    const { clock, timers } = this.#parts.ports;
    const out: MatchingOut[] = [];
    this.#machine.handle(input, clock.now(), out);
    for (const output of out) this.#perform(output);
    this.#voidTimer();
    const at = this.#machine.wakeup()?.at;
    if (at === undefined) return;
    const waitMs = Math.max(0, at - clock.now());
    this.#voidTimer = timers.after(waitMs, () => this.#step({ type: "wake" }));
  }

  #perform(output: MatchingOut): void {
    switch (output.type) {
      case "ask":
        return void this.#ask(output.node);
      case "won":
        return this.#done.resolve(this.#answers.get(output.node) as Reserved);
      case "undo":
        return this.#giveBack(output.node, output.vm);
      case "lost":
        return this.#done.reject(this.#lost(output));
    }
  }

  /** What was reserved is not wanted; where nobody hears that, it ends by itself. */
  #giveBack(node: NodeId, vm: VmId): void {
    const { calls, tasks } = this.#parts.ports;
    const peer = peerKey(this.#plan.network, node);
    tasks.background("give a reservation back", () => calls.call(peer, "vm.release", { vm }));
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
    const { ports: { calls, views }, market, signal, known } = this.#parts;
    const { network, request } = this.#plan;
    const peer = await calls.reach(peerKey(network, node), { signal });
    const name = market.nameOf(peer);
    if (!views.holds(peer, "provide")) {
      throw new OmertaError(
        "not-allowed",
        `The membership of ${name} does not include lending VMs`,
      );
    }
    const question = termsQuestion(request, request.key);
    const options = { signal, timeoutMs: ANSWER_MS };
    try {
      const answer = await calls.call(peer, "vm.reserve", question, options);
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
    const { known } = this.#parts;
    const { request } = this.#plan;
    const taken = this.#takenId(node, answer);
    const fault = taken ?? termsFault(request, answer, this.#offerOf(node));
    if (fault === null) return;
    if (fault.isLie) known.failed(this.#plan.network, node);
    if (taken === null) this.#giveBack(node, answer.vm as VmId);
    throw new OmertaError("refused", `The provider ${this.#nameOf(node)} ${fault.text}`);
  }

  /** An honest provider draws ids by lot: another would have us forget, or release, another VM. */
  #takenId(node: NodeId, { vm, existing }: Answer<"vm.reserve">): TermsFault | null {
    const holder = this.#parts.rentals.book.get(vm as VmId);
    if (holder === undefined || isEnded(holder.state)) return null;
    const isFormer = existing && holder.provider === node;
    return isFormer
      ? { text: "still has the former VM of that key", isLie: false }
      : { text: "gives the VM the id of another that lives", isLie: true };
  }

  #offerOf(node: NodeId): Offer | undefined {
    return this.#plan.candidates.find((candidate) => candidate.node === node)?.offer;
  }

  #nameOf(node: NodeId): string {
    return this.#parts.market.nameOf(peerKey(this.#plan.network, node));
  }

  #lost({ why, tried }: Extract<MatchingOut, { type: "lost" }>): OmertaError {
    const { network } = this.#plan;
    if (why === null) return noProvider(this.#parts.market.networkName(network), "nobody");
    const known = this.#refusals.get(why.node);
    const retries = tried.flatMap(({ retryMs }) => retryMs === null ? [] : [retryMs]);
    const retry = retries.length === 0 ? {} : { retryMs: Math.min(...retries) };
    const { retryMs: _, ...fields } = known?.fields ?? {};
    const offline = tried.length > 0 && tried.every(({ code }) => code === "unreachable");
    const names = tried.map(({ node }) => this.#nameOf(node));
    const told = offline && tried.length > 1
      ? { message: `No provider is reached: ${names.join(", ")}`, hint: NONE_REACHED }
      : { message: why.message, hint: known?.hint };
    return new OmertaError(why.code, told.message, {
      ...told.hint === undefined ? {} : { hint: told.hint },
      fields: { ...fields, ...retry, tried: tried.map(triedDoc) },
    });
  }
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
