/**
 * Who belongs to a network: authorities, invites, certificates, revocations, epochs, and the records
 * that nodes publish of themselves.
 *
 * @module
 */
export * from "./admission.ts";
export * from "./certificate.ts";
export * from "./grants.ts";
export { isHostPort, isLanOnly } from "./host_port.ts";
export * from "./invite.ts";
export * from "./invite_book.ts";
export type { LinkReason } from "./link.ts";
export * from "./member_book.ts";
export * from "./names.ts";
export * from "./network.ts";
export * from "./peer.ts";
export * from "./record.ts";
export * from "./revocation.ts";
export { CLOCK_SLACK_MS } from "./time.ts";
