/**
 * Where the images of guests are found, and that they are what they say. An image is a directory
 * with a manifest; the SHA-256 of the manifest is the image's id, and it names that of every file.
 *
 *     embedded directory ──unpack──▶ STATE/images/ID/   (manifest and files; 0700, renamed whole)
 *     (virtual in a compiled binary:        │ a hash or a mode is wrong
 *      QEMU cannot open files there)        ▼
 *                                    STATE/images/ID.corrupt, and unpacked anew
 *
 * Every use hashes every file again: a flipped bit is found before a guest boots from it.
 * An embedded image wins over others of its name; the older unpacked ones of that name are removed.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { OmertaError, toHex } from "../../base/mod.ts";
import { hashFile } from "../files.ts";
import {
  type GuestKind,
  guestKind,
  type ImageFile,
  isImageName,
  type Manifest,
  parseManifest,
} from "../../vm/mod.ts";

/** An image whose every byte was checked a moment ago. */
export interface VerifiedImage {
  /** SHA-256 of the manifest: 64 hex digits. */
  readonly id: string;
  readonly manifest: Manifest;
  /** Who its guests are, and how they are told. */
  readonly guest: GuestKind;
  /** Absolute paths of real files. */
  readonly kernel: string;
  readonly initrd: string;
}

/** The images that a node can boot. */
export interface Images {
  /**
   * Finds an image by its name or its id, unpacks it where need be, and checks all of it. A name that
   * looks like an id is one. Calls run one after another.
   *
   * @throws {OmertaError} `image-missing`, also where it is of a kind that this build does not know;
   * `image-corrupt`, `disk-full`, `state-damaged`.
   */
  find(name: string): Promise<VerifiedImage>;
}

/** Where images are looked for. */
export interface ImageSources {
  /** The state directory. */
  readonly state: string;
  /** A directory with one image, possibly virtual; it need not exist. */
  readonly embedded: string;
  /** Is told, in a sentence, when a damaged image was put aside. */
  readonly log?: (text: string) => void;
}

const MANIFEST = "manifest.json";
const NEW_PREFIX = ".new-";

/** Opens the images of a state directory; nothing is read or written before `find`. */
export function openImages(sources: ImageSources): Images {
  let previous: Promise<unknown> = Promise.resolve();
  return {
    find(name) {
      const found = previous.then(() => find(sources, name)).then(withGuest);
      previous = found.catch(() => {}); // each caller sees its own failure
      return found;
    },
  };
}

/** An image whose kind of guests nobody has looked at. */
type WholeImage = Omit<VerifiedImage, "guest">;

function withGuest(image: WholeImage): VerifiedImage {
  const { name, guest } = image.manifest;
  const kind = guestKind(guest);
  if (kind.ok) return { ...image, guest: kind.value };
  const message = `The image ${name} is of a kind that cannot be booted here: ${guest}`;
  throw new OmertaError("image-missing", message, {
    hint: "A later version of omerta may know it.",
    fields: { image: name, guest },
  });
}

async function find(sources: ImageSources, name: string): Promise<WholeImage> {
  const embedded = await readEmbedded(sources.embedded);
  const isMeant = embedded?.id === name || (embedded?.manifest.name === name && !isImageId(name));
  const source = isMeant ? embedded : undefined;
  const id = source?.id ?? await unpackedId(sources.state, name);
  if (id === undefined) throw missing(name, sources, embedded);
  const directory = `${imagesOf(sources.state)}/${id}`;
  const there = await verify(directory, id);
  if (there.ok) return there.image;
  if (there.problem !== undefined) await putAside(directory, there.problem, sources.log);
  if (source === undefined) throw corrupt(directory, there.problem ?? "it vanished");
  return await unpack(source, directory, sources);
}

// --- the embedded image

interface Embedded {
  readonly id: string;
  readonly directory: string;
  readonly manifest: Manifest;
  readonly manifestBytes: Uint8Array<ArrayBuffer>;
}

async function readEmbedded(directory: string): Promise<Embedded | undefined> {
  const manifestBytes = await readIfThere(`${directory}/${MANIFEST}`);
  if (manifestBytes === undefined) return undefined;
  const parsed = parseManifest(manifestBytes);
  if (!parsed.ok) throw corruptSource(directory, `its manifest is wrong (${parsed.reason})`);
  return { id: sha256(manifestBytes), directory, manifest: parsed.value, manifestBytes };
}

