/**
 * Runs a node from its lock to its last farewell.
 *
 * ```text
 *  lock ─▶ key, database ─▶ UDP port ─▶ loop ─▶ join ─▶ relay, provider, renter ─▶ API ─▶ ready
 *                                                     stop, signal, disuse ─▶ everything in reverse
 * ```
 *
 * @module
 */
import type { NodeReadyDoc } from "../../api/nouns/node.ts";
import type { RunNodeOptions } from "../options.ts";
import { type NetworkId, OmertaError, type Path, VERSION } from "../../base/mod.ts";
import { generateKeyPair, identityFromSeed } from "../../crypto/mod.ts";
import { buildId } from "../../host/build.ts";
import { loadIdentitySeed } from "../../host/state/identity_file.ts";
import type { Log } from "../../host/log.ts";
import type { NetEvent } from "../../host/net/net.ts";
import { openState, type StatePaths } from "../../host/state/state.ts";
import { acquireState } from "../../host/state/state_lock.ts";
import { openStore } from "../../host/store/mod.ts";
import { monotonicNow, systemRandom, wallNowMs } from "../../host/system.ts";
import { resolveHostPort } from "../../host/resolve.ts";
import { type Member, peerVerifier } from "../../membership/mod.ts";
import { NodeMachine } from "../../node/mod.ts";
import type { AcceleratorVerdict } from "../../host/vm/accelerator.ts";
import type { Context, Ground } from "./context.ts";
import { type Entered, enterNetwork } from "./entering.ts";
import { Lingering } from "./lingering.ts";
import { isDirectWanted, openLog, type OpenNet, openPort } from "./opening.ts";
import { judgeMembers, Memberships } from "./members.ts";
import { openContext } from "./ports.ts";
import type { Searches } from "./searches.ts";
import { HOST_CLOCK, HostTimers } from "./timers.ts";
import { Loop } from "./loop.ts";
import { openMarket } from "./provider_market.ts";
import { openRenter } from "./open_renter.ts";
import { Closers, outliveStrays } from "./ending.ts";
import { serveApi } from "./serving.ts";
import { netEvents } from "./net_events.ts";
import { Networks } from "../networks/networks.ts";
import { networkDocs } from "../api/network_doc.ts";
import { Endpoints } from "./endpoints.ts";
import { type NodeParts, ownFacts, rolesOf } from "./node.ts";
import { type OpenedProvider, openProvider } from "./open_provider.ts";
import type { Provider } from "../lending/provider.ts";
import { driveRelay } from "./relay_driver.ts";
import { keepRenewed } from "../networks/renewing.ts";
import { relayLimits } from "../../relay/mod.ts";
import { within } from "../../host/waiting.ts";

/** How long a node that others are to find waits for its relays before it says that it is ready. */
const ANNOUNCE_MS = 3_000;
/** How long a provider looks for its VMs of before a restart until it says that it is ready. Guess. */
const TAKE_UP_MS = 2_000;

/**
 * Runs a node until it is told to stop; resolves at a clean end.
 *
 * @throws {OmertaError} what keeps it from starting: `node-running`, `port-taken`, `key-mode`,
 * `state-damaged`, what is wrong with an invite, `qemu-missing`, …
 * @param openNet What carries its datagrams, where that is not the native library: a network in memory.
 */
export async function runNode(
  options: RunNodeOptions,
  openNet: OpenNet | null = null,
): Promise<void> {
  const paths = openState(options.state);
  const build = buildId();
  const lock = await acquireState(paths, { mode: options.mode, build, signal: options.signal });
  if (lock === undefined) return; // Another node serves: there is nothing to do.
  try {
    await new NodeRun(options, { paths, build, openNet }).run();
  } finally {
    lock.release();
  }
}

/** One run of a node: what was opened, to be closed in reverse. */
class NodeRun {
  readonly #options: RunNodeOptions;
  readonly #paths: StatePaths;
  readonly #build: string;
  readonly #openNet: OpenNet | null;
  readonly #log: Log;
  readonly #closers = new Closers();
  readonly #ended = Promise.withResolvers<void>();
  readonly #timers: HostTimers;
  readonly #linger: Lingering;
  #onDatagram: (path: Path, bytes: Uint8Array) => void = () => {};
  #onNetEvent: (event: NetEvent) => void = () => {};
  readonly #startedAtMs = wallNowMs();
  #alias: string | null;

