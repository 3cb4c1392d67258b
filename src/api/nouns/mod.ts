/**
 * Every method of the local API, put together from its nouns. The command line calls them
 * (`api/client.ts`), the node serves them (`daemon/api/`). Types only: nothing here exists at run time.
 *
 * A noun's file holds all that is known of it from outside: the schemas of its inputs, the types made
 * of them, its result documents, and its methods with their errors.
 *
 * @module
 */
import type { ConsumerMethods } from "./consumer.ts";
import type { MeshMethods } from "./mesh.ts";
import type { NetworkMethods } from "./network.ts";
import type { NodeMethods } from "./node.ts";
import type { ProviderMethods } from "./provider.ts";
import type { RelayMethods } from "./relay.ts";

/**
 * Every method of the local API: `ApiMethods["mesh.ping"]["input"]` is what it takes. Whatever the
 * method, a call may fail with `usage` (its input), `no-node` (none runs, or it ends), `refused` (too
 * many calls), `unsupported` (a node of another build does not know it) and `internal`.
 */
export interface ApiMethods
  extends
    NetworkMethods,
    MeshMethods,
    RelayMethods,
    ProviderMethods,
    ConsumerMethods,
    NodeMethods {}

/** The name of a method, `noun.verb`. */
export type MethodName = keyof ApiMethods;
