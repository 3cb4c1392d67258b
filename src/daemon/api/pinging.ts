/**
 * `mesh ping`: asks a peer again and again, and says by which path it answered.
 *
 * @module
 */
import type { MeshPingInput, MeshPingItem, MeshPingResult } from "../../api/nouns/mesh.ts";
import { type PeerKey, type Random, randomUint32, splitPeerKey } from "../../base/mod.ts";
import { delay } from "../../host/delay.ts";
import type { Calls, Clock, Holds } from "../ports.ts";
import { pathDoc, type Seen } from "./path_doc.ts";

/** How long one answer is waited for. Guess. */
const ANSWER_MS = 3_000;

/** What is asked of the node. */
export interface PingParts extends Pick<Seen, "view"> {
  readonly calls: Pick<Calls, "call">;
  readonly holds: Holds;
  readonly clock: Clock;
  readonly random: Random;
}

/** Pings a peer with which there is a session. */
export async function pingPeer(
  parts: PingParts,
  ping: Pick<MeshPingInput, "count" | "intervalMs" | "untilDirect"> & { readonly peer: PeerKey },
  on: { readonly signal: AbortSignal; item(item: MeshPingItem): void },
): Promise<MeshPingResult> {
  const { peer } = ping;
  const { clock, holds } = parts;
  const startedAt = clock.now();
  const rtts: number[] = [];
  let sent = 0;
  let directAfterMs: number | null = null;
  const use = `ping ${randomUint32(parts.random)}`;
  holds.claim(peer, use, "busy");
  try {
    while (sent < ping.count && !(ping.untilDirect && directAfterMs !== null)) {
      const rttMs = await pingOnce(parts, peer, on.signal);
      sent++;
      if (rttMs !== null) rtts.push(rttMs);
      const path = pathDoc(parts, peer);
      if (path.kind === "direct") directAfterMs ??= Math.round(clock.now() - startedAt);
      on.item({ seq: sent, rtt_ms: rttMs, path });
      const isLast = sent >= ping.count || (ping.untilDirect && directAfterMs !== null);
      if (!isLast) await delay(ping.intervalMs, on.signal);
    }
  } finally {
    holds.drop(peer, use);
  }
  return {
    peer: splitPeerKey(peer).node,
    sent,
    received: rtts.length,
    rtt_ms: quantiles(rtts),
    path: pathDoc(parts, peer),
    direct_after_ms: directAfterMs,
  };
}

async function pingOnce(
  { calls, clock }: PingParts,
  peer: PeerKey,
  signal: AbortSignal,
): Promise<number | null> {
  const sentAt = clock.now();
  try {
    await calls.call(peer, "ping", {}, { timeoutMs: ANSWER_MS, signal });
    return Math.round((clock.now() - sentAt) * 1_000) / 1_000;
  } catch (error) {
    if (signal.aborted) throw error;
    return null; // Counted as lost.
  }
}

function quantiles(rtts: readonly number[]): MeshPingResult["rtt_ms"] {
  const sorted = rtts.toSorted((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? null;
  return { min: sorted[0] ?? null, p50: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? null };
}
