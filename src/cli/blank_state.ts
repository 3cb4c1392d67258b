/**
 * What commands find where there is no state: nothing. A command that only reads, or that needs what
 * another one makes, does not make identity, database and node for a mistyped `--state`.
 *
 * @module
 */
import { OmertaError } from "../base/errors.ts";
import type { ApiMethods, MethodName } from "../api/nouns/mod.ts";
import type { Invocation } from "./invocation.ts";
import type { Output } from "./output.ts";

/** What can be answered without a node: lists, which are empty. */
const ANSWERS: { readonly [M in MethodName]?: ApiMethods[M]["result"] } = {
  "network.list": { networks: [] },
  "consumer.list": { vms: [] },
};

const HINT = "Join a network with 'omerta join -', or make one with 'omerta network create " +
  "NAME'. Is it another state that you mean? Name it with --state DIR.";

/** Answers the methods of a node that was never there. */
export function blankCaller(state: string, out: Output): Invocation<unknown>["call"] {
  return (method) => {
    const answer = ANSWERS[method];
    if (answer === undefined) return Promise.reject(noState(state));
    out.note(`There is no state in ${state} yet. ${HINT}`);
    return Promise.resolve(answer);
  };
}

function noState(state: string): OmertaError {
  return new OmertaError("no-network", `There is no state in ${state} yet: no network, no VM`, {
    hint: HINT,
    fields: { states: [state] },
  });
}
