/**
 * From a reservation to a machine: `vm.create` makes the guest's keys and its end of the tunnel, writes them
 * down, answers with them, and has the machine started behind. Asked again, it answers the same.
 *
 * @module
 */
import { OmertaError, type VmId } from "../../base/mod.ts";
import { generateIdentity, generateKeyPair } from "../../crypto/mod.ts";
import type { HostVm } from "../../market/mod.ts";
import type { Answer, Question } from "../../node/mod.ts";
import { tunnelAddress } from "../../tunnel/mod.ts";
import {
  ENTROPY_BYTES,
  guestHostname,
  type GuestKind,
  MICRO,
  NO_SEED,
  parseSshPublicKey,
} from "../../vm/mod.ts";
import type { Caller } from "../ports.ts";
import { createdAnswer, rentedWords } from "./answers.ts";
import type { Ending } from "./ending.ts";
import { freshTunnel } from "./guest_tunnels.ts";
import type { Hosted } from "./hosted.ts";
import type { Ledger } from "./ledger.ts";
import type { Machines } from "./machines.ts";
import type { LendingPorts } from "./ports.ts";
import { callError, requireGrant } from "./refusals.ts";

/** On what starting stands. */
export interface StartingParts {
  readonly ports: LendingPorts;
  readonly ledger: Ledger;
  readonly machines: Machines;
  readonly ending: Ending;
}

type Create = Question<"vm.create">;

/** Turns reservations into machines. */
export class Starting {
  readonly #parts: StartingParts;

  constructor(parts: StartingParts) {
    this.#parts = parts;
  }

  /**
   * Answers `vm.create`.
   *
   * @throws {OmertaError} `not-allowed`, `bad-ssh-key`, `not-found`, `not-owner`, `lease-ended`, `disk-full`.
   */
  create(caller: Caller, question: Create): Answer<"vm.create"> {
    const { ledger, ports } = this.#parts;
    requireGrant(ports, caller);
    const sshKeys = question.sshKeys.map(sshKey);
    const id = question.vm as VmId;
    const created = ledger.book.create(caller.peer, id, ports.clock.now());
    if (!created.ok) throw callError(created.reason, question.vm);
    const { vm, first } = created.value;
    const hosted = ledger.hosted.get(vm.id);
    if (hosted === undefined) throw new OmertaError("not-found", "The VM is not here any more");
    if (first || hosted.created === null) this.#tryBegin(vm, hosted, { ...question, sshKeys });
    return createdAnswer(hosted.created);
  }

  #tryBegin(vm: HostVm, hosted: Hosted, question: Create): void {
    try {
      this.#begin(vm, hosted, question);
    } catch (error) {
      const detail = error instanceof OmertaError ? error.message : null;
      this.#parts.ending.ended(vm.id, { reason: "failed", detail });
      throw error;
    }
  }

  /** Makes keys and tunnel ids, writes them down, and has the machine started. */
  #begin(vm: HostVm, hosted: Hosted, question: Create): void {
    const { ledger, machines, ports } = this.#parts;
    const guest = guestOf(vm, hosted);
    const keys = {
      wireguard: generateKeyPair(ports.random),
      host: generateIdentity(ports.random),
    };
    hosted.created = {
      localTunnel: freshTunnel(ports, ledger.hosted.values()),
      remoteTunnel: question.tunnel,
      wireguardKey: keys.wireguard.publicKey.toHex(),
      sshHostKey: keys.host.identity.publicKey.toHex(),
      user: guest.user,
    };
    ledger.record(vm);
    const by = ports.views.nameOf(vm.owner);
    ports.log.info(`rented: ${rentedWords(vm)}`, { vm: vm.id, by });
    const seed = vm.dryRun ? NO_SEED : guest.seed({
      wgPrivateKey: keys.wireguard.privateKey,
      peerPublicKey: question.wireguardKey,
      address: tunnelAddress(keys.wireguard.publicKey),
      peerAddress: tunnelAddress(question.wireguardKey),
      hostKeySeed: keys.host.seed,
      hostPublicKey: keys.host.identity.publicKey,
      entropy: ports.random.bytes(ENTROPY_BYTES),
      authorizedKeys: question.sshKeys,
      hostname: guestHostname(question.hostname),
    });
    ports.tasks.background(`start VM ${vm.id}`, () => machines.launch(vm, hosted, seed));
  }
}

function guestOf({ dryRun }: HostVm, { guest }: Hosted): GuestKind {
  if (dryRun) return MICRO; // nobody logs in
  if (guest === null) throw new OmertaError("internal", "The VM's image was not looked at");
  return guest;
}

/** @throws {OmertaError} `bad-ssh-key`. */
function sshKey(line: string): string {
  const parsed = parseSshPublicKey(line);
  if (parsed.ok) return parsed.value.line;
  throw new OmertaError("bad-ssh-key", `The ssh key is refused: ${parsed.reason}`);
}
