/**
 * The calls between members and relays: how a session is asked for, and how its other side learns of it.
 *
 * @module
 */

/** What a relay is asked: a session with a member that is registered there. */
export type AllocateCalls = {
  readonly "relay.allocate": {
    /** `peer` is the node id of the other side. */
    readonly question: { readonly peer: string };
    /** `address` is where the relay sees the other side, `IP:PORT`. */
    readonly answer: { readonly session: number; readonly address: string };
  };
};

/** What a relay tells the other side: who will come through the session, and where the relay sees it. */
export type OfferCalls = {
  readonly "relay.offer": {
    readonly question: {
      readonly session: number;
      /** The node id of the member that asked for the session. */
      readonly peer: string;
      /** `IP:PORT`. */
      readonly address: string;
    };
    readonly answer: Record<never, never>;
  };
};
