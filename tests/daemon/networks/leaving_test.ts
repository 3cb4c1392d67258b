/** Leaving a network: what it must not cost unasked. */
import assert from "node:assert/strict";
import type { VmId } from "../../../src/base/mod.ts";
import { requireLeavable } from "../../../src/daemon/networks/leaving.ts";
import { Networks } from "../../../src/daemon/networks/networks.ts";
import type { Joined } from "../../../src/daemon/networks/joined.ts";
import type { HostedRow, RentalRow } from "../../../src/host/store/mod.ts";
import { ROWS } from "../../host/store/rows.ts";
import { withDirectory } from "../../host/scratch.ts";
import { FakeTime } from "../fake_time.ts";
import { Stand } from "../stand.ts";

function withNetwork(test: (stand: Stand, joined: Joined) => void): () => Promise<void> {
  return () =>
    withDirectory((dir) => {
      using time = new FakeTime();
      const stand = new Stand(dir, time, 3);
      try {
        test(stand, new Networks(stand.context, () => null).create("home"));
      } finally {
        stand.close();
      }
      return Promise.resolve();
    });
}

/** As somebody who only joined it. */
const member = ({ row }: Joined) => ({ row, admitter: null });

function rental({ row: { id: network } }: Joined, letter: string): RentalRow {
  return { ...ROWS.rentals, id: letter.repeat(16) as VmId, network, key: null, name: null };
}

function hosted({ row: { id: network } }: Joined, deadlineMs: number): HostedRow {
  return { ...ROWS.hosted, id: "h".repeat(16) as VmId, network, deadlineMs };
}

Deno.test(
  "a member leaves, the authority of a network does not without more ado",
  withNetwork((stand, joined) => {
    requireLeavable(stand.context, member(joined));
    assert.throws(() => requireLeavable(stand.context, joined), {
      code: "refused",
      hint: /network export home > FILE.*--force/,
    });
  }),
);

Deno.test(
  "who rents in a network is told what it rents, names first",
  withNetwork((stand, joined) => {
    const { rentals } = stand.store;
    rentals.put({ ...rental(joined, "a"), endedAtMs: 5, state: "released" });
    rentals.put({ ...rental(joined, "b"), state: "releasing" });
    requireLeavable(stand.context, member(joined));
    for (const letter of "cdefg") rentals.put(rental(joined, letter));
    rentals.put({ ...rental(joined, "c"), name: "box" });
    assert.throws(() => requireLeavable(stand.context, member(joined)), {
      code: "refused",
      message: /home: .*box.* and 2 more$/,
    });
  }),
);

Deno.test(
  "who lends in a network is told until its leases are over",
  withNetwork((stand, joined) => {
    const nowMs = stand.wallMs();
    stand.store.hosted.put(hosted(joined, nowMs - 1));
    requireLeavable(stand.context, member(joined));
    stand.store.hosted.put(hosted(joined, nowMs + 60_000));
    assert.throws(() => requireLeavable(stand.context, member(joined)), {
      code: "refused",
      message: /lent in home: h{16}$/,
    });
  }),
);