async function unpack(
  source: Embedded,
  directory: string,
  sources: ImageSources,
): Promise<WholeImage> {
  const images = imagesOf(sources.state);
  const fresh = `${images}/${NEW_PREFIX}${source.id.slice(0, 16)}`;
  try {
    await removeIfThere(fresh); // what a process left that was killed while it unpacked
    await Deno.mkdir(fresh, { recursive: true, mode: 0o700 });
    for (const file of [source.manifest.kernel, source.manifest.initrd]) {
      await copyChecked(source.directory, fresh, file);
    }
    await writePrivate(`${fresh}/${MANIFEST}`, source.manifestBytes);
    await Deno.rename(fresh, directory);
    await removeOlder(images, source);
  } catch (cause) {
    await removeIfThere(fresh).catch(() => {}); // the first failure is the one to tell
    throw cause instanceof OmertaError ? cause : unpackError(sources.state, cause);
  }
  const there = await verify(directory, source.id);
  if (there.ok) return there.image;
  throw corrupt(directory, there.problem ?? "it vanished");
}

async function copyChecked(from: string, to: string, file: ImageFile): Promise<void> {
  const bytes = await readIfThere(`${from}/${file.file}`);
  if (bytes === undefined) throw corruptSource(from, `${file.file} is missing`);
  const isSame = bytes.length === file.bytes && sha256(bytes) === file.sha256;
  if (!isSame) throw corruptSource(from, `${file.file} does not have the hash that it must have`);
  await writePrivate(`${to}/${file.file}`, bytes);
}

async function writePrivate(path: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  await Deno.writeFile(path, bytes, { mode: 0o600, createNew: true });
}

/** Removes what was unpacked by an earlier build of the same image. */
async function removeOlder(images: string, current: Embedded): Promise<void> {
  for (const { id, manifest } of await listUnpacked(images)) {
    if (id === current.id || manifest.name !== current.manifest.name) continue;
    await removeIfThere(`${images}/${id}`);
    await removeIfThere(`${images}/${id}.corrupt`);
  }
}

// --- unpacked images

type Verdict =
  | { readonly ok: true; readonly image: WholeImage }
  /** No `problem`: there is nothing. */
  | { readonly ok: false; readonly problem?: string };

async function verify(directory: string, id: string): Promise<Verdict> {
  const problem = await modeProblem(directory, MANIFEST);
  if (problem !== undefined) return { ok: false, problem };
  const bytes = await readIfThere(`${directory}/${MANIFEST}`);
  if (bytes === undefined) {
    return await exists(directory)
      ? { ok: false, problem: "its manifest is missing" }
      : { ok: false };
  }
  const parsed = parseManifest(bytes);
  if (!parsed.ok || sha256(bytes) !== id) return { ok: false, problem: "its manifest is damaged" };
  const { kernel, initrd } = parsed.value;
  for (const file of [kernel, initrd]) {
    const wrong = await modeProblem(directory, file.file) ?? await contentProblem(directory, file);
    if (wrong !== undefined) return { ok: false, problem: wrong };
  }
  const pathOf = (file: ImageFile) => `${directory}/${file.file}`;
  const paths = { kernel: pathOf(kernel), initrd: pathOf(initrd) };
  return { ok: true, image: { id, manifest: parsed.value, ...paths } };
}

/**
 * What is wrong with a file's mode, if it is there: its owner cannot read it, or others may write
 * it. A program that held it open can have done that, without a byte being wrong.
 */
