/**
 * `consumer.*`: renting VMs and reaching them.
 *
 * @module
 */
import { errorDoc } from "../../api/error_doc.ts";
import { NETWORK, VM } from "../../api/nouns/common.ts";
import {
  CONSUMER_EXTEND,
  CONSUMER_FORWARD,
  CONSUMER_RELEASE,
  CONSUMER_REQUEST,
  CONSUMER_REQUEST_MANY,
  CONSUMER_SSH_TARGET,
  CONSUMER_TICKET,
  CONSUMER_TRUST,
  type ConsumerReleaseResult,
  type KnownProviderDoc,
  type VmDoc,
} from "../../api/nouns/consumer.ts";
import type { ApiTable } from "../../api/server.ts";
import { sshCommand } from "../../api/ssh_command.ts";
import { peerKey, randomUint32 } from "../../base/mod.ts";
import type { ProviderRow } from "../../host/store/mod.ts";
import { programArguments } from "../../host/terminal.ts";
import { providerOf, type Rental } from "../../market/mod.ts";
import { formatAddress } from "../../wire/mod.ts";
import type { Released } from "../renting/releases.ts";
import type { NodeParts } from "../run/node.ts";
import { TICKET_MS } from "../streams/tunnels.ts";
import { pathDoc } from "./path_doc.ts";
import { later, type TableParts } from "./parts.ts";
import { knownProviderDoc, sshTargetDoc, vmDoc } from "./vm_doc.ts";

/** All methods about renting. */
export function consumerMethods(parts: TableParts): ApiTable {
  return { ...requestMethods(parts), ...vmMethods(parts), ...streamMethods(parts) };
}

function requestMethods({ node }: TableParts): ApiTable {
  const { requests } = node.renter;
  return {
    "consumer.request": {
      input: CONSUMER_REQUEST,
      run: async (input, { signal, progress }) => {
        const told = (phase: string, text: string) => progress(text, { phase });
        return documentOf(node, await requests.request(input, { signal, progress: told }));
      },
    },
    "consumer.requestMany": {
      input: CONSUMER_REQUEST_MANY,
      run: async ({ count, ...input }, { signal, progress }) => {
        const told = (phase: string, text: string) => progress(text, { phase });
        const vms = await requests.requestMany(input, count, { signal, progress: told });
        return { vms: vms.map((rental) => documentOf(node, rental)) };
      },
    },
    "consumer.trust": {
      input: CONSUMER_TRUST,
      run: async (input, { signal }) => {
        const rows = await node.renter.trust(input, signal);
        return { providers: rows.map((row) => providerOfRow(node, row)) };
      },
    },
  };
}

function vmMethods({ node }: TableParts): ApiTable {
  const { networks, renter: { leases, releases, access } } = node;
  return {
    "consumer.list": {
      input: NETWORK,
      run: async ({ network }) => {
        const only = network === null ? null : networks.require(network).row.id;
        const vms = await leases.list(only);
        return { vms: vms.map((rental) => documentOf(node, rental)) };
      },
    },
    "consumer.status": {
      input: VM,
      run: async ({ vm }) => documentOf(node, await leases.status(vm)),
    },
    "consumer.extend": {
      input: CONSUMER_EXTEND,
      run: async ({ vm, leaseMs }, { signal }) => {
        return documentOf(node, await leases.extend(vm, leaseMs, signal));
      },
    },
    "consumer.release": {
      input: CONSUMER_RELEASE,
      run: async ({ vms, all }, { signal }) => {
        return releaseResult(await releases.release(vms, all, signal));
      },
    },
    "consumer.sshTarget": {
      input: CONSUMER_SSH_TARGET,
      run: ({ vm, all }) => later(() => ({ targets: access.sshWays(vm, all).map(sshTargetDoc) })),
    },
  };
}

function streamMethods({ node, hold, expect }: TableParts): ApiTable {
  const { renter: { access }, context } = node;
  return {
    "consumer.ticket": {
      input: CONSUMER_TICKET,
      run: async ({ vm, port }, { signal }) => {
        const ticket = await access.ticket(vm, port, signal);
        expect(TICKET_MS);
        return { socket: context.paths.streamSocket, ticket };
      },
    },
    "consumer.forward": {
      input: CONSUMER_FORWARD,
      run: async ({ vm, forwards }, { signal, item }) => {
        const way = await access.connect(vm, signal);
        const holdName = `forward of VM ${way.id} ${randomUint32(context.random).toString(16)}`;
        hold(holdName, 1);
        try {
          await access.forward(way, forwards, {
            signal,
            isOpen: ({ port }, local) => {
              item({ local, remote: formatAddress({ ip: way.guestAddress, port }) });
            },
          });
        } finally {
          hold(holdName, 0);
        }
        return { vm: way.id };
      },
    },
  };
}

/** The document of a rental as it stands. */
function documentOf({ renter, market, context }: NodeParts, rental: Rental): VmDoc {
  const way = renter.access.sshWay(rental);
  const self = { program: programArguments(), state: context.paths.dir };
  return vmDoc(rental, {
    networkName: market.networkName(rental.network),
    path: pathDoc({ view: context.view, clock: context }, providerOf(rental)),
    sshCommand: way === null ? null : sshCommand(way, self),
  });
}

function providerOfRow(
  { market, context }: NodeParts,
  row: ProviderRow,
): KnownProviderDoc {
  const { network, node } = row;
  const record = context.records.of(peerKey(network, node));
  const networkName = market.networkName(network);
  return knownProviderDoc(row, { alias: record?.alias ?? null, networkName });
}

function releaseResult({ released, failed }: Released): ConsumerReleaseResult {
  return { released, failed: failed.map(({ id, error }) => ({ id, error: errorDoc(error) })) };
}
