/** systemd units of relay and provider. */
import { match, ok, strictEqual, throws } from "node:assert/strict";
import { type UnitFacts, unitText } from "../../src/cli/systemd.ts";
import { FakeNode, FakeTerminal, runWith } from "./fakes.ts";

const RELAY: UnitFacts = {
  roles: { relay: true, provider: false },
  command: ["/opt/omerta", "relay"],
  isSystem: true,
  state: "/var/lib/omerta",
  hasLowPort: false,
  env: {},
};
const PROVIDER: UnitFacts = { ...RELAY, roles: { relay: false, provider: true } };
const BOTH: UnitFacts = { ...RELAY, roles: { relay: true, provider: true } };

function has(facts: UnitFacts, line: string): boolean {
  return unitText(facts).split("\n").includes(line);
}

Deno.test("a unit restarts always and kills the node alone", () => {
  const lines = unitText(RELAY).split("\n");
  for (
    const line of [
      "ExecStart=/opt/omerta relay",
      "Restart=always",
      "KillMode=process",
      "WantedBy=multi-user.target",
    ]
  ) {
    ok(lines.includes(line), line);
  }
});

Deno.test("a user's unit belongs to the user's manager and says how to outlive the logout", () => {
  const unit = unitText({ ...RELAY, isSystem: false });
  match(unit, /WantedBy=default.target/);
  match(unit, /loginctl enable-linger/);
});

Deno.test("words are quoted as systemd reads them", () => {
  const unit = unitText({ ...RELAY, command: ["/a b/omerta", `%h $x "y" \\z`] });
  match(unit, /^ExecStart="\/a b\/omerta" "%%h \$\$x \\"y\\" \\\\z"$/m);
  throws(() => unitText({ ...RELAY, command: ["/a\nExecStartPre=/bin/evil"] }));
});

Deno.test("--systemd prints the unit of the command with its flags, and runs nothing", async () => {
  const node = new FakeNode();
  const terminal = new FakeTerminal();
  terminal.uid = 0;
  const argv = ["provider", "--systemd", "--max-vms", "4", "--memory=8G", "--port", "9001"];
  const { status, stdout } = await runWith(argv, node, terminal);
  strictEqual(status, 0);
  const line =
    "ExecStart=/opt/omerta provider --state /state --port 9001 --max-vms 4 --memory 8589934592";
  ok(stdout.split("\n").includes(line), stdout);
  strictEqual(node.runs.length, 0);
});

Deno.test("--systemd carries a relay's limits on", async () => {
  const argv = "relay --systemd --limit-rate 20M/s --limit-session-rate 4M --limit-sessions 9";
  const { stdout } = await runWith(argv.split(" "));
  const words = "--limit-rate 20971520 --limit-session-rate 4194304 --limit-sessions 9";
  ok(stdout.split("\n").some((line) => line.endsWith(` ${words}`)), stdout);
});

Deno.test("--systemd puts no invite into a unit", async () => {
  const argv = ["relay", "--systemd", "--join", `omerta://join/${"A".repeat(40)}`];
  const { status, stderr } = await runWith(argv);
  strictEqual(status, 2);
  match(stderr, /omerta join -/);
});

Deno.test("a system unit runs as a static user of its own, which owns its state alone", () => {
  for (const facts of [RELAY, PROVIDER, BOTH]) {
    ok(has(facts, "User=omerta") && has(facts, "StateDirectory=omerta"));
    ok(has(facts, "StateDirectoryMode=0700") && has(facts, "NoNewPrivileges=yes"));
    ok(!unitText(facts).includes("DynamicUser"));
  }
  ok(has({ ...RELAY, state: "/srv/relay" }, "ReadWritePaths=/srv/relay"));
  ok(!unitText({ ...RELAY, isSystem: false }).includes("User="));
});

Deno.test("a unit gives a capability only for a port below 1024", async () => {
  ok(has(RELAY, "CapabilityBoundingSet=") && has(RELAY, "AmbientCapabilities="));
  const terminal = new FakeTerminal();
  terminal.uid = 0;
  const argv = ["relay", "--systemd", "--port"];
  const low = (await runWith([...argv, "443"], new FakeNode(), terminal)).stdout;
  match(low, /^AmbientCapabilities=CAP_NET_BIND_SERVICE$/m);
  ok(!low.includes("PrivateUsers"));
  terminal.stdout = "";
  const high = (await runWith([...argv, "9000"], new FakeNode(), terminal)).stdout;
  match(high, /^AmbientCapabilities=$/m);
});