  constructor(
    options: RunNodeOptions,
    { paths, build, openNet }: {
      readonly paths: StatePaths;
      readonly build: string;
      readonly openNet: OpenNet | null;
    },
  ) {
    this.#options = options;
    this.#paths = paths;
    this.#build = build;
    this.#openNet = openNet;
    this.#alias = options.alias;
    const { mode, lingerMs } = options;
    const { log, close } = openLog(options, paths);
    this.#log = log;
    const timers = new HostTimers();
    this.#timers = timers;
    this.#closers.push(close, () => timers.close());
    const onEnd = () => this.#ended.resolve();
    this.#linger = new Lingering({ mode, lingerMs, clock: HOST_CLOCK, timers, onEnd });
  }

  async run(): Promise<void> {
    const onDefect = (error: unknown, where: string) => this.#defect(error, where);
    this.#closers.push(outliveStrays(onDefect));
    try {
      await this.#start();
      await this.#ended.promise;
    } finally {
      await this.#closers.close(onDefect);
    }
  }

  async #start(): Promise<void> {
    if (this.#options.mode === "background") {
      this.#log.info("a background node starts", { pid: Deno.pid, version: VERSION });
    }
    const ground = await this.#open();
    const records = { list: (network: NetworkId) => loop.view.records.records(network) };
    const networks = new Networks({ ...ground, records }, () => this.#alias);
    const loop: Loop = this.#openLoop(ground, networks);
    const opened = openContext(ground, loop, {
      networkName: (network) => networks.get(network)?.row.name ?? network,
      onDefect: (error) => this.#defect(error),
    });
    this.#closers.push(() => opened.searches.close());
    await this.#compose(loop, opened, networks);
  }

