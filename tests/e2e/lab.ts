/**
 * The laboratory of the end-to-end tests and of the demo: a relay on the internet, a provider and a
 * consumer, each behind a NAT, and the real command line run on each. Root gets network namespaces;
 * others get the same three on loopback.
 *
 *     await withLab({ provider: "hard", consumer: "easy" }, async (lab) => { … });
 *
 * @module
 */
import { defectsIn } from "./lab/defects.ts";
import { Host } from "./lab/host.ts";
import { Internet, type NatKind } from "./lab/netns.ts";

export * from "./lab/assert.ts";
export * from "./lab/defects.ts";
export * from "./lab/host.ts";
export * from "./lab/parties.ts";
export * from "./lab/processes.ts";
export * from "./lab/running.ts";
export * from "./lab/wait.ts";
export type { NatKind } from "./lab/netns.ts";

/** What stands before the provider and the consumer; `loopback`: everything on this machine. */
export interface LabPlan {
  readonly provider: NatKind;
  readonly consumer: NatKind;
}

/** The public networks of the two NATs: their first three bytes. */
export const PROVIDER_NET = "203.0.113";
export const CONSUMER_NET = "192.0.2";

/** Whether this process may make network namespaces. */
export const CAN_MAKE_NAMESPACES: boolean = Deno.build.os === "linux" && Deno.uid() === 0;

/** Three hosts and what lies between them. */
export class Lab {
  readonly dir: string;
  readonly relay: Host;
  readonly provider: Host;
  readonly consumer: Host;
  /** `undefined` on loopback. */
  readonly internet: Internet | undefined;
  readonly #hosts: Host[] = [];

  private constructor(dir: string, internet: Internet | undefined, relayAddress: string) {
    this.dir = dir;
    this.internet = internet;
    this.relay = this.#host("relay", relayAddress);
    this.provider = this.#host("provider", "");
    this.consumer = this.#host("consumer", "");
  }

  /** Builds a lab; with a plan in namespaces, without one on loopback. */
  static async open(plan?: LabPlan): Promise<Lab> {
    // Unix sockets bound the length of paths, so that the directory's name is short.
    const base = Deno.env.get("OMERTA_LAB_DIR") ?? "/tmp";
    const dir = await Deno.makeTempDir({ prefix: "om", dir: base });
    if (plan === undefined) return new Lab(dir, undefined, "127.0.0.1");
    const internet = await Internet.open();
    try {
      const address = await internet.addPublicHost("relay");
      await internet.addNat("natp", plan.provider, PROVIDER_NET);
      await internet.addHostBehind("natp", "provider", 20);
      await internet.addNat("natc", plan.consumer, CONSUMER_NET);
      await internet.addHostBehind("natc", "consumer", 30);
      return new Lab(dir, internet, address);
    } catch (error) {
      await internet.close();
      throw error;
    }
  }

  /** Another host: public, or behind the NAT of provider or consumer. Namespaces only. */
  async addHost(name: string, where: "public" | "natp" | "natc"): Promise<Host> {
    if (this.internet === undefined) return this.#host(name, "127.0.0.1");
    if (where === "public") return this.#host(name, await this.internet.addPublicHost(name));
    await this.internet.addHostBehind(where, name, 40 + this.#hosts.length);
    return this.#host(name, "");
  }

  /** A second user on the place of a host: another state directory, the same network. */
  addState(host: Host, name: string): Host {
    return this.#host(name, host.address, host.name);
  }

  /** Forbids, or permits again, UDP between provider and consumer: then only the relay is left. */
  async setDirect(permitted: boolean): Promise<void> {
    await this.internet?.setWall(PROVIDER_NET, CONSUMER_NET, !permitted);
  }

  /** What all hosts said last, for the report of a failed test. */
  report(): string {
    return this.#hosts.map((host) => host.report()).join("\n");
  }

  /** Ends the foreground nodes as a person would. @throws {Error} where one does not end. */
  async stop(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.stop()));
  }

  /** Ends everything and removes every trace; safe after any failure. */
  async close(): Promise<void> {
    for (const host of [...this.#hosts].reverse()) await host.close();
    await this.internet?.close();
    await Deno.remove(this.dir, { recursive: true });
  }

  #host(name: string, address: string, place = name): Host {
    const namespace = this.internet?.nameOf(place);
    const host = new Host({ name, dir: `${this.dir}/${name}`, address, namespace });
    this.#hosts.push(host);
    return host;
  }
}

/** What a test that runs in a lab says of itself. */
export interface LabTest {
  readonly name: string;
  readonly plan: LabPlan | undefined;
  /** Why nodes of this test log defects of ours: it makes them. */
  readonly defects?: string;
}

/**
 * Runs `body` in a fresh lab; on failure everybody's last words are printed. A test also fails where a
 * node logged a defect of ours, or did not end when it was told to. Against the compiled binary
 * a test whose node was ended by SIGSEGV or SIGABRT is tried once more, and says so. Seen once: a
 * provider, compiled on the QuickJS base, before it was ready; not again in 120 starts. The cause is not
 * known, so this may hide a defect of ours: find it, then take this out. From source, where the whole
 * suite runs, a crash fails the test.
 */
export async function withLab(test: LabTest, body: (lab: Lab) => Promise<void>): Promise<void> {
  for (let isFirst = true;; isFirst = false) {
    const lab = await Lab.open(test.plan);
    try {
      await body(lab);
      await lab.stop();
      if (test.defects === undefined) assertNoDefects(lab);
      return;
    } catch (error) {
      const report = lab.report();
      // deno-lint-ignore no-console -- the report of a test
      console.error(report);
      if (!isFirst || !isCrash(report)) throw error;
      // deno-lint-ignore no-console -- the report of a test
      console.error(`retried: ${test.name}: a compiled node crashed`);
    } finally {
      await lab.close();
    }
  }
}

function isCrash(report: string): boolean {
  return Deno.env.get("OMERTA_E2E") === "binary" && /\[ended: SIG(SEGV|ABRT)\]/.test(report);
}

function assertNoDefects(lab: Lab): void {
  const found = defectsIn(lab.dir);
  if (found.length > 0) throw new Error(`A node logged a defect of ours:\n${found.join("\n")}`);
}
