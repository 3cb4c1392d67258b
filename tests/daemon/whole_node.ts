/**
 * A whole node in this process, as `omerta mesh run --relay --provider --dry-run` starts it, on a network in
 * memory; and members of its network, with whatever certificate the test gives them.
 *
 * @module
 */
import {
  type NetworkId,
  type NodeId,
  type Path,
  type PeerKey,
  peerKey,
} from "../../src/base/mod.ts";
import { type Identity, identityFromSeed } from "../../src/crypto/mod.ts";
import { systemRandom } from "../../src/host/system.ts";
import { runNode } from "../../src/daemon/mod.ts";
import type { RunNodeOptions } from "../../src/daemon/options.ts";
import { statePaths } from "../../src/host/state/state.ts";
import { openStore, type Store } from "../../src/host/store/mod.ts";
import {
  encodeShown,
  type EpochKey,
  epochSecrets,
  type Grant,
  InviteBook,
  inviteSecrets,
  issueCertificate,
} from "../../src/membership/mod.ts";
import type { SessionKey } from "../../src/session/mod.ts";
import { Speaker } from "../e2e/lab/speaker.ts";
import { withDirectory } from "../host/scratch.ts";
import { MemoryNet } from "./memory_net.ts";
import { asPath } from "../../src/wire/mod.ts";

/** What a test puts into a member's certificate. */
export interface Wish {
  readonly grants?: readonly Grant[];
  /** When it begins, before now. */
  readonly ageMs?: number;
  readonly lifeMs?: number;
}

/** A running node, and the keys of its network. */
export class WholeNode {
  readonly id: NodeId;
  readonly network: NetworkId;
  readonly authority: Identity;
  readonly logged: string[] = [];
  readonly #epoch: EpochKey;
  readonly #dir: string;
  readonly #net = new MemoryNet();
  readonly #speakers: Speaker[] = [];
  #port = 0;
  #stop = new AbortController();
  #ended: Promise<void> = Promise.resolve();

  private constructor(
    dir: string,
    made: { id: NodeId; network: NetworkId; authority: Identity; epoch: EpochKey },
  ) {
    this.#dir = dir;
    this.id = made.id;
    this.network = made.network;
    this.authority = made.authority;
    this.#epoch = made.epoch;
  }

  /** Makes a network in a fresh state; the node does not run yet. */
  static async found(dir: string): Promise<WholeNode> {
    const made = Promise.withResolvers<NodeId>();
    const stop = new AbortController();
    const run = start(dir, new MemoryNet(), {
      signal: stop.signal,
      onReady: ({ node }) => made.resolve(node.id as NodeId),
    });
    const id = await Promise.race([made.promise, run.then(() => Promise.reject("it ended"))]);
    stop.abort();
    await run;
    return withStore(dir, (store) => {
      const [row] = store.networks.list();
      if (row === undefined || row.authoritySeed === null) throw new Error("no network was made");
      return new WholeNode(dir, {
        id,
        network: row.id,
        authority: identityFromSeed(row.authoritySeed),
        epoch: { epoch: row.epoch, key: row.epochKey },
      });
    });
  }

  /** The peer key under which members know it. */
  get key(): PeerKey {
    return peerKey(this.network, this.id);
  }

