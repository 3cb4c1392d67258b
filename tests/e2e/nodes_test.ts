/** Nodes and their state: one node per directory, clear words for what is damaged, missing or taken. */
import {
  assert,
  assertEquals,
  assertMatch,
  type Doc,
  freePort,
  type Host,
  OMERTA,
  startProvider,
  startRelay,
  until,
} from "./lab.ts";
import { e2e } from "./lab/e2e.ts";

e2e("a command that needs a node says that none runs and where it looked", {}, async (lab) => {
  for (const words of [["mesh", "status"], ["mesh", "peers"], ["relay", "status"]]) {
    const error = await lab.relay.fails(words, { exit: 4, code: "no-node" });
    assert(error.message.includes(lab.relay.state), `no state directory in: ${error.message}`);
    assert(error.hint !== null && error.hint !== "", "no hint");
  }
  assertEquals(lab.relay.processes(), [], "processes after commands without a node");
});

e2e("mesh stop where no node runs is done, not an error", {}, async (lab) => {
  const outcome = await lab.relay.run(["mesh", "stop"]);
  assertEquals(outcome.code, 0, `exit status (${outcome.stderr})`);
});

e2e("a second foreground node on one state directory is refused", { binary: true }, async (lab) => {
  const { node } = await startRelay(lab.relay);
  const error = await lab.relay.fails(["mesh", "run"], { exit: 8, code: "node-running" });
  assertMatch(
    JSON.stringify(error),
    new RegExp(`${node.pid}`),
    "the error does not say which node",
  );
  const status = await lab.relay.json(["mesh", "status"]);
  assertEquals(status.node.pid, node.pid, "the node that serves");
});

e2e("two commands at once start one node, and both are served", {}, async (lab) => {
  const commands = ["one", "two", "three"].map((name) =>
    lab.consumer.json(["network", "create", name])
  );
  await Promise.all(commands);
  const { networks } = await lab.consumer.json(["network", "list"]);
  assertEquals(
    networks.map((one: Doc) => one.name).sort(),
    ["one", "three", "two"],
    "the networks",
  );
  assertEquals(nodesOf(lab.consumer).length, 1, "nodes on the state directory");
  await lab.consumer.json(["mesh", "stop"]);
  await lab.consumer.idle();
});

e2e("a background node ends by itself after its last use", {}, async (lab) => {
  await lab.consumer.json(["network", "create", "home"], { env: { OMERTA_LINGER: "1s" } });
  assertEquals(nodesOf(lab.consumer).length, 1, "nodes after a command");
  await lab.consumer.idle(15_000);
});

e2e("a background node gives way to a foreground node at once", {}, async (lab) => {
  await lab.consumer.json(["network", "create", "home"]);
  const [node, ready] = await lab.consumer.node(["mesh", "run"]);
  assertEquals(ready.networks.map((one: Doc) => one.name), ["home"], "networks of the new node");
  assertEquals(
    (await lab.consumer.json(["mesh", "status"])).node.pid,
    node.pid,
    "the node that serves",
  );
  assertEquals((await node.stop()).code, 0, "status at SIGTERM");
  await lab.consumer.idle();
});

e2e("a port that another program uses is named, and nothing is left behind", {}, async (lab) => {
  const { port } = await startRelay(lab.relay);
  const error = await lab.provider.fails(["relay", "--port", `${port}`], {
    exit: 8,
    code: "port-taken",
  });
  assert(error.message.includes(`${port}`), `no port in: ${error.message}`);
  await lab.provider.idle();
});

e2e("a node keeps its port and its identity over a restart", {}, async (lab) => {
  const first = await startRelay(lab.relay);
  assertEquals((await first.node.stop()).code, 0, "status at SIGTERM");
  const [node, second] = await lab.relay.node(["relay"]);
  assertEquals(second.node.id, first.ready.node.id, "the node's id");
  assertEquals(second.port, first.port, "the port");
  assertEquals(second.network_created, false, "network_created of a second start");
  assertEquals(second.invite, null, "the invite of a second start");
  await node.stop();
});

e2e("a node says farewell at SIGINT too and ends with 0", {}, async (lab) => {
  const { node } = await startRelay(lab.relay);
  assertEquals((await node.stop("SIGINT")).code, 0, "status at SIGINT");
  await lab.relay.idle();
});

