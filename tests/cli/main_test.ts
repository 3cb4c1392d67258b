/** A command line, run against a fake terminal and a fake node. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { OmertaError } from "../../src/base/mod.ts";
import type { MeshPingResult } from "../../src/api/nouns/mesh.ts";
import type { NodeReadyDoc } from "../../src/api/nouns/node.ts";
import type { RunNodeOptions } from "../../src/daemon/options.ts";
import { DIRECT, FakeNode, FakeTerminal, NETWORK, NODE_ID, runWith, VM } from "./fakes.ts";

const INVITE = `omerta://join/${"A".repeat(40)}`;
const INVITED = { network: NETWORK, invite: INVITE, invite_id: "3f9a12cd", expires_at: null };

function document(stdout: string): Record<string, unknown> {
  ok(stdout.endsWith("\n") && !stdout.slice(0, -1).includes("\n"), "one line");
  return JSON.parse(stdout);
}

function errorOf(stdout: string): Record<string, unknown> {
  const { schema, error } = document(stdout);
  strictEqual(schema, "omerta.error/1");
  return error as Record<string, unknown>;
}

function wait(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

Deno.test("a command prints its document under --json and text for people", async () => {
  const answers = { "consumer.list": { vms: [VM] } };
  const json = await runWith(["list", "--json"], new FakeNode(answers));
  strictEqual(json.status, 0);
  deepStrictEqual(document(json.stdout), { schema: "omerta.consumer.list/1", vms: [VM] });
  strictEqual(json.stderr, "");
  const text = await runWith(["vm", "list"], new FakeNode(answers));
  match(text.stdout, /^ID +NAME +STATE.*\nabcdefgh +web +ready/);
});

Deno.test("a failure is a sentence with its hint on stderr, a document under --json, its status", async () => {
  const full = () => {
    throw new OmertaError("provider-full", "the provider has no room", {
      hint: "Ask for less.",
      fields: { provider: NODE_ID },
    });
  };
  const argv = ["request", "--json"];
  const { status, stdout, stderr } = await runWith(
    argv,
    new FakeNode({ "consumer.request": full }),
  );
  strictEqual(status, 6);
  strictEqual(stderr, "omerta: The provider has no room.\n  Ask for less.\n");
  deepStrictEqual(errorOf(stdout), {
    provider: NODE_ID,
    code: "provider-full",
    message: "the provider has no room",
    hint: "Ask for less.",
    exit: 6,
  });
  const text = await runWith(["request"], new FakeNode({ "consumer.request": full }));
  strictEqual(text.stdout, "");
});

Deno.test("an error without a hint gets its code's usual one, also in the document", async () => {
  const expired = () => {
    throw new OmertaError("invite-expired", "The invite's time is over");
  };
  const node = new FakeNode({ "network.join": expired });
  const { status, stdout, stderr } = await runWith(["join", INVITE, "--json"], node);
  strictEqual(status, 6);
  match(stderr, /\n {2}Ask .* for a new one: 'omerta network invite'/);
  match(String(errorOf(stdout).hint), /^Ask /);
});

Deno.test("list leaves out what ended long ago, except with --all and --json; status says why", async () => {
  const ended = { ...VM, state: "failed", reason: "the guest did not boot" } as const;
  const old = { ...ended, id: "oldoldoldold", name: "old", ended_at: "2026-11-19T11:59:00Z" };
  const fresh = { ...ended, id: "newnewnewnew", name: "new", ended_at: "2026-11-20T11:00:00Z" };
  const node = new FakeNode({
    "consumer.list": { vms: [VM, old, fresh] },
    "consumer.status": fresh,
  });
  const { stdout } = await runWith(["list"], node);
  deepStrictEqual(stdout.trim().split("\n").map((line) => line.split(" ")[0]), [
    "ID",
    "abcdefgh",
    "newnewne",
    "1",
  ]);
  match(stdout, /1 VM ended more than 24h ago: omerta list --all\n$/);
  match((await runWith(["list", "--all"], node)).stdout, /oldoldol/);
  const { vms } = document((await runWith(["list", "--json"], node)).stdout);
  strictEqual((vms as unknown[]).length, 3);
  match(
    (await runWith(["vm", "status", "new"], node)).stdout,
    /\nreason +the guest did not boot\nended +1h ago\n/,
  );
});

Deno.test("what nobody foresaw is a defect, exit 1, with a request to report it", async () => {
  const node = new FakeNode({
    "consumer.list": () => {
      throw new TypeError("x is undefined");
    },
  });
  const { status, stdout, stderr } = await runWith(["list", "--json"], node);
  strictEqual(status, 1);
  strictEqual(errorOf(stdout).code, "internal");
  match(stderr, /defect of omerta: x is undefined[^]*report it/);
});

Deno.test("usage errors are exit 2 and a document, before any node is asked", async () => {
  const node = new FakeNode();
  for (
    const argv of [
      ["bogus"],
      ["mesh", "bogus"],
      ["list", "--bogus"],
      ["list", "too many"],
      ["request", "--cpu", "many"],
      ["request", "--lease", "10s"],
      ["request", "--peer", "a", "--provider", "192.0.2.1:1"],
      ["network", "join", "omerta://nonsense"],
      ["network", "create", "Not A Name"],
      ["provider", "evict"],
      ["provider", "evict", "abcd", "--all"],
      ["release", "abcd", "--all"],
      ["forward", "web"],
      ["consumer", "forward", "web"],
      ["list", "--json", "--output", "text"],
    ]
  ) {
    const { status, stdout, stderr } = await runWith([...argv, "--json"], node);
    strictEqual(status, 2, argv.join(" "));
    strictEqual(errorOf(stdout).exit, 2);
    match(stderr, /^omerta: [A-Z'-].*[.!?…]\n/, argv.join(" "));
  }
  deepStrictEqual(node.calls, []);
});

Deno.test("mesh, relay and provider never start a node; network and consumer do", async () => {
  const cases: [string[], boolean][] = [
    [["mesh", "status"], false],
    [["mesh", "peers"], false],
    [["mesh", "ping", "rack"], false],
    [["relay", "status"], false],
    [["provider", "status"], false],
    [["provider", "evict", "--all"], false],
    [["network", "list"], true],
    [["consumer", "list"], true],
    [["consumer", "release"], true],
  ];
  for (const [argv, start] of cases) {
    const node = new FakeNode();
    await runWith(argv, node);
    strictEqual(node.calls[0]?.start, start, argv.join(" "));
  }
});

Deno.test("--join redeems the invite first, and its network is then the command's", async () => {
  const node = new FakeNode({
    "network.join": { network: NETWORK, joined: true },
    "consumer.list": { vms: [] },
  });
  const terminal = new FakeTerminal();
  terminal.input = `${INVITE}\n`;
  await runWith(["list", "--join", "-"], node, terminal);
  deepStrictEqual(node.calls, [
    { method: "network.join", input: { invite: INVITE }, start: true },
    { method: "consumer.list", input: { network: NETWORK.id }, start: true },
  ]);
});

Deno.test("OMERTA_INVITE and OMERTA_NETWORK do what their flags do; flags win", async () => {
  const answers = {
    "network.join": { network: NETWORK, joined: false },
    "consumer.list": { vms: [] },
  };
  const terminal = new FakeTerminal();
  terminal.env = { OMERTA_INVITE: INVITE, OMERTA_NETWORK: "lab" };
  const node = new FakeNode(answers);
  await runWith(["list"], node, terminal);
  deepStrictEqual(node.calls.map(({ input }) => input), [{ invite: INVITE }, { network: "lab" }]);
  const other = new FakeNode(answers);
  await runWith(["list", "--network", "home"], other, terminal);
  deepStrictEqual(other.calls[1]?.input, { network: "home" });
});

Deno.test("network join takes its invite as a word, from stdin, from the environment", async () => {
  const answers = { "network.join": { network: NETWORK, joined: true } };
  const terminal = new FakeTerminal();
  terminal.input = INVITE;
  terminal.env = { OMERTA_INVITE: INVITE };
  for (const argv of [["join", INVITE], ["join", "-"], ["join"], ["join", "--join", INVITE]]) {
    const node = new FakeNode(answers);
    strictEqual((await runWith(argv, node, terminal)).status, 0, argv.join(" "));
    deepStrictEqual(node.calls.map(({ input }) => input), [{ invite: INVITE }], argv.join(" "));
  }
  strictEqual((await runWith(["join"], new FakeNode(answers))).status, 2);
});

Deno.test("an invite on stdin may be broken into lines, and a person is told to paste it", async () => {
  const answers = {
    "network.join": { network: NETWORK, joined: true },
    "consumer.list": { vms: [] },
  };
  for (const argv of [["join", "-"], ["list", "--join", "-"]]) {
    const node = new FakeNode(answers);
    const terminal = new FakeTerminal();
    terminal.stdinIsTerminal = true;
    terminal.input = `  ${INVITE.slice(0, 20)}\n ${INVITE.slice(20, 30)}\r\n${
      INVITE.slice(30)
    }\n\n`;
    const { status, stderr } = await runWith(argv, node, terminal);
    strictEqual(status, 0);
    match(stderr, /^Paste the invite, .*Ctrl-D/);
    deepStrictEqual(node.calls[0]?.input, { invite: INVITE });
  }
});

Deno.test("where no invite comes on stdin, that is said", async () => {
  for (const argv of [["join", "-"], ["list", "--join", "-"]]) {
    const terminal = new FakeTerminal();
    terminal.input = " \n";
    const { status, stderr } = await runWith(argv, new FakeNode(), terminal);
    strictEqual(status, 2);
    match(stderr, /^omerta: No invite came on stdin\.\n/);
  }
});

Deno.test("sizes and times beyond what any VM has are told with the limit", async () => {
  const cases = [
    ["--storage", "100T", "at most 16T"],
    ["--storage", "1M", "at least 16M"],
    ["--memory", "64M", "at least 128M"],
    ["--memory", "2T", "at most 1T"],
    ["--cpu", "65", "from 1 to 64"],
    ["--lease", "999d", "at most 365d"],
    ["--lease", "29s", "at least 30s"],
  ] as const;
  for (const [flag, text, limit] of cases) {
    const node = new FakeNode();
    const { status, stderr } = await runWith(["request", flag, text], node);
    strictEqual(status, 2);
    ok(stderr.includes(limit), stderr);
    deepStrictEqual(node.calls, []);
  }
});

Deno.test("an invite is made where a terminal or --json shows it, and nowhere else", async () => {
  const answers = {
    "network.create": { ...INVITED, lan_only: false, stays: true },
    "network.invite": { ...INVITED, lan_only: true, stays: false },
  };
  for (const argv of [["network", "create", "home"], ["network", "invite"]]) {
    const json = await runWith([...argv, "--json"], new FakeNode(answers));
    strictEqual(document(json.stdout).invite, INVITE);
    const terminal = new FakeTerminal();
    terminal.stdoutIsTerminal = true;
    const { stdout } = await runWith(argv, new FakeNode(answers), terminal);
    ok(stdout.includes(INVITE));
    match(stdout, /omerta network revoke 3f9a12cd/);
  }
  const lan = await runWith(["network", "invite", "--json"], new FakeNode(answers));
  match(lan.stderr, /Keep it up[^]*LAN only[^]*--advertise/);
});

Deno.test("an invite is for one machine, to rent, for a day, unless more is asked for", async () => {
  const DAY = 86_400_000;
  const cases = [
    [[], { expiresMs: DAY, uses: 1, grants: ["rent"] }],
    [["--uses", "unlimited"], { expiresMs: DAY, uses: null, grants: ["rent"] }],
    [["--uses", "3", "--grant", "provide,rent", "--expires", "1h"], {
      expiresMs: DAY / 24,
      uses: 3,
      grants: ["rent", "provide"],
    }],
  ] as const;
  for (const [flags, input] of cases) {
    const node = new FakeNode({ "network.invite": { ...INVITED, lan_only: false, stays: true } });
    strictEqual((await runWith(["network", "invite", ...flags, "--json"], node)).status, 0);
    deepStrictEqual(node.calls.map(({ input }) => input), [{ network: null, ...input }]);
  }
  for (const uses of ["0", "1001", "many", ""]) {
    const { status } = await runWith(
      ["network", "invite", "--uses", uses, "--json"],
      new FakeNode(),
    );
    strictEqual(status, 2, uses);
  }
});

Deno.test("network invite into a pipe makes none: exit 2, before the node is asked", async () => {
  const node = new FakeNode();
  const { status, stdout, stderr } = await runWith(["network", "invite"], node);
  strictEqual(status, 2);
  strictEqual(stdout, "");
  match(stderr, /--json, or run it in a terminal/);
  deepStrictEqual(node.calls, []);
});

Deno.test("network create goes on without an invite, and says so", async () => {
  const none = { network: NETWORK, invite: null, invite_id: null, expires_at: null };
  const node = new FakeNode({ "network.create": { ...none, lan_only: false, stays: true } });
  const piped = await runWith(["network", "create", "home"], node);
  strictEqual(piped.status, 0);
  match(piped.stdout, /created\nno invite was made, for no terminal .*omerta network invite/);
  const terminal = new FakeTerminal();
  terminal.stdoutIsTerminal = true;
  const unreachable = await runWith(["network", "create", "home"], node, terminal);
  match(unreachable.stdout, /no invite was made, for no peer could reach this node/);
  deepStrictEqual(node.calls.map(({ input }) => input), [
    { name: "home", invite: false },
    { name: "home", invite: true },
  ]);
});

Deno.test("network import takes what export printed, as text and as JSON", async () => {
  const answers = {
    "network.export": { network: NETWORK, export: "omerta-network:secret" },
    "network.import": { network: NETWORK, entries: 0 },
  };
  for (const flags of [[], ["--json"]]) {
    const out = await runWith(["network", "export", "home", ...flags], new FakeNode(answers));
    const terminal = new FakeTerminal();
    terminal.input = out.stdout;
    const node = new FakeNode(answers);
    strictEqual((await runWith(["network", "import", "-"], node, terminal)).status, 0);
    deepStrictEqual(node.calls[0]?.input, { export: "omerta-network:secret" });
  }
});

Deno.test("--timeout aborts the call and is exit 7", async () => {
  const node = new FakeNode({ "consumer.request": (_, { signal }) => wait(signal) });
  const { status, stdout } = await runWith(["request", "--timeout", "5ms", "--json"], node);
  strictEqual(status, 7);
  strictEqual(errorOf(stdout).code, "timeout");
});

Deno.test("SIGINT and SIGTERM abort the call: 130 and 143", async () => {
  for (const [signal, expected] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    const terminal = new FakeTerminal();
    const node = new FakeNode({
      "consumer.request": (_, { signal: abort }) => {
        const waiting = wait(abort);
        terminal.signal(signal);
        return waiting;
      },
    });
    const { status, stdout, stderr } = await runWith(["request", "--json"], node, terminal);
    strictEqual(status, expected);
    strictEqual(errorOf(stdout).code, "interrupted");
    strictEqual(stderr, "");
    strictEqual(terminal.listeners, 0);
  }
});

Deno.test("a second signal does not wait for what the first one aborted", async () => {
  const terminal = new FakeTerminal();
  const node = new FakeNode({
    "consumer.request": () => {
      terminal.signal("SIGINT");
      terminal.signal("SIGINT");
      return new Promise<never>(() => {});
    },
  });
  strictEqual((await runWith(["request"], node, terminal)).status, 130);
});

const READY: NodeReadyDoc = {
  node: { id: NODE_ID, alias: "rack" },
  port: 9000,
  roles: ["relay"],
  networks: [NETWORK],
  network_created: true,
  invite: INVITE,
};

function readyNode(end: (options: RunNodeOptions) => Promise<void>): FakeNode {
  const node = new FakeNode();
  node.runNode = (options) => {
    options.onReady({ ...READY, invite: options.showsInvite ? INVITE : null });
    return end(options);
  };
  return node;
}

Deno.test("a node that a signal ends after its farewells is done: exit 0", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const terminal = new FakeTerminal();
    const node = readyNode(({ signal: abort }) => {
      terminal.signal(signal);
      return abort.aborted ? Promise.resolve() : Promise.reject(new Error("not told"));
    });
    strictEqual((await runWith(["relay", "--port", "9000"], node, terminal)).status, 0);
  }
});

Deno.test("a node that a signal ends before it is ready is interrupted: 130, 143, at once", async () => {
  for (const [signal, expected] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    for (const argv of [["relay"], ["provider"], ["mesh", "run"]]) {
      const terminal = new FakeTerminal();
      const node = new FakeNode();
      node.runNode = () => {
        terminal.signal(signal);
        return new Promise<never>(() => {}); // hears nothing
      };
      strictEqual((await runWith(argv, node, terminal)).status, expected);
    }
  }
});

Deno.test("a start that fails as a signal ends it is interrupted, not failed", async () => {
  const terminal = new FakeTerminal();
  const node = new FakeNode();
  node.runNode = () => {
    terminal.signal("SIGINT");
    throw new OmertaError("unreachable", "the relay does not answer");
  };
  strictEqual((await runWith(["mesh", "run"], node, terminal)).status, 130);
});

Deno.test("a second signal cuts a node's farewells short: 130", async () => {
  const terminal = new FakeTerminal();
  const node = readyNode(() => {
    terminal.signal("SIGINT");
    terminal.signal("SIGINT");
    return new Promise<never>(() => {});
  });
  strictEqual((await runWith(["relay"], node, terminal)).status, 130);
});

Deno.test("a node that fails at its end fails, also after a signal", async () => {
  const terminal = new FakeTerminal();
  const node = readyNode(() => {
    terminal.signal("SIGTERM");
    throw new OmertaError("state-damaged", "the database is no database");
  });
  strictEqual((await runWith(["mesh", "run"], node, terminal)).status, 9);
});

Deno.test("the ready line names what was made, and shows the invite to people alone", async () => {
  const done = () => Promise.resolve();
  const json = await runWith(["relay", "--json"], readyNode(done));
  deepStrictEqual(document(json.stdout), { schema: "omerta.relay.run/1", ...READY });
  const journal = await runWith(["relay"], readyNode(done));
  match(journal.stdout, /^ready: relay rack .* on UDP port 9000, networks home/);
  match(journal.stdout, /kept in \/state/);
  match(journal.stdout, /omerta network invite/);
  ok(!journal.stdout.includes(INVITE));
  const terminal = new FakeTerminal();
  terminal.stdoutIsTerminal = true;
  const shown = (await runWith(["relay"], readyNode(done), terminal)).stdout;
  ok(shown.includes(INVITE));
  match(shown, /whoever has it may rent and provide, as often as it is given on, for 24 hours/);
});

Deno.test("the flags of nodes reach the node", async () => {
  const node = new FakeNode();
  const argv = "provider run --max-vms 3 --cpu 2 --memory 4G --dry-run --port 0 --alias rack " +
    "--storage 0 --max-lease 2d --max-life 7d --per-owner 2 --accept-weak-isolation landlock";
  const more = ["--allow", NODE_ID, "--advertise", "192.0.2.1", "--join", INVITE, "--state", "/s"];
  strictEqual((await runWith([...argv.split(" "), ...more], node)).status, 0);
  const [{ onReady: _, log: __, signal: ___, ...options }] = node.runs as [RunNodeOptions];
  deepStrictEqual(options, {
    state: "/s",
    port: 0,
    advertise: ["192.0.2.1"],
    roles: { relay: false, provider: true },
    alias: "rack",
    provider: {
      maxVms: 3,
      cpu: 2,
      memoryBytes: 4 * 2 ** 30,
      storageBytes: 0,
      maxLeaseMs: 48 * 3_600_000,
      maxLifeMs: 7 * 24 * 3_600_000,
      perOwner: 2,
      acceptWeakIsolation: "landlock",
      allow: [NODE_ID],
      dryRun: true,
    },
    mode: "foreground",
    lingerMs: 60_000,
    invite: INVITE,
    showsInvite: false,
  });
  deepStrictEqual(node.calls, []);
});

Deno.test("a relay's limits reach the node, as relay and as a role of another", async () => {
  const limits = ["--limit-rate", "20M/s", "--limit-session-rate", "4M", "--limit-sessions", "9"];
  const expected = { sessions: 9, bytesPerS: 20 * 2 ** 20, sessionBytesPerS: 4 * 2 ** 20 };
  for (const words of [["relay"], ["mesh", "run", "--relay"]]) {
    const node = new FakeNode();
    strictEqual((await runWith([...words, ...limits], node)).status, 0);
    deepStrictEqual(node.runs[0]?.relay, expected);
  }
  const none = new FakeNode();
  await runWith(["relay"], none);
  const unsaid = { sessions: null, bytesPerS: null, sessionBytesPerS: null };
  deepStrictEqual(none.runs[0]?.relay, unsaid);
  const { status, stderr } = await runWith(["mesh", "run", ...limits]);
  strictEqual(status, 2);
  match(stderr, /mean nothing without --relay/);
  strictEqual((await runWith(["relay", "--limit-rate", "1"])).status, 2);
});

Deno.test("--quiet silences what a foreground node says, but never its errors", async () => {
  const node = new FakeNode();
  node.runNode = ({ log }) => {
    for (const level of ["error", "warn", "info", "debug"] as const) log(`of ${level}`, level);
    return Promise.resolve();
  };
  strictEqual((await runWith(["mesh", "run", "--quiet"], node)).stderr, "of error\n");
  match((await runWith(["mesh", "run"], node)).stderr, /of error\nof warn\nof info\nof debug\n/);
});

Deno.test("mesh run --background is a background node that lingers as OMERTA_LINGER says", async () => {
  for (const [text, expected] of [["90s", 90_000], ["5", 5_000], ["200ms", 200]] as const) {
    const node = new FakeNode();
    const terminal = new FakeTerminal();
    terminal.env = { OMERTA_LINGER: text };
    await runWith(["mesh", "run", "--background"], node, terminal);
    strictEqual(node.runs[0]?.mode, "background");
    strictEqual(node.runs[0]?.lingerMs, expected);
  }
  const terminal = new FakeTerminal();
  terminal.env = { OMERTA_LINGER: "soon" };
  strictEqual((await runWith(["mesh", "run"], new FakeNode(), terminal)).status, 2);
});

const WRONG_VARIABLES = {
  OMERTA_LINGER: ["foo", "1.5h", "-1", "9999d"],
  OMERTA_LOG: ["foo", "INFO"],
  OMERTA_DIRECT: ["Never", "always", "0"],
  OMERTA_QEMU: ["bin/qemu"],
  OMERTA_NETWORK: ["No Network"],
  OMERTA_INVITE: ["omerta://join/!"],
  OMERTA_STATE: ["/a\0b"],
};

Deno.test("every command refuses a wrong variable of ours by its name, before it does anything", async () => {
  const lines = [["list"], ["mesh", "status"], ["mesh", "stop"], ["mesh", "run"], ["version"], [
    "relay",
    "--systemd",
  ]];
  for (const [name, texts] of Object.entries(WRONG_VARIABLES)) {
    for (const text of texts) {
      for (const argv of lines) {
        const node = new FakeNode();
        const terminal = new FakeTerminal();
        terminal.env = { [name]: text };
        const { status, stdout, stderr } = await runWith(argv, node, terminal);
        strictEqual(status, 2, `${argv.join(" ")} with ${name}=${text}`);
        match(stderr, new RegExp(`^omerta: Cannot use ${name}: `));
        strictEqual(stdout, "");
        deepStrictEqual([...node.calls, ...node.runs], []);
      }
    }
  }
});

Deno.test("a wrong variable is told with the values that are right", async () => {
  const told = {
    OMERTA_LINGER: ["soon", /whole number with its unit/],
    OMERTA_LOG: ["inof", /none of error, warn, info, debug; did you mean info\?/],
    OMERTA_DIRECT: ["Never", /"Never" is not never; did you mean never\?/],
    OMERTA_QEMU: ["./qemu", /neither an absolute path nor a bare name/],
  } as const;
  for (const [name, [text, words]] of Object.entries(told)) {
    const terminal = new FakeTerminal();
    terminal.env = { [name]: text };
    match((await runWith(["list"], new FakeNode(), terminal)).stderr, words);
  }
});

Deno.test("right and empty variables are taken", async () => {
  const right = {
    OMERTA_LINGER: ["0", "0s", "60s"],
    OMERTA_LOG: ["debug", "info", ""],
    OMERTA_DIRECT: ["never", ""],
    OMERTA_QEMU: ["/opt/qemu", "qemu-system-x86_64"],
  };
  for (const [name, texts] of Object.entries(right)) {
    for (const text of texts) {
      const terminal = new FakeTerminal();
      terminal.env = { [name]: text };
      const { status } = await runWith(["version"], new FakeNode(), terminal);
      strictEqual(status, 0, `${name}=${text}`);
    }
  }
});

Deno.test("the invite of --join goes before the one of OMERTA_INVITE", async () => {
  const other = `omerta://join/${"B".repeat(40)}`;
  const node = new FakeNode();
  const terminal = new FakeTerminal();
  terminal.env = { OMERTA_INVITE: other };
  await runWith(["mesh", "run", "--join", INVITE], node, terminal);
  await runWith(["mesh", "run"], node, terminal);
  deepStrictEqual(node.runs.map(({ invite }) => invite), [INVITE, other]);
});

Deno.test("where there is no state, lists are empty and the rest is exit 3; no node is asked", async () => {
  const empty = [[["list"], "consumer.list", "vms"], [
    ["network", "list"],
    "network.list",
    "networks",
  ]];
  for (const [argv, name, field] of empty as [string[], string, string][]) {
    const node = new FakeNode();
    node.isThere = false;
    const { status, stdout, stderr } = await runWith([...argv, "--json"], node);
    strictEqual(status, 0);
    deepStrictEqual(document(stdout), { schema: `omerta.${name}/1`, [field]: [] });
    match(stderr, /no state in \/state yet.*omerta join -.*--state DIR/);
    deepStrictEqual(node.calls, []);
  }
  const others = [
    "vm status web",
    "ssh web",
    "release web",
    "vm extend web 1h",
    "network show",
    "request",
    "network invites",
    "network invite",
    "network leave home",
    "vm forward web 1:2",
  ];
  for (const line of others) {
    const node = new FakeNode();
    node.isThere = false;
    const terminal = new FakeTerminal();
    terminal.stdoutIsTerminal = true;
    const { status, stderr } = await runWith(line.split(" "), node, terminal);
    strictEqual(status, 3, `${line}: ${stderr}`);
    deepStrictEqual(node.calls, []);
  }
});

Deno.test("what makes a state makes it where there is none, and so does an invite", async () => {
  const answers = {
    "network.join": { network: NETWORK, joined: true },
    "consumer.list": { vms: [] },
  };
  for (const argv of [["join", INVITE], ["list", "--join", INVITE]]) {
    const node = new FakeNode(answers);
    node.isThere = false;
    strictEqual((await runWith(argv, node)).status, 0);
  }
});

Deno.test("stdout that takes nothing is told on stderr, also under --json", async () => {
  for (const flags of [[], ["--json"]]) {
    const terminal = new FakeTerminal();
    terminal.write = () => {
      throw new OmertaError("disk-full", "Cannot write to stdout: no space is left there");
    };
    const { status, stderr } = await runWith(["version", ...flags], new FakeNode(), terminal);
    strictEqual(status, 10);
    match(stderr, /^omerta: Cannot write to stdout: no space is left there\.\n/);
  }
});

Deno.test("mesh stop is done where nothing runs, and says so", async () => {
  const nothing = new FakeNode({
    "node.stop": () => {
      throw new OmertaError("no-node", "No node runs");
    },
  });
  const none = await runWith(["mesh", "stop"], nothing);
  strictEqual(none.status, 0);
  match(none.stdout, /no node runs on \/state/);
  const vms = [{ id: VM.id, owner: NODE_ID, lease_expires_at: VM.lease_expires_at }];
  const stopped = await runWith(["mesh", "stop"], new FakeNode({ "node.stop": { pid: 7, vms } }));
  match(stopped.stdout, /node 7 ended\nVM abcdefghijklmnop of .* lives on; its lease ends in 1h/);
  const stuck = new FakeNode({ "node.stop": { pid: 7, vms: [] } });
  stuck.isGone = false;
  strictEqual((await runWith(["mesh", "stop"], stuck)).status, 7);
});

function pinged(facts: Partial<MeshPingResult>): FakeNode {
  const rtt_ms = { min: 1, p50: 2, p99: 3, max: 3 };
  const plain = { peer: NODE_ID, sent: 4, received: 4, rtt_ms, path: DIRECT };
  return new FakeNode({
    "mesh.ping": (_, { onItem }) => {
      onItem?.({ seq: 1, rtt_ms: 2, path: DIRECT });
      return { ...plain, direct_after_ms: null, ...facts };
    },
  });
}

Deno.test("mesh ping fails with its figures where nothing comes back, or no direct path", async () => {
  strictEqual((await runWith(["mesh", "ping", "rack"], pinged({}))).status, 0);
  const silent = await runWith(["mesh", "ping", "rack", "--json"], pinged({ received: 0 }));
  strictEqual(silent.status, 5);
  deepStrictEqual(errorOf(silent.stdout).sent, 4);
  const argv = ["mesh", "ping", "rack", "--until-direct"];
  strictEqual((await runWith(argv, pinged({}))).status, 7);
  strictEqual((await runWith(argv, pinged({ direct_after_ms: 400 }))).status, 0);
});

Deno.test("mesh ping asks for what its flags say", async () => {
  const node = pinged({ direct_after_ms: 1 });
  await runWith(["mesh", "ping", "rack", "--count", "2", "--interval=50ms"], node);
  await runWith(["mesh", "ping", "rack", "--until-direct"], node);
  const plain = { network: null, peer: "rack" };
  deepStrictEqual(node.calls.map(({ input }) => input), [
    { ...plain, count: 2, intervalMs: 50, untilDirect: false },
    { ...plain, count: 60, intervalMs: 1000, untilDirect: true },
  ]);
});

Deno.test("consumer request sends its defaults, and what the flags say", async () => {
  const node = new FakeNode({ "consumer.request": VM });
  const terminal = new FakeTerminal();
  terminal.files["/home/u/key.pub"] = "ssh-ed25519 AAAA me@here\n";
  await runWith(["request"], node);
  const argv = "request --cpu 2 --memory 2G --storage 1G --lease 90s --id k --name web --no-wait";
  const walls = ["--isolation", "hardware", "--min-confinement", "namespaces", "--timeout", "90s"];
  const more = [
    ...walls,
    "--dry-run",
    "--provider",
    `${NODE_ID}@192.0.2.1:1`,
    "--ssh-key",
    "key.pub",
  ];
  await runWith(
    [...argv.split(" "), ...more, "--bootstrap=relay.example.org:9000"],
    node,
    terminal,
  );
  deepStrictEqual(node.calls[0]?.input, {
    network: null,
    cpu: 1,
    memoryBytes: 512 * 2 ** 20,
    storageBytes: 0,
    image: "micro",
    leaseMs: 3_600_000,
    sshPublicKey: null,
    identityFile: null,
    name: null,
    key: null,
    peer: null,
    provider: null,
    bootstrap: null,
    trust: [],
    isolation: null,
    minConfinement: null,
    queueMs: null,
    wait: true,
    dryRun: false,
  });
  deepStrictEqual(node.calls[1]?.input, {
    network: null,
    cpu: 2,
    memoryBytes: 2 * 2 ** 30,
    storageBytes: 2 ** 30,
    image: "micro",
    leaseMs: 90_000,
    sshPublicKey: "ssh-ed25519 AAAA me@here",
    identityFile: "/home/u/key",
    name: "web",
    key: "k",
    peer: null,
    provider: { id: NODE_ID, address: "192.0.2.1:1" },
    bootstrap: { id: null, address: "relay.example.org:9000" },
    trust: [],
    isolation: "hardware",
    minConfinement: "namespaces",
    queueMs: 90_000,
    wait: false,
    dryRun: true,
  });
});

Deno.test("consumer request --trust names who may serve, and not beside --peer", async () => {
  const node = new FakeNode({ "consumer.request": VM });
  await runWith(["request", "--trust", "home", "--trust", NODE_ID], node);
  const { trust } = node.calls[0]?.input as { trust: string[] };
  deepStrictEqual(trust, ["home", NODE_ID]);
  const both = await runWith(["request", "--trust", "home", "--peer", "home"], node);
  strictEqual(both.status, 2);
  strictEqual(node.calls.length, 1);
});

Deno.test("consumer request takes an image by its digest, and no half of one", async () => {
  const node = new FakeNode({ "consumer.request": VM });
  const image = `sha256:${"ab".repeat(32)}`;
  await runWith(["request", "--image", image], node);
  strictEqual((node.calls[0]?.input as { image: string }).image, image);
  strictEqual((await runWith(["request", "--image", "sha256:ab"], node)).status, 2);
});

Deno.test("consumer request --count gives all VMs in one document", async () => {
  const node = new FakeNode({ "consumer.requestMany": { vms: [VM, VM] } });
  const { status, stdout } = await runWith(["request", "--count", "2", "--json"], node);
  strictEqual(status, 0);
  strictEqual((node.calls[0]?.input as { count: number }).count, 2);
  deepStrictEqual(document(stdout), { schema: "omerta.consumer.request/1", vms: [VM, VM] });
});

Deno.test("consumer request says what was cut, and that a stranger serves, on stderr", async () => {
  const asked = await runWith(["request"], new FakeNode({ "consumer.request": VM }));
  strictEqual(asked.stderr, "");
  match(asked.stdout, /lease ends in 1h .*, the VM in 23h 59m in any case/);
  const vm = { ...VM, provider_known: false, lease_ms: 1_800_000 };
  const node = new FakeNode({ "consumer.request": vm, "consumer.extend": VM });
  const { status, stderr } = await runWith(["request", "--json"], node);
  strictEqual(status, 0);
  match(stderr, /The provider cut the lease to 30m, from 1h\.\n/);
  match(stderr, /The provider eaeaeaea serves you for the first time.*consumer trust add eaeaeaea/);
  match(
    (await runWith(["vm", "extend", "web", "5h"], node)).stderr,
    /cut the lease to 1h, from 5h/,
  );
  strictEqual((await runWith(["vm", "extend", "web", "1h"], node)).stderr, "");
});

Deno.test("a request that is too late says what it waited for, and that one with a key goes on", async () => {
  let text = "waiting for room: provider gpu (abcd1234) says: no room";
  const node = new FakeNode({
    "consumer.request": (_, { signal, onProgress }) => {
      onProgress?.(text);
      return wait(signal);
    },
  });
  const plain = await runWith(["request", "--timeout", "5ms", "--json"], node);
  strictEqual(plain.status, 7);
  strictEqual(errorOf(plain.stdout).message, `Gave up after 5ms (${text})`);
  ok(!plain.stderr.includes("goes on"));
  const waiting = await runWith(["request", "--timeout", "5ms", "--key", "k"], node);
  ok(!waiting.stderr.includes("goes on"), "its time to wait is over");
  text = "the machine boots";
  const keyed = await runWith(["request", "--timeout", "5ms", "--key", "k"], node);
  strictEqual(keyed.status, 7);
  match(keyed.stderr, /The request goes on: .*same --key/);
});

Deno.test("consumer trust shows, adds and removes", async () => {
  const provider = {
    id: NODE_ID,
    alias: "rack",
    network: { id: NETWORK.id, name: "home" },
    trusted: true,
    trusted_at: "2026-11-20T11:00:00Z",
    served_at: null,
    failed_at: null,
    failures: 0,
  };
  const node = new FakeNode({ "consumer.trust": { providers: [provider] } });
  match((await runWith(["consumer", "trust"], node)).stdout, /rack \(eaeaeaea\) +home +yes/);
  await runWith(["consumer", "trust", "add", "rack"], node);
  await runWith(["consumer", "trust", "remove", "rack"], node);
  deepStrictEqual(node.calls.map(({ input }) => input), [
    { network: null, add: [], remove: [] },
    { network: null, add: ["rack"], remove: [] },
    { network: null, add: [], remove: ["rack"] },
  ]);
  strictEqual((await runWith(["consumer", "trust", "add"], node)).status, 2);
  strictEqual((await runWith(["consumer", "trust", "lift", "x"], node)).status, 2);
});

Deno.test("list tells why a VM ended, and of a living one how old the news is", async () => {
  const at = "2026-11-20T11:00:00Z";
  const end = { reason: "evicted", detail: "the owner took it back", at } as const;
  const gone = { ...VM, id: "gonegonegonegone", state: "released", ended_at: at, end } as const;
  const silent = { ...VM, id: "silentsilentsile", checked_at: "2026-11-20T11:50:00Z" };
  const node = new FakeNode({ "consumer.list": { vms: [VM, silent, gone] } });
  const { stdout } = await runWith(["list"], node);
  match(stdout, /abcdefgh +web +ready +2 /);
  match(stdout, /silentsi +web +ready \(as of 10m ago\) /);
  match(stdout, /gonegone +web +evicted .* 1h ago\n/);
});

Deno.test("--ssh-key finds the public half of a private key, and never sends the private one", async () => {
  const terminal = new FakeTerminal();
  const secret = "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n";
  terminal.files = { "/k/id": secret, "/k/id.pub": "ssh-ed25519 AAAA", "/k/lone": secret };
  const node = new FakeNode({ "consumer.request": VM });
  await runWith(["request", "--ssh-key", "/k/id"], node, terminal);
  const input = node.calls[0]?.input as Record<string, unknown>;
  strictEqual(input.sshPublicKey, "ssh-ed25519 AAAA");
  strictEqual(input.identityFile, "/k/id");
  strictEqual(terminal.stderr, "");
  terminal.files["/p/id.pub"] = "ssh-ed25519 AAAA";
  await runWith(["request", "--ssh-key", "/p/id.pub"], node, terminal);
  match(terminal.stderr, /The private key is not at \/p\/id[^]*-i/);
  const lone = await runWith(["request", "--ssh-key", "/k/lone", "--json"], node, terminal);
  strictEqual(lone.status, 2);
  strictEqual(node.calls.length, 2);
});

const TARGET = {
  id: VM.id,
  name: "web",
  user: "root",
  host_key: "ssh-ed25519 AAAA",
  address: "[fd00::1]:22",
  identity_file: "/state/ssh/id_ed25519",
  known_hosts_file: "/state/ssh/known_hosts",
};

Deno.test("consumer ssh runs ssh with the VM's options and ends with its status", async () => {
  const node = new FakeNode({ "consumer.sshTarget": { targets: [TARGET] } });
  const terminal = new FakeTerminal();
  terminal.childStatus = 42;
  const argv = ["ssh", "web", "--", "uname", "-a"];
  strictEqual((await runWith(argv, node, terminal)).status, 42);
  deepStrictEqual(node.calls[0]?.input, { vm: "web", all: false });
  const [line = []] = terminal.started;
  strictEqual(line[0], "/usr/bin/ssh");
  deepStrictEqual(line.slice(-4), [`root@${VM.id}`, "--", "uname", "-a"]);
  ok(line.includes("BatchMode=yes"), "nothing asks where stdin is no terminal");
  ok(line.includes(`ProxyCommand=/opt/omerta consumer proxy ${VM.id} --state /state --quiet`));
});

/** How `omerta ssh web` ends where ssh says 255 and then the VM stands so. */
async function failedSession(...stands: Partial<typeof VM>[]) {
  const terminal = new FakeTerminal();
  terminal.childStatus = 255;
  const answers = stands.map((change) => ({ ...VM, ...change }));
  const node = new FakeNode({
    "consumer.sshTarget": { targets: [TARGET] },
    "consumer.status": () => answers.shift() ?? Promise.reject(new Error("gone")),
  });
  const { status, stderr } = await runWith(["ssh", "web"], node, terminal);
  deepStrictEqual(node.calls[1], {
    method: "consumer.status",
    input: { vm: TARGET.id },
    start: false,
  });
  return { status, stderr };
}

