/**
 * Pages of a directory, by id. One pass and no sorting of it all: any member may ask, and often.
 *
 * @module
 */
import { RECORDS_PER_PAGE } from "../../gossip/mod.ts";

/** A page, and whether more follows. */
export interface RecordPage<R> {
  readonly page: readonly R[];
  readonly more: boolean;
}

/** The records with the next ids after `after` (`null`: the first), in the order of their ids. */
export function recordPage<R extends { readonly id: string }>(
  all: Iterable<R>,
  after: string | null,
): RecordPage<R> {
  const page: R[] = [];
  let more = false;
  for (const record of all) {
    if (after !== null && record.id <= after) continue;
    const at = page.findIndex(({ id }) => id > record.id);
    if (at < 0 && page.length === RECORDS_PER_PAGE) more = true;
    else page.splice(at < 0 ? page.length : at, 0, record);
    more ||= page.length > RECORDS_PER_PAGE;
    page.length = Math.min(page.length, RECORDS_PER_PAGE);
  }
  return { page, more };
}
