/** The renter's ends of tunnels, as commands to the native library. */
import assert from "node:assert/strict";
import type { PeerKey } from "../../../src/base/mod.ts";
import { OmertaError } from "../../../src/base/mod.ts";
import { Tunnels } from "../../../src/daemon/streams/tunnels.ts";
import type { NetHost } from "../../../src/host/net/net.ts";
import type { DevicePlan } from "../../../src/tunnel/mod.ts";

const PLAN = { tunnel: 7, peer: "n/p" as PeerKey } as DevicePlan;
const NEVER = new AbortController().signal;

function rig() {
  const commands: (readonly [op: string, args: Readonly<Record<string, unknown>>])[] = [];
  let failure: Error | undefined;
  const net = {
    command(op: string, args: Readonly<Record<string, unknown>> = {}) {
      commands.push([op, args]);
      if (failure !== undefined) throw failure;
      return { ok: true, address: "127.0.0.1:40000" };
    },
  } as unknown as NetHost;
  const fail = (error: Error | undefined) => void (failure = error);
  return { tunnels: new Tunnels(net), commands, fail, ops: () => commands.map(([op]) => op) };
}

Deno.test("a tunnel is opened once and closed once", () => {
  const { tunnels, ops } = rig();
  tunnels.open(PLAN);
  tunnels.open(PLAN);
  assert.equal(tunnels.isOpen(7), true);
  tunnels.close(7);
  tunnels.close(7);
  assert.equal(tunnels.isOpen(7), false);
  assert.deepEqual(ops(), ["tunnel.open", "tunnel.close"]);
});

Deno.test("a tunnel that could not be opened is not open, and can be opened later", () => {
  const { tunnels, fail } = rig();
  fail(new OmertaError("internal", "no memory"));
  assert.throws(() => tunnels.open(PLAN));
  assert.equal(tunnels.isOpen(7), false);
  fail(undefined);
  tunnels.open(PLAN);
  assert.equal(tunnels.isOpen(7), true);
});

Deno.test("a probe tells when ssh answered", async () => {
  const { tunnels, commands } = rig();
  const probed = tunnels.probeSsh(7, 5_000, NEVER);
  const [op, { tunnel, port, prefix, timeoutMs, probe }] = commands[0] ?? ["", {}];
  assert.deepEqual([op, tunnel, port, prefix, timeoutMs], ["tunnel.probe", 7, 22, "SSH-", 5_000]);
  const done = { type: "probe-done", ok: true, handshakeMs: 5, bannerMs: 9 } as const;
  tunnels.onProbeDone({ ...done, probe: "another" });
  tunnels.onProbeDone({ ...done, probe: String(probe) });
  assert.deepEqual(await probed, { handshakeMs: 5, bannerMs: 9 });
});

Deno.test("a probe without an answer is a VM that failed", async () => {
  const { tunnels, commands } = rig();
  const probed = tunnels.probeSsh(7, 5_000, NEVER);
  const probe = String(commands[0]?.[1]["probe"]);
  tunnels.onProbeDone({ type: "probe-done", probe, ok: false, error: "timeout" });
  await assert.rejects(probed, { code: "vm-failed" });
});

Deno.test("a probe that is given up ends with the reason, and its late word is ignored", async () => {
  const { tunnels, commands } = rig();
  const controller = new AbortController();
  const probed = tunnels.probeSsh(7, 5_000, controller.signal);
  controller.abort(new OmertaError("vm-failed", "it ended"));
  await assert.rejects(probed, { code: "vm-failed", message: "it ended" });
  const probe = String(commands[0]?.[1]["probe"]);
  tunnels.onProbeDone({ type: "probe-done", probe, ok: true });
});

Deno.test("a probe that was given up before is not begun", async () => {
  const { tunnels, commands } = rig();
  await assert.rejects(tunnels.probeSsh(7, 5_000, AbortSignal.abort(new Error("no"))));
  assert.deepEqual(commands, []);
});

Deno.test("a probe that the library refuses is an error at once", async () => {
  const { tunnels, fail } = rig();
  fail(new OmertaError("internal", "no such tunnel"));
  await assert.rejects(tunnels.probeSsh(7, 5_000, NEVER), { code: "internal" });
});

Deno.test("tickets and forwards name their tunnel and port", () => {
  const { tunnels, commands } = rig();
  tunnels.ticket(7, 22, "ab");
  assert.equal(tunnels.listen("f", 7, { bind: "127.0.0.1:0", port: 80 }), "127.0.0.1:40000");
  tunnels.unlisten("f");
  const [[, ticket] = [], [, listen] = [], [close] = []] = commands;
  assert.deepEqual([ticket?.["tunnel"], ticket?.["port"], ticket?.["ticket"]], [7, 22, "ab"]);
  assert.deepEqual([listen?.["tunnel"], listen?.["bind"], listen?.["port"]], [
    7,
    "127.0.0.1:0",
    80,
  ]);
  assert.equal(close, "forward.close");
});