Deno.test("consumer ssh says why a session failed: the VM's time was over, with exit 7", async () => {
  const end = { reason: "expired", detail: null, at: VM.requested_at } as const;
  const { status, stderr } = await failedSession({ state: "released", end });
  strictEqual(status, 7);
  match(stderr, /^omerta: The VM web has ended: its lease, or .*, was over\.\n +Rent another/);
});

Deno.test("consumer ssh says why a session failed: every other end, with ssh's own status", async () => {
  const words = {
    "released": /it was released/,
    "evicted": /the provider's owner took it back/,
    "oom": /more memory than it may/,
    "guest-exit": /powered itself off/,
    "failed": /could not be run/,
    "lost": /does not know it any more/,
    "disk": /disk is full/,
  } as const;
  for (const reason of Object.keys(words) as (keyof typeof words)[]) {
    const end = { reason, detail: "\x1bhostile", at: VM.requested_at };
    const before = reason === "evicted" ? [{ state: "releasing" } as const] : [];
    const { status, stderr } = await failedSession(...before, { state: "released", end });
    strictEqual(status, 255, reason);
    match(stderr, /^omerta: The VM web has ended: /);
    match(stderr, words[reason]);
    ok(!stderr.includes("hostile"), "a provider's words stand under --verbose only");
  }
});

