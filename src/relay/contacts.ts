/**
 * What a relay's client knows of the peers with which there is a session: whether they are relays by
 * their certificates, and the path on which we send to them.
 *
 * @module
 */
import { BoundedMap, type Path, type PeerChange, type PeerKey, unreachable } from "../base/mod.ts";
import { addressScope, isRelayed, parseAddress, scopeOfPath } from "../wire/mod.ts";

/** Peers that are known: as many as may have a session. */
const CONTACTS_MAX = 16_384;

interface Contact {
  readonly isUp: boolean;
  readonly isRelay: boolean;
  readonly path: Path | null;
}

const NOBODY: Contact = { isUp: false, isRelay: false, path: null };

/** The peers of a node, as far as relays go. */
export class Contacts {
  readonly #contacts = new BoundedMap<PeerKey, Contact>(CONTACTS_MAX, "evict-oldest");

  /** Notes a change; a path may be told before the session that it belongs to. */
  note(change: PeerChange): void {
    const { peer } = change;
    const known = this.#contacts.get(peer) ?? NOBODY;
    switch (change.type) {
      case "peer-up":
        return void this.#contacts.set(peer, {
          ...known,
          isUp: true,
          isRelay: change.grants.includes("relay"),
        });
      case "peer-moved":
        return void this.#contacts.set(peer, { ...known, path: change.path });
      case "peer-down":
        return void this.#contacts.delete(peer);
      default:
        unreachable(change);
    }
  }

  /** Whether there is a session with the peer. */
  isUp(peer: PeerKey): boolean {
    return this.#contacts.get(peer)?.isUp ?? false;
  }

  /** Whether there is a session with the peer, and its certificate lets it relay. */
  isRelay(peer: PeerKey): boolean {
    return this.#contacts.get(peer)?.isRelay ?? false;
  }

  /** The path on which we send to the peer; `null` where none is proven. */
  pathOf(peer: PeerKey): Path | null {
    return this.#contacts.get(peer)?.path ?? null;
  }

  /** The direct path on which we send to a relay; `null` where there is none, or it is no relay. */
  relayPath(peer: PeerKey): Path | null {
    const { isRelay, path } = this.#contacts.get(peer) ?? NOBODY;
    return isRelay && path !== null && !isRelayed(path) ? path : null;
  }

  /**
   * Whether a relay can know better than we where it sees somebody. One on the internet sees nobody
   * inside a private network, so that no relay aims us at what is in ours.
   */
  maySee(relay: PeerKey, address: string): boolean {
    const path = this.pathOf(relay);
    return isGlobal(address) || (path !== null && scopeOfPath(path) !== "global");
  }
}

function isGlobal(address: string): boolean {
  const parsed = parseAddress(address);
  return parsed.ok && addressScope(parsed.value.ip) === "global";
}
