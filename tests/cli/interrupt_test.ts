/** Ctrl-C and SIGTERM at prompts and in the stages of commands, on a real terminal. */
import { createSocket } from "node:dgram";
import { ok, strictEqual } from "node:assert/strict";
import { encodeInvite } from "../../src/membership/mod.ts";
import { serveUnix } from "../../src/host/process/unix_server.ts";
import { alice, network } from "../membership/samples.ts";
import { kept, MAIN, omerta, withState } from "./program.ts";
import { canMakeTerminal, OnTerminal } from "./pty.ts";

/** A person's second, and what a loaded machine adds to it. */
const WITHIN_MS = 2_000;

const SIGNALS = [["SIGINT", 130], ["SIGTERM", 143]] as const;

function start(argv: readonly string[]): OnTerminal {
  const program = [Deno.execPath(), "run", "-A", "--no-check", MAIN];
  const env = { PATH: Deno.env.get("PATH") ?? "", HOME: "/nonexistent", ...kept() };
  return new OnTerminal([...program, ...argv], env);
}

/** A command, and what tells that it has come as far as it is to be ended. */
interface Stage {
  readonly argv: readonly string[];
  reached(run: OnTerminal): Promise<unknown>;
  close?(): unknown;
}

/** Ends a command at a stage by each signal, each time anew. */
async function endsAtOnce(makeStage: () => Stage | Promise<Stage>): Promise<void> {
  for (const [signal, expected] of SIGNALS) {
    const stage = await makeStage();
    try {
      await endsBy(signal, expected, stage);
    } finally {
      await stage.close?.();
    }
  }
}

async function endsBy(
  signal: typeof SIGNALS[number][0],
  expected: number,
  { argv, reached }: Stage,
): Promise<void> {
  const run = start(argv);
  await reached(run);
  const since = performance.now();
  if (signal === "SIGINT") await run.interrupt();
  else await run.kill(signal);
  const { status, ms, text } = await run.ended(since);
  strictEqual(status, expected, `${argv.join(" ")} by ${signal}: ${text}`);
  ok(ms < WITHIN_MS, `${argv.join(" ")} took ${Math.round(ms)} ms to end by ${signal}`);
}

function terminalTest(name: string, fn: () => Promise<void>): void {
  const why = canMakeTerminal ? "" : " (not run: script, of util-linux, is not installed)";
  Deno.test({ name: `${name}${why}`, ignore: !canMakeTerminal, fn });
}

const PROMPTS = [
  ["join", "-"],
  ["list", "--join", "-"],
  ["network", "import", "-"],
  ["mesh", "run", "--join", "-"],
  ["relay", "--join", "-"],
  ["provider", "--join", "-"],
];

for (const argv of PROMPTS) {
  terminalTest(
    `the prompt of 'omerta ${argv.join(" ")}' ends at Ctrl-C and SIGTERM`,
    () =>
      withState((dir) =>
        endsAtOnce(() => ({
          argv: [...argv, "--state", `${dir}/state`],
          reached: (run) => run.shown(/^Paste .* Ctrl-D/m),
        }))
      ),
  );
}

terminalTest(
  "a node that waits for another one's answer ends at Ctrl-C and SIGTERM",
  () =>
    withState(async (state) => {
      using lock = await Deno.open(`${state}/node.lock`, {
        create: true,
        write: true,
        mode: 0o600,
      });
      await lock.lock(true);
      await endsAtOnce(() => {
        const asked = Promise.withResolvers<void>();
        const letGo = Promise.withResolvers<Response>();
        const server = serveUnix(`${state}/node.sock`, () => {
          asked.resolve();
          return letGo.promise;
        });
        return {
          argv: ["mesh", "run", "--state", state],
          reached: () => asked.promise,
          close: () => {
            letGo.resolve(new Response());
            return server.close();
          },
        };
      });
    }),
);

/** A UDP port that takes datagrams and never answers, told of the first. */
async function silentPort() {
  const socket = createSocket("udp4");
  const heard = new Promise((resolve) => socket.once("message", resolve));
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const close = () => new Promise<void>((resolve) => socket.close(resolve));
  return { address: `127.0.0.1:${socket.address().port}`, heard: () => heard, close };
}

function inviteTo(address: string): string {
  return encodeInvite({
    network,
    name: "home",
    admitter: alice.id,
    addresses: [address],
    relays: [],
    secret: new Uint8Array(32),
    grants: ["rent", "provide"],
    expiresAtMs: Date.now() + 60_000,
  });
}

for (const argv of [["join"], ["mesh", "run", "--join"], ["provider", "--dry-run", "--join"]]) {
  terminalTest(
    `'omerta ${argv.join(" ")} INVITE' ends while nobody answers`,
    () =>
      withState(async (state) => {
        await endsAtOnce(async () => {
          const { address, heard, close } = await silentPort();
          return { argv: [...argv, inviteTo(address), "--state", state], reached: heard, close };
        });
        await omerta(["mesh", "stop", "--state", state]);
      }),
  );
}
