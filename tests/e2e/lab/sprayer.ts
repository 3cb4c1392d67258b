/**
 * A stranger who sends garbage, run inside a namespace: random bytes, every magic with random rest,
 * headers alone, the largest datagrams. Bounded in count.
 *
 *     deno run -A sprayer.ts HOST PORT COUNT
 *
 * Prints a JSON line: bytes sent, and bytes that came back.
 *
 * @module
 */
import { createSocket } from "node:dgram";

/** First bytes of frames, and of foreign protocols that may knock. */
const HEADS = [
  "",
  "om",
  "om\x01",
  "om\x01\x01",
  "om\x01\x02",
  "om\x01\x08",
  "ot\x01\0",
  "or\x01\0",
  "or\x01\x01",
  "of\x01",
  "\x01\0\0\0",
  "GET / HTTP/1.0\r\n\r\n",
];
/** Lengths at which parsers turn; the last is the largest UDP payload of IPv4. */
const LENGTHS = [0, 1, 3, 4, 7, 8, 12, 28, 32, 148, 1200, 1201, 1472, 9000, 65_507];
/** How long answers may come after the last datagram. */
const LISTEN_MS = 500;

async function main([host, port, count]: string[]): Promise<void> {
  const socket = createSocket("udp4");
  const bytes = { sent: 0, received: 0 };
  socket.on("message", (answer) => bytes.received += answer.length);
  socket.on("error", () => {}); // nobody may listen there: that is no concern of a stranger
  for (let i = 0; i < Number(count); i++) {
    const datagram = garbage(i);
    bytes.sent += datagram.length;
    await new Promise<void>((resolve) =>
      socket.send(datagram, Number(port), host, () => resolve())
    );
  }
  await new Promise((resolve) => setTimeout(resolve, LISTEN_MS));
  socket.close();
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(bytes)}\n`));
}

function garbage(i: number): Uint8Array {
  const head = new TextEncoder().encode(HEADS[i % HEADS.length]);
  const length = LENGTHS[Math.floor(i / HEADS.length) % LENGTHS.length] ?? 0;
  const datagram = crypto.getRandomValues(new Uint8Array(Math.max(length, head.length)));
  datagram.set(head);
  return datagram;
}

await main(Deno.args);
