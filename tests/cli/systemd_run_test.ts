/**
 * A unit as systemd really runs it: a system of its own, in namespaces of its own, starts the node of
 * `mesh run --relay --provider --systemd`, which confines QEMU from inside of what confines it.
 */
import { match } from "node:assert/strict";
import { unitText } from "../../src/cli/systemd.ts";
import { type Obstacle, testUnless } from "../host/scratch.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const SYSTEMD = "/lib/systemd/systemd";
/** Where the units' user finds the sources: what is in a home or in /tmp is hidden from it. */
const SEEN = "/mnt/omerta";

/** How long the node may take to be ready: a guest boots to find out whether KVM works. */
const PATIENCE_MS = 90_000;

function obstacle(): Obstacle {
  if (Deno.uid() !== 0) return "root: only root can make namespaces";
  for (const path of [SYSTEMD, "/usr/bin/unshare"]) {
    try {
      Deno.statSync(path);
    } catch {
      return `systemd: there is no ${path}`;
    }
  }
  return undefined;
}

/** What is done before systemd: a user and a state directory that only it sees. */
function preparation(dir: string): string {
  const home = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;
  return `set -e
cp /etc/passwd /etc/group ${dir}
echo 'omerta:x:977:977::/var/lib/omerta:/usr/sbin/nologin' >> ${dir}/passwd
echo 'omerta:x:977:' >> ${dir}/group
grep -q ^kvm: ${dir}/group || echo 'kvm:x:978:' >> ${dir}/group
mount --bind ${dir}/passwd /etc/passwd
mount --bind ${dir}/group /etc/group
mount -t tmpfs omerta-test /var/lib
mount -t tmpfs omerta-test /mnt
mkdir ${SEEN} /mnt/bin /mnt/cache
mount --bind ${ROOT} ${SEEN}
mount --bind ${Deno.execPath().replace(/[^/]*$/, "")} /mnt/bin
cp -r ${home}/. /mnt/cache
chmod -R a+rX /mnt/cache
exec ${SYSTEMD} --system --unit=omerta.service --show-status=no
`;
}

function writeUnit(dir: string): void {
  const deno = `/mnt/bin/${Deno.execPath().replace(/^.*\//, "")}`;
  const run = ["run", "-q", "-A", "--no-prompt", "--config", `${SEEN}/deno.json`];
  const words = ["mesh", "run", "--relay", "--provider", "--state", "/var/lib/omerta"];
  const unit = unitText({
    roles: { relay: true, provider: true },
    command: [deno, ...run, `${SEEN}/main.ts`, ...words, "--port", "443"],
    isSystem: true,
    state: "/var/lib/omerta",
    hasLowPort: true,
    env: {},
  });
  Deno.mkdirSync(`${dir}/omerta.service.d`);
  Deno.writeTextFileSync(`${dir}/omerta.service`, unit.replaceAll(/^(After|Wants)=.*$/gm, ""));
  Deno.writeTextFileSync(
    `${dir}/omerta.service.d/test.conf`,
    `[Unit]
DefaultDependencies=no
[Service]
Type=exec
Environment=DENO_DIR=/mnt/cache
ExecStartPost=/bin/sh -c 'cat /proc/$MAINPID/status'
StandardOutput=append:${dir}/out
StandardError=append:${dir}/out
`,
  );
}

/** What the unit wrote, once it says `words`. */
async function said(dir: string, words: RegExp): Promise<string> {
  const watcher = Deno.watchFs(dir);
  const patience = setTimeout(() => watcher.close(), PATIENCE_MS);
  const text = () => Deno.readTextFileSync(`${dir}/out`);
  for await (const { paths } of watcher) {
    if (!paths.some((path) => path.endsWith("/out")) || !words.test(text())) continue;
    clearTimeout(patience);
    break;
  }
  return text();
}

testUnless(
  obstacle(),
  "under its unit a node listens on 443, owns its state, and confines QEMU as ever",
  async () => {
    const dir = await Deno.makeTempDir({ prefix: "omerta-unit-" });
    Deno.writeTextFileSync(`${dir}/out`, "");
    writeUnit(dir);
    const spaces = ["--pid", "--fork", "--kill-child=KILL", "--mount", "--uts", "--ipc", "--net"];
    const system = new Deno.Command("unshare", {
      args: [...spaces, "--cgroup", "--mount-proc", "/bin/sh", "-c", preparation(dir)],
      clearEnv: true,
      env: { PATH: Deno.env.get("PATH") ?? "", container: "omerta", SYSTEMD_UNIT_PATH: dir },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      const text = await said(dir, /^ready: |^omerta: /m);
      match(text, /^ready: relay and provider .* on UDP port 443/m);
      match(text, /QEMU is confined: (full|namespaces)/);
      match(text, /^Uid:\s+977\s+977/m);
      match(text, /^NoNewPrivs:\s+1$/m);
      match(text, /^CapBnd:\s+0000000000000400$/m); // CAP_NET_BIND_SERVICE alone
    } finally {
      system.kill("SIGKILL");
      await system.status;
      await Deno.remove(dir, { recursive: true });
    }
  },
);
