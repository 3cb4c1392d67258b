/**
 * The deadlines of many things and the earliest of them: one per key, set anew or cleared at will.
 * A binary heap; what was replaced stays in it until it comes up or outnumbers what counts.
 *
 * @example
 * ```ts
 * const timers = new Timers<PeerKey>();
 * timers.set(peer, after(now, 250), "resend");
 * timers.next(); // { at: now + 250, why: "resend" }
 * for (let due = timers.takeDue(now); due !== undefined; due = timers.takeDue(now)) resend(due);
 * ```
 *
 * @module
 */
import type { Instant, Wakeup } from "./machine.ts";

interface Entry<K> {
  readonly key: K;
  readonly at: Instant;
  readonly why: string;
}

/** Deadlines by key. Setting and taking cost the logarithm of their number, `next` nothing. */
export class Timers<K> {
  readonly #current = new Map<K, Entry<K>>();
  #heap: Entry<K>[] = [];

  /** Sets the key's deadline; one that it had is void. */
  set(key: K, at: Instant, why: string): void {
    const known = this.#current.get(key);
    if (known?.at === at && known.why === why) return;
    const entry = { key, at, why };
    this.#current.set(key, entry);
    this.#push(entry);
    if (this.#heap.length > 2 * this.#current.size + 64) this.#rebuild();
  }

  /** Voids the key's deadline. */
  clear(key: K): void {
    this.#current.delete(key);
  }

  /** The earliest deadline. */
  next(): Wakeup | undefined {
    const entry = this.#peek();
    return entry && { at: entry.at, why: entry.why };
  }

  /** Takes one key whose deadline has come, or `undefined` when none has. */
  takeDue(now: Instant): K | undefined {
    const entry = this.#peek();
    if (entry === undefined || entry.at > now) return undefined;
    this.#current.delete(entry.key);
    return entry.key;
  }

  /** The earliest entry that counts; drops void ones above it. */
  #peek(): Entry<K> | undefined {
    for (;;) {
      const entry = this.#heap[0];
      if (entry === undefined || this.#current.get(entry.key) === entry) return entry;
      this.#pop();
    }
  }

  #rebuild(): void {
    this.#heap = [...this.#current.values()].sort((a, b) => a.at - b.at); // sorted is a heap
  }

  #push(entry: Entry<K>): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || parent.at <= entry.at) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const child = this.#smallerChild(at);
      const entry = heap[child];
      if (entry === undefined || entry.at >= last.at) break;
      heap[at] = entry;
      at = child;
    }
    heap[at] = last;
  }

  #smallerChild(at: number): number {
    const left = this.#heap[2 * at + 1];
    const right = this.#heap[2 * at + 2];
    return left && right && right.at < left.at ? 2 * at + 2 : 2 * at + 1;
  }
}
