/**
 * The manifest of an image: one JSON object, strict, whose SHA-256 is the image's id.
 *
 * ```json
 * {"schema":"omerta.image/1","name":"micro","arch":"x86_64",
 *  "kernel":{"file":"kernel","sha256":"…","bytes":1},"initrd":{"file":"initrd",…},
 *  "append":"console=ttyS0 …","guest":"micro"}
 * ```
 *
 * `guest` may be left out: then it is `micro`. Whether that kind is known is not judged here.
 *
 * @module
 */
import { fail, ok, type Result } from "../base/mod.ts";
import { GUEST_DEFAULT } from "./guest_kind.ts";

/** One file of an image. */
export interface ImageFile {
  /** Its name beside the manifest: no folders. */
  readonly file: string;
  /** 64 lower-case hex digits. */
  readonly sha256: string;
  readonly bytes: number;
}

/** What an image consists of. */
export interface Manifest {
  readonly name: string;
  readonly arch: "x86_64";
  readonly kernel: ImageFile;
  readonly initrd: ImageFile;
  /** The kernel's command line, to which the helper adds what depends on the host. */
  readonly append: string;
  /** The kind of its guests; see `guest_kind.ts`. */
  readonly guest: string;
}

/** Why bytes are not a manifest. */
export type ManifestReason =
  | "too-long"
  | "not-json"
  | "unknown-schema"
  | "unknown-field"
  | "bad-name"
  | "bad-arch"
  | "bad-file"
  | "bad-append"
  | "bad-guest";

/** A manifest has a few hundred bytes. */
export const MANIFEST_BYTES_MAX = 16 * 1024;

/** Largest file of an image, in bytes: a kernel or initramfs has to fit into a guest's memory. */
const IMAGE_FILE_BYTES_MAX = 2 ** 30;

/** Half of the kernel's limit (x86 COMMAND_LINE_SIZE): the helper adds words of its own. */
const APPEND_CHARS_MAX = 1024;

const SCHEMA = "omerta.image/1";
const FIELDS = ["schema", "name", "arch", "kernel", "initrd", "append"];
const FIELDS_OPTIONAL = ["guest"];
const FILE_FIELDS = ["file", "sha256", "bytes"];

/** Parses and checks a manifest. Fields that are not known are refused. */
export function parseManifest(bytes: Uint8Array): Result<Manifest, ManifestReason> {
  if (bytes.length > MANIFEST_BYTES_MAX) return fail("too-long");
  const json = parseObject(bytes);
  if (json === undefined) return fail("not-json");
  if (json.schema !== SCHEMA) return fail("unknown-schema");
  const said = FIELDS_OPTIONAL.filter((field) => Object.hasOwn(json, field));
  if (!hasOnly(json, [...FIELDS, ...said])) return fail("unknown-field");
  const { name, arch, append, guest = GUEST_DEFAULT } = json;
  if (!isImageName(name)) return fail("bad-name");
  if (arch !== "x86_64") return fail("bad-arch");
  const kernel = parseFile(json.kernel);
  const initrd = parseFile(json.initrd);
  if (kernel === undefined || initrd === undefined || kernel.file === initrd.file) {
    return fail("bad-file");
  }
  if (!isAppend(append)) return fail("bad-append");
  if (!isImageName(guest)) return fail("bad-guest"); // kinds are named as images are
  return ok({ name, arch, kernel, initrd, append, guest });
}

/** Whether `value` may name an image: 1 to 32 of `a-z 0-9 -`, not beginning with a dash. */
export function isImageName(value: unknown): value is string {
  return typeof value === "string" && /^[a-z0-9][a-z0-9-]{0,31}$/.test(value);
}

type Json = Readonly<Record<string, unknown>>;

function parseObject(bytes: Uint8Array): Json | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined; // not UTF-8 or not JSON
  }
}

function parseFile(value: unknown): ImageFile | undefined {
  if (!isObject(value) || !hasOnly(value, FILE_FIELDS)) return undefined;
  const { file, sha256, bytes } = value;
  if (typeof file !== "string" || !/^[a-z0-9][a-z0-9._-]{0,63}$/.test(file)) return undefined;
  if (file === "manifest.json") return undefined;
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) return undefined;
  if (typeof bytes !== "number" || !Number.isSafeInteger(bytes)) return undefined;
  return bytes > 0 && bytes <= IMAGE_FILE_BYTES_MAX ? { file, sha256, bytes } : undefined;
}

/** Printable ASCII without quotes or backslashes: one line, whatever reads it. */
function isAppend(value: unknown): value is string {
  return typeof value === "string" && value.length <= APPEND_CHARS_MAX &&
    /^[ !#-&(-[\]-~]*$/.test(value);
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function hasOnly(object: Json, fields: readonly string[]): boolean {
  const keys = Object.keys(object);
  return keys.length === fields.length && fields.every((field) => Object.hasOwn(object, field));
}
