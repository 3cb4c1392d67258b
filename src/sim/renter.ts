/**
 * A simulated renter: the real book of rentals and the real choice of providers, over the real calls.
 *
 * ```text
 *   request ─▶ MatchingMachine ─▶ vm.reserve ─▶ RentalBook ─▶ vm.create ─▶ vm.event: ready ─▶ done
 *   RentalBook ─ write ─▶ the disk     renew, release ─▶ vm.renew, vm.release ─▶ RentalBook
 *   crash: the book and the requests are lost; rows stay ─▶ restart, resume
 * ```
 *
 * What puts these together is the daemon's (`daemon/renting`), which waits and so is no machine: here are
 * its steps without the person, keys, tunnels and ssh. A VM is ready where its provider says so.
 *
 * @module
 */
import { type Instant, type NodeId, type PeerKey, splitPeerKey, type VmId } from "../base/mod.ts";
import {
  type Candidate,
  isEnded,
  type MatchingIn,
  MatchingMachine,
  type MatchingOut,
  type ProviderWord,
  type Rental,
  RentalBook,
  type RentalEvent,
  rentalOf,
  type RentalOut,
  type Requirements,
  termsQuestion,
} from "../market/mod.ts";
import type { Answer } from "../node/mod.ts";
import { HostCalls } from "./calls.ts";
import type { Host } from "./host.ts";

/** A VM that does not come up in this time never will. Source: the daemon's bringing up. */
const BOOT_MS_MAX = 120_000;

/** How a request of a person ended. */
export type RequestEnd = "ready" | "same" | "refused" | "failed" | "cut-off";

/** A request for a VM. */
export interface Request {
  readonly id: number;
  /** The person's word for it: repeated, it gives the same VM (`same`) while that lives. */
  readonly key: string;
  /** Every end that it was told: there must be one. */
  readonly ends: RequestEnd[];
  vm: VmId | null;
}

/** What a renter knows of whom to ask. */
export interface Market {
  /** The providers, as their records offer. */
  candidates(): readonly Candidate[];
  /** Gets a session with a provider; `done` hears whether there is one. */
  reach(from: Host, node: NodeId, done: (reached: boolean) => void): void;
}

/** A renter on a host. */
export class Renter {
  readonly requests: Request[] = [];
  book = new RentalBook();
  readonly #calls: HostCalls;
  readonly #market: Market;
  /** The disk. */
  readonly #rows = new Map<VmId, Rental>();
  readonly #matchings = new Map<number, Matching>();

