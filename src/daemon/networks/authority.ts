/**
 * Networks whose authority lives here: made, brought here, and written out as one secret text.
 *
 * @module
 */
import { capital, OmertaError } from "../../base/mod.ts";
import type { NetworkRow } from "../../host/store/mod.ts";
import {
  type AuthorityNetwork,
  createNetwork,
  exportNetwork,
  exportTextError,
  importNetwork,
} from "../../membership/mod.ts";
import type { Joined } from "./joined.ts";
import type { NetworkBook } from "./network_book.ts";
import { notAuthority } from "./network_errors.ts";
import type { NetworksParts } from "./parts.ts";

/** Makes, brings and writes out authorities. */
export class Authority {
  readonly #parts: NetworksParts;
  readonly #book: NetworkBook;

  constructor(parts: NetworksParts, book: NetworkBook) {
    this.#parts = parts;
    this.#book = book;
  }

  /** Makes a network whose authority lives here. @throws {OmertaError} `exists`. */
  create(name: string): Joined {
    if (this.#book.list().some(({ row }) => row.name === name)) {
      throw new OmertaError("exists", `This node belongs to a network ${name} already`, {
        hint: "Take another name.",
      });
    }
    return this.#found(createNetwork({ name, random: this.#parts.random }));
  }

  /** Brings a network and its authority here. @throws {OmertaError} `usage`. */
  import(text: string): Joined {
    const read = importNetwork(text, this.#parts.wallMs());
    if (!read.ok) {
      const { code, message } = exportTextError(read.reason);
      throw new OmertaError(code, capital(message));
    }
    const { network, revocations } = read.value;
    const known = this.#book.get(network);
    if (known !== undefined && known.admitter !== null) return known;
    const joined = this.#found(read.value);
    for (const revocation of revocations) {
      if (!joined.revocations.add(revocation)) continue;
      const { subject, bytes, atMs } = revocation;
      this.#parts.store.revocations.put({ network, node: subject, bytes, atMs });
    }
    return joined;
  }

  /** The network and its authority as one secret text. @throws {OmertaError} `not-allowed`. */
  export({ row, revocations }: Joined): string {
    if (row.authoritySeed === null) throw notAuthority(row.name);
    return exportNetwork({
      network: row.id,
      name: row.name,
      authoritySeed: row.authoritySeed,
      epochs: [{ epoch: row.epoch, key: row.epochKey }],
    }, revocations);
  }

  #found({ network, name, authoritySeed, epochs: [current] }: AuthorityNetwork): Joined {
    if (current === undefined) throw new TypeError(`Cannot found ${name}: it has no epoch`);
    const { epoch, key: epochKey } = current;
    const known = this.#parts.store.networks.get({ id: network }); // as a member, until now
    const row: NetworkRow = {
      id: network,
      name,
      joinedAtMs: known?.joinedAtMs ?? this.#parts.wallMs(),
      enabled: true,
      epoch,
      epochKey,
      authoritySeed,
      certificate: this.#book.certificates.issue(network, { authoritySeed, epoch }),
      admitter: null,
      bootstrap: known?.bootstrap ?? { entries: [] },
    };
    const joined = this.#book.put(row);
    this.#book.changed();
    return joined;
  }
}
