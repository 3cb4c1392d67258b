/**
 * Network namespaces with real NATs: a small internet on one machine. Root only.
 *
 *     relay ───┐198.51.100.0/30                192.0.2.0/24┌─── NAT ── 192.168.1.0/24 ── consumer
 *              └────────────────── core ───────────────────┤
 *     other public hosts ──────────┘                       └─── NAT ── 192.168.1.0/24 ── provider
 *                                                  203.0.113.0/24
 *
 * The core only routes. Public addresses are those kept for documentation (RFC 5737). Both NATs have
 * the same private network behind them, as in life. Names carry the number of the process that made
 * them, so that what a crash left behind is found and removed by the next lab.
 *
 * @module
 */

/**
 * How a NAT behaves. `easy`: mapping independent of the destination, port kept. `hard`: a random port
 * for each destination ("symmetric"). Both let in only what was asked for. Kernel NAT, by nftables.
 */
export type NatKind = "easy" | "hard";

const PREFIX = "omlab-";

/** One end of a cable: a host, and its addresses there as `IP/BITS`. */
export interface CableEnd {
  readonly name: string;
  readonly addresses: readonly string[];
}

/** Namespaces, links and NATs of one lab. */
export class Internet {
  readonly #prefix: string;
  readonly #made = new Set<string>();
  readonly #ways: Deno.ChildProcess[] = [];
  #publicHosts = 0;

  private constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Makes the core; sweeps what dead labs left behind. */
  static async open(): Promise<Internet> {
    await sweep();
    const internet = new Internet(`${PREFIX}${Deno.pid}-${serial++}-`);
    await internet.#addNamespace("core", { forwards: true });
    return internet;
  }

  /** The kernel's name of a namespace: `nsenter --net=/run/netns/NAME`. */
  nameOf(name: string): string {
    return this.#prefix + name;
  }

  /** A host with an address of its own in the public network; returns the address. */
  async addPublicHost(name: string): Promise<string> {
    const base = 4 * this.#publicHosts++;
    const [router, address] = [`198.51.100.${base + 1}`, `198.51.100.${base + 2}`];
    await this.#addNamespace(name, { forwards: false });
    await this.#connectToCore(name, { router: `${router}/30`, address: `${address}/30` });
    return address;
  }

