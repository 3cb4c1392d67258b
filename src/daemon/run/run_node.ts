/**
 * Runs a node from its lock to its last farewell.
 *
 * ```text
 *  lock ─▶ key, database ─▶ UDP port ─▶ loop ─▶ join ─▶ relay, provider, consumer ─▶ API ─▶ ready
 *                                                     stop, signal, disuse ─▶ everything in reverse
 * ```
 *
 * @module
 */
import { createApi } from "../../api/server.ts";
import type { NodeReadyDoc } from "../../api/nouns/node.ts";
import type { RunNodeOptions } from "../options.ts";
import { sshCommand } from "../../api/ssh_command.ts";
import { type NetworkId, OmertaError, type Path, VERSION } from "../../base/mod.ts";
import { generateKeyPair, identityFromSeed } from "../../crypto/mod.ts";
import { assetPath } from "../../host/assets.ts";
import { buildId } from "../../host/build.ts";
import { loadIdentitySeed } from "../../host/state/identity_file.ts";
import { createLog, type Log, type LogLevel, openLogFile } from "../../host/log.ts";
import { type NetEvent, type NetHost, openNet } from "../../host/net/net.ts";
import { openState, type StatePaths } from "../../host/state/state.ts";
import { acquireState } from "../../host/state/state_lock.ts";
import { openStore, type Store } from "../../host/store/mod.ts";
import { monotonicNow, systemRandom, wallNowMs } from "../../host/system.ts";
import { resolveHostPort } from "../../host/resolve.ts";
import { programArguments } from "../../host/terminal.ts";
import { serveUnix } from "../../host/process/unix_server.ts";
import { type Member, peerVerifier } from "../../membership/mod.ts";
import { type LingerIn, LingerMachine, type LingerOut, NodeMachine } from "../../node/mod.ts";
import type { AcceleratorVerdict } from "../../host/vm/accelerator.ts";
import { Consumer } from "../renting/consumer.ts";
import type { Context, LoopOfRooms } from "../context.ts";
import { INVITE_FIRST } from "../networks/inviting.ts";
import { joinNetwork, readInvite } from "../networks/joining.ts";
import { openContext } from "./ports.ts";
import { HOST_CLOCK, HostTimers } from "./timers.ts";
import { KnownProviders } from "../renting/known_providers.ts";
import { Loop } from "./loop.ts";
import { openMarket } from "../renting/market.ts";
import { apiTable } from "../api/mod.ts";
import { netEvents } from "./net_events.ts";
import { Networks } from "../networks/networks.ts";
import { takeOffer } from "../mesh/offers.ts";
import { makeInvite, networkDocs, type NodeParts, ownFacts, Standing } from "./node.ts";
import { type OpenedProvider, openProvider } from "./open_provider.ts";
import { Peers } from "../mesh/peers.ts";
import type { Provider } from "../lending/provider.ts";
import { Reach } from "../mesh/reach.ts";
import { RelayService } from "../mesh/relay_service.ts";
import { Relays } from "../mesh/relays.ts";
import { SshKeys } from "../../host/ssh_keys.ts";
import { Tunnels } from "../streams/tunnels.ts";
import { within } from "../../host/waiting.ts";

/** The relay's usual port. Source: the command line's contract. */
const RELAY_PORT = 9_000;
/** The name of a network that `omerta relay` makes by itself. */
const FIRST_NETWORK = "home";
/** How long a node that others are to find waits for its relays before it says that it is ready. */
const ANNOUNCE_MS = 3_000;
/** How long a provider looks for its VMs of before a restart until it says that it is ready. Guess. */
const TAKE_UP_MS = 2_000;
/** How often certificates of connected members are judged again. Source: requirement S02 (60 s). */
const JUDGE_MS = 30_000;

/**
 * Runs a node until it is told to stop; resolves at a clean end.
 *
 * @throws {OmertaError} what keeps it from starting: `node-running`, `port-taken`, `key-mode`,
 * `state-damaged`, what is wrong with an invite, `qemu-missing`, …
 */
export async function runNode(options: RunNodeOptions): Promise<void> {
  const paths = openState(options.state);
  const build = buildId();
  const lock = await acquireState(paths, { mode: options.mode, build, signal: options.signal });
  if (lock === undefined) return; // Another node serves: there is nothing to do.
  try {
    await new NodeRun(options, paths, build).run();
  } finally {
    lock.release();
  }
}

