/** A rental's row, and the way into it. */
import assert from "node:assert/strict";
import { isEnded, providerOf } from "../../../src/market/mod.ts";
import { fromRow, toRow } from "../../../src/daemon/renting/rental_rows.ts";
import { sshAddress, tunnelOf } from "../../../src/daemon/renting/rental_tunnel.ts";
import { openStore } from "../../../src/host/store/mod.ts";
import { inDirectory } from "../../host/scratch.ts";
import { dry, ended, evicted, rental, reserved } from "./rental_samples.ts";

for (const [what, each] of Object.entries({ ready: rental, reserved, ended, evicted, dry })) {
  Deno.test(
    `a rental that is ${what} is read from the disk as it was written`,
    inDirectory((dir) => {
      const store = openStore(`${dir}/omerta.db`);
      store.rentals.put(toRow(each));
      const [row] = store.rentals.list();
      store.close();
      assert.ok(row);
      const privateKey = isEnded(each.state) ? new Uint8Array(32) : each.privateKey;
      assert.deepEqual(fromRow(row), { ...each, privateKey });
    }),
  );
}

Deno.test("the key of a VM that is being released is free on the disk", () => {
  assert.equal(toRow({ ...rental, state: "releasing" }).key, null);
  assert.equal(toRow(rental).key, "build");
});

Deno.test("of a VM that has ended no key stays on the disk", () => {
  assert.equal(toRow(ended).secrets, null);
  assert.deepEqual(toRow(rental).secrets, rental.privateKey);
});

Deno.test("the tunnel leads to the provider, with addresses that follow from the keys", () => {
  const plan = tunnelOf(rental)?.device;
  assert.ok(plan);
  assert.deepEqual([plan.tunnel, plan.remote, plan.peer], [77, 88, providerOf(rental)]);
  assert.equal(sshAddress(rental), `[${plan.peerAddress}]:22`);
  assert.deepEqual([tunnelOf(reserved), tunnelOf(dry)], [null, null]);
});
