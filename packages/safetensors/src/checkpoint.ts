// A checkpoint: one file, or shards with an index that says which tensor is in which (Hugging Face's layout).
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { TensorInfo } from "./entry.js";
import { quote, SafetensorsError, type SafetensorsErrorCode, systemCode } from "./errors.js";
import { type ByteRange, openSafetensors, type SafetensorsFile, type TensorPlace } from "./file.js";
import type { HeaderLimits } from "./header.js";
import { JsonScanner } from "./json.js";

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";
const MAX_INDEX_BYTES = 64 * 2 ** 20;

/** A tensor and the file that holds it (its full path). */
export type CheckpointTensor = TensorInfo & { file: string };

/** All tensors of a model under one roof. Free the descriptors with `close()` or `using`. */
export class Checkpoint implements Disposable {
  /** What `openCheckpoint` was given. */
  readonly path: string;
  readonly tensors: Map<string, CheckpointTensor>;
  /** `__metadata__` of the files; of a key in several of them, the first file's. */
  readonly metadata: Map<string, string>;
  /** Oddities that do not stop a load, one sentence each. */
  readonly warnings: readonly string[];
  readonly #files: Map<string, SafetensorsFile>;

  /** @internal use `openCheckpoint` */
  constructor(
    path: string,
    files: Map<string, SafetensorsFile>,
    tensors: Map<string, CheckpointTensor>,
    warnings: string[],
  ) {
    this.path = path;
    this.tensors = tensors;
    this.warnings = warnings;
    this.metadata = new Map([...files.values()].reverse().flatMap((file) => [...file.metadata]));
    this.#files = files;
  }

  /** As `SafetensorsFile.read`. */
  read(name: string): Uint8Array<ArrayBuffer> {
    return this.#file(name).read(name);
  }

  /** As `SafetensorsFile.readInto`. */
  readInto(name: string, target: ArrayBufferView, range: ByteRange = {}): void {
    this.#file(name).readInto(name, target, range);
  }

  /** As `SafetensorsFile.place`. */
  place(name: string): TensorPlace {
    return this.#file(name).place(name);
  }

