/**
 * Relays: the book of sessions that a relay keeps.
 *
 * @module
 */
export * from "./book.ts";
export * from "./limits.ts";
