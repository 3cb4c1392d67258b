/**
 * Finds circles: modules that import each other, by whatever detour, types included. Where there is one, no
 * part of it can be read, tested or moved without the others. Imports are read as text.
 *
 * @module
 */

/** The imports of each module, by paths inside the project. */
export type Arrows = ReadonlyMap<string, readonly string[]>;

const IMPORTED = /(?:\bfrom\s+|\bimport\(\s*)"(\.{1,2}\/[^"]+)"/g;

/** The arrows among modules, given their texts by paths such as `src/base/ids.ts`. */
export function arrowsOf(sources: ReadonlyMap<string, string>): Arrows {
  return new Map([...sources].map(([file, text]) => {
    const targets = [...text.matchAll(IMPORTED)].map(([, to = ""]) =>
      new URL(to, `file:///${file}`).pathname.slice(1)
    );
    return [file, targets.filter((to) => sources.has(to))];
  }));
}

/** A circle that lies in the arrows, as the modules on the way around it; `undefined`: there is none. */
export function findCircle(arrows: Arrows): string[] | undefined {
  const done = new Set<string>();
  const way: string[] = [];
  const walk = (file: string): string[] | undefined => {
    if (done.has(file)) return undefined;
    if (way.includes(file)) return way.slice(way.indexOf(file));
    way.push(file);
    for (const to of arrows.get(file) ?? []) {
      const circle = walk(to);
      if (circle !== undefined) return circle;
    }
    way.pop();
    done.add(file);
    return undefined;
  };
  for (const file of arrows.keys()) {
    const circle = walk(file);
    if (circle !== undefined) return circle;
  }
  return undefined;
}
