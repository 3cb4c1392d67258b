/**
 * Which processes belong to a directory: those that name it in command line, environment, working
 * directory or open files, and their descendants. What was seen once is remembered, so that a process
 * which lost its parent is still found. Linux only.
 *
 * @module
 */

/** One process, told from a later one of the same number by its start. */
export interface Process {
  readonly pid: number;
  readonly parent: number;
  /** Clock ticks since boot. */
  readonly started: string;
  readonly name: string;
  readonly command: string;
}

/** Finds and remembers the processes of one directory. */
export class ProcessWatch {
  readonly #directory: string;
  readonly #seen = new Map<number, Process>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The processes that live now; zombies and this process aside. */
  living(): Process[] {
    const all = allProcesses();
    const mine = new Set<number>();
    for (const process of all.values()) {
      const known = this.#seen.get(process.pid);
      if (known?.started === process.started || this.#names(process)) mine.add(process.pid);
    }
    addDescendants(all, mine);
    mine.delete(Deno.pid);
    const living = [...mine].map((pid) => all.get(pid)).filter((found) => found !== undefined);
    for (const process of living) this.#seen.set(process.pid, process);
    return living;
  }

  #names(process: Process): boolean {
    if (process.pid === Deno.pid) return false;
    const at = `/proc/${process.pid}`;
    return process.command.includes(this.#directory) ||
      (readText(`${at}/environ`) ?? "").includes(this.#directory) ||
      linksOf(process.pid).some((link) => link.startsWith(this.#directory));
  }
}

function linksOf(pid: number): string[] {
  const links = [readLink(`/proc/${pid}/cwd`)];
  try {
    for (const entry of Deno.readDirSync(`/proc/${pid}/fd`)) {
      links.push(readLink(`/proc/${pid}/fd/${entry.name}`));
    }
  } catch { /* it ended meanwhile, or is not ours to look at */ }
  return links.filter((link) => link !== undefined);
}

function addDescendants(all: ReadonlyMap<number, Process>, mine: Set<number>): void {
  for (let before = -1; before !== mine.size;) {
    before = mine.size;
    for (const process of all.values()) {
      if (process.parent !== Deno.pid && mine.has(process.parent)) mine.add(process.pid);
    }
  }
}

/** Every process of the system that is not a zombie. */
export function allProcesses(): Map<number, Process> {
  const all = new Map<number, Process>();
  for (const entry of Deno.readDirSync("/proc")) {
    const process = /^[0-9]+$/.test(entry.name) ? readProcess(Number(entry.name)) : undefined;
    if (process !== undefined) all.set(process.pid, process);
  }
  return all;
}

/** A process by its number, or `undefined` where none lives. Source: proc(5), `/proc/PID/stat`. */
export function readProcess(pid: number): Process | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  const match = stat === undefined ? null : /^[0-9]+ \((.*)\) ([A-Za-z]) (.*)$/s.exec(stat);
  if (match === null || match[2] === "Z" || match[2] === "X") return undefined;
  const fields = (match[3] ?? "").split(" ");
  return {
    pid,
    parent: Number(fields[0]),
    started: fields[18] ?? "",
    name: match[1] ?? "",
    command: (readText(`/proc/${pid}/cmdline`) ?? "").replaceAll("\0", " "),
  };
}

function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined; // it ended meanwhile, or is not ours to look at
  }
}

function readLink(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined; // as above
  }
}
