/**
 * The methods of the local API, each a few lines: what it takes is in `schemas.ts`, what it does in
 * the part that knows how.
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

/** All methods that this node serves. */
export function apiTable(parts: TableParts): ApiTable {
  return {
    ...networkMethods(parts),
    ...meshMethods(parts),
    ...providerMethods(parts),
    ...consumerMethods(parts),
    ...nodeMethods(parts),
  };
}
