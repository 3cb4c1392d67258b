/**
 * The methods of the local API, a file a noun, each method a few lines: what it takes and gives is said in
 * `api/nouns/`, what it does in the room that knows how. Documents are made here (`*_doc.ts`), nowhere below.
 *
 * @module
 */
import type { ApiTable } from "../../api/server.ts";
import { consumerMethods } from "./consumer.ts";
import { meshMethods } from "./mesh.ts";
import { networkMethods } from "./network.ts";
import { nodeMethods } from "./node.ts";
import type { TableParts } from "./parts.ts";
import { providerMethods } from "./provider.ts";
import { relayMethods } from "./relay.ts";

/** All methods that this node serves. */
export function apiTable(parts: TableParts): ApiTable {
  return {
    ...networkMethods(parts),
    ...meshMethods(parts),
    ...relayMethods(parts),
    ...providerMethods(parts),
    ...consumerMethods(parts),
    ...nodeMethods(parts),
  };
}