Deno.test("consumer ssh leaves a VM that runs to ssh's words, and says that a provider is silent", async () => {
  deepStrictEqual(await failedSession({}), { status: 255, stderr: "" });
  deepStrictEqual(await failedSession(), { status: 255, stderr: "" });
  const { status, stderr } = await failedSession({ checked_at: "2026-11-20T11:59:59Z" });
  strictEqual(status, 255);
  match(stderr, /^The provider of VM web does not answer, either\.\n$/);
});

Deno.test("ssh, proxy, forward and extend of a VM that has ended are exit 7, with the reason", async () => {
  const ended = () => {
    throw new OmertaError("lease-ended", "VM web has ended: the guest stopped");
  };
  const node = new FakeNode({
    "consumer.sshTarget": ended,
    "consumer.ticket": ended,
    "consumer.forward": ended,
    "consumer.extend": ended,
  });
  for (const words of ["ssh web", "vm proxy web", "forward web 1:1", "extend web 1h"]) {
    const { status, stderr } = await runWith(words.split(" "), node);
    strictEqual(status, 7, words);
    match(stderr, /has ended: the guest stopped\.\n {2}Rent another with 'omerta request'\.\n/);
  }
});

Deno.test("consumer ssh takes its command as ssh does, from its first word on", async () => {
  for (const command of ["df -h", "ls --help", "cat --json -- --state", "make --quiet --verbose"]) {
    for (const between of [[], ["--state", "/other"], ["--"]]) {
      const node = new FakeNode({ "consumer.sshTarget": { targets: [TARGET] } });
      const argv = ["ssh", "web", ...between, ...command.split(" ")];
      const { status, stderr, terminal } = await runWith(argv, node);
      deepStrictEqual([status, stderr], [0, ""], argv.join(" "));
      match(terminal.started[0]?.join(" ") ?? "", new RegExp(` -- ${command}$`));
      strictEqual(node.state, between[1] ?? "/state");
      deepStrictEqual(node.calls[0]?.input, { vm: "web", all: false });
    }
  }
});