  constructor(readonly host: Host, market: Market) {
    this.#market = market;
    this.#calls = new HostCalls(host);
    this.#calls.serve("vm.event", (from, word) => {
      this.#take({ type: "told", from, word });
      return { ok: true, answer: {} };
    });
    host.listen((output) => {
      if (output.type === "peer-up" && output.kind === "epoch") {
        this.#take({ type: "peer-up", peer: output.peer });
      }
      if (output.type === "peer-down" && output.kind === "epoch") {
        this.#take({ type: "peer-down", peer: output.peer });
      }
    });
    host.whenBegun(() => this.#begin());
  }

  /** A person asks for a VM. */
  request(wanted: Requirements, key: string): Request {
    const request: Request = { id: this.requests.length + 1, key, ends: [], vm: null };
    this.requests.push(request);
    const order = { name: null, key };
    const isUnderWay = [...this.#matchings.values()].some(({ request: other }) => {
      return other.key === key && other.ends.length === 0;
    });
    if (this.host.isUp && this.book.withKey(key) !== undefined) this.#end(request, "same");
    else if (!this.host.isUp || isUnderWay || this.book.refusalOf(order) !== null) {
      this.#end(request, "refused");
    }
    if (request.ends.length > 0) return request;
    this.#take({ type: "requested", request: request.id, ...order });
    const machine = new MatchingMachine(this.#market.candidates(), wanted, this.host.random);
    const matching = { request, wanted, machine, answers: new Map() };
    this.#matchings.set(request.id, matching);
    this.#match(matching, { type: "start" });
    return request;
  }

  /** A person releases a VM. */
  release(vm: VmId): void {
    this.#take({ type: "release", vm, by: "person" });
  }

  /** The node is gone, with every request under way. */
  crash(): void {
    this.host.crash();
    for (const request of this.requests) {
      if (request.ends.length === 0) this.#end(request, "cut-off");
    }
  }

  #begin(): void {
    this.#matchings.clear();
    this.book = new RentalBook();
    this.#take({ type: "restart", rentals: [...this.#rows.values()] });
    this.#take({ type: "resume" });
  }

  #end(request: Request, end: RequestEnd): void {
    request.ends.push(end);
  }

  // Who is asked -----------------------------------------------------------------------------

  #match(matching: Matching, input: MatchingIn): void {
    const out: MatchingOut[] = [];
    matching.machine.handle(input, this.host.now, out);
    for (const output of out) this.#onMatched(matching, output);
    const due = matching.machine.wakeup();
    if (due === undefined) return;
    this.host.later(Math.max(0, due.at - this.host.now), () => {
      if (matching.machine.wakeup()?.at === due.at) this.#match(matching, { type: "wake" });
    });
  }

  #onMatched(matching: Matching, output: MatchingOut): void {
    const { request } = matching;
    switch (output.type) {
      case "ask":
        return this.#market.reach(this.host, output.node, (reached) => {
          if (reached) this.#reserve(matching, output.node);
          else this.#refused(matching, output.node, null);
        });
      case "won":
        return this.#won(matching, output.node, output.vm);
      case "undo":
        return this.#undo(output.node, output.vm);
      case "lost":
        this.#take({ type: "given-up", request: request.id });
        return this.#end(request, "refused");
    }
  }

  #reserve(matching: Matching, node: NodeId): void {
    const { request: { key }, wanted } = matching;
    const asked = { ...wanted, isolation: null, minConfinement: null, dryRun: false };
    const question = termsQuestion(asked, key);
    this.#calls.ask(this.#peerOf(node), { name: "vm.reserve", question }, (reply) => {
      if (!reply.ok) {
        const { refusal } = reply;
        return this.#refused(matching, node, refusal === "failed" ? null : refusal.retryMs ?? null);
      }
      matching.answers.set(node, reply.answer);
      this.#match(matching, { type: "reserved", node, vm: reply.answer.vm as VmId });
    });
  }

  #refused(matching: Matching, node: NodeId, retryMs: number | null): void {
    const refusal = { code: "unreachable", message: "no VM", retryMs } as const;
    this.#match(matching, { type: "refused", node, ...refusal });
  }

  #undo(node: NodeId, vm: VmId): void {
    this.#calls.ask(this.#peerOf(node), { name: "vm.release", question: { vm } }, () => {});
  }

  // Bringing up ------------------------------------------------------------------------------

  #won({ request, wanted, answers }: Matching, node: NodeId, vm: VmId): void {
    const answer = answers.get(node);
    if (answer === undefined) return;
    request.vm = vm;
    const { network } = splitPeerKey(this.host.peer);
    const rental = rentalOf(answer, {
      network,
      provider: node,
      key: request.key,
      name: null,
      request: wanted,
      privateKey: new Uint8Array(32),
      localTunnel: 1,
      identityFile: "/sim/key",
      providerKnown: false,
      timings: NO_TIMINGS,
      nowMs: this.host.wallMs,
    });
    this.#take({ type: "reserved", request: request.id, rental });
    this.#take({ type: "given-up", request: request.id });
    this.#take({ type: "creating", vm });
    const question = {
      vm,
      tunnel: rental.localTunnel,
      wireguardKey: rental.privateKey,
      sshKeys: ["ssh-ed25519 sim"],
      hostname: "sim",
    };
    this.#calls.ask(this.#peerOf(node), { name: "vm.create", question }, (reply) => {
      if (!reply.ok) return this.#drop(request, vm, "it was not created");
      const { tunnel, user } = reply.answer;
      const created = { tunnel, user, wireguardKey: "", sshHostKey: "" };
      this.#take({ type: "created", vm, created, timings: rental.timings });
      this.host.later(BOOT_MS_MAX, () => this.#drop(request, vm, "it did not come up"));
    });
  }

  /** The request comes to nothing, unless it came to something. */
  #drop(request: Request, vm: VmId, reason: string): void {
    if (request.ends.length > 0) return;
    this.#take({ type: "dropped", vm, reason });
    this.#end(request, "failed");
  }

  // The book ---------------------------------------------------------------------------------

  #take(event: RentalEvent): void {
    const out: RentalOut[] = [];
    this.book.handle({ ...event, unixMs: this.host.wallMs }, this.host.now, out);
    for (const output of out) this.#perform(output);
    this.#arm();
  }

  #perform(output: RentalOut): void {
    switch (output.type) {
      case "write":
        this.#rows.set(output.rental.id, output.rental);
        return;
      case "forget":
        this.#rows.delete(output.vm);
        return;
      case "renew":
        return this.#renew(output.peer, output.vms);
      case "release":
        return this.#askRelease(output.peer, output.vm);
      case "word":
        return this.#onWord(output.vm, output.word);
      case "gone":
        return this.#dropOf(output.vm, "its provider is gone");
      case "finish":
        return this.#finish(output.rental);
      case "open":
      case "close":
      case "reachable":
        return; // there are no tunnels here
    }
  }

  #renew(peer: PeerKey, vms: readonly VmId[]): void {
    this.#withPeer(peer, (reached) => {
      if (!reached) return;
      this.#calls.ask(peer, { name: "vm.renew", question: { vms: [...vms] } }, (reply) => {
        if (reply.ok) {
          this.#take({ type: "answered", from: peer, asked: vms, words: reply.answer.vms });
        }
      });
    });
  }

  #askRelease(peer: PeerKey, vm: VmId): void {
    this.#withPeer(peer, (reached) => {
      if (!reached) return this.#take({ type: "unreleased", vm });
      this.#calls.ask(peer, { name: "vm.release", question: { vm } }, (reply) => {
        const isUnknown = !reply.ok && reply.refusal !== "failed" &&
          reply.refusal.code === "not-found";
        this.#take({ type: reply.ok || isUnknown ? "released" : "unreleased", vm });
      });
    });
  }

  #onWord(vm: VmId, word: ProviderWord): void {
    if (word.state === "ready") {
      this.#take({ type: "ready", vm });
      const request = this.requests.find((each) => each.vm === vm);
      if (request?.ends.length === 0 && this.book.get(vm)?.state === "ready") {
        this.#end(request, "ready");
      }
    } else if (isEnded(word.state)) this.#dropOf(vm, "it ended");
  }

  #dropOf(vm: VmId, reason: string): void {
    const request = this.requests.find((each) => each.vm === vm);
    if (request !== undefined) this.#drop(request, vm, reason);
  }

  /** The request that waited for it is gone: whether it is ready, its provider says. */
  #finish({ id, network, provider }: Rental): void {
    const peer = `${network}/${provider}` as PeerKey;
    this.#withPeer(peer, (reached) => {
      if (!reached) return;
      this.#calls.ask(peer, { name: "vm.status", question: { vms: [id] } }, (reply) => {
        if (reply.ok) {
          this.#take({ type: "answered", from: peer, asked: [id], words: reply.answer.vms });
        }
      });
    });
  }

  #withPeer(peer: PeerKey, act: (reached: boolean) => void): void {
    if (this.host.machine.view.isConnected(peer)) return act(true);
    this.#market.reach(this.host, splitPeerKey(peer).node, act);
  }

  #peerOf(node: NodeId): PeerKey {
    const { network } = splitPeerKey(this.host.peer);
    return `${network}/${node}` as PeerKey;
  }

  #arm(): void {
    const due = this.book.wakeup();
    if (due === undefined) return;
    this.host.later(Math.max(0, due.at - this.host.now), () => this.#wake(due.at));
  }

  #wake(at: Instant): void {
    if (this.book.wakeup()?.at === at) this.#take({ type: "wake" });
  }
}

interface Matching {
  readonly request: Request;
  readonly wanted: Requirements;
  readonly machine: MatchingMachine;
  readonly answers: Map<NodeId, Answer<"vm.reserve">>;
}

const NO_TIMINGS = {
  match: null,
  reserve: null,
  create: null,
  boot: null,
  network: null,
  ssh: null,
};