  close(): void {
    for (const file of this.#files.values()) file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #file(name: string): SafetensorsFile {
    const tensor = this.tensors.get(name);
    if (tensor === undefined)
      throw new SafetensorsError("NO_TENSOR", `not among the ${this.tensors.size} tensors of this checkpoint.`, {
        path: this.path,
        tensor: name,
      });
    return this.#files.get(tensor.file)!;
  }
}

/**
 * Opens a model: a folder with `model.safetensors` or `model.safetensors.index.json` and its shards, an index, or one file.
 * Every header is read and checked now; no tensor is.
 * @throws {SafetensorsError} NOT_FOUND, INDEX, SHARD_MISSING, SHARD_PATH_ESCAPE, TENSOR_NOT_IN_SHARD, TOTAL_SIZE, or a header's code
 */
export function openCheckpoint(path: string, limits: HeaderLimits = {}): Checkpoint {
  const main = locate(path);
  if (!main.endsWith(".json")) {
    const file = openSafetensors(main, limits);
    const tensors = new Map([...file.tensors].map(([name, info]) => [name, { ...info, file: main }]));
    return new Checkpoint(path, new Map([[main, file]]), tensors, []);
  }
  const index = readIndex(main);
  const files = new Map<string, SafetensorsFile>();
  try {
    const tensors = new Map<string, CheckpointTensor>();
    for (const [name, shard] of index.weightMap) {
      const file = join(dirname(main), shard);
      if (!files.has(file)) files.set(file, openShard(file, main, limits));
      const info = files.get(file)!.tensors.get(name);
      if (info === undefined) {
        const message = `${quote(shard)} does not hold it, though the index says so. Fetch the index and that shard again.`;
        throw new SafetensorsError("TENSOR_NOT_IN_SHARD", message, { path: main, tensor: name });
      }
      tensors.set(name, { ...info, file });
    }
    return new Checkpoint(path, files, tensors, sizeWarnings(tensors, index.totalSize, main));
  } catch (error) {
    for (const file of files.values()) file.close();
    throw error;
  }
}

function locate(path: string): string {
  let folder: boolean;
  try {
    folder = statSync(path).isDirectory();
  } catch (cause) {
    const missing = systemCode(cause) === "ENOENT";
    const message = missing ? "no such file or folder." : `cannot be opened: ${(cause as Error).message}.`;
    throw new SafetensorsError(missing ? "NOT_FOUND" : "IO", message, { path, cause });
  }
  if (!folder) return path;
  const found = [SINGLE, INDEX].map((name) => join(path, name)).find((file) => existsSync(file));
  if (found !== undefined) return found;
  const others = readdirSync(path).filter((name) => name.endsWith(".safetensors"));
  const hint = others.length > 0 ? ` It holds ${others.slice(0, 5).join(", ")}: pass one of them by its path.` : "";
  throw new SafetensorsError("NOT_FOUND", `no ${SINGLE} and no ${INDEX} in this folder.${hint}`, { path });
}

function openShard(file: string, index: string, limits: HeaderLimits): SafetensorsFile {
  try {
    return openSafetensors(file, limits);
  } catch (error) {
    if (!(error instanceof SafetensorsError) || error.code !== "NOT_FOUND") throw error;
    const message = `names the shard ${quote(basename(file))}, which is not there. Fetch it into the same folder.`;
    throw new SafetensorsError("SHARD_MISSING", message, { path: index });
  }
}

function readIndex(path: string): { weightMap: Map<string, string>; totalSize: number | undefined } {
  const fail = (code: SafetensorsErrorCode, message: string, tensor?: string): never => {
    throw new SafetensorsError(code, message, { path, tensor });
  };
  const size = statSync(path).size;
  if (size > MAX_INDEX_BYTES) fail("INDEX", `${size} bytes, at most ${MAX_INDEX_BYTES} are read.`);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path));
  } catch {
    return fail("UTF8", "the index is not UTF-8. Fetch it again.");
  }
  const scanner = new JsonScanner(text, fail);
  let weightMap: Map<string, string> | undefined;
  let totalSize: number | undefined;
  if (scanner.value() !== "{") fail("INDEX", `must be a JSON object, begins with ${scanner.found()}.`);
  scanner.object((key) => {
    if (key === "weight_map" && scanner.value() === "{") {
      const map = new Map<string, string>();
      weightMap = map;
      scanner.object((name) => {
        if (scanner.value() !== '"') fail("INDEX", `weight_map must give a file name, gives ${scanner.found()}.`, name);
        map.set(name, checkedShard(scanner.string(), name, fail));
      });
    } else if (key === "metadata" && scanner.value() === "{")
      scanner.object((name) => {
        if (name !== "total_size") return scanner.skip();
        scanner.value();
        const found = scanner.found();
        totalSize = Number(scanner.number() ?? -1);
        if (!Number.isSafeInteger(totalSize) || totalSize < 0)
          fail("TOTAL_SIZE", `total_size must be a whole number of bytes, is ${found}.`);
      });
    else scanner.skip();
  });
  scanner.end(" \n\r\t");
  return { weightMap: weightMap ?? fail("INDEX", 'no object "weight_map". Fetch the index again.'), totalSize };
}

/** Shards lie beside the index: a plain name, never a path. */
function checkedShard(
  shard: string,
  tensor: string,
  fail: (code: SafetensorsErrorCode, message: string, tensor?: string) => never,
): string {
  if (!/^[^/\\:\u0000]+$/.test(shard) || shard === "." || shard === "..")
    fail("SHARD_PATH_ESCAPE", `the shard ${quote(shard)} is not a plain file name beside the index.`, tensor);
  if (!shard.endsWith(".safetensors")) fail("INDEX", `the shard ${quote(shard)} is no .safetensors file.`, tensor);
  return shard;
}

/** `total_size` is known to be wrong in published checkpoints whose bytes are fine, so it only warns. */
function sizeWarnings(tensors: Map<string, TensorInfo>, totalSize: number | undefined, path: string): string[] {
  let sum = 0;
  for (const { begin, end } of tensors.values()) sum += end - begin;
  return totalSize === undefined || totalSize === sum
    ? []
    : [`${path}: total_size is ${totalSize}, the tensors in weight_map take ${sum} bytes.`];
}
