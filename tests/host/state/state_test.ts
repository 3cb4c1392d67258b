/** Where the state is, and that it is ours alone. */
import assert from "node:assert/strict";
import {
  checkSocketPath,
  existingState,
  openState,
  resolveStateDir,
  SOCKET_PATH_BYTES_MAX,
} from "../../../src/host/state/state.ts";
import { inDirectory, testUnless } from "../scratch.ts";

const PLACES: readonly {
  name: string;
  flag?: string;
  env: Record<string, string>;
  uid: number;
  want: string;
}[] = [
  { name: "--state", flag: "/a/b/", env: { OMERTA_STATE: "/c" }, uid: 1000, want: "/a/b" },
  { name: "OMERTA_STATE", env: { OMERTA_STATE: "/c", HOME: "/h" }, uid: 1000, want: "/c" },
  { name: "XDG", env: { XDG_STATE_HOME: "/x", HOME: "/h" }, uid: 1000, want: "/x/omerta" },
  { name: "a user", env: { HOME: "/h" }, uid: 1000, want: "/h/.local/state/omerta" },
  { name: "root", env: { HOME: "/root" }, uid: 0, want: "/var/lib/omerta" },
  {
    name: "a relative XDG, which is ignored",
    env: { XDG_STATE_HOME: "x", HOME: "/h" },
    uid: 1000,
    want: "/h/.local/state/omerta",
  },
];

for (const { name, flag = null, env, uid, want } of PLACES) {
  Deno.test(`resolveStateDir() finds the state of ${name}`, () => {
    assert.equal(resolveStateDir({ flag, env, uid }), want);
  });
}

Deno.test("resolveStateDir() makes a relative --state absolute", () => {
  const dir = resolveStateDir({ flag: "a", env: {}, uid: 0 });
  assert.equal(dir, `${Deno.cwd()}/a`);
});

Deno.test("resolveStateDir() asks for --state where there is no home", () => {
  assert.throws(() => resolveStateDir({ flag: null, env: {}, uid: 1 }), { code: "usage" });
});

Deno.test(
  "openState() makes the directory and its parents private",
  inDirectory((dir) => {
    const paths = openState(`${dir}/a/b`);
    assert.equal(paths.socket, `${dir}/a/b/node.sock`);
    for (const made of ["a", "a/b"]) {
      assert.equal((Deno.lstatSync(`${dir}/${made}`).mode ?? 0) & 0o777, 0o700);
    }
  }),
);

Deno.test(
  "existingState() makes nothing",
  inDirectory((dir) => {
    assert.equal(existingState(`${dir}/a`), undefined);
    assert.deepEqual([...Deno.readDirSync(dir)], []);
  }),
);

Deno.test(
  "openState() makes an empty directory private and refuses an open one that is not empty",
  inDirectory((dir) => {
    Deno.chmodSync(dir, 0o755);
    openState(dir);
    assert.equal((Deno.lstatSync(dir).mode ?? 0) & 0o777, 0o700);
    Deno.writeTextFileSync(`${dir}/node.log`, "");
    Deno.chmodSync(dir, 0o750);
    assert.throws(() => openState(dir), { code: "key-mode", message: /0750/ });
    assert.throws(() => existingState(dir), { code: "key-mode" });
  }),
);

Deno.test(
  "openState() follows a link to one and the same state",
  inDirectory((dir) => {
    openState(`${dir}/real`);
    Deno.symlinkSync(`${dir}/real`, `${dir}/link`);
    assert.equal(openState(`${dir}/link`).dir, `${dir}/real`);
    Deno.symlinkSync(`${dir}/nothing`, `${dir}/broken`);
    assert.throws(() => openState(`${dir}/broken`), { code: "usage", message: /link to nothing/ });
  }),
);

Deno.test(
  "openState() refuses a file in the place of the directory",
  inDirectory((dir) => {
    Deno.writeTextFileSync(`${dir}/file`, "");
    assert.throws(() => openState(`${dir}/file`), { code: "usage", message: /not a directory/ });
    assert.throws(() => openState(`${dir}/file/below`), { code: "usage" });
  }),
);

Deno.test(
  "openState() refuses a path that is too long for a socket, before making it",
  inDirectory((dir) => {
    const long = `${dir}/${"x".repeat(SOCKET_PATH_BYTES_MAX)}`;
    assert.throws(() => openState(long), { code: "usage", message: /107/ });
    assert.deepEqual([...Deno.readDirSync(dir)], []);
  }),
);

Deno.test("checkSocketPath() counts bytes, not characters", () => {
  checkSocketPath("/" + "x".repeat(SOCKET_PATH_BYTES_MAX - 1));
  assert.throws(() => checkSocketPath("/" + "ü".repeat(60)), { code: "usage" });
});

testUnless(
  Deno.uid() === 0 ? undefined : "root: only root can make another user's directory",
  "openState() refuses the directory, and the link, of another user",
  inDirectory((dir) => {
    const theirs = `${dir}/theirs`;
    Deno.mkdirSync(theirs, { mode: 0o700 });
    Deno.chownSync(theirs, 12345, 12345);
    assert.throws(() => openState(theirs), { code: "state-damaged", message: /user 12345/ });
    Deno.mkdirSync(`${dir}/ours`, { mode: 0o700 });
    Deno.symlinkSync(`${dir}/ours`, `${dir}/link`);
    new Deno.Command("chown", { args: ["-h", "12345", `${dir}/link`] }).outputSync();
    assert.throws(() => openState(`${dir}/link`), { code: "state-damaged" });
  }),
);
