/**
 * `mesh ping`: asks a peer again and again, and says by which path it answered.
 *
 * @module
 */
import type { MeshPingInput, MeshPingItem, MeshPingResult } from "../../api/nouns/mesh.ts";
import { type PeerKey, randomUint32, splitPeerKey } from "../../base/mod.ts";
import { delay } from "../../host/delay.ts";
import type { Context } from "../context.ts";
import type { Peers } from "./peers.ts";

/** How long one answer is waited for. Guess. */
const ANSWER_MS = 3_000;

/** Pings a peer with which there is a session. */
export async function pingPeer(
  context: Context,
  peers: Peers,
  ping: Pick<MeshPingInput, "count" | "intervalMs" | "untilDirect"> & { readonly peer: PeerKey },
  on: { readonly signal: AbortSignal; item(item: MeshPingItem): void },
): Promise<MeshPingResult> {
  const { peer } = ping;
  const startedAt = context.now();
  const rtts: number[] = [];
  let sent = 0;
  let directAfterMs: number | null = null;
  const use = `ping ${randomUint32(context.random)}`;
  context.demands.claim(peer, use, "busy");
  try {
    while (sent < ping.count && !(ping.untilDirect && directAfterMs !== null)) {
      const rttMs = await pingOnce(context, peer, on.signal);
      sent++;
      if (rttMs !== null) rtts.push(rttMs);
      const path = peers.pathTo(peer);
      if (path.kind === "direct") directAfterMs ??= Math.round(context.now() - startedAt);
      on.item({ seq: sent, rtt_ms: rttMs, path });
      const isLast = sent >= ping.count || (ping.untilDirect && directAfterMs !== null);
      if (!isLast) await delay(ping.intervalMs, on.signal);
    }
  } finally {
    context.demands.drop(peer, use);
  }
  return {
    peer: splitPeerKey(peer).node,
    sent,
    received: rtts.length,
    rtt_ms: quantiles(rtts),
    path: peers.pathTo(peer),
    direct_after_ms: directAfterMs,
  };
}

async function pingOnce(
  context: Context,
  peer: PeerKey,
  signal: AbortSignal,
): Promise<number | null> {
  const sentAt = context.now();
  try {
    await context.loop.call(peer, "ping", {}, { timeoutMs: ANSWER_MS, signal });
    return Math.round((context.now() - sentAt) * 1_000) / 1_000;
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