/** One run of a node: what was opened, to be closed in reverse. */
class NodeRun {
  readonly #options: RunNodeOptions;
  readonly #paths: StatePaths;
  readonly #build: string;
  readonly #log: Log;
  readonly #closers: (() => unknown)[] = [];
  readonly #ended = Promise.withResolvers<void>();
  readonly #linger: LingerMachine;
  #lingerTimer: ReturnType<typeof setTimeout> | undefined;
  #onNetEvent: (event: NetEvent) => void = () => {};
  #alias: string | null;
  /** Whether it gives way to another node: then the calls that run are finished before. */
  #yields = false;

  constructor(options: RunNodeOptions, paths: StatePaths, build: string) {
    this.#options = options;
    this.#paths = paths;
    this.#build = build;
    this.#alias = options.alias;
    const { mode, lingerMs } = options;
    const write = mode === "background" ? this.#ownLog() : options.log;
    this.#log = createLog({ level: logLevel(), nowMs: wallNowMs, write });
    this.#linger = new LingerMachine({ mode, lingerMs, now: monotonicNow() });
  }

  /** A background node's log is a file that it rotates itself; its streams append to it, too. */
  #ownLog(): (line: string) => void {
    const file = openLogFile(this.#paths.log);
    this.#closers.push(() => file.close());
    return (line) => file.write(line);
  }

