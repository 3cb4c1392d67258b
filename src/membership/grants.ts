/**
 * Grants: what a member may do. A closed set; what is not granted is denied, and a set that holds
 * anything unknown is refused whole.
 *
 * On the wire a set is one number: rent 1, provide 2, relay 4, admit 8.
 *
 * @module
 */
import type { Role } from "./record.ts";

/** Every grant, in the order in which sets are shown. The index is the bit on the wire. */
export const GRANTS = ["rent", "provide", "relay", "admit"] as const;

/** What a member may do in a network. */
export type Grant = (typeof GRANTS)[number];

/** The largest number that is a set of grants. */
export const GRANT_BITS_MAX = 2 ** GRANTS.length - 1;

/** A set of grants as a number. */
export function grantBits(grants: readonly Grant[]): number {
  return grants.reduce((bits, grant) => bits | (1 << GRANTS.indexOf(grant)), 0);
}

/** The grants of a number from 0 to `GRANT_BITS_MAX`, in their order. */
export function grantsOfBits(bits: number): readonly Grant[] {
  return GRANTS.filter((_, index) => (bits & (1 << index)) !== 0);
}

/** Whether `text` is a grant. */
export function isGrant(text: string): text is Grant {
  return GRANTS.some((grant) => grant === text);
}

/** Whether every grant of `some` is among `all`. */
export function isWithinGrants(some: readonly Grant[], all: readonly Grant[]): boolean {
  return some.every((grant) => all.includes(grant));
}

/** The grant by which a member may have a role. */
export const GRANT_OF_ROLE = { relay: "relay", provider: "provide" } as const satisfies Record<
  Role,
  Grant
>;

/** Of some roles, those that a membership includes. */
export function grantedRoles(roles: readonly Role[], grants: readonly Grant[]): Role[] {
  return roles.filter((role) => grants.includes(GRANT_OF_ROLE[role]));
}
