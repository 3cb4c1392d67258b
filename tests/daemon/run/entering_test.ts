/** How a node that starts comes to its network. */
import assert from "node:assert/strict";
import { Endpoints } from "../../../src/daemon/run/endpoints.ts";
import { enterNetwork } from "../../../src/daemon/run/entering.ts";
import { Networks } from "../../../src/daemon/networks/networks.ts";
import type { RunNodeOptions } from "../../../src/daemon/options.ts";
import { type Stand, withStand } from "../stand.ts";

/** A node that starts with such roles; it is met at `advertise`. */
async function start(
  stand: Stand,
  options: Partial<RunNodeOptions> & Pick<RunNodeOptions, "roles">,
  advertise: readonly string[] = ["203.0.113.5"],
) {
  const { context } = stand;
  const all = {
    advertise,
    mode: "foreground",
    invite: null,
    showsInvite: true,
    signal: new AbortController().signal,
    ...options,
  } as unknown as RunNodeOptions;
  const endpoints = new Endpoints({ options: all, port: 9_000, log: context.log });
  await endpoints.start(() => {});
  try {
    const networks = new Networks({ ...context }, () => null);
    const made = await enterNetwork(all, { context, networks, endpoints, alias: () => null });
    return { made, networks };
  } finally {
    endpoints.close();
  }
}

const NONE = { relay: false, provider: false };

Deno.test(
  "a node without a role enters nothing by itself",
  withStand(async (stand) => {
    const { made, networks } = await start(stand, { roles: NONE });
    assert.deepEqual([made, networks.list()], [{ created: false, invite: null }, []]);
  }),
);

Deno.test(
  "a relay without a network begins one, and shows the invite to who sees it",
  withStand(async (stand) => {
    const first = await start(stand, { roles: { ...NONE, relay: true } });
    assert.deepEqual(first.networks.list().map(({ row }) => row.name), ["home"]);
    assert.equal(first.made.created, true);
    assert.match(first.made.invite ?? "", /^omerta/);
    const again = await start(stand, { roles: { ...NONE, relay: true } });
    assert.deepEqual(again.made, { created: false, invite: null });
  }),
);

Deno.test(
  "where nobody sees the invite, none is made",
  withStand(async (stand) => {
    const { made } = await start(stand, { roles: { ...NONE, relay: true }, showsInvite: false });
    assert.deepEqual(made, { created: true, invite: null });
  }),
);

Deno.test(
  "a provider needs a network to lend in",
  withStand(async (stand) => {
    const starting = start(stand, { roles: { ...NONE, provider: true } });
    await assert.rejects(starting, { code: "no-network" });
  }),
);

Deno.test(
  "an invite that is none is refused before anything is begun",
  withStand(async (stand) => {
    const starting = start(stand, { roles: NONE, invite: "omerta:nonsense" });
    await assert.rejects(starting, /invite/i);
    assert.deepEqual(stand.connects, []);
  }),
);
