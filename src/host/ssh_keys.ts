/**
 * The ssh keys of the state directory: one key of ours for VMs that were requested without another,
 * and the file of known hosts.
 *
 * @module
 */
import { OmertaError } from "../base/mod.ts";
import { runProgram } from "./process/run.ts";
import type { StatePaths } from "./state/state.ts";
import { findExecutable } from "./system.ts";
import { parseSshPublicKey, sshKeySentence } from "../vm/mod.ts";

/** With which key a VM is requested. */
export interface RequestKey {
  /** `TYPE BASE64`. */
  readonly publicKey: string;
  /** Absolute path of the private key. */
  readonly identityFile: string;
}

/** The ssh keys of a state. */
export class SshKeys {
  readonly knownHostsFile: string;
  readonly #directory: string;
  /** Our key while it is looked for or made: requests at the same time get the same. */
  #own: Promise<string> | undefined;

  constructor(paths: StatePaths) {
    this.#directory = `${paths.dir}/ssh`;
    this.knownHostsFile = `${this.#directory}/known_hosts`;
    Deno.mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
  }

  /** The key that the request brought, or ours, made at its first use. */
  async forRequest(
    input: { readonly sshPublicKey: string | null; readonly identityFile: string | null },
  ): Promise<RequestKey> {
    if (input.sshPublicKey !== null) {
      const identityFile = input.identityFile ?? `${this.#directory}/id_ed25519`;
      return { publicKey: parsed(input.sshPublicKey), identityFile };
    }
    const identityFile = `${this.#directory}/id_ed25519`;
    this.#own ??= this.#ownPublic(identityFile).finally(() => this.#own = undefined);
    return { publicKey: parsed(await this.#own), identityFile };
  }

  async #ownPublic(identityFile: string): Promise<string> {
    return await this.#readPublic(identityFile) ?? await this.#make(identityFile);
  }

  async #readPublic(identityFile: string): Promise<string | undefined> {
    try {
      await Deno.stat(identityFile);
      return await Deno.readTextFile(`${identityFile}.pub`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  async #make(identityFile: string): Promise<string> {
    const program = findExecutable("ssh-keygen");
    if (program === undefined) {
      throw new OmertaError("ssh-missing", "OpenSSH's ssh-keygen is not installed", {
        hint: "Install openssh-client, or give a key with --ssh-key.",
      });
    }
    await Deno.remove(`${identityFile}.pub`).catch(() => {}); // Without its private part: useless.
    await Deno.remove(identityFile).catch(() => {});
    await runProgram(program, [
      "-q",
      "-t",
      "ed25519",
      "-N",
      "",
      "-C",
      "omerta",
      "-f",
      identityFile,
    ]);
    return await Deno.readTextFile(`${identityFile}.pub`);
  }
}

function parsed(text: string): string {
  const key = parseSshPublicKey(text);
  if (key.ok) return key.value.line;
  throw new OmertaError("bad-ssh-key", `The ssh key is refused: ${sshKeySentence(key.reason)}`, {
    hint: "Give the file of one public key, such as ~/.ssh/id_ed25519.pub.",
  });
}
