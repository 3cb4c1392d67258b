/** How OpenSSH reaches a VM, tried with the real one where it is installed. */
import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { OmertaError } from "../../src/base/mod.ts";
import {
  knownHostsLine,
  proxyCommand,
  shellWord,
  sshCommand,
  sshConfigEntry,
} from "../../src/api/ssh_command.ts";
import { sshConfig } from "../../src/cli/commands/consumer_ssh.ts";

const TARGET = {
  id: "abcdefghijklmnop",
  name: "web",
  user: "root",
  identityFile: "/state/ssh/id_ed25519",
  knownHostsFile: "/state/ssh/known_hosts",
};
const SELF = { program: ["/usr/bin/omerta"], state: "/state" };

/** Everything that a shell, ssh's tokeniser or ssh's expansion could trip over. */
const NASTY = `s p "q" 'r' %h %% \\t \\ $HOME $(x) \`y\` #z ;& é!`;

function refuses(code: string) {
  return (error: unknown) => error instanceof OmertaError && error.code === code;
}

function runs(program: string): boolean {
  try {
    new Deno.Command(program, { args: ["-V"], stdout: "null", stderr: "null" }).outputSync();
    return true;
  } catch {
    return false;
  }
}

const ssh = runs("ssh");
const withSsh = ssh ? {} : { ignore: true }; // in strict mode a skip without a line fails

async function inScratch(run: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "omerta-ssh-" });
  try {
    await run(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("sshCommand() is strict and uses nothing of the user's", () => {
  const command = sshCommand(TARGET, SELF);
  deepStrictEqual(command.slice(0, 3), ["ssh", "-F", "none"]);
  strictEqual(command.at(-1), "root@abcdefghijklmnop");
  for (
    const option of [
      "StrictHostKeyChecking=yes",
      "HostKeyAlias=omerta-abcdefghijklmnop",
      'UserKnownHostsFile="/state/ssh/known_hosts"',
      "GlobalKnownHostsFile=/dev/null",
      'IdentityFile="/state/ssh/id_ed25519"',
      "IdentitiesOnly=yes",
      "IdentityAgent=none",
      "ForwardAgent=no",
      "ForwardX11=no",
      "ProxyCommand=/usr/bin/omerta consumer proxy abcdefghijklmnop --state /state --quiet",
    ]
  ) {
    ok(command.includes(option), option);
  }
});

Deno.test("hostile strings of a provider are refused", () => {
  const cases: Partial<typeof TARGET>[] = [
    { id: "-oProxyCommand=x" },
    { id: "abcdefghijklmno" },
    { id: "ABCDEFGHIJKLMNOP" },
    { user: "-l" },
    { user: "root\n" },
    { user: "root@evil" },
    { user: "$(id)" },
    { user: "" },
    { name: "*" },
    { name: "web\n  ProxyCommand x" },
    { name: "Web" },
  ];
  for (const change of cases) {
    throws(() => sshCommand({ ...TARGET, ...change }, SELF), refuses("refused"));
    throws(() => sshConfigEntry({ ...TARGET, ...change }, SELF), refuses("refused"));
  }
});

Deno.test("knownHostsLine() takes one Ed25519 key and nothing else", () => {
  const key = `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${"A".repeat(43)}`;
  strictEqual(knownHostsLine(TARGET.id, key), `omerta-abcdefghijklmnop ${key}\n`);
  const bad = [
    `${key} comment`,
    `${key}\n* ${key}`,
    key.replace("ssh-ed25519", "ssh-rsa"),
    key.replace("AAAAC3", "BAAAC3"),
    key.slice(0, -1),
    `@cert-authority ${key}`,
    "",
  ];
  for (const line of bad) throws(() => knownHostsLine(TARGET.id, line), refuses("refused"));
  throws(() => knownHostsLine("*", key), refuses("refused"));
});

Deno.test("a path that ssh would expand, or that is relative, is refused", () => {
  for (const path of ["/a/${HOME}/b", "id", "~/id", "/a\0b"]) {
    throws(() => sshCommand({ ...TARGET, identityFile: path }, SELF), refuses("unsupported"));
  }
  const lines = { ...TARGET, knownHostsFile: "/a\nb" };
  throws(() => sshConfigEntry(lines, SELF), refuses("unsupported"));
});

Deno.test("shellWord() gives a shell back exactly the word", async () => {
  const word = fc.string({ unit: "binary-ascii" }).filter((text) => !text.includes("\0"));
  await fc.assert(
    fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 4 }), async (words) => {
      const line = `printf '<%s>' ${words.map(shellWord).join(" ")}`;
      const { stdout } = await new Deno.Command("/bin/sh", { args: ["-c", line] }).output();
      strictEqual(new TextDecoder().decode(stdout), words.map((text) => `<${text}>`).join(""));
    }),
    { numRuns: 40 },
  );
});

Deno.test("proxyCommand() doubles every percent sign", () => {
  const line = proxyCommand(TARGET.id, { program: ["/a%h/omerta"], state: "/s%%" });
  strictEqual(line.replaceAll("%%", "").includes("%"), false);
});

const title = ssh ? "" : " (not run: OpenSSH is not installed)";

