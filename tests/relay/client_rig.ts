/** A member whose relays a test plays. */
import assert from "node:assert/strict";
import {
  type NamedNode,
  type NodeId,
  type PeerKey,
  type Random,
  splitPeerKey,
} from "../../src/base/mod.ts";
import { RelayClientMachine } from "../../src/relay/mod.ts";
import { asPath } from "../../src/wire/mod.ts";
import { NET, only, peer, Rig } from "./rig.ts";

export type Put = Parameters<RelayClientMachine["handle"]>[0];
export type Got = Parameters<RelayClientMachine["handle"]>[2][number];

/** Randomness in the middle of its range: waits are their steps. */
const EVEN: Random = { bytes: () => Uint8Array.of(0x80, 0, 0, 0) };

/** A node at an address. */
export function at(name: string, ...addresses: readonly string[]): NamedNode {
  return { id: name as NodeId, addresses };
}

/** A member of one network, with the relays that it is told of. */
export class Client extends Rig<Put, Got> {
  /** Peers with a path through a relay. */
  readonly relayed = new Set<PeerKey>();
  readonly client: RelayClientMachine;

  constructor(random: Random = EVEN) {
    const relayed = new Set<PeerKey>();
    const client = new RelayClientMachine({
      self: "me" as NodeId,
      random,
      hasRelayedPath: (who) => relayed.has(who),
    });
    super(client);
    this.client = client;
    this.relayed = relayed;
  }

  enter(...entries: readonly NamedNode[]): Got[] {
    return this.put({ type: "network", network: NET, entries });
  }

  records(...relays: readonly NamedNode[]): Got[] {
    return this.put({ type: "relay-records", network: NET, relays });
  }

  /** A session with somebody begins, at a path that is proven. */
  up(name: string, { path = "203.0.113.1:9000", grants = ["relay"], renewed = false } = {}): Got[] {
    const who = peer(name);
    return this.put(
      { type: "peer-moved", peer: who, path: asPath(path) },
      { type: "peer-up", peer: who, grants, renewed },
    );
  }

  down(name: string, reason = "lost"): Got[] {
    return this.put({ type: "peer-down", peer: peer(name), reason });
  }

  move(name: string, path: string | null): Got[] {
    return this.put({
      type: "peer-moved",
      peer: peer(name),
      path: path === null ? null : asPath(path),
    });
  }

  demand(name: string, demand: "hold" | "warm" | "busy"): Got[] {
    return this.put({ type: "demand", peer: peer(name), demand });
  }

  /** Nobody answers the attempt that came out last. */
  fail(out: readonly Got[]): Got[] {
    const dial = only(out, "dial").at(-1);
    assert.ok(dial);
    const { token } = dial;
    return this.put({ type: "dial-failed", token, reason: "timeout", detail: null });
  }

  /** A relay answers the one question that came out, or refuses. */
  answer(out: readonly Got[], answer: { session: number; address: string } | null): Got[] {
    const [ask, ...more] = only(out, "ask");
    assert.ok(ask !== undefined && more.length === 0);
    const { token, peer, name } = ask;
    const result = answer === null
      ? { ok: false, refused: { code: "unreachable", message: "not here" } } as const
      : { ok: true, answer } as const;
    return this.put({ type: "answered", token, peer, name, result });
  }

  /** Who is there. */
  home(): NodeId[] {
    return this.client.connected(NET).map((relay) => splitPeerKey(relay.peer).node);
  }
}

/** Whom it tries to meet, and at whose word. */
export function dialed(out: readonly Got[]): string[] {
  return only(out, "dial").map(({ node, addresses, named }) => `${node} ${addresses} ${named}`);
}

/** Whose paths matter from now on, or no longer. */
export function claims(out: readonly Got[]): string[] {
  return out.flatMap((each) =>
    each.type === "claim" || each.type === "drop"
      ? [`${each.type} ${splitPeerKey(each.peer).node}`]
      : []
  );
}