Deno.test("consumer ssh without OpenSSH is exit 10, before any node is asked", async () => {
  const terminal = new FakeTerminal();
  terminal.programs = {};
  const node = new FakeNode();
  strictEqual((await runWith(["ssh"], node, terminal)).status, 10);
  deepStrictEqual(node.calls, []);
});

Deno.test("the ID may be left out, in each command its own way", async () => {
  const node = new FakeNode({
    "consumer.sshTarget": { targets: [TARGET] },
    "consumer.status": VM,
    "consumer.extend": VM,
    "consumer.release": { released: [VM.id], failed: [] },
    "consumer.forward": { vm: VM.id },
  });
  for (
    const argv of [["ssh"], ["vm", "status"], ["vm", "extend", "2h"], ["release"], [
      "vm",
      "forward",
      "8080:80",
    ]]
  ) {
    strictEqual((await runWith(argv, node)).status, 0, argv.join(" "));
  }
  deepStrictEqual(node.calls.map(({ input }) => input), [
    { vm: null, all: false },
    { vm: null },
    { vm: null, leaseMs: 7_200_000 },
    { vms: [], all: false },
    { vm: null, forwards: [{ bind: "127.0.0.1:8080", port: 80 }] },
  ]);
});

Deno.test("consumer proxy hands its ticket to the splice, and refuses a terminal", async () => {
  const ticket = { socket: "/state/stream.sock", ticket: "ab".repeat(32) };
  const node = new FakeNode({ "consumer.ticket": ticket });
  strictEqual((await runWith(["vm", "proxy", "web", "80"], node)).status, 0);
  deepStrictEqual(node.calls[0]?.input, { vm: "web", port: 80 });
  deepStrictEqual(node.splices, [ticket]);
  const terminal = new FakeTerminal();
  terminal.stdinIsTerminal = terminal.stdoutIsTerminal = true;
  strictEqual((await runWith(["vm", "proxy", "web"], node, terminal)).status, 2);
});