Deno.test({
  name: `ssh starts the proxy with exactly our words, whatever the paths hold${title}`,
  ...withSsh,
  fn: () =>
    inScratch(async (dir) => {
      for (const nasty of [NASTY, `${NASTY}\nnew line`]) {
        const state = `${dir}/${nasty}`;
        await Deno.mkdir(state);
        const program = `${state}/pro xy`;
        await Deno.writeTextFile(program, `#!/bin/sh\nprintf '<%s>' "$0" "$@" > "${dir}/words"\n`);
        await Deno.chmod(program, 0o755);
        const target = {
          ...TARGET,
          identityFile: `${state}/id`,
          knownHostsFile: `${state}/known`,
        };
        const [ssh = "", ...args] = sshCommand(target, { program: [program, "-A"], state });
        const run = new Deno.Command(ssh, { args, stdin: "null", stdout: "null", stderr: "null" });
        strictEqual((await run.output()).code, 255);
        const words = [program, "-A", "consumer", "proxy", TARGET.id, "--state", state, "--quiet"];
        const seen = await Deno.readTextFile(`${dir}/words`);
        strictEqual(seen, words.map((word) => `<${word}>`).join(""));
      }
    }),
});

Deno.test({
  name: `ssh reads the same out of the list of arguments and the configuration entry${title}`,
  ...withSsh,
  fn: () =>
    inScratch(async (dir) => {
      const state = `${dir}/${NASTY}`;
      const self = { program: [`${state}/omerta`], state };
      const target = { ...TARGET, identityFile: `${state}/id`, knownHostsFile: `${state}/known` };
      await Deno.writeTextFile(`${dir}/config`, sshConfigEntry(target, self));
      const listed = await settings(sshCommand(target, self).slice(1));
      const named = await settings(["-F", `${dir}/config`, "web"]);
      const byId = await settings(["-F", `${dir}/config`, TARGET.id]);
      deepStrictEqual({ ...named, hostname: "", host: "" }, { ...listed, hostname: "", host: "" });
      deepStrictEqual({ ...byId, hostname: "", host: "" }, { ...listed, hostname: "", host: "" });
      strictEqual(listed.userknownhostsfile, `${state}/known`);
      strictEqual(listed.stricthostkeychecking, "true");
      match(listed.identityagent ?? "", /none/);
    }),
});

/** What a `Host *` may say that would harm here, and what cannot be kept out of an entry. */
const HOSTILE = {
  harmful: [
    ["ForwardAgent", "yes"],
    ["ForwardX11", "yes"],
    ["IdentityAgent", "SSH_AUTH_SOCK"],
    ["IdentitiesOnly", "no"],
    ["PubkeyAuthentication", "no"],
    ["PreferredAuthentications", "password"],
    ["AddKeysToAgent", "yes"],
    ["StrictHostKeyChecking", "no"],
    ["UserKnownHostsFile", "/others"],
    ["GlobalKnownHostsFile", "/others"],
    ["HostKeyAlias", "other"],
    ["HostKeyAlgorithms", "ssh-rsa"],
    ["UpdateHostKeys", "yes"],
    ["VerifyHostKeyDNS", "yes"],
    ["NoHostAuthenticationForLocalhost", "yes"],
    ["CanonicalizeHostname", "always"],
    ["ControlMaster", "auto"],
    ["ControlPath", "/tmp/%C"],
    ["PermitLocalCommand", "yes"],
    ["RemoteCommand", "other"],
    ["ProxyJump", "other"],
    ["ProxyUseFdpass", "yes"],
    ["ServerAliveInterval", "0"],
    ["Tunnel", "yes"],
    ["User", "other"],
  ],
  adding: [
    ["IdentityFile", "/other/id"],
    ["CertificateFile", "/other/cert"],
    ["SendEnv", "OTHER"],
    ["RemoteForward", "9999 localhost:22"],
  ],
} as const;

/** The settings of an entry that stands above a `Host *`. */
async function belowUs(dir: string, others: readonly (readonly [string, string])[]) {
  const entry = sshConfigEntry(TARGET, SELF);
  const lines = ["Host *", ...others.map((words) => `  ${words.join(" ")}`), ""];
  await Deno.writeTextFile(`${dir}/config`, `${entry}\n${lines.join("\n")}`);
  return await settings(["-F", `${dir}/config`, "web"]);
}

Deno.test({
  name: `a 'Host *' below an entry changes nothing of what one line decides${title}`,
  ...withSsh,
  fn: () =>
    inScratch(async (dir) => {
      const alone = await belowUs(dir, []);
      for (const option of HOSTILE.harmful) {
        deepStrictEqual(await belowUs(dir, [option]), alone, option.join(" "));
      }
    }),
});

Deno.test({
  name: `what a 'Host *' adds to an entry is what the help of ssh-config names${title}`,
  ...withSsh,
  fn: () =>
    inScratch(async (dir) => {
      const alone = await belowUs(dir, []);
      const added = Object.entries(await belowUs(dir, HOSTILE.adding));
      const changed = added.filter(([key, value]) => alone[key] !== value).map(([key]) => key);
      deepStrictEqual(
        changed.toSorted(),
        HOSTILE.adding.map(([key]) => key.toLowerCase()).toSorted(),
      );
      const { details = [] } = sshConfig;
      for (const [key] of HOSTILE.adding) ok(details.join(" ").includes(key), key);
    }),
});

/** What ssh makes of its arguments: `ssh -G`. */
async function settings(args: readonly string[]): Promise<Record<string, string>> {
  const { stdout, code } = await new Deno.Command("ssh", { args: ["-G", ...args] }).output();
  strictEqual(code, 0);
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  return Object.fromEntries(lines.map((line) => {
    const space = line.indexOf(" ");
    return [line.slice(0, space), line.slice(space + 1)];
  }));
}