e2e("a command works in a directory under a broken package.json", { binary: true }, async (lab) => {
  const cwd = `${lab.dir}/broken/inner`;
  await Deno.mkdir(cwd, { recursive: true });
  await Deno.writeTextFile(`${lab.dir}/broken/package.json`, "{ broken");
  await Deno.writeTextFile(`${lab.dir}/broken/deno.json`, "{ broken");
  const { network } = await lab.consumer.json(["network", "create", "home"], { cwd });
  assertEquals(network.name, "home", "the network that a background node made");
});

e2e("a key file that others may read is refused", {}, async (lab) => {
  await stoppedRelay(lab.relay);
  await Deno.chmod(`${lab.relay.state}/identity.key`, 0o644);
  const error = await lab.relay.fails(["mesh", "run"], { exit: 9, code: "key-mode" });
  assert(error.message.includes("identity.key"), `no file in: ${error.message}`);
});

e2e("a damaged identity or database is named, and never replaced", {}, async (lab) => {
  await stoppedRelay(lab.relay);
  for (
    const [file, content] of [["identity.key", "garbage\n"], ["identity.key", ""], [
      "omerta.db",
      "garbage".repeat(1000),
    ]]
  ) {
    const path = `${lab.relay.state}/${file}`;
    const before = await Deno.readFile(path);
    await Deno.writeTextFile(path, content ?? "");
    const error = await lab.relay.fails(["mesh", "run"], { exit: 9, code: "state-damaged" });
    assert(error.message.includes(`${file}`), `no file in: ${error.message}`);
    assertEquals(await Deno.readTextFile(path), content, `the damaged ${file}`);
    await Deno.writeFile(path, before);
  }
  const [node] = await lab.relay.node(["relay"]);
  await node.stop();
});

e2e("a truncated database is named", {}, async (lab) => {
  await stoppedRelay(lab.relay);
  const path = `${lab.relay.state}/omerta.db`;
  await Deno.truncate(path, Math.floor((await Deno.stat(path)).size / 2) + 7);
  await lab.relay.fails(["mesh", "run"], { exit: 9, code: "state-damaged" });
});

e2e(
  "a full disk is named, and the state is whole once there is room again",
  { root: true },
  async (lab) => {
    const disk = `${lab.relay.dir}/disk`;
    await Deno.mkdir(disk);
    await mount(["-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", disk]);
    try {
      const state = `${disk}/s`;
      await Deno.mkdir(state, { mode: 0o700 });
      await Deno.writeFile(`${disk}/ballast`, new Uint8Array(200 * 1024)).catch(() => {});
      await lab.relay.fails(["network", "create", "home", "--state", state], {
        exit: 10,
        code: "disk-full",
      });
      await Deno.remove(`${disk}/ballast`);
      await mount(["-o", "remount,size=64m", disk]);
      await lab.relay.json(["network", "create", "home", "--state", state]);
      await lab.relay.json(["mesh", "stop", "--state", state]);
      await lab.relay.idle();
    } finally {
      await lab.relay.close();
      await umount(disk);
    }
  },
);

e2e("a stepped clock ends neither a node nor a session nor a VM", { root: true }, async (lab) => {
  const clock = await makeClock(lab.dir);
  const env = { LD_PRELOAD: clock.library, OMERTA_TEST_CLOCK: clock.file };
  const { invite } = await startRelay(lab.relay);
  const { ready } = await startProvider(lab.provider, invite, ["--dry-run"], env);
  const vm = await lab.consumer.json(["consumer", "request", "--dry-run", "--join", "-"], {
    stdin: invite,
  });
  for (const seconds of [86_400 * 2, -86_400, 0]) {
    await Deno.writeTextFile(clock.file, `${seconds}`);
    const ping = await lab.consumer.json([
      "mesh",
      "ping",
      ready.node.id,
      "--count",
      "3",
      "--interval",
      "200ms",
    ]);
    assertEquals(ping.received, 3, `pongs with the provider's clock off by ${seconds} s`);
    const status = await lab.consumer.json(["consumer", "status", vm.id]);
    assertEquals(status.state, "ready", `state with the provider's clock off by ${seconds} s`);
  }
});

e2e(
  "unknown words, flags and sizes are usage errors that name the nearest",
  { binary: true },
  async (lab) => {
    const usage = { exit: 2, code: /^(usage|bad-size)$/ };
    const near = await lab.consumer.fails(["consumer", "requst"], usage);
    assertMatch(`${near.message} ${near.hint}`, /request/, "the suggestion");
    await lab.consumer.fails(["mesh", "peers", "--flag-of-none"], usage);
    await lab.consumer.fails(["consumer", "request", "--memory", "a lot"], usage);
    await lab.consumer.fails(["consumer", "request", "--lease", "-5s"], usage);
    await lab.consumer.fails(["relay", "--port", "70000"], usage);
  },
);

