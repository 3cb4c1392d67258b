/**
 * A network in memory for whole nodes: in the place of the native library stands the simulator's model of it
 * (`src/sim/native.ts`: who gets a frame, what a relay forwards), and addresses lead to whom they were given.
 *
 * ```text
 *   runNode(…, net.open) ─ Native ─┐
 *                                  ├─ 127.0.0.1:PORT ─▶ who has it, in a turn of its own
 *   speaker(net.carrier()) ────────┘
 * ```
 *
 * @module
 */
import { type Instant, OmertaError, type Path, type PeerKey } from "../../src/base/mod.ts";
import type { OpenNet } from "../../src/daemon/run/opening.ts";
import type { NetArgs, NetOp } from "../../src/host/net/commands.ts";
import type { NetHost } from "../../src/host/net/net.ts";
import { Native } from "../../src/sim/native.ts";
import { type Address, asPath, formatAddress } from "../../src/wire/mod.ts";
import type { Carrier } from "../e2e/lab/speaker.ts";

type Receive = (bytes: Uint8Array, from: Address) => void;

/** Everybody's address: ports are given from here on. */
const IP = "127.0.0.1";
const FIRST_PORT = 40_000;

const now = () => performance.now() as Instant;

/** Addresses, and who has them. */
export class MemoryNet {
  readonly #places = new Map<string, Receive>();
  #nextPort = FIRST_PORT;

  /** Opens a node's port. */
  readonly open: OpenNet = ({ port, onDatagram, onEvent }) => {
    const own = this.#take(port, (bytes, from) => native.receive(from, bytes, now()));
    const native = new Native({
      send: (to, bytes) => this.#send(own, to, bytes),
      control: (path, bytes) => onDatagram(path, bytes),
      verdict: (type, peer, path) =>
        onEvent(type === "path-doubt" ? { type, peer, path } : { type, peer, path, to: path }),
    });
    return new MemoryHost(own.port, native, () => this.#places.delete(formatAddress(own)));
  };

  /** What carries a speaker's datagrams. */
  carrier(): Carrier {
    let receive: Receive = () => {};
    const own = this.#take(0, (bytes, from) => receive(bytes, from));
    return {
      listen: (to) => void (receive = to),
      send: (bytes, to) => this.#send(own, to, bytes),
      bind: () => Promise.resolve(own.port),
      close: () => void this.#places.delete(formatAddress(own)),
    };
  }

  #take(port: number, receive: Receive): Address {
    const own = { ip: IP, port: port === 0 ? this.#nextPort++ : port };
    const place = formatAddress(own);
    if (this.#places.has(place)) throw new OmertaError("port-taken", `${place} is taken`);
    this.#places.set(place, receive);
    return own;
  }

  #send(from: Address, to: Address, bytes: Uint8Array): void {
    const copy = bytes.slice();
    queueMicrotask(() => this.#places.get(formatAddress(to))?.(copy, from));
  }
}

/** A node's port in memory: a node that lends real machines has no place on it. */
class MemoryHost implements NetHost {
  readonly port: number;
  readonly #native: Native;
  readonly #leave: () => void;

  constructor(port: number, native: Native, leave: () => void) {
    this.port = port;
    this.#native = native;
    this.#leave = leave;
  }

  send(path: string, bytes: Uint8Array, ttl = 0): void {
    this.#native.send(asPath(path), bytes, ttl, now());
  }

  heard(path: string): void {
    this.#native.heard(asPath(path), now());
  }

  readonly command: NetHost["command"] = (op, args) => {
    const answer = this.#operations[op]?.(args as never);
    if (answer === undefined) throw new OmertaError("unsupported", `no ${op} in memory`);
    return answer as never;
  };

  attach(): Promise<void> {
    return Promise.reject(new OmertaError("vm-failed", "There is no tunnel in memory"));
  }

  close(): Promise<void> {
    this.#leave();
    return Promise.resolve();
  }

  /** Those that a relay and a provider that runs dry need. */
  readonly #operations: { readonly [Op in NetOp]?: (args: NetArgs[Op]) => object } = {
    "session.set": ({ add, remove }) => {
      this.#native.setReceivers(add, remove);
      return {};
    },
    "peer.set": ({ peer, active, standby = null, accept = [], doubtMs = 0, deadMs = 0 }) => {
      const paths = {
        active: pathOf(active),
        standby: pathOf(standby),
        accept: accept.map(asPath),
      };
      this.#native.route(peer as PeerKey, { ...paths, doubtMs, deadMs });
      return {};
    },
    "peer.remove": ({ peer }) => {
      const none = { active: null, standby: null, accept: [], doubtMs: 0, deadMs: 0 };
      this.#native.route(peer as PeerKey, none);
      return {};
    },
    "relay.set": ({ session, a, b }) => {
      this.#native.relaySet(session, asPath(a), asPath(b), now());
      return {};
    },
    "relay.remove": ({ session }) => {
      this.#native.relayRemove(session);
      return {};
    },
    "relay.limits": () => ({}),
    "relay.stats": () => {
      const none = { control: { packets: 0, bytes: 0 }, tunnel: { packets: 0, bytes: 0 } };
      const sessions = this.#native.relayStats(now()).map((each) => ({ ...each, ...none }));
      return { sessions, total: none, dropped: {} };
    },
  };
}

function pathOf(text: string | null): Path | null {
  return text === null ? null : asPath(text);
}
