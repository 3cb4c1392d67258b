/** Gossip with a door of JSON, a clock that the test moves, and relays that answer as it says. */
import {
  type Ask,
  type Instant,
  type NetworkId,
  type NodeId,
  type PeerKey,
  peerKey,
  type Result,
  seededRandom,
} from "../../src/base/mod.ts";
import {
  type GossipCalls,
  type GossipIn,
  GossipMachine,
  type GossipOptions,
  type GossipOut,
  type Item,
  type SignOrder,
  type Source,
} from "../../src/gossip/mod.ts";
import { asPath } from "../../src/wire/mod.ts";

export const NET = "net" as NetworkId;
export const SELF = "self" as NodeId;
export const START_MS = 1_800_000_000_000;
export const LIFE_MS = 900_000;
export const SLACK_MS = 600_000;

export type Facts = { readonly alias: string; readonly roles: readonly string[] };
type DoorReason = Extract<
  ReturnType<GossipOptions<Item, Facts>["verify"]>,
  { ok: false }
>["reason"];

/** What an item of these tests says. */
export interface Said {
  readonly network?: NetworkId;
  readonly id: string;
  readonly seq?: number;
  readonly atMs?: number;
  readonly expiresAtMs?: number;
  readonly roles?: readonly string[];
  readonly more?: unknown;
  readonly forged?: boolean;
}

export const key = (name: string, network = NET): PeerKey => peerKey(network, name as NodeId);

/** A machine, its time and what came out of it. */
export class Rig {
  now = 0 as Instant;
  skewMs = 0;
  readonly signed: SignOrder<Facts>[] = [];
  readonly machine: GossipMachine<Item, Facts>;
  /** What came out since the last look. */
  #out: GossipOut<Item>[] = [];

  constructor(options: Partial<GossipOptions<Item, Facts>> = {}, isServing = true) {
    this.machine = new GossipMachine<Item, Facts>({
      self: SELF,
      random: seededRandom(1),
      clockSlackMs: SLACK_MS,
      renewAfterMs: LIFE_MS / 3,
      lastSeq: 0,
      wallMs: () => this.wallMs(),
      verify: (bytes, from) => this.#verify(bytes, from),
      sign: (order) => {
        this.signed.push(order);
        const { network, seq, facts: { alias, roles }, relays } = order;
        return this.item({ network, id: SELF, seq, roles, more: { alias, relays } });
      },
      ...options,
    });
    if (isServing) this.do({ type: "serve" });
  }

  wallMs(): number {
    return START_MS + this.now + this.skewMs;
  }

  /** The bytes of an item. */
  item(
    { network = NET, id, seq = 1, roles = [], more, forged = false, ...times }: Said,
  ): Uint8Array {
    const { atMs = this.wallMs() } = times;
    const { expiresAtMs = atMs + LIFE_MS } = times;
    const said = { network, id, seq, roles, more, forged, atMs, expiresAtMs };
    return new TextEncoder().encode(JSON.stringify(said));
  }

  do(input: GossipIn<Facts>): GossipOut<Item>[] {
    const out: GossipOut<Item>[] = [];
    this.machine.handle(input, this.now, out);
    this.#out.push(...out);
    return out;
  }

  /** Lets time pass, each wake-up at its moment. */
  advance(ms: number): GossipOut<Item>[] {
    const end = this.now + ms;
    const out: GossipOut<Item>[] = [];
    let at = this.machine.wakeup()?.at;
    for (; at !== undefined && at <= end; at = this.machine.wakeup()?.at) {
      this.now = Math.max(this.now, at) as Instant;
      out.push(...this.do({ type: "wake" }));
    }
    this.now = end as Instant;
    return out;
  }

  /** What came out since the last look, of one type. */
  take<T extends GossipOut<Item>["type"]>(type: T): Extract<GossipOut<Item>, { type: T }>[] {
    const taken = this.#out.filter((output) => output.type === type);
    this.#out = this.#out.filter((output) => output.type !== type);
    return taken as Extract<GossipOut<Item>, { type: T }>[];
  }

  asks<N extends keyof GossipCalls>(name: N): Extract<Ask<GossipCalls>, { name: N }>[] {
    const taken = this.#out.filter((each) => each.type === "ask" && each.name === name);
    this.#out = this.#out.filter((output) => !taken.includes(output));
    return taken as Extract<Ask<GossipCalls>, { name: N }>[];
  }

  /** The node belongs to the network. */
  join(alias = "me", network = NET): void {
    this.do({ type: "network", network, facts: { alias, roles: [] } });
  }

  /** Relays are there. */
  home(...names: string[]): void {
    for (const name of names) {
      this.do({ type: "peer-up", peer: key(name), grants: ["relay"], renewed: false });
    }
    this.relays(names);
  }

  relays(names: readonly string[], isTrying = false): void {
    const home = names.map((name) => ({
      peer: key(name),
      path: asPath(`203.0.113.1:${name.length}`),
    }));
    this.do({ type: "relays", network: NET, home, isTrying });
  }

  /** The relays take, or do not take, what they are told. */
  answerTold(ok = true): number {
    const asks = this.asks("record.publish");
    for (const { token, peer, name } of asks) {
      const result = ok ? { ok, answer: {} } : { ok, failed: "timeout" as const };
      this.do({ type: "answered", token, peer, name, result } as GossipIn<Facts>);
    }
    return asks.length;
  }

  /** A relay answers a page. */
  page(
    { token, peer, name }: Extract<Ask<GossipCalls>, { name: "record.list" }>,
    records: readonly Uint8Array[],
    next: string | null = null,
  ): void {
    const result = { ok: true, answer: { records, next } } as const;
    this.do({ type: "answered", token, peer, name, result });
  }

  #verify(bytes: Uint8Array, { network, speaker }: Source): Result<Item, DoorReason> {
    const text = new TextDecoder().decode(bytes);
    if (!text.startsWith("{")) return { ok: false, reason: "malformed" };
    const said = JSON.parse(text);
    const fail = (reason: DoorReason) => ({ ok: false, reason } as const);
    if (said.network !== network) return fail("foreign-network");
    if (said.atMs > this.wallMs() + SLACK_MS) return fail("not-yet-valid");
    if (said.expiresAtMs < this.wallMs() - SLACK_MS) return fail("expired");
    if (said.forged) return fail("bad-signature");
    if (speaker !== null && said.id !== speaker.node) return fail("not-own");
    if (speaker !== null && said.roles.some((role: string) => !speaker.grants.includes(role))) {
      return fail("not-granted");
    }
    const { id, seq, expiresAtMs, roles } = said;
    return { ok: true, value: { id, seq, expiresAtMs, roles, bytes } };
  }
}