e2e(
  "help, version and the list of errors need no state and leave none",
  { binary: true },
  async (lab) => {
    for (
      const words of [["--help"], ["help"], ["help", "errors"], ["relay", "--help"], ["version"]]
    ) {
      const outcome = await lab.consumer.run(words);
      assertEquals(outcome.code, 0, `exit status of ${words.join(" ")} (${outcome.stderr})`);
      assert(outcome.stdout.trim() !== "", `nothing on stdout of ${words.join(" ")}`);
    }
    const version = await lab.consumer.json(["version"]);
    assertMatch(version.schema, /^omerta\.version/, "the schema");
    const exists = await Deno.stat(lab.consumer.state).then(() => true, () => false);
    assert(!exists, "a state directory was made");
  },
);

e2e(
  "a background node does not hold the stdout of the command that started it",
  {},
  async (lab) => {
    const inner = `x=$("${OMERTA}" network create home --json); echo "got \${#x}"`;
    const outcome = await lab.consumer.exec("sh", ["-c", inner], { withinMs: 30_000 });
    assertMatch(outcome.stdout, /^got [1-9]/, "the command substitution");
  },
);

e2e("a free port given by flag is used and kept", {}, async (lab) => {
  const port = await freePort();
  const [node, ready] = await lab.relay.node([
    "mesh",
    "run",
    "--port",
    `${port}`,
    "--alias",
    "tower",
  ]);
  assertEquals([ready.port, ready.node.alias], [port, "tower"], "port and alias");
  await node.stop();
});

// ------------------------------------------------------------------------------------------------

/** The node processes of a host: those that hold its lock file open. */
function nodesOf(host: Host): number[] {
  return host.processes().map((one) => one.pid).filter((pid) => {
    try {
      const files = [...Deno.readDirSync(`/proc/${pid}/fd`)];
      return files.some(({ name }) =>
        Deno.readLinkSync(`/proc/${pid}/fd/${name}`).endsWith("/node.lock")
      );
    } catch {
      return false; // it has just ended
    }
  });
}

/** Makes a relay's state and ends its node. */
async function stoppedRelay(host: Host): Promise<void> {
  const { node } = await startRelay(host);
  assertEquals((await node.stop()).code, 0, "status at SIGTERM");
  await until("the lock's release", () => nodesOf(host).length === 0);
}

async function mount(args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("mount", { args }).output();
  assert(success, `mount ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

async function umount(path: string): Promise<void> {
  await new Deno.Command("umount", { args: ["-l", path] }).output();
}

/**
 * A library that moves the wall clock of the programs into which it is loaded by the seconds that a file
 * holds at the time.
 */
async function makeClock(dir: string): Promise<{ library: string; file: string }> {
  const [library, file] = [`${dir}/clock.so`, `${dir}/clock`];
  await Deno.writeTextFile(file, "0");
  const source = `
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <fcntl.h>
    #include <stdlib.h>
    #include <sys/time.h>
    #include <time.h>
    #include <unistd.h>
    static long offset(void) {
      char text[32] = "";
      const char *path = getenv("OMERTA_TEST_CLOCK");
      int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
      if (fd >= 0) { if (read(fd, text, 31) < 0) text[0] = 0; close(fd); }
      return atol(text);
    }
    int clock_gettime(clockid_t id, struct timespec *at) {
      static int (*real)(clockid_t, struct timespec *);
      if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
      int result = real(id, at);
      if (!result && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) at->tv_sec += offset();
      return result;
    }
    int gettimeofday(struct timeval *restrict at, void *restrict zone) {
      struct timespec now;
      (void)zone;
      if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
      at->tv_sec = now.tv_sec;
      at->tv_usec = now.tv_nsec / 1000;
      return 0;
    }`;
  const child = new Deno.Command("gcc", {
    args: ["-shared", "-fPIC", "-O1", "-x", "c", "-", "-o", library, "-ldl"],
    stdin: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(source));
  await writer.close();
  const { success, stderr } = await child.output();
  assert(success, `gcc: ${new TextDecoder().decode(stderr)}`);
  return { library, file };
}
