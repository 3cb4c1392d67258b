/**
 * What is to happen, in order: a binary heap by time, then lot, then order of insertion. O(log n) for
 * what is put in or taken out.
 *
 * ```text
 *   at    when, milliseconds of the simulated world
 *   lot   who causes it: a number drawn by name, so that of two hosts that act at the same instant the
 *         same one goes first however they were put into the world
 *   order of those with one lot, what was put in first
 * ```
 *
 * @module
 */
import type { Instant } from "../base/mod.ts";

interface Entry<T> {
  readonly at: Instant;
  readonly lot: number;
  readonly order: number;
  readonly item: T;
}

/** A queue of things that happen. */
export class EventHeap<T> {
  readonly #heap: Entry<T>[] = [];
  #order = 0;

  /** How many things wait. */
  get size(): number {
    return this.#heap.length;
  }

  /** When the next thing happens; `undefined` where nothing waits. */
  nextAt(): Instant | undefined {
    return this.#heap[0]?.at;
  }

  /** Puts something in; `lot` orders what happens at one instant. */
  push(at: Instant, lot: number, item: T): void {
    const heap = this.#heap;
    const entry = { at, lot, order: this.#order++, item };
    let hole = heap.push(entry) - 1;
    while (hole > 0) {
      const above = (hole - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || isBefore(parent, entry)) break;
      heap[hole] = parent;
      hole = above;
    }
    heap[hole] = entry;
  }

  /** Takes what happens next. */
  pop(): T | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (last !== undefined && heap.length > 0) this.#sink(last);
    return top?.item;
  }

  #sink(entry: Entry<T>): void {
    const heap = this.#heap;
    let hole = 0;
    for (;;) {
      const left = 2 * hole + 1;
      const [a, b] = [heap[left], heap[left + 1]];
      const isRight = a !== undefined && b !== undefined && isBefore(b, a);
      const child = isRight ? b : a;
      if (child === undefined || isBefore(entry, child)) break;
      heap[hole] = child;
      hole = isRight ? left + 1 : left;
    }
    heap[hole] = entry;
  }
}

function isBefore<T>(a: Entry<T>, b: Entry<T>): boolean {
  if (a.at !== b.at) return a.at < b.at;
  return a.lot === b.lot ? a.order < b.order : a.lot < b.lot;
}
