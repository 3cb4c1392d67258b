/**
 * The tables of `omerta.db`, as statements that bring one version to the next. Never change one
 * that was released: append.
 *
 * Times are Unix milliseconds. What belongs to a network goes with it, except VMs: a rented or lent
 * one is still there when the network was left, and has to be released first.
 *
 * @module
 */
import type { Migrations } from "./database.ts";

const VERSION_1 = `
CREATE TABLE kv (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE networks (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  joined_at_ms INTEGER NOT NULL,
  enabled INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  epoch_key BLOB NOT NULL,
  authority_seed BLOB,
  certificate BLOB,
  admitter TEXT,
  bootstrap TEXT NOT NULL
) STRICT;

CREATE TABLE old_epoch_keys (
  network TEXT NOT NULL REFERENCES networks (id) ON DELETE CASCADE,
  epoch INTEGER NOT NULL,
  epoch_key BLOB NOT NULL,
  retired_at_ms INTEGER NOT NULL,
  PRIMARY KEY (network, epoch)
) STRICT;

CREATE TABLE invites (
  id TEXT PRIMARY KEY,
  network TEXT NOT NULL REFERENCES networks (id) ON DELETE CASCADE,
  secret BLOB NOT NULL,
  grants TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  uses_max INTEGER,
  revoked_at_ms INTEGER,
  label TEXT
) STRICT;
CREATE INDEX invites_by_network ON invites (network);

CREATE TABLE redemptions (
  invite TEXT NOT NULL REFERENCES invites (id) ON DELETE CASCADE,
  subject TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  PRIMARY KEY (invite, subject)
) STRICT;

CREATE TABLE members (
  network TEXT NOT NULL REFERENCES networks (id) ON DELETE CASCADE,
  node TEXT NOT NULL,
  grants TEXT NOT NULL,
  certificate BLOB NOT NULL,
  admitted_at_ms INTEGER NOT NULL,
  PRIMARY KEY (network, node)
) STRICT;

CREATE TABLE revocations (
  network TEXT NOT NULL REFERENCES networks (id) ON DELETE CASCADE,
  node TEXT NOT NULL,
  bytes BLOB NOT NULL,
  at_ms INTEGER NOT NULL,
  PRIMARY KEY (network, node)
) STRICT;

CREATE TABLE records (
  network TEXT NOT NULL REFERENCES networks (id) ON DELETE CASCADE,
  node TEXT NOT NULL,
  seq INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  PRIMARY KEY (network, node)
) STRICT;

CREATE TABLE pins (
  network TEXT NOT NULL REFERENCES networks (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  node TEXT NOT NULL,
  pinned_at_ms INTEGER NOT NULL,
  PRIMARY KEY (network, name)
) STRICT;

CREATE TABLE rentals (
  id TEXT PRIMARY KEY,
  network TEXT NOT NULL,
  provider TEXT NOT NULL,
  key TEXT,
  name TEXT,
  state TEXT NOT NULL,
  request TEXT NOT NULL,
  secrets BLOB,
  host_key TEXT,
  lease_ms INTEGER NOT NULL,
  lease_expires_at_ms INTEGER,
  requested_at_ms INTEGER NOT NULL,
  ready_at_ms INTEGER,
  checked_at_ms INTEGER,
  ended_at_ms INTEGER,
  document TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX rentals_key ON rentals (key) WHERE ended_at_ms IS NULL;
CREATE UNIQUE INDEX rentals_name ON rentals (name) WHERE ended_at_ms IS NULL;

CREATE TABLE hosted (
  id TEXT PRIMARY KEY,
  network TEXT NOT NULL,
  owner TEXT NOT NULL,
  key TEXT,
  state TEXT NOT NULL,
  spec TEXT NOT NULL,
  secrets BLOB,
  local_tunnel INTEGER,
  remote_tunnel INTEGER,
  deadline_ms INTEGER,
  created_at_ms INTEGER NOT NULL,
  ended_at_ms INTEGER,
  row TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX hosted_key ON hosted (network, owner, key) WHERE ended_at_ms IS NULL;
`;

/** What an admitter must know to renew, and no more: so that both tables can be pruned. */
const MEMBERS_AND_INVITES = `
ALTER TABLE members ADD COLUMN invite TEXT;
ALTER TABLE members ADD COLUMN expires_at_ms INTEGER NOT NULL DEFAULT 0;
UPDATE members SET
  invite = (SELECT invite FROM redemptions WHERE subject = node ORDER BY at_ms DESC LIMIT 1),
  expires_at_ms = admitted_at_ms + 2592000000;
ALTER TABLE members DROP COLUMN certificate;

ALTER TABLE invites ADD COLUMN redeemed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE invites ADD COLUMN redeemed_at_ms INTEGER;
UPDATE invites SET
  redeemed = (SELECT count(*) FROM redemptions WHERE invite = id),
  redeemed_at_ms = (SELECT max(at_ms) FROM redemptions WHERE invite = id);
DELETE FROM redemptions WHERE invite IN (SELECT id FROM invites WHERE uses_max IS NULL);
`;

/** What a renter has seen of providers, and whom its person trusts. */
const PROVIDERS = `
CREATE TABLE providers (
  network TEXT NOT NULL,
  node TEXT NOT NULL,
  trusted_at_ms INTEGER,
  served_at_ms INTEGER,
  failures INTEGER NOT NULL,
  failed_at_ms INTEGER,
  PRIMARY KEY (network, node)
) STRICT;
`;

const SET_ASIDE = `
CREATE TABLE set_aside (
  origin TEXT NOT NULL,
  key TEXT NOT NULL,
  why TEXT NOT NULL,
  row TEXT NOT NULL
) STRICT;
`;

/** From an empty database to the newest version. */
export const MIGRATIONS: Migrations = [VERSION_1, MEMBERS_AND_INVITES, PROVIDERS, SET_ASIDE];
