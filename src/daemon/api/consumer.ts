/**
 * `consumer.*`: renting VMs and reaching them.
 *
 * @module
 */
import type { ApiTable } from "../../api/server.ts";
import { randomUint32 } from "../../base/mod.ts";
import { formatAddress } from "../../wire/mod.ts";
import { TICKET_MS } from "../streams/tunnels.ts";
import { requestMany } from "../renting/renting_several.ts";
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
} from "../../api/nouns/consumer.ts";
import { later, type TableParts } from "./parts.ts";

/** All methods about renting. */
export function consumerMethods(parts: TableParts): ApiTable {
  return { ...rentingMethods(parts), ...streamMethods(parts) };
}

function rentingMethods({ node }: TableParts): ApiTable {
  const { consumer, networks } = node;
  return {
    "consumer.request": {
      input: CONSUMER_REQUEST,
      run: (input, { signal, progress }) =>
        consumer.request(input, {
          signal,
          progress: (phase, text) => progress(text, { phase }),
        }),
    },
    "consumer.requestMany": {
      input: CONSUMER_REQUEST_MANY,
      run: async (input, { signal, progress }) => ({
        vms: await requestMany(consumer, input, {
          signal,
          progress: (phase, text) => progress(text, { phase }),
        }),
      }),
    },
    "consumer.trust": {
      input: CONSUMER_TRUST,
      run: (input, { signal }) => consumer.trust(input, signal),
    },
    "consumer.list": {
      input: NETWORK,
      run: async ({ network }) => ({
        vms: await consumer.list(network === null ? null : networks.require(network).row.id),
      }),
    },
    "consumer.status": { input: VM, run: ({ vm }) => consumer.status(vm) },
    "consumer.extend": {
      input: CONSUMER_EXTEND,
      run: ({ vm, leaseMs }, { signal }) => consumer.extend(vm, leaseMs, signal),
    },
    "consumer.release": {
      input: CONSUMER_RELEASE,
      run: ({ vms, all }, { signal }) => consumer.release(vms, all, signal),
    },
    "consumer.sshTarget": {
      input: CONSUMER_SSH_TARGET,
      run: ({ vm, all }) => later(() => ({ targets: consumer.sshTargets(vm, all) })),
    },
  };
}

function streamMethods({ node, hold, expect }: TableParts): ApiTable {
  const { consumer, context, tunnels } = node;
  return {
    "consumer.ticket": {
      input: CONSUMER_TICKET,
      run: async ({ vm, port }, { signal }) => {
        const ticket = await consumer.ticket(vm, port, signal);
        expect(TICKET_MS);
        return { socket: context.paths.streamSocket, ticket };
      },
    },
    "consumer.forward": {
      input: CONSUMER_FORWARD,
      run: async ({ vm, forwards }, { signal, item }) => {
        const { id, tunnel, guestAddress } = await consumer.connect(vm, signal);
        const open: string[] = [];
        const holdName = `forward of VM ${id} ${randomUint32(context.random).toString(16)}`;
        hold(holdName, 1);
        try {
          for (const forward of forwards) {
            const name = `forward-${randomUint32(context.random).toString(16)}`;
            const local = tunnels.listen(name, tunnel, forward);
            open.push(name);
            item({ local, remote: formatAddress({ ip: guestAddress, port: forward.port }) });
          }
          await new Promise((resolve) => {
            signal.addEventListener("abort", resolve, { once: true });
            if (signal.aborted) resolve(undefined);
          });
        } finally {
          hold(holdName, 0);
          for (const name of open) tunnels.unlisten(name);
        }
        return { vm: id };
      },
    },
  };
}