async function modeProblem(directory: string, name: string): Promise<string | undefined> {
  try {
    const { mode } = await Deno.lstat(`${directory}/${name}`);
    if (mode === null || ((mode & 0o400) !== 0 && (mode & 0o022) === 0)) return undefined;
    return `${name} has the mode ${(mode & 0o777).toString(8).padStart(3, "0")}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw readError(`${directory}/${name}`, error);
  }
}

/** Why it is not a regular file of that length and hash; read in pieces. */
async function contentProblem(directory: string, file: ImageFile): Promise<string | undefined> {
  const path = `${directory}/${file.file}`;
  const wrong = `${file.file} does not have the hash that it must have`;
  try {
    const info = await Deno.lstat(path);
    if (!info.isFile || info.size !== file.bytes) return wrong;
    return await hashFile(path) === file.sha256 ? undefined : wrong;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return wrong;
    throw readError(path, error);
  }
}

async function putAside(
  directory: string,
  problem: string,
  log: ((text: string) => void) | undefined,
): Promise<void> {
  try {
    await removeIfThere(`${directory}.corrupt`); // one is enough to look at
    await Deno.rename(directory, `${directory}.corrupt`);
  } catch (cause) {
    throw readError(directory, cause);
  }
  log?.(
    `The image in ${directory} is damaged: ${problem}; it was put aside as ${directory}.corrupt`,
  );
}

/** The unpacked image of an id, else the newest of a name, by the time of its manifest. */
async function unpackedId(state: string, name: string): Promise<string | undefined> {
  if (isImageId(name)) return await exists(`${imagesOf(state)}/${name}`) ? name : undefined;
  if (!isImageName(name)) return undefined;
  const named = (await listUnpacked(imagesOf(state))).filter(({ manifest }) =>
    manifest.name === name
  );
  return named.sort((a, b) => b.changedMs - a.changedMs)[0]?.id;
}

/** The unpacked images whose manifests can be read; others are found damaged when they are used. */
async function listUnpacked(
  images: string,
): Promise<{ id: string; manifest: Manifest; changedMs: number }[]> {
  const found = [];
  for (const id of await namesIn(images)) {
    if (!isImageId(id)) continue;
    const path = `${images}/${id}/${MANIFEST}`;
    const bytes = await readIfThere(path).catch(() => undefined); // as if it were damaged
    const parsed = parseManifest(bytes ?? new Uint8Array());
    if (!parsed.ok) continue;
    const changedMs = (await Deno.stat(path)).mtime?.getTime() ?? 0;
    found.push({ id, manifest: parsed.value, changedMs });
  }
  return found;
}

/** Whether it is the SHA-256 of a manifest, in hex. */
function isImageId(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}

// --- files

function imagesOf(state: string): string {
  return `${state}/images`;
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await Array.fromAsync(Deno.readDir(directory), (entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw readError(directory, error);
  }
}

async function readIfThere(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw readError(path, error);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw readError(path, error);
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function sha256(bytes: Uint8Array): string {
  return toHex(createHash("sha256").update(bytes).digest());
}

// --- errors

function missing(name: string, sources: ImageSources, embedded: Embedded | undefined): OmertaError {
  const known = embedded === undefined
    ? ""
    : `The image that comes with this build is called ${embedded.manifest.name}.`;
  const hint = known ||
    "Run scripts/image in the source tree, or get a binary that carries an image.";
  return new OmertaError("image-missing", `No image is called ${JSON.stringify(name)}`, {
    hint,
    fields: { image: name, looked_at: [imagesOf(sources.state), sources.embedded] },
  });
}

function corrupt(directory: string, problem: string): OmertaError {
  return new OmertaError("image-corrupt", `The image in ${directory} is damaged: ${problem}`, {
    hint: "It was put aside, and there is no whole copy to replace it; unpack or import it again.",
  });
}

function corruptSource(directory: string, problem: string): OmertaError {
  const isCarried = Deno.build.standalone; // the directory exists inside this process only
  const image = isCarried ? "The image in this binary" : `The image in ${directory}`;
  return new OmertaError("image-corrupt", `${image} is damaged: ${problem}`, {
    hint: isCarried
      ? "This binary is damaged: get it again, and compare its hash."
      : "Run scripts/image --force.",
  });
}

function unpackError(state: string, cause: unknown): OmertaError {
  if (!isDiskFull(cause)) return readError(imagesOf(state), cause);
  return new OmertaError("disk-full", `No space to unpack an image into ${imagesOf(state)}`, {
    cause,
    hint: "Free some space, or choose another state directory with --state.",
  });
}

function readError(path: string, cause: unknown): OmertaError {
  return new OmertaError("state-damaged", `Cannot read or write ${path}`, {
    cause,
    hint: "See whether it belongs to you and is readable and writable.",
  });
}

function isDiskFull(cause: unknown): boolean {
  const code = (cause as { code?: unknown }).code;
  return code === "ENOSPC" || code === "EDQUOT";
}
