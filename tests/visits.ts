/**
 * Counts work instead of time: the elements that iterators of maps, sets and arrays, and the methods of
 * arrays that go through all of them, visit while something runs. A visit of every peer shows as a count
 * that grows with the peers, on any machine and under any load. Loops by index are not seen.
 *
 * @module
 */

/** Methods of arrays that visit each element themselves. */
const METHODS = [
  "every",
  "filter",
  "find",
  "findIndex",
  "flatMap",
  "forEach",
  "includes",
  "indexOf",
  "join",
  "map",
  "reduce",
  "slice",
  "some",
  "sort",
  "toSorted",
] as const;

type Next = { next: () => IteratorResult<unknown> };

/** How many elements are visited while `act` runs. */
export function visits(act: () => void): number {
  let count = 0;
  const restores: (() => void)[] = [];
  const replace = <T extends object, K extends keyof T>(of: T, name: K, by: T[K]) => {
    const known = Object.getOwnPropertyDescriptor(of, name);
    Object.defineProperty(of, name, { value: by, configurable: true, writable: true });
    restores.push(() => known && Object.defineProperty(of, name, known));
  };
  for (const made of [new Map().keys(), new Set().keys(), [][Symbol.iterator]()]) {
    const iterator = Object.getPrototypeOf(made) as Next;
    const { next } = iterator;
    replace(iterator, "next", function (this: Next) {
      count++;
      return next.call(this);
    });
  }
  const methods = Array.prototype as unknown as Record<string, (...all: unknown[]) => unknown>;
  for (const name of METHODS) {
    const method = methods[name];
    if (method === undefined) continue;
    replace(methods, name, function (this: unknown[], ...all: unknown[]) {
      count += this.length;
      return method.apply(this, all);
    });
  }
  try {
    count = 0;
    act();
    return count;
  } finally {
    for (const restore of restores) restore();
  }
}
