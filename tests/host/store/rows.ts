/**
 * One right row of each table.
 *
 * @module
 */
import { type NetworkId, type NodeId, peerKey, type VmId } from "../../../src/base/mod.ts";
import type { Store } from "../../../src/host/store/mod.ts";

/** Ids of the right form: the last character of a whole one holds padding. */
export const NETWORK = `${"n".repeat(51)}a` as NetworkId;
/** A node. */
export const NODE = "a".repeat(52) as NodeId;
/** A VM. */
export const VM = "vmaaaaaaaaaaaaaa" as VmId;

const KEY_HEX = "0a".repeat(32);
const REQUEST = {
  cpu: 2,
  memoryBytes: 2 ** 30,
  storageBytes: 0,
  image: "micro",
  leaseMs: 3_600_000,
};

/** The tables of a store. */
export type TableName = Exclude<
  {
    [K in keyof Store]: Store[K] extends { list(): unknown } ? K : never;
  }[keyof Store],
  never
>;

/** A right row of each table, as it is put. */
export const ROWS = {
  networks: {
    id: NETWORK,
    name: "home",
    joinedAtMs: 1_795_000_000_000,
    enabled: true,
    epoch: 1,
    epochKey: new Uint8Array(32).fill(7),
    authoritySeed: null,
    certificate: Uint8Array.of(1, 2, 3),
    admitter: NODE,
    bootstrap: { entries: [{ id: NODE, addresses: ["192.0.2.1:9000"] }] },
  },
  oldEpochKeys: {
    network: NETWORK,
    epoch: 1,
    epochKey: new Uint8Array(32),
    retiredAtMs: 1_795_000_000_000,
  },
  invites: {
    id: "3f9a12cd",
    network: NETWORK,
    secret: new Uint8Array(32),
    grants: ["rent"],
    createdAtMs: 1_795_000_000_000,
    expiresAtMs: 1_795_086_400_000,
    usesMax: 1,
    revokedAtMs: null,
    label: null,
    redeemed: 1,
    redeemedAtMs: 1_795_000_000_000,
  },
  redemptions: { invite: "3f9a12cd", subject: NODE, atMs: 1_795_000_000_000 },
  members: {
    network: NETWORK,
    node: NODE,
    grants: ["rent", "provide"],
    admittedAtMs: 1_795_000_000_000,
    invite: "3f9a12cd",
    expiresAtMs: 1_797_592_000_000,
  },
  revocations: { network: NETWORK, node: NODE, bytes: Uint8Array.of(1), atMs: 1_795_000_000_000 },
  pins: { network: NETWORK, name: "laptop", node: NODE, pinnedAtMs: 1_795_000_000_000 },
  rentals: {
    id: VM,
    network: NETWORK,
    provider: NODE,
    key: "job-1",
    name: "web",
    state: "ready",
    request: REQUEST,
    secrets: new Uint8Array(32).fill(9),
    hostKey: null,
    leaseMs: 3_600_000,
    leaseExpiresAtMs: 1_795_003_600_000,
    requestedAtMs: 1_795_000_000_000,
    readyAtMs: 1_795_000_001_000,
    checkedAtMs: null,
    endedAtMs: null,
    document: {
      created: { tunnel: 88, wireguardKey: KEY_HEX, sshHostKey: KEY_HEX, user: "root" },
      identityFile: "/state/ssh/id_ed25519",
      accelerator: "kvm",
      isolation: "hardware",
      confinement: "namespaces",
      imageDigest: KEY_HEX,
      lifeMs: 86_400_000,
      lifeEndsAtMs: 1_795_086_400_000,
      providerKnown: true,
      dryRun: false,
      timings: { match: 1, reserve: 2, create: 3, boot: null, network: null, ssh: null },
      reason: null,
      endReason: null,
      localTunnel: 77,
    },
  },
  providers: {
    network: NETWORK,
    node: NODE,
    trustedAtMs: null,
    servedAtMs: 1_795_000_000_000,
    failures: 0,
    failedAtMs: null,
  },
  hosted: {
    id: VM,
    network: NETWORK,
    owner: NODE,
    key: null,
    state: "ready",
    spec: {
      created: { localTunnel: 1, remoteTunnel: 2, wireguardKey: KEY_HEX, sshHostKey: KEY_HEX },
      imageDigest: KEY_HEX,
    },
    secrets: null,
    localTunnel: 1,
    remoteTunnel: 2,
    deadlineMs: 1_795_003_600_000,
    createdAtMs: 1_795_000_000_000,
    endedAtMs: null,
    row: {
      id: VM,
      owner: peerKey(NETWORK, NODE),
      key: null,
      requirements: REQUEST,
      dryRun: false,
      state: "ready",
      requestedAtMs: 1_795_000_000_000,
      readyAtMs: 1_795_000_001_000,
      deadlineMs: 1_795_003_600_000,
      lifeEndsAtMs: 1_795_086_400_000,
      endReason: null,
      endDetail: null,
    },
  },
} as const satisfies { readonly [T in TableName]: ReturnType<Store[T]["list"]>[number] };

/** Puts the right rows into a store. */
export function putRows(store: Store): void {
  store.networks.put(ROWS.networks);
  store.oldEpochKeys.put(ROWS.oldEpochKeys);
  store.invites.put(ROWS.invites);
  store.redemptions.put(ROWS.redemptions);
  store.members.put(ROWS.members);
  store.revocations.put(ROWS.revocations);
  store.pins.put(ROWS.pins);
  store.rentals.put(ROWS.rentals);
  store.hosted.put(ROWS.hosted);
  store.providers.put(ROWS.providers);
  store.values.put("port", 9000);
  store.values.put("alias", "rack");
  store.values.put("record-seq", 3);
}
