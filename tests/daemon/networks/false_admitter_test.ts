/**
 * A member pastes an "invite": what a whole node takes from whom answers there. The other end speaks the
 * protocol, and says what it likes.
 */
import assert from "node:assert/strict";
import { type NodeId, OmertaError } from "../../../src/base/mod.ts";
import { identityFromSeed } from "../../../src/crypto/mod.ts";
import { systemRandom } from "../../../src/host/system.ts";
import { runNode } from "../../../src/daemon/mod.ts";
import { loadIdentitySeed } from "../../../src/host/state/identity_file.ts";
import { openState } from "../../../src/host/state/state.ts";
import { type NetworkRow, openStore } from "../../../src/host/store/mod.ts";
import {
  createNetwork,
  encodeInvite,
  encodeShown,
  type Grant,
  inviteSecrets,
  issueCertificate,
} from "../../../src/membership/mod.ts";
import { Speaker } from "../../e2e/lab/speaker.ts";
import { withDirectory } from "../../host/scratch.ts";

const OTHER_KEY = new Uint8Array(32).fill(0x66);
const MORE: readonly Grant[] = ["rent", "provide"];

/** A member that may rent, and the keys of its network. */
class Victim {
  readonly home = createNetwork({ name: "home", random: systemRandom });
  readonly id: NodeId;
  readonly key = this.home.epochs[0]?.key ?? new Uint8Array();
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
    this.id = identityFromSeed(loadIdentitySeed(openState(dir), systemRandom)).id;
    const store = openStore(openState(dir).database);
    store.networks.put({
      id: this.home.network,
      name: "home",
      joinedAtMs: Date.now(),
      enabled: true,
      epoch: 1,
      epochKey: this.key,
      authoritySeed: null,
      certificate: this.certificate(this.id, ["rent"]),
      admitter: this.id,
      bootstrap: { entries: [] },
    });
    store.close();
  }

  certificate(subject: NodeId, grants: readonly Grant[]): Uint8Array {
    const { network, authoritySeed } = this.home;
    const issuer = identityFromSeed(authoritySeed);
    return issueCertificate({ issuer, network, subject, grants, epoch: 1, nowMs: Date.now() });
  }

  row(): NetworkRow | undefined {
    const store = openStore(openState(this.#dir).database);
    try {
      return store.networks.get({ id: this.home.network });
    } finally {
      store.close();
    }
  }

  /** Starts a node that joins by the text; how that ended. */
  async join(invite: string): Promise<string> {
    const stop = new AbortController();
    try {
      await runNode({
        state: this.#dir,
        port: 0,
        advertise: [],
        roles: { relay: false, provider: false },
        alias: null,
        provider: null,
        mode: "foreground",
        lingerMs: 0,
        invite,
        showsInvite: false,
        signal: stop.signal,
        onReady: () => stop.abort(),
        log: () => {},
      });
      return "joined";
    } catch (error) {
      assert.ok(error instanceof OmertaError, String(error));
      return error.code;
    }
  }
}

/** How it ends where one of those grants answers a pasted invite by the key that it likes. */
async function pasted(victim: Victim, grants: readonly Grant[], key: Uint8Array): Promise<string> {
  const evil = new Speaker();
  try {
    const { network } = victim.home;
    const secret = systemRandom.bytes(32);
    const certificate = victim.certificate(evil.identity.id, grants);
    const payload = encodeShown({ certificate, alias: null });
    const gate = { ...inviteSecrets(secret), network, kind: "invite" as const, payload };
    const answer = { c: victim.certificate(victim.id, MORE), m: "home", q: 1, k: key };
    const port = await evil.answer([gate], () => answer);
    return await victim.join(encodeInvite({
      network,
      name: "home",
      admitter: evil.identity.id,
      addresses: [`127.0.0.1:${port}`],
      relays: [],
      secret,
      grants: MORE,
      expiresAtMs: Date.now() + 60_000,
    }));
  } finally {
    evil.close();
  }
}

// The native library is loaded once in a process, and stays: here, before any test looks for leaks.
await withDirectory(async (dir) => {
  const victim = new Victim(dir);
  await pasted(victim, ["admit"], victim.key);
});

Deno.test("a pasted invite of a plain member leaves a whole node as it was", async () => {
  await withDirectory(async (dir) => {
    const victim = new Victim(dir);
    const before = victim.row();
    assert.equal(await pasted(victim, ["rent", "provide", "relay"], victim.key), "not-allowed");
    assert.equal(await pasted(victim, ["rent", "provide", "relay"], OTHER_KEY), "not-allowed");
    assert.equal(await pasted(victim, ["admit"], OTHER_KEY), "refused", "another key of its epoch");
    assert.deepEqual(victim.row(), before);
  });
});

Deno.test("by an invite of one who may admit a whole node gets its grants", async () => {
  await withDirectory(async (dir) => {
    const victim = new Victim(dir);
    const before = victim.row();
    assert.equal(await pasted(victim, ["admit"], victim.key), "joined");
    const after = victim.row();
    assert.notEqual(after?.admitter, before?.admitter);
    assert.deepEqual(after?.epochKey, before?.epochKey);
  });
});
