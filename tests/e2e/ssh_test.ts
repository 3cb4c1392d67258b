/** A VM as people and their tools use it over ssh: much at once, jobs that stay, files that move. */
import {
  assert,
  assertEquals,
  assertMatch,
  type Doc,
  type Host,
  type Lab,
  type Outcome,
  startProvider,
  startRelay,
  within,
} from "./lab.ts";
import { e2e } from "./lab/e2e.ts";

e2e("a VM takes thirty ssh sessions at once, sixty on one connection, and files", {
  plan: { provider: "hard", consumer: "hard" },
}, async (lab) => {
  const { consumer } = lab;
  const { invite } = await startRelay(lab.relay);
  await startProvider(lab.provider, invite);
  await consumer.json(["network", "join", "-"], { stdin: invite });
  await request(consumer, ["--name", "box", "--memory", "512M", "--storage", "64M"]);
  const config = `${consumer.dir}/ssh_config`;
  const printed = await consumer.run(["consumer", "ssh-config"]);
  await Deno.writeTextFile(config, printed.stdout);

  await manySessions(consumer, config, 30);
  await oneConnection(consumer, config, 60);
  await jobsStay(consumer, config);
  await filesMove(consumer, config);
  await consumer.json(["consumer", "release", "box"]);

  await request(consumer, ["--name", "small", "--memory", "128M"]);
  const small = await consumer.run(["consumer", "ssh", "small", "--", "tmux new -d; tmux ls"]);
  assertMatch(small.stdout, /^0: 1 windows/, `a VM of 128 MiB (${small.stderr})`);
  await evictionIsTold(lab);
  await lab.provider.noVms();
});

async function request(host: Host, args: readonly string[]): Promise<Doc> {
  const words = ["consumer", "request", "--cpu", "1", ...args];
  const vm = await host.json(words, { withinMs: 180_000 });
  assertEquals(vm.state, "ready", "the state");
  return vm;
}

/** Connections of their own, none of which ends before all have begun. */
async function manySessions(host: Host, config: string, count: number): Promise<void> {
  const arrive = (i: number) =>
    `mkdir -p /tmp/in; : >/tmp/in/${i}; set --; ` +
    `until [ $# -ge ${count} ]; do sleep 1; set -- /tmp/in/*; done; echo ${i}`;
  const sessions = Array.from(
    { length: count },
    (_, i) => host.exec("ssh", ["-F", config, "box", arrive(i)], { withinMs: 300_000 }),
  );
  assertAll(await Promise.all(sessions));
}

/** Short sessions on one connection, as Ansible has them. */
async function oneConnection(host: Host, config: string, count: number): Promise<void> {
  const master = ["-F", config, "-S", `${host.dir}/master`];
  const opened = await host.exec("ssh", [
    ...master,
    "-M",
    "-o",
    "ControlPersist=60",
    "box",
    "echo",
  ]);
  assertEquals(opened.code, 0, `status of the master (${opened.stderr})`);
  const sessions = Array.from(
    { length: count },
    (_, i) => host.exec("ssh", [...master, "box", `echo ${i}`], { withinMs: 300_000 }),
  );
  assertAll(await Promise.all(sessions));
  const closed = await host.exec("ssh", [...master, "-O", "exit", "box"]);
  assertMatch(closed.stderr, /Exit request sent/, "the master's end");
}

/** Session `i` has printed `i`. */
function assertAll(outcomes: readonly Outcome[]): void {
  const failed = outcomes.filter(({ code, stdout }, i) => code !== 0 || stdout !== `${i}\n`);
  const said = failed.map(({ code, stderr }) => `${code}: ${stderr}`).join("\n");
  assertEquals(failed.length, 0, `failed of ${outcomes.length} sessions\n${said}\n`);
}

/** The owner of the hardware takes it back while a session is open. */
async function evictionIsTold({ consumer, provider }: Lab): Promise<void> {
  const session = consumer.start(["consumer", "ssh", "small", "echo in; sleep 600"]);
  assertEquals(await session.line("the session", 60_000), "in", "what the session says");
  await provider.json(["provider", "evict", "--all"]);
  const { code } = await within("the session's end", 60_000, session.ended);
  assertEquals(code, 255, "status of an evicted session");
  const said = await Deno.readTextFile(consumer.log);
  assertMatch(said, /The VM small has ended: the provider's owner took it back/, "why it ended");
}

async function jobsStay(host: Host, config: string): Promise<void> {
  const ssh = (command: string) => host.exec("ssh", ["-F", config, "box", command]);
  const begun = await ssh(
    "mkfifo /tmp/wake; nohup sh -c 'read w </tmp/wake; echo $w >/tmp/heard' >/tmp/log 2>&1 &",
  );
  assertEquals([begun.code, begun.stdout, begun.stderr], [0, "", ""], "the job's beginning");
  const heard = await ssh(
    "echo up >/tmp/wake; until [ -s /tmp/heard ]; do usleep 50000; done; cat /tmp/heard",
  );
  assertEquals(heard.stdout, "up\n", `what the job left (${heard.stderr})`);
}

async function filesMove(host: Host, config: string): Promise<void> {
  const file = `${host.dir}/file`;
  await Deno.writeFile(file, crypto.getRandomValues(new Uint8Array(60_000)));
  for (
    const [program, ...args] of [["scp", "-q", "-F", config], ["rsync", "-e", `ssh -F ${config}`]]
  ) {
    const copied = await host.exec(program ?? "", [...args, file, "box:/data/"]);
    assertEquals(copied.code, 0, `status of ${program} (${copied.stderr})`);
    await sameBack(host, config, file, "/data/file");
  }
  await editorSaves(host, config, file);
}

/** An editor writes beside, puts it over the old file, and looks at what is there. */
async function editorSaves(host: Host, config: string, file: string): Promise<void> {
  await Deno.writeFile(file, crypto.getRandomValues(new Uint8Array(50_000)));
  const lines = [`put ${file} /data/file.new`, "rename /data/file.new /data/file", "ls -l /data"];
  const batch = { stdin: lines.map((line) => `${line}\n`).join("") };
  const saved = await host.exec("sftp", ["-b", "-", "-F", config, "box"], batch);
  assertEquals(saved.code, 0, `status of sftp (${saved.stderr})`);
  assertMatch(saved.stdout, / 50000 .* \/data\/file$/m, "the file after the rename");
  assert(!/file\.new$/m.test(saved.stdout.split("ls -l")[1] ?? ""), "the new name is still there");
  await sameBack(host, config, file, "/data/file");
}

async function sameBack(host: Host, config: string, file: string, there: string): Promise<void> {
  const back = await host.exec("scp", ["-q", "-F", config, `box:${there}`, `${file}.back`]);
  assertEquals(back.code, 0, `status of scp back (${back.stderr})`);
  const same = await host.exec("cmp", [file, `${file}.back`]);
  assertEquals(same.code, 0, `${there} (${same.stdout})`);
}