  async run(): Promise<void> {
    // VMs hang on this process: a promise that nobody waited for is a defect, not its end.
    const onRejection = (event: PromiseRejectionEvent) => {
      event.preventDefault();
      this.#defect(event.reason, "in the background");
    };
    const onError = (event: ErrorEvent) => {
      event.preventDefault();
      this.#defect(event.error, "in a timer");
    };
    globalThis.addEventListener("unhandledrejection", onRejection);
    globalThis.addEventListener("error", onError);
    this.#closers.push(() => globalThis.removeEventListener("unhandledrejection", onRejection));
    this.#closers.push(() => globalThis.removeEventListener("error", onError));
    try {
      await this.#start();
      await this.#ended.promise;
    } finally {
      clearTimeout(this.#lingerTimer);
      await this.#close();
    }
  }

  /** Closes everything in reverse; what cannot be closed keeps nothing else open. */
  async #close(): Promise<void> {
    const failures: unknown[] = [];
    for (const close of this.#closers.toReversed()) {
      try {
        await close();
      } catch (error) {
        this.#defect(error, "at its end");
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  async #start(): Promise<void> {
    if (this.#options.mode === "background") {
      this.#log.info("a background node starts", { pid: Deno.pid, version: VERSION });
    }
    const identity = identityFromSeed(loadIdentitySeed(this.#paths, systemRandom));
    const store = openStore(this.#paths.database);
    this.#closers.push(() => store.close());
    for (const { rowid: _, ...row } of store.setAside) {
      this.#log.error("a damaged row of the database was set aside", row);
    }
    this.#alias ??= store.values.get("alias") ?? null;
    if (this.#options.alias !== null) store.values.put("alias", this.#options.alias);
    const { net, deliver } = await this.#openNet(store);
    const timers = new HostTimers();
    this.#closers.push(() => timers.close());
    const background = (what: string, task: () => Promise<unknown>) => this.#background(what, task);
    const shared = {
      paths: this.#paths,
      store,
      identity,
      staticKey: generateKeyPair(systemRandom),
      net,
      log: this.#log,
      random: systemRandom,
      background,
      timers,
      ...HOST_CLOCK,
    };
    const networks = new Networks(shared, () => this.#alias);
    const verifyPeer = peerVerifier({
      revocationsOf: (network) => networks.revocationsOf(network),
      nowMs: wallNowMs,
    });
    const { staticKey } = shared;
    const machine = new NodeMachine<Member>({
      identity,
      staticKey,
      random: systemRandom,
      verifyPeer,
      direct: isDirectWanted(),
    });
    const loop = new Loop({
      machine,
      net,
      now: monotonicNow,
      resolve: resolveHostPort,
      keep: (key, value) => store.values.put(key, value),
      log: this.#log,
      onDefect: (error) => this.#defect(error),
    });
    this.#closers.push(() => loop.close());
    deliver((path, bytes) => loop.input({ type: "datagram", path, bytes }));
    const reach = Promise.withResolvers<Reach>();
    const context = openContext(shared, loop, {
      reach: async (peer, options) => await (await reach.promise).peer(peer, options),
      onDefect: (error) => this.#defect(error),
    });
    await this.#compose(context, networks, reach.resolve);
  }

  async #compose(
    context: Context,
    networks: Networks,
    reaches: (reach: Reach) => void,
  ): Promise<void> {
    const standing = new Standing(this.#options, context);
    this.#closers.push(() => standing.close());
    const peers = new Peers(context);
    let provider: Provider | null = null;
    let accelerator: AcceleratorVerdict | null = null;
    const facts = () => ownFacts(this.#alias, standing, provider, accelerator);
    const relays = new Relays(context, { networks, peers, facts });
    const reach = new Reach(context, { networks, peers, relays });
    reaches(reach);
    const tunnels = new Tunnels(context.net);
    const market = openMarket(context, { networks, peers, relays });
    const consumer = this.#openConsumer(context, { reach, tunnels, market, peers });
    this.#closers.push(() => relays.close(), () => consumer.close());
    this.#serveMembers(context, networks, peers);
    tellNetworks(context.loop, networks);
    await standing.start();
    this.#unlessEnded();
    const made = await this.#enterNetwork(context, networks, standing);
    this.#unlessEnded();
    for (const role of standing.roles) networks.requireRole(role);
    const limits = this.#options.relay;
    const relay = this.#options.roles.relay
      ? new RelayService(context, { networks, peers, limits })
      : null;
    if (relay !== null) this.#closers.push(() => relay.close());
    if (this.#options.roles.provider) {
      ({ provider, accelerator } = await this.#openProvider(context, relays));
      this.#unlessEnded();
    }
    const node: NodeParts = {
      context,
      networks,
      peers,
      relays,
      reach,
      tunnels,
      consumer,
      market,
      relay,
      provider,
      accelerator,
    };
    this.#follow(node);
    relays.keep();
    consumer.resume();
    if (this.#options.mode === "foreground") {
      const limits = [AbortSignal.timeout(ANNOUNCE_MS), this.#options.signal];
      await relays.announce(AbortSignal.any(limits));
      this.#unlessEnded();
    }
    this.#serveApi(node, standing);
    this.#options.onReady(this.#ready(node, standing, made));
    this.#step({ type: "wake" });
  }

  /** Leaves a start that a signal has ended: what was opened is closed, and nothing is said. */
  #unlessEnded(): void {
    this.#options.signal.throwIfAborted();
  }

  async #openProvider(context: Context, relays: Relays): Promise<OpenedProvider> {
    const opened = await openProvider(context, {
      asked: this.#options.provider,
      onChange: () => relays.publishSoon(),
    });
    this.#closers.push(() => opened.accelerator?.close(), () => this.#letGo(opened.provider));
    // Calls are served from now on; a VM that does not answer keeps nobody waiting.
    const started = opened.provider.start();
    this.#background("take up VMs", () => started);
    await within(TAKE_UP_MS, started, () => {});
    return opened;
  }

  #openConsumer(
    context: Context,
    parts: Pick<NodeParts, "reach" | "tunnels" | "market" | "peers">,
  ): Consumer {
    const { peers, ...shared } = parts;
    const self = { program: programArguments(), state: this.#paths.dir };
    return new Consumer({
      context,
      ...shared,
      sshKeys: new SshKeys(this.#paths),
      known: new KnownProviders(context),
      sshCommand: (target) =>
        sshCommand({
          id: target.id,
          name: target.name,
          user: target.user,
          identityFile: target.identity_file,
          knownHostsFile: target.known_hosts_file,
        }, self),
      pathTo: (peer) => peers.pathTo(peer),
    });
  }

  // Opening --------------------------------------------------------------------------------------

  async #openNet(store: Store): Promise<{
    net: NetHost;
    deliver: (receive: (path: Path, bytes: Uint8Array) => void) => void;
  }> {
    const library = await assetPath("libomerta_net.so", this.#paths.dir);
    let receive: (path: Path, bytes: Uint8Array) => void = () => {};
    const open = (port: number) =>
      openNet({
        port,
        streamSocket: this.#paths.streamSocket,
        library,
        onDatagram: (path, bytes) => receive(path, bytes),
        onEvent: (event) => this.#onEvent(event),
      });
    const net = this.#openPort(store, open);
    this.#closers.push(() => net.close());
    store.values.put("port", net.port);
    return { net, deliver: (to) => receive = to };
  }

  /** The port that was asked for; else the last one, and where that is taken, any. */
  #openPort(store: Store, open: (port: number) => NetHost): NetHost {
    if (this.#options.port !== null) return open(this.#options.port);
    const last = store.values.get("port");
    if (typeof last !== "number") return open(this.#options.roles.relay ? RELAY_PORT : 0);
    try {
      return open(last);
    } catch (error) {
      const isTaken = error instanceof OmertaError && error.code === "port-taken";
      if (!isTaken || this.#options.roles.relay) throw error;
      this.#log.warn("the last UDP port is taken: another one is used", { port: last });
      return open(0);
    }
  }

  /** Redeems the invite, or lets a relay without a network begin one. */
  async #enterNetwork(
    context: Context,
    networks: Networks,
    standing: Standing,
  ): Promise<{ created: boolean; invite: string | null }> {
    const { invite, roles, signal } = this.#options;
    if (invite === null && (roles.relay || roles.provider)) networks.requireSound();
    if (invite !== null) {
      readInvite(invite, wallNowMs());
      const alias = () => this.#alias;
      await joinNetwork({ context, networks, alias }, invite, signal);
    } else if (networks.list().length === 0 && roles.relay) {
      const joined = networks.create(FIRST_NETWORK);
      if (!this.#options.showsInvite) return { created: true, invite: null };
      try {
        const made = makeInvite(networks, standing, joined, INVITE_FIRST);
        if (made.lanOnly) this.#warnLanOnly();
        return { created: true, invite: made.text };
      } catch (error) {
        if (!(error instanceof OmertaError) || error.code !== "invite-unreachable") throw error;
        this.#warnLanOnly();
        return { created: true, invite: null };
      }
    } else if (networks.list().length === 0 && roles.provider) {
      throw new OmertaError("no-network", "A provider needs a network to lend in", {
        hint: "Give an invite: 'omerta provider --join -' takes it from stdin.",
      });
    }
    return { created: false, invite: null };
  }

  #warnLanOnly(): void {
    this.#log.warn(
      "no public address is known here: invites lead to this LAN only. Behind a 1:1 " +
        "NAT, as in most clouds, give the public one with --advertise HOST",
    );
  }

  /** The provider ends, its VMs do not: their owner on this machine is told until when. */
  #letGo(provider: Provider): void {
    for (const { id, deadline } of provider.living()) {
      const until = new Date(wallNowMs() + (deadline - monotonicNow())).toISOString();
      this.#log.info(`VM ${id} lives on until ${until} unless its lease is renewed`);
    }
    provider.detach();
  }

  // Serving --------------------------------------------------------------------------------------

  #serveMembers({ loop }: Context, networks: Networks, peers: Peers): void {
    loop.serve("redeem", (caller, question) => networks.redeem(caller, question));
    loop.serve("renew", (caller, question) => networks.renew(caller, question));
    loop.serve("relay.offer", ({ peer }, offer) => takeOffer({ loop, peers }, peer, offer));
  }

  #follow(node: NodeParts): void {
    const { context, consumer, peers, networks, tunnels } = node;
    context.loop.listen((event) => {
      if (event.type === "peer-up" && event.kind === "epoch") {
        consumer.onPeerUp(event.peer);
        if (!event.renewed && peers.holds(event.peer, "relay")) this.#warmPaths(node);
      }
      if (event.type === "peer-down" && event.kind === "epoch") {
        consumer.tunnels.onPeerDown(event.peer);
      }
      if (event.type === "moved" && event.to !== null) {
        this.#log.debug("a path moved", { peer: event.peer, from: event.from, to: event.to });
      }
    });
    this.#onNetEvent = netEvents({
      loop: context.loop,
      tunnels,
      nameOf: (tunnel) => consumer.tunnels.nameOf(tunnel),
      hold: (name, open) => this.#step({ type: "hold", name, open }),
      defect: (error, where) => this.#defect(error, where),
      log: this.#log,
    });
    const judge = setInterval(() => {
      networks.refresh();
      judgeMembers(context, peers, networks);
    }, JUDGE_MS);
    this.#closers.push(() => clearInterval(judge));
  }

  /** A relay came (back): peers with a tunnel get their second path through it. */
  #warmPaths({ consumer, context, reach }: NodeParts): void {
    for (const peer of consumer.tunnels.busyPeers()) {
      const paths = context.loop.machine.pathsOf(peer, context.now());
      if (paths.length === 0 || paths.some(({ relayed }) => relayed)) continue;
      this.#background("keep a second path warm", () => reach.addRelayedPath(peer));
    }
  }

  #serveApi(node: NodeParts, standing: Standing): void {
    // In a turn of its own, so that the answer to whoever asked for it is out before.
    const end = () => void setTimeout(() => this.#ended.resolve(), 0);
    const table = apiTable({
      options: this.#options,
      node,
      standing,
      build: this.#build,
      alias: () => this.#alias,
      linger: this.#linger,
      end,
      yieldNode: () => {
        this.#yields = true;
        end();
      },
      hold: (name, open) => this.#step({ type: "hold", name, open }),
      expect: (ms) => this.#step({ type: "expect", ms }),
    });
    const api = createApi(table, {
      onDefect: (method, error) => this.#defect(error, method),
      onCalls: (running) => this.#step({ type: "calls", running }),
    });
    const server = serveUnix(this.#paths.socket, (request) => api.fetch(request));
    this.#options.signal.addEventListener("abort", end, { once: true });
    if (this.#options.signal.aborted) end();
    this.#closers.push(async () => {
      api.refuse();
      if (this.#yields) await api.drained();
      api.abort(new OmertaError("no-node", "The node is ending"));
      this.#farewell(node);
      await server.close();
    });
  }

  /** Tells the peers that this node goes, so that they need not find out. */
  #farewell({ peers, context }: NodeParts): void {
    for (const peer of peers.connected()) {
      context.loop.input({ type: "disconnect", peer, kind: "epoch" });
    }
  }

  #ready(
    node: NodeParts,
    standing: Standing,
    made: { readonly created: boolean; readonly invite: string | null },
  ): NodeReadyDoc {
    return {
      node: { id: node.context.identity.id, alias: this.#alias },
      port: node.context.net.port,
      roles: standing.roles,
      networks: networkDocs(node.networks),
      network_created: made.created,
      invite: made.invite,
    };
  }

  // Inside ---------------------------------------------------------------------------------------

  #step(input: LingerIn): void {
    const out: LingerOut[] = [];
    this.#linger.handle(input, monotonicNow(), out);
    if (out.length > 0) return this.#ended.resolve();
    clearTimeout(this.#lingerTimer);
    const at = this.#linger.wakeup()?.at;
    if (at === undefined) return;
    const waitMs = Math.max(0, at - monotonicNow());
    this.#lingerTimer = setTimeout(() => this.#step({ type: "wake" }), waitMs);
  }

  /** One event that meets a defect must not keep the native library's next ones from coming. */
  #onEvent(event: NetEvent): void {
    try {
      this.#onNetEvent(event);
    } catch (error) {
      this.#defect(error, `at the event ${event.type}`);
    }
  }

  #background(what: string, task: () => Promise<unknown>): void {
    task().catch((error) => {
      if (error instanceof OmertaError) this.#log.warn(`${what}: ${error.message}`);
      else this.#defect(error, what);
    });
  }

  #defect(error: unknown, where = ""): void {
    this.#log.error(`a defect of omerta ${where}`, { error });
  }
}

