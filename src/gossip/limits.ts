/**
 * Bounds and times of gossip.
 *
 * @module
 */

/** Records of one answer to `record.list`: 12 of at most 1 KiB each fit into a call's body. */
export const RECORDS_PER_PAGE = 12;

/** Bounds and times; those without a source are guesses. */
export const GOSSIP = {
  /** Items of one network; the one that was not renewed for longest gives way. Source: the contract. */
  itemsMax: 10_000,
  /** Home relays that our record names. Source: a record has room for three. */
  homesMax: 3,
  /** Lists and finds under way; what comes then is answered from what is known. */
  roundsMax: 256,
  /** Waits for `announced` under way; what comes then is answered at once. */
  announcesMax: 16,
  /** Peers whose grants are remembered. Source: as many as may have a session. */
  peersMax: 16_384,
  /** A change is told after this, so that several are one. */
  tellAfterMs: 100,
  /** So many new records at once, and so many a second: each is a signature and a write to the disk. */
  tellRate: { burst: 16, perS: 0.2 },
  /** A change beyond those is told after this. */
  tellLateMs: 5_000,
  /** How long a relay may take to take a record. */
  tellMs: 10_000,
  /** Waits until a relay that did not take our record is told it again. */
  tellAgainMs: [1_000, 2_000, 5_000, 15_000, 60_000],
  /** How long a directory's page may take. */
  pageMs: 5_000,
  /** Pages of a directory that are read at most: 10 000 records. */
  pagesMax: 900,
  /** How often what has expired is dropped. */
  sweepMs: 60_000,
} as const;
