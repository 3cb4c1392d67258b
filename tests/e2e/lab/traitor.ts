/**
 * A member of ill will, run inside a namespace: it has an invite, speaks the protocol with the project's
 * own machine, and asks for all that it has no right to.
 *
 *     deno run -A traitor.ts PROVIDER VM VICTIM NAMED < invite
 *
 * Prints a JSON line: what became of each attempt.
 *
 * @module
 */
import { type NetworkId, type NodeId, type PeerKey, peerKey } from "../../../src/base/mod.ts";
import { generateIdentity } from "../../../src/crypto/mod.ts";
import { systemRandom } from "../../../src/host/system.ts";
import {
  encodeShown,
  epochSecrets,
  type Invite,
  inviteSecrets,
  parseInvite,
  type Role,
  signRecord,
  verifyAdmission,
} from "../../../src/membership/mod.ts";
import { admissionWord, type CallName, type Question } from "../../../src/node/mod.ts";
import type { SessionKey } from "../../../src/session/mod.ts";
import { codeOf, Speaker } from "./speaker.ts";
import { asPath, relayedPath } from "../../../src/wire/mod.ts";

/** How often it names victims. */
const NAMINGS = 300;
/** Ports of the victim that it names at once. */
const PORTS = 16;

/** What it needs to be a member, got by the invite as everybody gets it. */
interface Membership {
  readonly network: NetworkId;
  readonly relay: PeerKey;
  /** `IP:PORT` of the relay. */
  readonly path: string;
  readonly key: SessionKey;
  readonly payload: Uint8Array;
}

async function join(traitor: Speaker, invite: Invite): Promise<Membership> {
  const { network, admitter, secret, addresses: [path = ""] } = invite;
  const relay = peerKey(network, admitter);
  const door = { ...inviteSecrets(secret), network, kind: "invite" as const };
  await traitor.connect({
    peer: admitter,
    path: asPath(path),
    key: door,
    payload: new Uint8Array(),
  });
  const redeemed = await traitor.call(relay, "redeem", { s: secret }, "invite");
  if (!("answer" in redeemed)) throw new Error(`not redeemed: ${redeemed.code}`);
  const checks = { network, subject: traitor.identity.id, nowMs: Date.now() };
  const admission = verifyAdmission(admissionWord(redeemed.answer), checks);
  if (!admission.ok) throw new Error(`not admitted: ${admission.reason}`);
  const key = { ...epochSecrets(network, admission.value.epoch), network, kind: "epoch" as const };
  const { bytes: certificate } = admission.value.certificate;
  const payload = encodeShown({ certificate, alias: null });
  await traitor.connect({ peer: admitter, path: asPath(path), key, payload });
  return { network, relay, path, key, payload };
}

/** Its record, which says that it listens at four ports of somebody else. */
function ownRecord(
  traitor: Speaker,
  { network, named }: { readonly network: NetworkId; readonly named: string },
  roles: readonly Role[],
): Uint8Array {
  return signRecord(traitor.identity, {
    network,
    seq: Date.now(),
    alias: "traitor",
    roles,
    staticKey: traitor.staticKey.publicKey,
    addresses: [1, 2, 3, 4].map((port) => `${named}:${port}`),
    relays: [],
    capabilities: {},
    publishedAtMs: Date.now(),
    expiresAtMs: Date.now() + 60_000,
  });
}

/** What a relay must not do for it. */
async function wrongRelay(traitor: Speaker, { network, relay }: Membership, named: string) {
  const record = { network, named };
  const listed = await traitor.call(relay, "record.list", { after: null });
  const others = "answer" in listed ? listed.answer.records : [];
  const publish = async (record: Uint8Array) =>
    codeOf(await traitor.call(relay, "record.publish", { record }));
  return {
    others: await Promise.all(others.map(publish)),
    asRelay: await publish(ownRecord(traitor, record, ["relay"])),
    asProvider: await publish(ownRecord(traitor, record, ["provider"])),
    plain: await publish(ownRecord(traitor, record, [])),
    withItself: codeOf(await traitor.call(relay, "relay.allocate", { peer: traitor.identity.id })),
    withNobody: codeOf(
      await traitor.call(relay, "relay.allocate", {
        peer: generateIdentity(systemRandom).identity.id,
      }),
    ),
  };
}

/** What a provider must not do for it, with the VM of another. */
async function wrongProvider(traitor: Speaker, provider: PeerKey, vm: string) {
  const code = async <N extends CallName>(name: N, question: Question<N>) =>
    codeOf(await traitor.call(provider, name, question));
  const status = await traitor.call(provider, "vm.status", { vms: [vm] });
  return {
    status: "answer" in status ? status.answer.vms.length : -1,
    extend: await code("vm.extend", { vm, leaseMs: 60_000 }),
    release: await code("vm.release", { vm }),
    create: await code("vm.create", {
      vm,
      tunnel: 1,
      wireguardKey: traitor.staticKey.publicKey,
      sshKeys: [`ssh-ed25519 ${sshBlob(traitor.identity.publicKey)}`],
      hostname: "stolen",
    }),
    offer: await code("relay.offer", {
      session: 1,
      peer: generateIdentity(systemRandom).identity.id,
      address: "192.0.2.77:53",
    }),
  };
}

function sshBlob(key: Uint8Array): string {
  const text = new TextEncoder().encode("ssh-ed25519");
  return Uint8Array.from([0, 0, 0, 11, ...text, 0, 0, 0, 32, ...key]).toBase64();
}

/** Names a victim's ports as its own addresses, again and again. */
async function aim(traitor: Speaker, provider: PeerKey, victim: string): Promise<number> {
  let named = 0;
  for (let i = 0; i < NAMINGS; i++) {
    const addresses = Array.from({ length: PORTS }, (_, n) => `${victim}:${1 + i * PORTS + n}`);
    const outcome = await traitor.call(provider, "path.candidates", { addresses });
    if ("answer" in outcome) named += addresses.length;
  }
  return named;
}

async function main([providerId = "", vm = "", victim = "", named = ""]: string[]): Promise<void> {
  const text = await new Response(Deno.stdin.readable).text();
  const invite = parseInvite(text.trim());
  if (!invite.ok) throw new Error(`the invite is ${invite.reason}`);
  const traitor = new Speaker();
  const membership = await join(traitor, invite.value);
  const { network, relay, path, key, payload } = membership;
  const outcome = { relay: await wrongRelay(traitor, membership, named) };
  const peer = providerId as NodeId;
  const allocated = await traitor.call(relay, "relay.allocate", { peer });
  if (!("answer" in allocated)) throw new Error(`no relay session: ${allocated.code}`);
  await traitor.connect({
    peer,
    path: relayedPath(asPath(path), allocated.answer.session),
    key,
    payload,
  });
  const provider = peerKey(network, peer);
  const wrong = await wrongProvider(traitor, provider, vm);
  const aimed = await aim(traitor, provider, victim);
  const floods = await Promise.all(
    Array.from({ length: 400 }, () => traitor.call(relay, "relay.allocate", { peer })),
  );
  const flooded = floods.filter((one) => "answer" in one).length;
  const all = { id: traitor.identity.id, ...outcome, provider: wrong, named: aimed, flooded };
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(all)}\n`));
  traitor.close();
}

await main(Deno.args);