/** Tells the node machine now, and at every change, by which keys members and joiners may come. */
function tellNetworks(loop: LoopOfRooms, networks: Networks): void {
  let known = new Set<NetworkId>();
  const tell = () => {
    const [keys, refused] = [networks.acceptedKeys(), networks.refusedKeys()];
    loop.input({ type: "keys", keys, refused });
    const joined = networks.list();
    for (const each of joined) {
      const [key, payload] = [networks.key(each), networks.shown(each)];
      loop.input({ type: "network", network: each.row.id, key, payload });
    }
    const now = new Set(joined.map(({ row }) => row.id));
    for (const network of known.difference(now)) loop.input({ type: "network-gone", network });
    known = now;
  };
  networks.onChange(tell);
  tell();
}

/** Ends the sessions of members whose certificate holds no longer. */
function judgeMembers(context: Context, peers: Peers, networks: Networks): void {
  for (const peer of peers.connected()) {
    const why = peers.reasonToLeave(peer, networks);
    if (why === undefined) continue;
    context.log.warn("a member's certificate holds no longer", { peer, why });
    context.loop.input({ type: "disconnect", peer, kind: "epoch" });
  }
}

/** `OMERTA_DIRECT=never` keeps peers on the relay through which they were reached. */
function isDirectWanted(): boolean {
  return Deno.env.get("OMERTA_DIRECT") !== "never";
}

function logLevel(): LogLevel {
  const asked = Deno.env.get("OMERTA_LOG");
  return asked === "debug" || asked === "warn" || asked === "error" ? asked : "info";
}