  /** The state, the keys and the port. */
  async #open(): Promise<Ground> {
    const identity = identityFromSeed(loadIdentitySeed(this.#paths, systemRandom));
    const store = openStore(this.#paths.database);
    this.#closers.push(() => store.close());
    for (const { rowid: _, ...row } of store.setAside) {
      this.#log.error("a damaged row of the database was set aside", row);
    }
    this.#alias ??= store.values.get("alias") ?? null;
    if (this.#options.alias !== null) store.values.put("alias", this.#options.alias);
    const [paths, log, openNet] = [this.#paths, this.#log, this.#openNet];
    const net = await openPort(this.#options, { paths, store, log, openNet }, {
      onDatagram: (path, bytes) => this.#onDatagram(path, bytes),
      onEvent: (event) => this.#onEvent(event),
    });
    this.#closers.push(() => net.close());
    return {
      paths: this.#paths,
      store,
      identity,
      staticKey: generateKeyPair(systemRandom),
      net,
      log: this.#log,
      random: systemRandom,
      background: (what, task) => this.#background(what, task),
      timers: this.#timers,
      ...HOST_CLOCK,
    };
  }

  #openLoop({ identity, staticKey, random, store, net, log }: Ground, networks: Networks): Loop {
    const machine = new NodeMachine<Member>({
      identity,
      staticKey,
      random,
      verifyPeer: peerVerifier({
        revocationsOf: (network) => networks.revocationsOf(network),
        nowMs: wallNowMs,
      }),
      direct: isDirectWanted(),
      lastRecordSeq: store.values.get("record-seq") ?? 0,
      wallMs: wallNowMs,
    });
    const loop = new Loop({
      machine,
      net,
      now: monotonicNow,
      resolve: resolveHostPort,
      keep: (key, value) => store.values.put(key, value),
      log,
      onDefect: (error) => this.#defect(error),
    });
    this.#closers.push(() => loop.close());
    this.#onDatagram = (path, bytes) => loop.input({ type: "datagram", path, bytes });
    return loop;
  }

  async #compose(
    loop: Loop,
    { context, searches }: { readonly context: Context; readonly searches: Searches },
    networks: Networks,
  ): Promise<void> {
    const alias = () => this.#alias;
    const { net, log, calls } = context;
    const endpoints = new Endpoints({ options: this.#options, port: net.port, log });
    this.#closers.push(() => endpoints.close());
    const roles = rolesOf(this.#options);
    let provider: Provider | null = null;
    let accelerator: AcceleratorVerdict | null = null;
    const facts = () => ownFacts({ alias: alias(), roles, endpoints, provider, accelerator });
    const market = openMarket(context, networks);
    const { renter, tunnels } = openRenter(context, market);
    this.#closers.push(() => tunnels.end(), () => renter.end());
    calls.serve("redeem", (caller, question) => networks.redeem(caller, question));
    calls.serve("renew", (caller, question) => networks.renew(caller, question));
    driveRelay({ loop, net, log });
    keepRenewed({ ...context, networks });
    const memberships = new Memberships(loop, { networks, facts });
    await endpoints.start((local, advertised) => {
      loop.input({ type: "local", local, advertised });
      memberships.tellFacts();
    });
    this.#unlessEnded();
    const made = await enterNetwork(this.#options, { context, networks, endpoints, alias });
    this.#unlessEnded();
    for (const role of roles) networks.requireRole(role);
    if (this.#options.roles.relay) {
      const limits = relayLimits(this.#options.relay);
      loop.input({ type: "relay-serve", limits });
    }
    if (this.#options.roles.provider) {
      ({ provider, accelerator } = await this.#openProvider(context, memberships));
      this.#unlessEnded();
    }
    const node: NodeParts = {
      context,
      startedAtMs: this.#startedAtMs,
      networks,
      tunnels,
      renter,
      market,
      provider,
      accelerator,
    };
    this.#follow(node, loop);
    memberships.enter();
    renter.resume();
    if (this.#options.mode === "foreground") {
      await searches.announce(ANNOUNCE_MS, this.#options.signal);
      this.#unlessEnded();
    }
    this.#serve(node, endpoints);
    this.#options.onReady(this.#ready(node, made));
    this.#linger.step({ type: "wake" });
  }

  /** Leaves a start that a signal has ended: what was opened is closed, and nothing is said. */
  #unlessEnded(): void {
    this.#options.signal.throwIfAborted();
  }

  async #openProvider(context: Context, memberships: Memberships): Promise<OpenedProvider> {
    const opened = await openProvider(context, {
      asked: this.#options.provider,
      onChange: () => memberships.tellFacts(),
    });
    this.#closers.push(() => opened.accelerator?.close(), () => this.#letGo(opened.provider));
    // Calls are served from now on; a VM that does not answer keeps nobody waiting.
    const started = opened.provider.start();
    this.#background("take up VMs", () => started);
    await within(TAKE_UP_MS, started, () => {});
    return opened;
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

  #follow(node: NodeParts, loop: Loop): void {
    const { context, networks, tunnels } = node;
    loop.listen((event) => {
      if (event.type === "moved" && event.to !== null) {
        this.#log.debug("a path moved", { peer: event.peer, from: event.from, to: event.to });
      }
    });
    this.#onNetEvent = netEvents({
      loop,
      tunnels,
      nameOf: (tunnel) => tunnels.nameOf(tunnel),
      hold: (name, open) => this.#linger.step({ type: "hold", name, open }),
      defect: (error, where) => this.#defect(error, where),
      log: this.#log,
    });
    this.#closers.push(judgeMembers(context, networks));
  }

  #serve(node: NodeParts, endpoints: Endpoints): void {
    this.#closers.push(serveApi({
      options: this.#options,
      node,
      endpoints,
      build: this.#build,
      alias: () => this.#alias,
      socket: this.#paths.socket,
      linger: this.#linger,
      onEnd: () => this.#ended.resolve(),
      onDefect: (error, where) => this.#defect(error, where),
    }));
  }

  #ready(
    node: NodeParts,
    made: Entered,
  ): NodeReadyDoc {
    return {
      node: { id: node.context.identity.id, alias: this.#alias },
      port: node.context.net.port,
      roles: rolesOf(this.#options),
      networks: networkDocs(node.networks),
      network_created: made.created,
      invite: made.invite,
    };
  }

  // Inside ---------------------------------------------------------------------------------------

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