Deno.test("consumer forward prints a line for each listener, and none at its end", async () => {
  const terminal = new FakeTerminal();
  const node = new FakeNode({
    "consumer.forward": (_, { onItem, signal }) => {
      onItem?.({ local: "127.0.0.1:8080", remote: "[fd00::1]:80" });
      onItem?.({ local: "127.0.0.1:5432", remote: "[fd00::1]:5432" });
      const waiting = wait(signal);
      terminal.signal("SIGINT");
      return waiting;
    },
  });
  const argv = ["vm", "forward", "web", "8080:80", "5432:5432", "--json"];
  const { status, stdout } = await runWith(argv, node, terminal);
  strictEqual(status, 130);
  const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  const schema = "omerta.consumer.forward/1";
  deepStrictEqual(lines, [
    { schema, local: "127.0.0.1:8080", remote: "[fd00::1]:80" },
    { schema, local: "127.0.0.1:5432", remote: "[fd00::1]:5432" },
  ]);
});

Deno.test("release and evict say what failed, and end with the first failure's status", async () => {
  const error = { code: "unreachable", message: "no answer", hint: null, exit: 5 };
  const node = new FakeNode({
    "consumer.release": { released: ["a"], failed: [{ id: "b", error }] },
    "provider.evict": { evicted: [], failed: [{ id: "b", error }] },
  });
  const released = await runWith(["release", "--all", "--json"], node);
  strictEqual(released.status, 5);
  strictEqual(document(released.stdout).schema, "omerta.consumer.release/1");
  match(released.stderr, /b: No answer\.\n/);
  strictEqual((await runWith(["provider", "evict", "abcd"], node)).status, 5);
});

