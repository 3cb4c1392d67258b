/**
 * The directory that a relay keeps for members: their records, each from its own member.
 *
 * @module
 */
import { OmertaError, splitPeerKey } from "../../base/mod.ts";
import { grantedRoles, verifyRecord } from "../../membership/mod.ts";
import type { Answer, Question } from "../../node/mod.ts";
import type { Context } from "../context.ts";
import type { Caller } from "../ports.ts";
import type { Networks } from "../networks/networks.ts";
import type { Peers } from "./peers.ts";
import { recordPage } from "./record_page.ts";

/** How often records are looked at that are over. */
const SWEEP_MS = 15_000;

/** The directory of a running relay. */
export class Directory {
  readonly #context: Context;
  readonly #networks: Networks;
  readonly #peers: Pick<Peers, "member">;
  readonly #sweep: ReturnType<typeof setInterval>;

  constructor(
    context: Context,
    parts: { readonly networks: Networks; readonly peers: Pick<Peers, "member"> },
  ) {
    this.#context = context;
    this.#networks = parts.networks;
    this.#peers = parts.peers;
    context.loop.serve("record.publish", (caller, question) => this.#publish(caller, question));
    context.loop.serve("record.list", (caller, question) => this.#list(caller, question));
    this.#sweep = setInterval(() => this.#expire(), SWEEP_MS);
  }

  close(): void {
    clearInterval(this.#sweep);
  }

  #publish(
    { peer }: Caller,
    { record }: Question<"record.publish">,
  ): Answer<"record.publish"> {
    const { network, node } = splitPeerKey(peer);
    const nowMs = this.#context.wallMs();
    const verified = verifyRecord(record, { network, nowMs });
    if (!verified.ok) throw new OmertaError("refused", `The record is refused: ${verified.reason}`);
    const { id, roles } = verified.value;
    if (id !== node) {
      throw new OmertaError("not-allowed", "A member publishes its own record only");
    }
    const grants = this.#peers.member(peer)?.grants ?? [];
    if (grantedRoles(roles, grants).length < roles.length) {
      throw new OmertaError("not-allowed", "A record says no more than its member may do");
    }
    this.#networks.get(network)?.records.put(verified.value, nowMs);
    return {};
  }

  #list({ peer }: Caller, { after }: Question<"record.list">): Answer<"record.list"> {
    const { network } = splitPeerKey(peer);
    const all = this.#networks.get(network)?.records.list(this.#context.wallMs()) ?? [];
    const { page, more } = recordPage(all, after);
    return { records: page.map(({ bytes }) => bytes), next: more ? page.at(-1)?.id ?? null : null };
  }

  #expire(): void {
    const nowMs = this.#context.wallMs();
    for (const joined of this.#networks.list()) joined.records.sweep(nowMs);
  }
}
