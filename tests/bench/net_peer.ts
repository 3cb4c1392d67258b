/**
 * One end of the tunnel benchmark: a process with the native network and nothing else. Commands come as
 * JSON lines `{op, args}` on stdin; answers and events leave as JSON lines on stdout.
 *
 *     deno run -A net_peer.ts LIBRARY PORT STREAM-SOCKET
 *
 * @module
 */
import { NativePort } from "../../src/host/net/port.ts";

const [library = "", port = "0", streamSocket = ""] = Deno.args;

function say(document: unknown): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(document)}\n`));
}

// The library of the benchmarks has operations and events beyond those that a node knows: nothing is parsed.
const net = new NativePort({
  library,
  port: Number(port),
  streamSocket: streamSocket === "" ? null : streamSocket,
  onDatagram: () => {},
  onTold: (event) => say({ event }),
  onMalformed: (error) => {
    throw error;
  },
});
say({ port: net.number });

let rest = "";
for await (const piece of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + piece).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) {
    const { op, args } = JSON.parse(line);
    say({ answer: net.command(op, args) });
  }
}
await net.close();
