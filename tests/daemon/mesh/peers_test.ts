/** The peers with a session: who they are, how they are reached, and when they must go. */
import assert from "node:assert/strict";
import { type PeerKey, splitPeerKey } from "../../../src/base/mod.ts";
import { generateIdentity, identityFromSeed } from "../../../src/crypto/mod.ts";
import { Networks } from "../../../src/daemon/networks/networks.ts";
import { NO_PATH, Peers } from "../../../src/daemon/mesh/peers.ts";
import {
  type Grant,
  issueCertificate,
  type Member,
  nothingRevoked,
  signRevocation,
  verifyCertificate,
  verifyRevocation,
} from "../../../src/membership/mod.ts";
import type { PathView } from "../../../src/path/mod.ts";
import { type Stand, START_MS, withStand } from "../stand.ts";
import { asPath } from "../../../src/wire/mod.ts";

const DAY = 86_400_000;
const DIRECT = "192.0.2.1:9000";
const RELAYED = "203.0.113.1:9000#00000001";

function rig(stand: Stand) {
  const networks = new Networks(stand.context, () => null);
  const joined = networks.create("home");
  const { id: network, authoritySeed } = joined.row;
  assert.ok(authoritySeed);
  const authority = identityFromSeed(authoritySeed);
  const views: PathView[] = [];
  Object.assign(stand.context.loop.machine, { pathsOf: () => views });
  const peers = new Peers(stand.context);
  /** A member comes up on a path. */
  const up = (path = DIRECT, grants: readonly Grant[] = ["rent"]): PeerKey => {
    const { id: node } = generateIdentity(stand.random).identity;
    const order = { issuer: authority, network, subject: node, grants, epoch: 1 };
    const bytes = issueCertificate({ ...order, nowMs: stand.wallMs() });
    const checks = { network, nowMs: stand.wallMs(), isRevoked: nothingRevoked };
    const certificate = verifyCertificate(bytes, checks);
    assert.ok(certificate.ok);
    const peer = `${network}/${node}` as PeerKey;
    const member: Member = {
      network,
      node,
      kind: "epoch",
      alias: null,
      grants,
      certificate: certificate.value,
    };
    const event = { type: "peer-up", kind: "epoch", initiator: true, renewed: false } as const;
    stand.emit({ ...event, peer, member, path: asPath(path) });
    return peer;
  };
  const down = (peer: PeerKey) =>
    stand.emit({ type: "peer-down", peer, kind: "epoch", reason: "left", detail: null });
  return { networks, joined, authority, peers, views, up, down };
}

const view = (path: string): PathView => ({
  path: asPath(path),
  relayed: path.includes("#"),
  rttMs: 12.34567,
  loss: 0.25,
  provenForMs: 5_000,
  heardMsAgo: 200,
});

Deno.test(
  "members come and go, with the grants of their certificates",
  withStand((stand) => {
    const { peers, up, down } = rig(stand);
    const peer = up(DIRECT, ["rent", "relay"]);
    assert.deepEqual(peers.connected(), [peer]);
    assert.deepEqual([peers.holds(peer, "relay"), peers.holds(peer, "provide")], [true, false]);
    down(peer);
    assert.deepEqual([peers.connected(), peers.member(peer)], [[], undefined]);
    assert.equal(peers.holds(peer, "relay"), false);
    return Promise.resolve();
  }),
);

Deno.test(
  "a path is shown with its kind, next hop, times and, where known, its relay",
  withStand((stand) => {
    const { peers, views, up } = rig(stand);
    const relay = up("203.0.113.1:9000", ["relay"]);
    const peer = up(RELAYED);
    views.push(view(RELAYED), view(DIRECT));
    const shown = peers.pathTo(peer);
    assert.deepEqual([shown.kind, shown.address], ["relay", "203.0.113.1:9000"]);
    assert.equal(shown.via, splitPeerKey(relay).node);
    assert.deepEqual([shown.rtt_ms, shown.loss, shown.mtu], [12.346, 0.25, 1_280]);
    assert.equal(Date.parse(shown.since_at ?? ""), START_MS - 5_000);
    views.splice(0, 1);
    assert.deepEqual([peers.pathTo(peer).kind, peers.pathTo(peer).via], ["direct", null]);
    views.length = 0;
    assert.deepEqual(peers.pathTo(peer), NO_PATH);
    return Promise.resolve();
  }),
);

Deno.test(
  "the last sight of a peer is that of its paths, then of its farewell",
  withStand(async (stand, time) => {
    const { peers, views, up, down } = rig(stand);
    const peer = up();
    views.push(view(DIRECT));
    assert.equal(peers.lastSeenAtMs(peer), START_MS - 200);
    views.length = 0;
    await time.advance(1_000);
    down(peer);
    await time.advance(1_000);
    assert.equal(peers.lastSeenAtMs(peer), START_MS + 1_000);
    assert.equal(peers.lastSeenAtMs("n/unknown" as PeerKey), null);
  }),
);

Deno.test(
  "a member whose certificate is over, or who was removed, must leave",
  withStand((stand) => {
    const { networks, joined, authority, peers, up } = rig(stand);
    const [stays, leaves] = [up(), up()];
    assert.equal(peers.reasonToLeave(stays, networks), undefined);
    const { network, node: subject } = splitPeerKey(leaves);
    const bytes = signRevocation({ by: authority, network, subject, nowMs: stand.wallMs() });
    const checks = { network, nowMs: stand.wallMs(), isRevoked: nothingRevoked };
    const revocation = verifyRevocation(bytes, checks);
    assert.ok(revocation.ok && joined.revocations.add(revocation.value));
    assert.equal(peers.reasonToLeave(leaves, networks), "revoked");
    assert.equal(peers.reasonToLeave(stays, networks), undefined);
    stand.wallSkewMs = 31 * DAY;
    assert.equal(peers.reasonToLeave(stays, networks), "expired");
    networks.leave(joined);
    assert.equal(peers.reasonToLeave(stays, networks), "network-left");
    assert.equal(peers.reasonToLeave("n/unknown" as PeerKey, networks), undefined);
    return Promise.resolve();
  }),
);
