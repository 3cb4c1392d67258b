/** The ssh keys of a state, made by the system's ssh-keygen. */
import assert from "node:assert/strict";
import { SshKeys } from "../../src/host/ssh_keys.ts";
import { statePaths } from "../../src/host/state/state.ts";
import { findExecutable } from "../../src/host/system.ts";
import { inDirectory, testUnless } from "./scratch.ts";
import { SSH_KEY } from "../daemon/renting/rent_rig.ts";

const OURS = { sshPublicKey: null, identityFile: null };
const obstacle = findExecutable("ssh-keygen") === undefined
  ? "ssh: ssh-keygen is not installed"
  : undefined;

const withKeygen = (name: string, test: (dir: string) => Promise<void>) =>
  testUnless(obstacle, name, inDirectory(test));

withKeygen("the state's own key is made once, for its owner's eyes only", async (dir) => {
  const keys = new SshKeys(statePaths(dir));
  const first = await keys.forRequest(OURS);
  assert.match(first.publicKey, /^ssh-ed25519 [A-Za-z0-9+/=]+$/);
  assert.equal((Deno.statSync(first.identityFile).mode ?? 0) & 0o777, 0o600);
  assert.equal((Deno.statSync(`${dir}/ssh`).mode ?? 0) & 0o777, 0o700);
  assert.deepEqual(await keys.forRequest(OURS), first);
  assert.deepEqual(await new SshKeys(statePaths(dir)).forRequest(OURS), first);
});

withKeygen("a key of which one half is lost is made anew", async (dir) => {
  const keys = new SshKeys(statePaths(dir));
  for (const half of ["", ".pub"]) {
    const first = await keys.forRequest(OURS);
    Deno.removeSync(`${first.identityFile}${half}`);
    assert.notEqual((await keys.forRequest(OURS)).publicKey, first.publicKey);
  }
});

withKeygen("requests at the same time get one and the same first key", async (dir) => {
  const keys = new SshKeys(statePaths(dir));
  const [one, two] = await Promise.all([keys.forRequest(OURS), keys.forRequest(OURS)]);
  assert.deepEqual(one, two);
  assert.deepEqual(await keys.forRequest(OURS), one);
});

Deno.test(
  "a key that the request brings is taken without its comment, with its file",
  inDirectory(async (dir) => {
    const keys = new SshKeys(statePaths(dir));
    const brought = { sshPublicKey: `${SSH_KEY} me@here\n`, identityFile: "/home/me/key" };
    const taken = await keys.forRequest(brought);
    assert.deepEqual(taken, { publicKey: SSH_KEY, identityFile: "/home/me/key" });
  }),
);

Deno.test(
  "what is no public key is refused with what to give",
  inDirectory(async (dir) => {
    const keys = new SshKeys(statePaths(dir));
    for (const sshPublicKey of ["", "x", `${SSH_KEY}\n${SSH_KEY}`, `no-pty ${SSH_KEY}`]) {
      const asked = keys.forRequest({ sshPublicKey, identityFile: null });
      await assert.rejects(asked, { code: "bad-ssh-key" });
    }
  }),
);
