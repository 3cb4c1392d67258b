/**
 * The addresses at which this node can be reached as documents.
 *
 * @module
 */
import type { EndpointDoc } from "../../api/nouns/mesh.ts";
import type { LocalAddresses } from "../../path/mod.ts";
import { addressScope, parseAddress } from "../../wire/mod.ts";

/** The endpoints as `mesh status` shows them. */
export function endpointDocs(
  own: LocalAddresses,
  observed: readonly string[],
  advertised: readonly string[],
): EndpointDoc[] {
  const local = own.addresses.filter((address) => !isLoopback(address));
  const docs = [
    ...advertised.map((address): EndpointDoc => ({ address, source: "local" })),
    ...local.map((address): EndpointDoc => ({ address, source: "local" })),
    ...observed.map((address): EndpointDoc => ({ address, source: "observed" })),
  ];
  return [...new Map(docs.toReversed().map((doc) => [doc.address, doc])).values()].toReversed();
}

function isLoopback(address: string): boolean {
  const parsed = parseAddress(address);
  return parsed.ok && addressScope(parsed.value.ip) === "loopback";
}
