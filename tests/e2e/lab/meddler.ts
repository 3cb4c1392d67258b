/**
 * A hostile middle of the network, run inside a namespace: forwards UDP both ways, and adds to what it
 * forwards replayed, truncated, altered and swollen copies.
 *
 *     deno run -A meddler.ts PORT TARGET_HOST TARGET_PORT
 *
 * Prints one line when it forwards, and a JSON line with what it did when its stdin ends.
 *
 * @module
 */
import { createSocket, type Socket } from "node:dgram";

/** Every n-th datagram is copied in one of the ways below. */
const MEDDLE_EVERY = 5;
/** How many datagrams pass before a kept one is replayed late: more than a small reordering. */
const LATE = 50;

const counts = { forwarded: 0, replayed: 0, truncated: 0, altered: 0, swollen: 0, late: 0 };
const kept: { send: (bytes: Uint8Array) => void; bytes: Uint8Array; due: number }[] = [];

type Send = (bytes: Uint8Array) => void;

/** Hostile copies, one kind at a time in turn. */
const TRICKS: ((bytes: Uint8Array, send: Send) => void)[] = [
  (bytes, send) => {
    send(bytes);
    counts.replayed++;
  },
  (bytes, send) => {
    send(bytes.subarray(0, Math.floor(bytes.length * random())));
    counts.truncated++;
  },
  (bytes, send) => {
    const copy = bytes.slice();
    const at = Math.floor(copy.length * random());
    copy[at] = (copy[at] ?? 0) ^ (1 << Math.floor(8 * random()));
    send(copy);
    counts.altered++;
  },
  (bytes, send) => {
    const swollen = new Uint8Array(Math.min(bytes.length + 20_000, 60_000));
    swollen.set(bytes);
    send(swollen);
    counts.swollen++;
  },
  (bytes, send) => {
    kept.push({ send, bytes: bytes.slice(), due: counts.forwarded + LATE });
    counts.late++;
  },
];

let seed = 1;

/** The same numbers at every run: a failure can be repeated. Source: xorshift32, Marsaglia 2003. */
function random(): number {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  return (seed >>> 0) / 2 ** 32;
}

function pass(bytes: Uint8Array, send: Send): void {
  send(bytes);
  if (++counts.forwarded % MEDDLE_EVERY === 0) {
    TRICKS[(counts.forwarded / MEDDLE_EVERY) % TRICKS.length]?.(bytes, send);
  }
  while (kept[0] !== undefined && kept[0].due <= counts.forwarded) {
    const { send, bytes } = kept.shift() ?? kept[0];
    send(bytes);
  }
}

function main([port, targetHost, targetPort]: string[]): void {
  const front = createSocket("udp4");
  const backs = new Map<string, Socket>();
  front.on("message", (bytes, from) => {
    const key = `${from.address}:${from.port}`;
    const back = backs.get(key) ?? createSocket("udp4");
    if (!backs.has(key)) {
      backs.set(key, back);
      back.on(
        "message",
        (answer) => pass(answer, (copy) => front.send(copy, from.port, from.address)),
      );
    }
    pass(bytes, (copy) => back.send(copy, Number(targetPort), targetHost));
  });
  front.bind(Number(port), "0.0.0.0", () => write("forwarding\n"));
  untilInputEnds().then(() => {
    write(`${JSON.stringify(counts)}\n`);
    Deno.exit(0);
  });
}

async function untilInputEnds(): Promise<void> {
  for await (const _ of Deno.stdin.readable) { /* nothing is said to it */ }
}

function write(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

main(Deno.args);
