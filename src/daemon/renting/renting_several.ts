/**
 * Several VMs alike by one command: all of them, or none.
 *
 * @module
 */
import type { ConsumerRequestManyInput, VmDoc } from "../../api/nouns/consumer.ts";
import type { Consumer } from "./consumer.ts";
import type { RentingParts } from "./renting.ts";

/** Nobody gives up what is undone. */
const NEVER = new AbortController().signal;

/**
 * Rents them all. Where one fails, those that came are released, but for those with a key, which stay
 * for the repetition; and the others are given up.
 */
export async function requestMany(
  consumer: Pick<Consumer, "request" | "release">,
  { count, ...input }: ConsumerRequestManyInput,
  options: { readonly signal: AbortSignal; progress: RentingParts["progress"] },
): Promise<VmDoc[]> {
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const requests = Array.from({ length: count }, async (_, i) => {
    const numbered = (text: string | null) => text === null ? null : `${text}-${i + 1}`;
    const one = { ...input, name: numbered(input.name), key: numbered(input.key) };
    try {
      return await consumer.request(one, { ...options, signal });
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  });
  const outcomes = await Promise.allSettled(requests);
  const done = outcomes.flatMap((each) => each.status === "fulfilled" ? [each.value] : []);
  if (!failed.signal.aborted) return done;
  const unwanted = done.filter(({ key }) => key === null).map(({ id }) => id);
  if (unwanted.length > 0) await consumer.release(unwanted, false, NEVER);
  throw failed.signal.reason;
}
