/** What use cases see of the members' records. */
import assert from "node:assert/strict";
import type { NetworkId, PeerKey } from "../../../src/base/mod.ts";
import type { Loop } from "../../../src/daemon/run/loop.ts";
import { NodeRecords } from "../../../src/daemon/run/records.ts";

const NET = "net" as NetworkId;
const PEER = "net/peer" as PeerKey;

function rig() {
  const asked: unknown[][] = [];
  const note = (...args: unknown[]) => {
    asked.push(args);
    return undefined as never;
  };
  const view = {
    records: { record: (...args: unknown[]) => note("record", ...args), records: note },
    relays: { isCutOff: (network: NetworkId) => network === NET },
  };
  const list = (network: NetworkId, { timeoutMs }: { readonly timeoutMs: number }) => {
    asked.push(["list", network, timeoutMs]);
    return Promise.resolve(true);
  };
  const records = new NodeRecords({ view } as unknown as Pick<Loop, "view">, { list });
  return { records, asked };
}

Deno.test("records are those of the machine, of a peer or of a network, whole or by role", () => {
  const { records, asked } = rig();
  records.of(PEER);
  records.list(NET);
  records.list(NET, "provider");
  assert.deepEqual(asked, [["record", PEER], [NET, undefined], [NET, "provider"]]);
  assert.deepEqual([records.isCutOff(NET), records.isCutOff("o" as NetworkId)], [true, false]);
});

Deno.test("relays are asked for a minute unless the caller says otherwise", async () => {
  const { records, asked } = rig();
  assert.equal(await records.refresh(NET), true, "some are of another time");
  await records.refresh(NET, { timeoutMs: 5_000 });
  assert.deepEqual(asked, [["list", NET, 60_000], ["list", NET, 5_000]]);
});
