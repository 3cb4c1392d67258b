/**
 * A node in which something throws at every place that nobody awaits; it prints its log, then whether
 * it still serves. Its argument is the state directory.
 *
 * @module
 */
import { runNode } from "../../../src/daemon/mod.ts";
import { callMethod } from "../../../src/host/process/node_client.ts";

const [state = ""] = Deno.args;
const ending = new AbortController();

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

function throwEverywhere(): void {
  setTimeout(() => {
    throw new Error("thrown in a timer");
  }, 0);
  queueMicrotask(() => {
    throw new TypeError("thrown in a microtask");
  });
  Promise.reject(new Error("rejected and not awaited"));
  const listener = new AbortController();
  listener.signal.addEventListener("abort", () => {
    throw new Error("thrown in a listener");
  });
  listener.abort();
  Deno.addSignalListener("SIGUSR1", () => {
    throw new Error("thrown at a signal");
  });
  Deno.kill(Deno.pid, "SIGUSR1");
}

await runNode({
  state,
  port: 0,
  advertise: [],
  alias: null,
  roles: { relay: false, provider: false },
  provider: null,
  mode: "foreground",
  lingerMs: 0,
  invite: null,
  showsInvite: false,
  signal: ending.signal,
  log: (line) => say(line),
  onReady: () => {
    throwEverywhere();
    setTimeout(async () => {
      const info = await callMethod(`${state}/node.sock`, "node.info", {});
      say(`still serves: ${(info as { pid: number }).pid === Deno.pid}`);
      ending.abort();
    }, 300);
  },
});
Deno.exit(0);
