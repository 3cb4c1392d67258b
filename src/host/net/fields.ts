/**
 * The documents of the native library, read strictly: a field that is not what it must be is an error
 * that says which, and nothing beyond it is believed. Fields that nobody asks for pass.
 *
 * Written by hand: the program that joins a terminal to a stream reads one answer, and is to start fast.
 *
 * @module
 */
import { OmertaError } from "../../base/mod.ts";

type Json = Readonly<Record<string, unknown>>;

/** One JSON object of the library. Every method throws an `OmertaError` `native-damaged`. */
export class Fields {
  readonly #json: Json;
  readonly #what: string;

  /** @param what What the object is, for the error. */
  constructor(json: unknown, what: string) {
    if (!isObject(json)) throw malformed(what);
    this.#json = json;
    this.#what = what;
  }

  /** A whole number, 0 or more. */
  count(name: string): number {
    const value = this.#get(name);
    if (Number.isSafeInteger(value) && value as number >= 0) return value as number;
    throw this.#wrong(name);
  }

  /** A finite number. */
  figure(name: string): number {
    const value = this.#get(name);
    if (typeof value === "number" && Number.isFinite(value)) return value;
    throw this.#wrong(name);
  }

  /** A finite number, or `null`; `null` too where there is no such field. */
  figureOrNull(name: string): number | null {
    return (this.#get(name) ?? null) === null ? null : this.figure(name);
  }

  text(name: string): string {
    const value = this.#get(name);
    if (typeof value === "string") return value;
    throw this.#wrong(name);
  }

  /** Text or `null`; `null` too where there is no such field. */
  textOrNull(name: string): string | null {
    return (this.#get(name) ?? null) === null ? null : this.text(name);
  }

  flag(name: string): boolean {
    const value = this.#get(name);
    if (typeof value === "boolean") return value;
    throw this.#wrong(name);
  }

  /** An object inside it. */
  object(name: string): Fields {
    return new Fields(this.#get(name), `${this.#what}.${name}`);
  }

  /** Objects inside it. */
  list(name: string): Fields[] {
    const value = this.#get(name);
    if (!Array.isArray(value)) throw this.#wrong(name);
    return value.map((each) => new Fields(each, `${this.#what}.${name}[]`));
  }

  /** Whole numbers by any name. */
  counts(name: string): Record<string, number> {
    const inner = this.object(name);
    return Object.fromEntries(
      Object.keys(inner.#json).map((key) => [key, inner.count(key)]),
    );
  }

  /** The object as it came, unread: for whoever passes it on as JSON. */
  toJSON(): Json {
    return this.#json;
  }

  #get(name: string): unknown {
    return Object.hasOwn(this.#json, name) ? this.#json[name] : undefined;
  }

  #wrong(name: string): OmertaError {
    return malformed(`${this.#what}.${name}`);
  }
}

function malformed(what: string): OmertaError {
  return new OmertaError("native-damaged", `The native library gave a malformed ${what}`);
}

function isObject(json: unknown): json is Json {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
