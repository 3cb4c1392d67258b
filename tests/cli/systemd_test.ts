/** systemd units of relay and provider. */
import { match, ok, strictEqual, throws } from "node:assert/strict";
import { unitText } from "../../src/cli/systemd.ts";
import { FakeNode, FakeTerminal, runWith } from "./fakes.ts";

const RELAY = { role: "relay", command: ["/opt/omerta", "relay"], isSystem: true } as const;

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
  match(stderr, /omerta network join/);
});

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
      const path = `${dir}/omerta-relay.service`;
      const command = ["/bin/true", "a b", "%h $x"];
      await Deno.writeTextFile(path, unitText({ ...RELAY, command }));
      const args = ["verify", "--man=no", path];
      const { stderr } = await new Deno.Command("systemd-analyze", { args }).output();
      const complaints = new TextDecoder().decode(stderr).split("\n")
        .filter((line) => line.includes("omerta-relay"));
      strictEqual(complaints.join("\n"), "");
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});
