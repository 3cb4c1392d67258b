/**
 * The simulator: whole nodes on a simulated network, with seeded randomness and a time of its own.
 *
 * @module
 */
export * from "./chance.ts";
export * from "./clock.ts";
export * from "./heap.ts";
export * from "./host.ts";
export * from "./interface.ts";
export * from "./interfaces.ts";
export * from "./lending.ts";
export * from "./link.ts";
export * from "./membership.ts";
export * from "./nat.ts";
export * from "./nat_box.ts";
export * from "./native.ts";
export * from "./network.ts";
export * from "./provider.ts";
export * from "./realm.ts";
export * from "./world.ts";
export * from "./meters.ts";
export * from "./renter.ts";
export * from "./report.ts";
export type * from "./scenario.ts";
export * from "./scenarios/mod.ts";
export * from "./stage.ts";
