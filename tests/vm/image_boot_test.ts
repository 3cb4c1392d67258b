/** The image `micro`, booted: what it says, who may enter, what works in it, and how it ends. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { equalBytes } from "../../src/base/mod.ts";
import { say } from "../host/scratch.ts";
import { BareGuest, bareGuestProblem, type BareOptions, run } from "./bare_guest.ts";

const problem = await bareGuestProblem();
const MIB = 2 ** 20;

/** A test with a guest of its own, where one can be booted. */
function guestTest(
  name: string,
  options: BareOptions & { diskContent?: Uint8Array },
  check: (guest: BareGuest, test: Deno.TestContext) => Promise<void>,
): void {
  if (problem !== undefined) say(`skipped: ${name}: ${problem}`);
  Deno.test({
    name,
    ignore: problem !== undefined,
    fn: async (test) => {
      const disk = await Deno.makeTempFile({ prefix: "omerta-disk-" });
      try {
        if (options.diskContent !== undefined) await Deno.writeFile(disk, options.diskContent);
        await Deno.truncate(disk, 64 * MIB);
        await using guest = await BareGuest.start({ disk, ...options });
        await check(guest, test);
      } finally {
        await Deno.remove(disk);
      }
    },
  });
}

guestTest(
  "a guest that is only probed says so and ends",
  { seeded: false, append: "omerta.probe=1" },
  async (guest) => {
    await guest.until("OMERTA-PROBE");
    strictEqual(await guest.ended, 0);
  },
);

guestTest("a guest that is told nothing says so and ends", { seeded: false }, async (guest) => {
  await guest.until("OMERTA-FAILED entropy: No such file or directory");
  strictEqual(await guest.ended, 0);
  ok(!guest.console.includes("OMERTA-READY"));
});

guestTest(
  "a guest whose sshd does not start says so and ends",
  { told: [{ path: "omerta/ssh_host_key", mode: 0o600, bytes: new Uint8Array(100) }] },
  async (guest) => {
    await guest.until("OMERTA-FAILED sshd: No child processes");
    strictEqual(await guest.ended, 0);
    match(guest.console, /host_?key/i);
  },
);

guestTest("a guest serves its renter, and nobody else", {}, async (guest, test) => {
  await guest.until("OMERTA-READY");
  const isIn = (text: string, pattern: RegExp) => match(text, pattern, text);

  await test.step("the renter's key opens it, with the host key that was given", async () => {
    deepStrictEqual(await guest.ssh("id -un; hostname"), { code: 0, text: "root\nbare-guest\n" });
  });
  await test.step("another key does not, nor is a password asked for", async () => {
    const { code, text } = await guest.ssh("true", "stranger");
    strictEqual(code, 255);
    isIn(text, /Permission denied \(publickey\)/);
  });
  await test.step("nothing that it was told secretly is left in a file", async () => {
    const { text } = await guest.ssh(
      "ls -A /omerta; find / -xdev -name '*host_key*' -o -name wg.key",
    );
    strictEqual(text, "ls: /omerta: No such file or directory\n");
  });
  await test.step("its generator is full", async () => {
    strictEqual((await guest.ssh("cat /proc/sys/kernel/random/entropy_avail")).text, "256\n");
  });
  await test.step("its clock is right", async () => {
    const seconds = Number((await guest.ssh("date +%s")).text);
    ok(Math.abs(seconds - Date.now() / 1000) < 5, String(seconds));
  });
  await test.step("its tunnel has the renter as its only peer, and calls it", async () => {
    const { text } = await guest.ssh("wg show wg0; ip -6 addr show wg0; ip -6 route");
    isIn(text, /listening port: 51820/);
    isIn(text, /endpoint: 10\.0\.2\.2:51820\n +allowed ips: fd4f:6d65:7274::1\/128\n/);
    isIn(text, /transfer: 0 B received, [1-9][0-9]* B sent/);
    isIn(text, /wg0: .* mtu 1280 [^]*inet6 fd4f:6d65:7274::2\/128/);
    isIn(text, /^fd4f:6d65:7274::1 dev wg0 /m);
  });
  await test.step("it has no way but the tunnel", async () => {
    const { text } = await guest.ssh("ip route; ip -6 addr show eth0; netstat -lntu | tail -n +3");
    isIn(text, /^10\.0\.2\.0\/24 dev eth0 [^\n]*\n(?!default)/);
    const sockets = text.split("\n").filter((line) => /^(tcp|udp)/.test(line));
    const open = sockets.map((line) => line.split(/ +/)[3]).sort();
    deepStrictEqual(open, ["0.0.0.0:51820", "10.0.2.15:22", ":::51820", "fd4f:6d65:7274::2:22"]);
  });
  await test.step("a blank disk becomes a file system at /data", async () => {
    const { text } = await guest.ssh("grep /data /proc/mounts; echo kept >/data/f && cat /data/f");
    isIn(text, /^\/dev\/vda \/data ext4 rw,[^\n]*\nkept\n$/);
  });
  await test.step("terminals and login shells work", async () => {
    const target = ["-tt", "-p", String(guest.port), "root@127.0.0.1"];
    const { text } = await run("ssh", [
      ...guest.sshOptions(),
      ...target,
      "tty; sh -lc 'echo $PS1'",
    ]);
    isIn(text, /^\/dev\/pts\/0\r\n\\u@\\h:\\w\\\$\r\n$/);
  });
  await toolsWork(guest, test);
  await copyFiles(guest, test);
  await test.step("poweroff ends it", async () => {
    await guest.ssh("poweroff");
    strictEqual(await guest.ended, 0);
  });
});

