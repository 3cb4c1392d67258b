/**
 * Layouts and strict parsers: frames, our CBOR profile, addresses and paths as text.
 *
 * @module
 */
export * from "./address.ts";
export * from "./cbor.ts";
export * from "./cbor_decode.ts";
export * from "./fields.ts";
export * from "./frames.ts";
export * from "./path.ts";
export * from "./payload.ts";
