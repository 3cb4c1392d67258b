/**
 * What the native library tells of its own accord, and how it is read.
 *
 * @module
 */
import { OmertaError, type Path } from "../../base/mod.ts";
import { asPath } from "../../wire/mod.ts";
import type { Fields } from "./fields.ts";
import { failure } from "./library.ts";

/** What happens in the native library. */
export type NetEvent =
  /** Tunnel frames on the active path went unanswered; a ping on it now decides. */
  | { readonly type: "path-doubt"; readonly peer: string; readonly path: Path }
  /** The active path is dead; tunnel frames go on `to` now, which was the standby. */
  | {
    readonly type: "path-dead";
    readonly peer: string;
    readonly path: Path;
    readonly to: Path;
  }
  /** The VM helper's end of the tunnel's socketpair is closed. */
  | { readonly type: "guest-gone"; readonly tunnel: number }
  /** A `tunnel.probe` or `tunnel.ping` is over. Times are milliseconds since it was asked for. */
  | {
    readonly type: "probe-done";
    readonly probe: string;
    readonly ok: boolean;
    readonly handshakeMs?: number | null;
    readonly bannerMs?: number | null;
    readonly rttMs?: number | null;
    readonly error?: string | null;
  }
  /** The first WireGuard handshake of a tunnel is done. */
  | { readonly type: "tunnel-up"; readonly tunnel: number }
  /** The number of a tunnel's open streams changed to `open`. */
  | { readonly type: "stream"; readonly tunnel: number; readonly open: number }
  /** The system refuses to send to `address`; told of an address at most once in 10 s. */
  | { readonly type: "send-failed"; readonly address: string; readonly message: string }
  /** A panic in the library ended what `where` names, and nothing else; or its word was malformed. */
  | {
    readonly type: "defect";
    readonly where: string;
    readonly message: string;
    readonly stack: string;
  }
  /** Receiving fails again and again; the socket goes on. */
  | { readonly type: "socket-error"; readonly message: string };

/** How the attachment of a guest ended; `error`: there is no tunnel any more. */
export interface GuestAttached {
  readonly type: "guest-attached";
  readonly tunnel: number;
  readonly error: OmertaError | null;
}

/** An event as the library gives it. @throws {OmertaError} `native-damaged` where it is malformed. */
export function parseNetEvent(told: Fields): NetEvent | GuestAttached {
  const type = told.text("type");
  const parse = Object.hasOwn(PARSERS, type) ? PARSERS[type as keyof typeof PARSERS] : undefined;
  if (parse !== undefined) return parse(told);
  throw new OmertaError("native-damaged", `The native library tells of something unknown: ${type}`);
}

type Told = NetEvent | GuestAttached;

const PARSERS: {
  readonly [T in Told["type"]]: (told: Fields) => Extract<Told, { readonly type: T }>;
} = {
  "path-doubt": (told) => ({
    type: "path-doubt",
    peer: told.text("peer"),
    path: asPath(told.text("path")),
  }),
  "path-dead": (told) => ({
    type: "path-dead",
    peer: told.text("peer"),
    path: asPath(told.text("path")),
    to: asPath(told.text("to")),
  }),
  "guest-gone": (told) => ({ type: "guest-gone", tunnel: told.count("tunnel") }),
  "guest-attached": (told) => ({
    type: "guest-attached",
    tunnel: told.count("tunnel"),
    error: told.flag("ok") ? null : failure(told),
  }),
  "probe-done": (told) => ({
    type: "probe-done",
    probe: told.text("probe"),
    ok: told.flag("ok"),
    handshakeMs: told.figureOrNull("handshakeMs"),
    bannerMs: told.figureOrNull("bannerMs"),
    rttMs: told.figureOrNull("rttMs"),
    error: told.textOrNull("error"),
  }),
  "tunnel-up": (told) => ({ type: "tunnel-up", tunnel: told.count("tunnel") }),
  "stream": (told) => ({
    type: "stream",
    tunnel: told.count("tunnel"),
    open: told.count("open"),
  }),
  "send-failed": (told) => ({
    type: "send-failed",
    address: told.text("address"),
    message: told.text("message"),
  }),
  "defect": (told) => ({
    type: "defect",
    where: told.text("where"),
    message: told.text("message"),
    stack: told.text("stack"),
  }),
  "socket-error": (told) => ({ type: "socket-error", message: told.text("message") }),
};
