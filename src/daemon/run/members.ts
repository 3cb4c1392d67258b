/**
 * Whom the node lets in, and for how long: the machine knows the keys of every network, and sessions end
 * where a certificate does. And where the node enters networks, and what it says of itself there.
 *
 * @module
 */
import type { NetworkId } from "../../base/mod.ts";
import { watchClock } from "../../host/system.ts";
import { grantedRoles } from "../../membership/mod.ts";
import type { RecordFacts } from "../../node/mod.ts";
import type { Context } from "./context.ts";
import { endSessions } from "../networks/judging.ts";
import type { Joined } from "../networks/joined.ts";
import type { Networks } from "../networks/networks.ts";
import type { Loop } from "./loop.ts";

/** How often certificates of connected members are judged again. Source: requirement S02 (60 s). */
const JUDGE_MS = 30_000;

/** What this node says of itself, with all roles that it has; it is granted perhaps fewer. */
export type OwnFacts = RecordFacts;

/** Tells the node machine of the networks: now, and whenever they change. */
export class Memberships {
  readonly #loop: Pick<Loop, "input">;
  readonly #networks: Networks;
  readonly #facts: () => OwnFacts;
  #isEntered = false;
  #known = new Set<NetworkId>();

  constructor(
    loop: Pick<Loop, "input">,
    parts: { readonly networks: Networks; readonly facts: () => OwnFacts },
  ) {
    this.#loop = loop;
    this.#networks = parts.networks;
    this.#facts = parts.facts;
    this.#networks.onChange(() => this.tell());
    this.tell();
  }

  /** From now on networks are entered. */
  enter(): void {
    this.#isEntered = true;
    this.tell();
  }

  /** By which keys members and joiners may come, or where networks are entered, is different. */
  tell(): void {
    const [keys, refused] = [this.#networks.acceptedKeys(), this.#networks.refusedKeys()];
    this.#loop.input({ type: "keys", keys, refused });
    this.tellFacts();
    const now = new Set(this.#networks.list().map(({ row }) => row.id));
    for (const network of this.#known.difference(now)) {
      this.#loop.input({ type: "network-gone", network });
    }
    this.#known = now;
  }

  /** What this node says of itself is different. */
  tellFacts(): void {
    for (const joined of this.#networks.list()) this.#tellOf(joined);
  }

  #tellOf(joined: Joined): void {
    const facts = this.#facts();
    this.#loop.input({
      type: "network",
      network: joined.row.id,
      key: this.#networks.key(joined),
      payload: this.#networks.shown(joined),
      entries: this.#isEntered ? this.#networks.entries(joined) : [],
      facts: { ...facts, roles: grantedRoles(facts.roles, joined.certificate.grants) },
    });
  }
}

/** Judges all certificates again and again; what is returned ends that. */
export function judgeMembers(context: Context, networks: Networks): () => void {
  const { views, sessions, log } = context;
  const revocationsOf = (network: NetworkId) => networks.revocationsOf(network);
  const stepMs = watchClock();
  const timer = setInterval(() => {
    const byMs = stepMs();
    if (byMs !== 0) {
      context.log.warn("this machine's clock was set", { by_s: Math.round(byMs / 1_000) });
    }
    networks.refresh();
    endSessions({ views, sessions, log, clock: context, revocationsOf });
  }, JUDGE_MS);
  return () => clearInterval(timer);
}