Deno.test("a provider keeps what its helper needs: KVM, namespaces, an uncovered /proc", () => {
  for (const facts of [PROVIDER, BOTH]) {
    ok(has(facts, "DeviceAllow=/dev/kvm rw") && has(facts, "OOMPolicy=continue"));
    for (const word of ["RestrictNamespaces", "ProtectKernelTunables", "PrivateDevices"]) {
      ok(!unitText(facts).includes(`${word}=`), word);
    }
  }
  ok(has(RELAY, "RestrictNamespaces=yes") && has(RELAY, "PrivateDevices=yes"));
});

Deno.test("a second node on one state is told once, and a full disk is tried again", () => {
  for (const facts of [RELAY, PROVIDER, BOTH]) {
    ok(has(facts, "RestartPreventExitStatus=2 3 8 9"));
    match(unitText(facts), /^# omerta mesh run --relay --provider --systemd/m);
  }
});

Deno.test("a unit takes over the variables of nodes, and no secret", () => {
  const env = {
    OMERTA_LOG: "debug",
    OMERTA_DIRECT: "never",
    OMERTA_QEMU: "/opt/my qemu/$x",
    OMERTA_INVITE: "omerta://join/x",
    OMERTA_STATE: "/elsewhere",
  };
  const lines = unitText({ ...PROVIDER, env }).split("\n").filter((l) => /^Environment/.test(l));
  strictEqual(
    lines.join("\n"),
    'Environment=OMERTA_DIRECT=never\nEnvironment=OMERTA_LOG=debug\nEnvironment="OMERTA_QEMU=/opt/my qemu/$x"',
  );
});

Deno.test("one unit for both roles takes the flags of both, and has a schema of its own", async () => {
  const terminal = new FakeTerminal();
  terminal.uid = 0;
  const argv = [..."mesh run --relay --provider --systemd --json --port 9000".split(" ")];
  argv.push("--limit-sessions", "10", "--max-vms", "3", "--per-owner=1");
  const { status, stdout } = await runWith(argv, new FakeNode(), terminal);
  strictEqual(status, 0);
  const { schema, name, unit } = JSON.parse(stdout);
  strictEqual(schema, "omerta.mesh.unit/1");
  strictEqual(name, "omerta.service");
  match(
    unit,
    /^ExecStart=\S+ mesh run --relay --provider --state \S+ --port 9000 --limit-sessions 10 --max-vms 3 --per-owner 1$/m,
  );
  for (const noun of ["relay", "provider"]) {
    const terminal = new FakeTerminal();
    const { stdout } = await runWith([noun, "--systemd", "--json"], new FakeNode(), terminal);
    strictEqual(JSON.parse(stdout).schema, `omerta.${noun}.unit/1`);
    strictEqual(JSON.parse(stdout).name, `omerta-${noun}.service`);
  }
});

Deno.test("mesh run takes what is lent only with --provider, and passes it on", async () => {
  strictEqual((await runWith(["mesh", "run", "--max-vms", "2"])).status, 2);
  const node = new FakeNode();
  await runWith(["mesh", "run", "--relay", "--provider", "--max-vms", "2", "--dry-run"], node);
  strictEqual(node.runs[0]?.provider?.maxVms, 2);
  strictEqual(node.runs[0]?.provider?.dryRun, true);
});

/** How exposed systemd holds a unit to be, of 10. */
async function exposure(path: string): Promise<number> {
  const args = ["security", "--offline=true", "--no-pager", path];
  const { stdout } = await new Deno.Command("systemd-analyze", { args }).output();
  return Number(
    /Overall exposure level for \S+: ([\d.]+)/.exec(
      new TextDecoder().decode(stdout),
    )?.[1],
  );
}

function hasAnalyzer(): boolean {
  try {
    new Deno.Command("systemd-analyze", { args: ["--version"], stdout: "null" }).outputSync();
    return true;
  } catch {
    return false;
  }
}

const analyzer = hasAnalyzer();

Deno.test({
  name: `systemd takes the unit${analyzer ? "" : " (not run: systemd-analyze is not installed)"}`,
  ignore: !analyzer,
  fn: async () => {
    const dir = await Deno.makeTempDir({ prefix: "omerta-unit-" });
    try {
      const command = ["/bin/true", "a b", "%h $x"];
      for (const [i, facts] of [RELAY, PROVIDER, BOTH].entries()) {
        for (const isSystem of [true, false]) {
          const path = `${dir}/omerta-${i}-${isSystem}.service`;
          await Deno.writeTextFile(path, unitText({ ...facts, command, isSystem }));
          const args = ["verify", "--man=no", path];
          const { stderr } = await new Deno.Command("systemd-analyze", { args }).output();
          const complaints = new TextDecoder().decode(stderr).split("\n")
            .filter((line) => line.includes("omerta-"));
          strictEqual(complaints.join("\n"), "");
        }
      }
      strictEqual(await exposure(`${dir}/omerta-0-true.service`) <= 1.8, true);
      strictEqual(await exposure(`${dir}/omerta-1-true.service`) <= 4, true);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});
