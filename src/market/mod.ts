/**
 * Lending: what may be asked, what a provider lends to whom, its book of VMs and its
 * renters', and who is asked.
 *
 * @module
 */
export * from "./experience.ts";
export * from "./host_book.ts";
export * from "./host_rows.ts";
export * from "./host_vm.ts";
export * from "./lending.ts";
export * from "./matching.ts";
export * from "./offer.ts";
export * from "./policy.ts";
export * from "./queueing.ts";
export * from "./rental.ts";
export * from "./rental_book.ts";
export type * from "./rental_events.ts";
export * from "./rental_life.ts";
export * from "./rental_names.ts";
export * from "./requirements.ts";
export * from "./terms.ts";
export * from "./vm_state.ts";
