/**
 * The renter of a running node, put together.
 *
 * @module
 */
import { knownHostsLine } from "../../api/ssh_command.ts";
import { writeFileAtomic } from "../../host/files.ts";
import { SshKeys } from "../../host/ssh_keys.ts";
import type { StatePaths } from "../../host/state/state.ts";
import type { Context } from "./context.ts";
import type { Market, RentingPorts, SshFiles } from "../renting/ports.ts";
import { Renter } from "../renting/renter.ts";
import { GuestStreams } from "../streams/guest_streams.ts";
import { KeptTunnels, type KeptTunnelsPorts } from "../streams/kept_tunnels.ts";
import { Tunnels } from "../streams/tunnels.ts";

/** A renter, and the tunnels that it keeps. */
export interface OpenedRenter {
  readonly renter: Renter;
  readonly tunnels: KeptTunnels;
}

/** Opens the renter's side of a node. */
export function openRenter(context: Context, market: Market): OpenedRenter {
  const ports: RentingPorts & KeptTunnelsPorts = {
    calls: context.calls,
    holds: context.holds,
    views: context.views,
    clock: context,
    timers: context.timers,
    tasks: context,
    rows: context.store,
    log: context.log,
    random: context.random,
  };
  const ends = new Tunnels(context.net);
  const tunnels = new KeptTunnels(ports, ends);
  const streams = new GuestStreams(ends, context.random);
  const ssh = openSshFiles(context.paths);
  return { renter: new Renter({ ports, market, ssh, tunnels, streams }), tunnels };
}

function openSshFiles(paths: StatePaths): SshFiles {
  const keys = new SshKeys(paths);
  const { knownHostsFile } = keys;
  return {
    knownHostsFile,
    forRequest: (input) => keys.forRequest(input),
    writeKnownHosts(known) {
      const text = known.map(({ id, hostKey }) => knownHostsLine(id, hostKey)).join("");
      writeFileAtomic(knownHostsFile, new TextEncoder().encode(text));
    },
  };
}
