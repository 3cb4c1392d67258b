/** What the native library tells comes to whom it concerns, and a defect of it into the log. */
import assert from "node:assert/strict";
import { type NetEventParts, netEvents } from "../../../src/daemon/run/net_events.ts";
import type { NetEvent } from "../../../src/host/net/net.ts";
import { asPath } from "../../../src/wire/mod.ts";

const PEER = "n/p";
const PATH = asPath("192.0.2.1:9000");

/** Event, and the one call that it must lead to. */
const CASES: readonly (readonly [NetEvent, readonly unknown[]])[] = [
  [{ type: "path-doubt", peer: PEER, path: PATH }, [
    "input",
    { type: "path-doubt", peer: PEER, path: PATH },
  ]],
  [{ type: "path-dead", peer: PEER, path: PATH, to: asPath("192.0.2.2:9") }, [
    "input",
    { type: "path-dead", peer: PEER, path: PATH },
  ]],
  [{ type: "probe-done", probe: "7", ok: true }, ["probe", {
    type: "probe-done",
    probe: "7",
    ok: true,
  }]],
  [{ type: "stream", tunnel: 3, open: 2 }, ["hold", "VM three", 2]],
  [{ type: "stream", tunnel: 4, open: 0 }, ["hold", "tunnel 4", 0]],
  [{ type: "socket-error", message: "gone" }, ["error", "the UDP socket fails"]],
  [{ type: "send-failed", address: PATH, message: "no route" }, [
    "debug",
    "the system does not send",
  ]],
  [{ type: "defect", where: "a stream", message: "boom", stack: "at x" }, [
    "defect",
    "boom\nat x",
    "in native code: a stream",
  ]],
  [{ type: "guest-gone", tunnel: 3 }, ["debug", "guest-gone"]],
  [{ type: "tunnel-up", tunnel: 3 }, ["debug", "tunnel-up"]],
];

for (const [event, expected] of CASES) {
  Deno.test(`netEvents() brings ${JSON.stringify(event)} where it belongs`, () => {
    const calls: unknown[][] = [];
    const log = (level: string) => (message: string) => void calls.push([level, message]);
    const parts: NetEventParts = {
      loop: { input: (input) => void calls.push(["input", input]) },
      tunnels: { onProbeDone: (done) => void calls.push(["probe", done]) },
      nameOf: (tunnel) => tunnel === 3 ? "VM three" : null,
      hold: (...given) => void calls.push(["hold", ...given]),
      defect: (...given) => void calls.push(["defect", ...given]),
      log: { error: log("error"), warn: log("warn"), info: log("info"), debug: log("debug") },
    };
    netEvents(parts)(event);
    assert.deepEqual(calls, [expected]);
  });
}
