/**
 * The functions of `libomerta_net.so` and the JSON that crosses them. Only this file names the foreign
 * function interface; the functions are told in `ffi/net/README.md`.
 *
 * @module
 */
import { type ErrorCode, isErrorCode, OmertaError } from "../../base/mod.ts";
import { Fields } from "./fields.ts";

/** Functions that park or wait: called by name, on a thread of the runtime. */
const WAITING = {
  omerta_net_poll: {
    parameters: ["i32", "buffer", "i32", "i32"],
    result: "i32",
    nonblocking: true,
  },
  omerta_net_close: { parameters: ["i32"], result: "i32", nonblocking: true },
  omerta_net_splice: {
    parameters: ["buffer", "i32", "buffer", "i32"],
    result: "i32",
    nonblocking: true,
  },
} as const satisfies Deno.ForeignLibraryInterface;

/**
 * Functions that answer at once: only their addresses are looked up, and they are called by those.
 * Called by name, each is tied to an object that Deno's QuickJS engine collects while it is in use;
 * the next call aborts the process.
 */
const ADDRESSES = {
  omerta_net_open: { type: "pointer" },
  omerta_net_send: { type: "pointer" },
  omerta_net_command: { type: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

const OPEN = { parameters: ["buffer", "i32", "buffer", "i32"], result: "i32" } as const;
const SEND = { parameters: ["i32", "buffer", "i32"], result: "i32" } as const;
const COMMAND = { parameters: ["i32", "buffer", "i32", "buffer", "i32"], result: "i32" } as const;

/** The library, ready to be called. */
export interface Library {
  readonly waiting: Deno.DynamicLibrary<typeof WAITING>["symbols"];
  readonly open: Deno.UnsafeFnPointer<typeof OPEN>;
  readonly send: Deno.UnsafeFnPointer<typeof SEND>;
  readonly command: Deno.UnsafeFnPointer<typeof COMMAND>;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const libraries = new Map<string, Library>();

/**
 * Loads the library. A Go runtime cannot be unloaded, so each file is loaded once and stays.
 *
 * @throws {OmertaError} `native-damaged` where it cannot be loaded.
 */
export function loadLibrary(file: string): Library {
  const known = libraries.get(file);
  if (known !== undefined) return known;
  try {
    const { symbols } = Deno.dlopen(file, { ...WAITING, ...ADDRESSES });
    const library: Library = {
      waiting: symbols,
      open: callable(symbols.omerta_net_open, OPEN),
      send: callable(symbols.omerta_net_send, SEND),
      command: callable(symbols.omerta_net_command, COMMAND),
    };
    libraries.set(file, library);
    return library;
  } catch (cause) {
    throw new OmertaError("native-damaged", `cannot load ${file}`, { cause });
  }
}

function callable<const F extends Deno.ForeignFunction>(
  pointer: Deno.PointerValue,
  definition: F,
): Deno.UnsafeFnPointer<F> {
  if (pointer === null) throw new TypeError("Cannot call the library: a function has no address");
  return new Deno.UnsafeFnPointer(pointer as Deno.PointerObject<F>, definition);
}

/** A value as the library reads it. */
export function encodeJson(value: unknown): Uint8Array<ArrayBuffer> {
  return encoder.encode(JSON.stringify(value));
}

/**
 * A document of the library; `what` names it in the error.
 *
 * @throws {OmertaError} `native-damaged` where it is no JSON object.
 */
export function decodeJson(bytes: Uint8Array, what: string): Fields {
  try {
    return new Fields(JSON.parse(decoder.decode(bytes)), what);
  } catch (cause) {
    if (cause instanceof OmertaError) throw cause;
    throw new OmertaError("native-damaged", `The native library gave no JSON: ${what}`, { cause });
  }
}

/** The answer to an operation. @throws {OmertaError} its failure, with the library's code. */
export function checked(answer: Fields): Fields {
  if (answer.flag("ok")) return answer;
  throw failure(answer);
}

/** A failure that the library tells: `{code, message}`. */
export function failure(told: Fields): OmertaError {
  const code = told.text("code");
  const known: ErrorCode = isErrorCode(code) ? code : "internal";
  return new OmertaError(known, told.text("message"));
}