  /** A NAT; hosts come behind it with `addHostBehind`. `wan` is its network's first three bytes. */
  async addNat(name: string, kind: NatKind, wan: string): Promise<void> {
    await this.#addNamespace(name, { forwards: true });
    await this.#connectToCore(name, { router: `${wan}.1/24`, address: `${wan}.2/24` });
    await this.#ip(name, [
      "link add lan type bridge",
      "addr add 192.168.1.1/24 dev lan",
      "link set lan up",
    ]);
    await this.setNat(name, kind);
  }

  /** Makes a NAT behave as `kind` from now on; what it has mapped stays until it is idle. */
  async setNat(name: string, kind: NatKind): Promise<void> {
    const random = kind === "hard" ? "random,fully-random" : "";
    await this.nft(
      name,
      `
      flush ruleset
      table ip nat {
        chain post { type nat hook postrouting priority 100; oif "wan" masquerade ${random}
        }
      }
      table ip filter {
        chain forward { type filter hook forward priority 0; iif "wan" ct state established,related accept
          iif "wan" drop
        }
        chain input { type filter hook input priority 0; iif "wan" ct state new drop
        }
      }`,
    );
  }

  /** A host behind a NAT, with the last byte of its private address. */
  async addHostBehind(nat: string, name: string, lastByte: number): Promise<void> {
    await this.#addNamespace(name, { forwards: false });
    await run("ip", ["-batch", "-"], [
      `link add eth0 netns ${this.nameOf(name)} type veth ` +
      `peer name ${name} netns ${this.nameOf(nat)}`,
    ]);
    await this.#ip(nat, [`link set ${name} master lan up`]);
    await this.#ip(name, [
      `addr add 192.168.1.${lastByte}/24 dev eth0`,
      "link set eth0 up",
      "route add default via 192.168.1.1",
    ]);
  }

  /** Joins two hosts by a cable of its own, with any number of addresses of both families at each end. */
  async addCable(first: CableEnd, second: CableEnd): Promise<void> {
    await run("ip", ["-batch", "-"], [
      `link add cable netns ${this.nameOf(first.name)} type veth ` +
      `peer name cable netns ${this.nameOf(second.name)}`,
    ]);
    for (const { name, addresses } of [first, second]) {
      const allow = "echo 0 > /proc/sys/net/ipv6/conf/all/disable_ipv6";
      await run("nsenter", [`--net=/run/netns/${this.nameOf(name)}`, "sh", "-c", allow], []);
      const adds = addresses.map((address) =>
        `addr add ${address} dev cable${address.includes(":") ? " nodad" : ""}`
      );
      await this.#ip(name, ["link set cable up", ...adds]);
    }
  }

  /** Drops all UDP between two public networks on its way through the core, or lets it pass again. */
  async setWall(first: string, second: string, closed: boolean): Promise<void> {
    const rules = [[first, second], [second, first]].map(([from, to]) =>
      `ip saddr ${from}.0/24 ip daddr ${to}.0/24 meta l4proto udp drop`
    );
    await this.nft(
      "core",
      `
      table ip wall
      delete table ip wall
      table ip wall {
        chain forward { type filter hook forward priority 0; ${closed ? rules.join("\n") : ""}
        }
      }`,
    );
  }

  /**
   * Leads all that goes to or from a public network through a way that delays each packet, and loses
   * some by a seeded chance: the kernel may have no tc netem. The way ends with the lab.
   */
  async setSlow(
    name: string,
    network: string,
    way: { readonly oneWayMs: number; readonly lossPerMille: number; readonly seed: number },
  ): Promise<void> {
    const program = await satellite();
    const child = new Deno.Command("nsenter", {
      args: [
        `--net=/run/netns/${this.nameOf("core")}`,
        program,
        "slow0",
        ...[way.oneWayMs, way.lossPerMille, way.seed].map(String),
      ],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.getReader();
    const { done } = await reader.read();
    await reader.cancel();
    if (done) throw new Error("the slow way did not come up");
    this.#ways.push(child);
    await this.#ip("core", [
      "link set slow0 up",
      "route add default dev slow0 table 100",
      // What comes out of the way is routed on; else it would go in again.
      "rule add pref 100 iif slow0 lookup main",
      `rule add pref 101 iif ${name} lookup 100`,
      `rule add pref 102 to ${network}.0/24 lookup 100`,
    ]);
  }

  /** Loads nftables rules inside a namespace. */
  async nft(name: string, rules: string): Promise<void> {
    await run("nsenter", [`--net=/run/netns/${this.nameOf(name)}`, "nft", "-f", "-"], [rules]);
  }

  /** Sets the link of a host up or down. */
  async setLink(name: string, device: string, up: boolean): Promise<void> {
    await this.#ip(name, [`link set ${device} ${up ? "up" : "down"}`]);
    if (up) await this.#ip(name, [`route replace default via 192.168.1.1`]);
  }

  /** The numbers of the processes in a namespace. */
  async pidsIn(name: string): Promise<number[]> {
    const text = await run("ip", ["netns", "pids", this.nameOf(name)], []);
    return text.split("\n").filter((line) => line !== "").map(Number);
  }

  /** Kills what still runs inside and removes everything. Safe to call twice. */
  async close(): Promise<void> {
    for (const way of this.#ways.splice(0)) {
      try {
        way.kill("SIGKILL");
      } catch { /* it has just ended */ }
      await way.status;
    }
    for (const name of [...this.#made]) {
      await removeNamespace(this.nameOf(name));
      this.#made.delete(name);
    }
  }

  async #addNamespace(name: string, { forwards }: { forwards: boolean }): Promise<void> {
    const whole = this.nameOf(name);
    this.#made.add(name);
    await run("ip", ["-batch", "-"], [`netns add ${whole}`]);
    await this.#ip(name, ["link set lo up"]);
    // No router advertisements or autoconfigured addresses: the lab speaks IPv4 only.
    const settings = ["echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6"];
    if (forwards) settings.push("echo 1 > /proc/sys/net/ipv4/ip_forward");
    await run("nsenter", [`--net=/run/netns/${whole}`, "sh", "-c", settings.join("; ")], []);
  }

  async #connectToCore(name: string, ends: { router: string; address: string }): Promise<void> {
    await run("ip", ["-batch", "-"], [
      `link add wan netns ${this.nameOf(name)} type veth ` +
      `peer name ${name} netns ${this.nameOf("core")}`,
    ]);
    await this.#ip("core", [`addr add ${ends.router} dev ${name}`, `link set ${name} up`]);
    const gateway = ends.router.split("/")[0];
    await this.#ip(name, [
      `addr add ${ends.address} dev wan`,
      "link set wan up",
      `route add default via ${gateway}`,
    ]);
  }

  async #ip(name: string, lines: string[]): Promise<void> {
    // Not `ip -n`, which wants to change mounts: containers and chroots may not permit that.
    await run("nsenter", [`--net=/run/netns/${this.nameOf(name)}`, "ip", "-batch", "-"], lines);
  }
}

/** Labs of one process are told apart by this. */
let serial = 0;

/** The program of slow ways, built once a process; its file goes with the process's directory. */
let built: Promise<string> | undefined;

function satellite(): Promise<string> {
  return built ??= (async () => {
    const dir = await Deno.makeTempDir({ prefix: "omlab" });
    globalThis.addEventListener("unload", () => Deno.removeSync(dir, { recursive: true }));
    const source = new URL("./satellite.c", import.meta.url).pathname;
    const flags = ["-O2", "-Wall", "-Wextra", "-Werror"];
    await run("cc", [...flags, "-o", `${dir}/satellite`, source], []);
    return `${dir}/satellite`;
  })();
}

/** Removes the namespaces of labs whose process has ended, with what still runs in them. */
async function sweep(): Promise<void> {
  const names = await Array.fromAsync(Deno.readDir("/run/netns")).catch(() => []);
  for (const { name } of names) {
    const owner = new RegExp(`^${PREFIX}([0-9]+)-`).exec(name)?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) await removeNamespace(name);
  }
}

function isAlive(pid: number): boolean {
  try {
    Deno.statSync(`/proc/${pid}`);
    return true;
  } catch {
    return false;
  }
}

async function removeNamespace(whole: string): Promise<void> {
  const pids = await run("ip", ["netns", "pids", whole], []).catch(() => "");
  for (const pid of pids.split("\n").filter((line) => line !== "").map(Number)) {
    try {
      Deno.kill(pid, "SIGKILL");
    } catch { /* it has just ended */ }
  }
  await run("ip", ["netns", "delete", whole], []).catch(() => {}); // it may never have been made
}

/** Runs a system program; its output, or an error with what it said. */
async function run(program: string, args: string[], input: string[]): Promise<string> {
  const child = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input.join("\n") + "\n")).catch(() => {});
  await writer.close().catch(() => {}); // it may have ended without reading
  const { success, stdout, stderr } = await child.output();
  if (!success) {
    const said = new TextDecoder().decode(stderr).trim();
    throw new Error(`${program} ${args.join(" ")} failed: ${said}\n${input.join("\n")}`);
  }
  return new TextDecoder().decode(stdout);
}