  /** Works on what the node keeps, while it does not run. */
  keep(change: (store: Store) => void): void {
    withStore(this.#dir, change);
  }

  async start(): Promise<void> {
    const ready = Promise.withResolvers<number>();
    this.#stop = new AbortController();
    this.#ended = start(this.#dir, this.#net, {
      signal: this.#stop.signal,
      onReady: ({ port }) => ready.resolve(port),
      log: (line) => this.logged.push(line),
    });
    this.#port = await Promise.race([
      ready.promise,
      this.#ended.then(() => Promise.reject("ended")),
    ]);
  }

  /** Tells the node to end; resolves when it has. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  certificate(subject: NodeId, { grants = [], ageMs = 0, lifeMs }: Wish = {}): Uint8Array {
    return issueCertificate({
      issuer: this.authority,
      network: this.network,
      subject,
      grants,
      epoch: this.#epoch.epoch,
      nowMs: Date.now() - ageMs,
      ...lifeMs === undefined ? {} : { lifeMs },
    });
  }

  /** One who is not connected yet. */
  speaker(): Speaker {
    const speaker = new Speaker(this.#net.carrier(), ["relay"]);
    this.#speakers.push(speaker);
    return speaker;
  }

  /** Where the node listens. */
  get path(): Path {
    return asPath(`127.0.0.1:${this.#port}`);
  }

  /** By what members of the network know each other, and what this one shows. */
  membership(certificate: Uint8Array | null): { key: SessionKey; payload: Uint8Array } {
    const { network } = this;
    return {
      key: { ...epochSecrets(network, this.#epoch), network, kind: "epoch" },
      payload: encodeShown({ certificate, alias: null }),
    };
  }

  /** Opens a session with the node by a certificate, or by none. @throws {Error} where it refuses. */
  async connect(speaker: Speaker, certificate: Uint8Array | null): Promise<void> {
    await speaker.connect({ peer: this.id, path: this.path, ...this.membership(certificate) });
  }

  /** Makes an invite, while the node does not run; its secret. */
  invite(grants: readonly Grant[]): Uint8Array {
    const nowMs = Date.now();
    const row = new InviteBook().make({ grants, uses: 1, lifeMs: 60_000 }, systemRandom, nowMs);
    const secret = Uint8Array.fromHex(row.secret);
    const { id, createdAtMs, expiresAtMs, uses: usesMax } = row;
    const { network } = this;
    const kept = { id, network, secret, grants, createdAtMs, expiresAtMs, usesMax };
    const fresh = { revokedAtMs: null, label: null, redeemed: 0, redeemedAtMs: null };
    this.keep((store) => store.invites.put({ ...kept, ...fresh }));
    return secret;
  }

  /** One who holds an invite, with the session that this opens. @throws {Error} where it does not. */
  async joiner(secret: Uint8Array): Promise<Speaker> {
    const speaker = this.speaker();
    const { network } = this;
    await speaker.connect({
      peer: this.id,
      path: this.path,
      key: { ...inviteSecrets(secret), network, kind: "invite" },
      payload: encodeShown({ certificate: null, alias: null }),
    });
    return speaker;
  }

  /** A member with a session. */
  async member(wish: Wish = {}): Promise<Speaker> {
    const speaker = this.speaker();
    await this.connect(speaker, this.certificate(speaker.identity.id, wish));
    return speaker;
  }

  async close(): Promise<void> {
    for (const speaker of this.#speakers) speaker.close();
    await this.stop();
  }
}

/** Runs `test` with a node; fails where the node logged a defect of ours. */
export async function withWholeNode(test: (node: WholeNode) => Promise<void>): Promise<void> {
  await withDirectory(async (dir) => {
    const node = await WholeNode.found(`${dir}/s`);
    try {
      await test(node);
    } finally {
      await node.close();
    }
    const defects = node.logged.filter((line) => line.includes("a defect of omerta"));
    if (defects.length > 0) throw new Error(defects.join("\n"));
  });
}

function withStore<T>(dir: string, use: (store: Store) => T): T {
  const store = openStore(statePaths(dir).database);
  try {
    return use(store);
  } finally {
    store.close();
  }
}

type Told =
  & Pick<Parameters<typeof runNode>[0], "signal" | "onReady">
  & Partial<Pick<Parameters<typeof runNode>[0], "log">>;

function start(dir: string, net: MemoryNet, told: Told): Promise<void> {
  const options: RunNodeOptions = {
    state: dir,
    port: 0, // any
    advertise: ["127.0.0.1"],
    roles: { relay: true, provider: true },
    alias: null,
    provider: {
      maxVms: 1_000,
      cpu: 8,
      memoryBytes: null,
      storageBytes: null,
      maxLeaseMs: null,
      maxLifeMs: null,
      acceptWeakIsolation: null,
      perOwner: 1_000,
      allow: [],
      dryRun: true,
    },
    mode: "foreground",
    lingerMs: 0,
    invite: null,
    showsInvite: false,
    log: () => {},
    ...told,
  };
  return runNode(options, net.open);
}