/** What people who work over ssh take for granted. */
async function toolsWork(guest: BareGuest, test: Deno.TestContext): Promise<void> {
  await test.step("the shell of commands is bash, and text is UTF-8", async () => {
    const { text } = await guest.ssh('x=(a "déjà"); echo ${#x[1]} "$LANG" "$SHELL"');
    strictEqual(text, "4 C.UTF-8 /bin/bash\n");
  });
  await test.step("a job under nohup survives its session, and does not hold it", async () => {
    const job = "read word <>/tmp/wake; echo it >/tmp/heard";
    const line = `mkfifo /tmp/wake; nohup sh -c '${job}' >/tmp/log 2>&1 &`;
    deepStrictEqual(await guest.ssh(line), { code: 0, text: "" });
    const later =
      "echo go >/tmp/wake; until [ -s /tmp/heard ]; do usleep 20000; done; cat /tmp/heard";
    deepStrictEqual(await guest.ssh(later), { code: 0, text: "it\n" });
  });
  await test.step("tmux keeps a session, and knows the terminals that people have", async () => {
    await guest.ssh("tmux new -d -s work 'echo $TERM >/tmp/term; exec sleep 600'");
    const { text } = await guest.ssh(
      "until [ -s /tmp/term ]; do usleep 20000; done; cat /tmp/term",
    );
    strictEqual(text, "tmux-256color\n");
    const names = "xterm xterm-256color screen tmux linux rxvt vt100 unheard-of";
    const attach = `for t in ${names}; do TERM=$t bash -lc "tmux attach \\\\; detach"; done`;
    const target = ["-tt", "-p", String(guest.port), "root@127.0.0.1", attach];
    const attached = await run("ssh", [...guest.sshOptions(), ...target]);
    strictEqual(
      attached.text.match(/\[detached \(from session work\)\]/g)?.length,
      8,
      attached.text,
    );
    strictEqual((await guest.ssh("tmux ls -F '#S'; tmux kill-server")).text, "work\n");
  });
}

/** A file there and back, by every way in which people copy files. */
async function copyFiles(guest: BareGuest, test: Deno.TestContext): Promise<void> {
  const there = `${guest.folder}/there`;
  const back = `${guest.folder}/back`;
  const content = new Uint8Array(randomBytes(MIB));
  await Deno.writeFile(there, content);
  const options = guest.sshOptions();
  const port = String(guest.port);
  const rsync = ["-e", ["ssh", ...options, "-p", port].join(" ")];
  const ways: readonly [string, string, string[]][] = [
    ["scp", "scp", [...options, "-P", port]],
    ["scp by its old protocol", "scp", [...options, "-O", "-P", port]],
    ["rsync", "rsync", rsync],
  ];
  for (const [name, program, args] of ways) {
    await test.step(`files go through ${name}`, async () => {
      const quiet = { code: 0, text: "" };
      deepStrictEqual(await run(program, [...args, there, "root@127.0.0.1:/data/f"]), quiet);
      deepStrictEqual(await run(program, [...args, "root@127.0.0.1:/data/f", back]), quiet);
      ok(equalBytes(await Deno.readFile(back), content), "the file came back changed");
      await Deno.remove(back);
    });
  }
}

guestTest(
  "a guest with a disk of an unknown kind leaves it alone, and is closed to the network",
  { append: "", diskContent: new TextEncoder().encode("somebody's data") },
  async (guest) => {
    await guest.until("OMERTA-READY");
    match(guest.console, /omerta: \/data: Invalid argument/);
    strictEqual((await guest.banner()).text, "");
  },
);
