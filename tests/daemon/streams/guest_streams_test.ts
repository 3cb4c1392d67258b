/** Tickets for tunnels, and listeners into them. */
import assert from "node:assert/strict";
import { OmertaError } from "../../../src/base/mod.ts";
import { GuestStreams } from "../../../src/daemon/streams/guest_streams.ts";
import { Tunnels } from "../../../src/daemon/streams/tunnels.ts";
import { settle } from "../fake_time.ts";
import { type Stand, withStand } from "../stand.ts";

const FORWARDS = [{ bind: "127.0.0.1:0", port: 80 }, { bind: "127.0.0.1:0", port: 443 }];

const streamsOf = ({ context }: Stand) =>
  new GuestStreams(new Tunnels(context.net), context.random);

Deno.test(
  "each ticket is another, for one port of one tunnel",
  withStand((stand) => {
    const streams = streamsOf(stand);
    const tickets = [streams.ticket(7, 22), streams.ticket(7, 22)];
    assert.equal(new Set(tickets).size, 2);
    for (const ticket of tickets) assert.match(ticket, /^[0-9a-f]{64}$/);
    const added = stand.commanded("ticket.add").map(({ tunnel, port, ticket }) => {
      return [tunnel, port, ticket];
    });
    assert.deepEqual(added, tickets.map((ticket) => [7, 22, ticket]));
    return Promise.resolve();
  }),
);

Deno.test(
  "forwards are told in their order, listen while they are held, and leave nothing",
  withStand(async (stand) => {
    const controller = new AbortController();
    let port = 4_000;
    stand.answers.set("forward.listen", () => ({ address: `127.0.0.1:${port++}` }));
    const told: unknown[] = [];
    const held = streamsOf(stand).forward(7, FORWARDS, {
      signal: controller.signal,
      isOpen: ({ port }, local) => told.push([port, local]),
    });
    await settle();
    assert.deepEqual(told, [[80, "127.0.0.1:4000"], [443, "127.0.0.1:4001"]]);
    assert.deepEqual(stand.commanded("forward.close"), []);
    controller.abort();
    await held;
    const names = (op: string) => stand.commanded(op).map(({ forward }) => forward);
    assert.deepEqual(names("forward.close"), names("forward.listen"));
    assert.equal(new Set(names("forward.listen")).size, 2);
  }),
);

Deno.test(
  "where one cannot listen, none does",
  withStand(async (stand) => {
    let listens = 0;
    stand.answers.set("forward.listen", () => {
      if (++listens > 1) throw new OmertaError("port-taken", "it is taken");
      return { address: "127.0.0.1:4000" };
    });
    const { signal } = new AbortController();
    const held = streamsOf(stand).forward(7, FORWARDS, { signal, isOpen() {} });
    await assert.rejects(held, { code: "port-taken" });
    assert.equal(stand.commanded("forward.close").length, 1);
  }),
);

Deno.test(
  "forwards that were given up before are closed at once",
  withStand(async (stand) => {
    const held = streamsOf(stand).forward(7, FORWARDS, {
      signal: AbortSignal.abort(),
      isOpen() {},
    });
    await held;
    assert.equal(stand.commanded("forward.close").length, 2);
  }),
);