Deno.test("ssh-config prints entries for every VM that is ready", async () => {
  const node = new FakeNode({ "consumer.sshTarget": { targets: [TARGET] } });
  const { status, stdout } = await runWith(["vm", "ssh-config"], node);
  strictEqual(status, 0);
  match(stdout, /^Host web abcdefghijklmnop\n {2}User root\n/);
  deepStrictEqual(node.calls[0]?.input, { vm: null, all: true });
});

Deno.test("strings of peers reach a terminal escaped", async () => {
  const evil = "\x1b]0;owned\x07";
  const peer = { id: NODE_ID, alias: evil, roles: [evil], networks: [], path: DIRECT };
  const node = new FakeNode({ "mesh.peers": { peers: [{ ...peer, last_seen_at: null }] } });
  for (const flags of [[], ["--json"]]) {
    const { stdout } = await runWith(["mesh", "peers", ...flags], node);
    // deno-lint-ignore no-control-regex -- they are what is looked for
    ok(!/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/.test(stdout));
  }
});

Deno.test("help and version ask no node, and answer under --json, too", async () => {
  const node = new FakeNode();
  for (
    const argv of [
      [],
      ["--help"],
      ["help", "mesh"],
      ["help", "mesh", "run"],
      ["ssh", "-h"],
      [
        "help",
        "errors",
      ],
      ["version"],
      ["--version"],
    ]
  ) {
    strictEqual((await runWith(argv, node)).status, 0, argv.join(" "));
    const json = await runWith([...argv, "--json"], node);
    match(String(document(json.stdout).schema), /^omerta\.(help|help\.errors|version)\/1$/);
  }
  const errors = await runWith(["help", "errors"], node);
  match(errors.stdout, /provider-full +6 /);
  deepStrictEqual(node.calls, []);
  strictEqual((await runWith(["help", "mesch"], node)).status, 2);
  strictEqual((await runWith(["help", "errors", "foo"], node)).status, 2);
});
