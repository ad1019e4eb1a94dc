// Writing safetensors: the reference writer's layout (largest alignment first, then by name), one tensor in memory at a time.
import { replaceFile } from "./atomic.js";
import { type Dtype, dtypeRank, isDtype, tensorBytes } from "./dtypes.js";
import { SafetensorsError } from "./errors.js";
import { parseHeader } from "./header.js";

/** A tensor to write. A function as `data` is called when its turn comes, and its result is dropped once written. */
export interface TensorData {
  name: string;
  dtype: Dtype;
  shape: readonly number[];
  data: ArrayBufferView | (() => ArrayBufferView);
}

export interface WriteOptions {
  /** Strings kept under `__metadata__`, e.g. `{ format: "pt" }`, which Hugging Face loaders look for. */
  metadata?: Record<string, string> | Map<string, string>;
}

/**
 * Writes a file atomically: `path` is replaced by a complete, synced file or left as it was.
 * The bytes are those of the reference writer for the same tensors.
 * @throws {SafetensorsError} what `openSafetensors` would refuse (NAME, DUP_KEY, SHAPE_RANK, …), SIZE_MISMATCH, NO_SPACE, WRITE
 */
export function writeSafetensors(path: string, tensors: Iterable<TensorData>, options: WriteOptions = {}): void {
  const inOrder = sorted(tensors);
  const { bytes, sizes, total } = encodeHeader(inOrder, options.metadata, path);
  replaceFile(path, total, (write) => {
    write(bytes);
    for (const [i, { name, data }] of inOrder.entries()) {
      const view = typeof data === "function" ? data() : data;
      if (view.byteLength !== sizes[i])
        throw new SafetensorsError(
          "SIZE_MISMATCH",
          `shape and dtype take ${sizes[i]} bytes, data has ${view.byteLength}.`,
          { path, tensor: name },
        );
      write(view);
    }
  });
}

/** Smallest first, by the bytes of the key in UTF-8. */
function byKey<T>(entries: [key: string, value: T][]): [string, T][] {
  return entries
    .map(([key, value]) => ({ key, value, bytes: Buffer.from(key, "utf8") }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ key, value }) => [key, value]);
}

/** By alignment (the specification's order of dtypes, last first), then by the bytes of the name. */
function sorted(tensors: Iterable<TensorData>): TensorData[] {
  return byKey(Array.from(tensors, (tensor) => [tensor.name, tensor]))
    .map(([, tensor]) => tensor)
    .sort((a, b) => dtypeRank(b.dtype) - dtypeRank(a.dtype));
}

function encodeHeader(tensors: TensorData[], metadata: WriteOptions["metadata"], path: string) {
  const members: string[] = [];
  const strings = byKey(metadata instanceof Map ? [...metadata] : Object.entries(metadata ?? {}));
  if (metadata !== undefined) {
    for (const [key, value] of strings)
      if (typeof value !== "string")
        throw new SafetensorsError("METADATA_TYPE", `metadata ${key} must be a string, is ${typeof value}.`, { path });
    members.push(`"__metadata__":{${strings.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`).join(",")}}`);
  }
  const sizes: number[] = [];
  let at = 0;
  for (const { name, dtype, shape, data } of tensors) {
    const where = { path, tensor: name };
    if (!isDtype(dtype)) throw new SafetensorsError("DTYPE", `unknown dtype ${dtype}.`, where);
    if (name === "__metadata__") throw new SafetensorsError("NAME", "this name is the format's own.", where);
    const bytes = tensorBytes(dtype, shape);
    if (typeof bytes === "string")
      throw new SafetensorsError(
        bytes === "overflow" ? "OVERFLOW" : "SIZE_MISMATCH",
        `shape [${shape.join(", ")}] of ${dtype}: ${bytes}.`,
        where,
      );
    if (typeof data !== "function" && data.byteLength !== bytes)
      throw new SafetensorsError(
        "SIZE_MISMATCH",
        `shape [${shape.join(", ")}] of ${dtype} takes ${bytes} bytes, data has ${data.byteLength}.`,
        where,
      );
    const info = { dtype, shape, data_offsets: [at, at + bytes] };
    members.push(`${JSON.stringify(name)}:${JSON.stringify(info)}`);
    sizes.push(bytes);
    at += bytes;
  }
  const json = new TextEncoder().encode(`{${members.join(",")}}`);
  const length = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, 8);
  const total = bytes.length + at;
  parseHeader(bytes, total, path); // what is written must be readable: same names, limits and checks
  return { bytes, sizes, total };
}
