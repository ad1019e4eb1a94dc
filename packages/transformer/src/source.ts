// Tensors of a checkpoint on disk, checked against config.json before the first one is read.
import { mapFile } from "@qlora/cuda-runtime";
import { preferHugePages } from "@qlora/kernels";
import { type BitsandbytesTensor, fromBitsandbytes, type QuantizedTensor } from "@qlora/nf4";
import { bitsPerElement, type Checkpoint, float16ToFloat32 } from "@qlora/safetensors";
import type { ModelConfig } from "./config.js";
import { ModelError } from "./error.js";
import { linearKeys, linearName, tensorShapes } from "./model.js";
import type { Precision } from "./weight.js";

/** The codebook of a tensor that is stored in 4 bits. */
function storedType(checkpoint: Checkpoint, name: string): "nf4" | "fp4" | undefined {
  return (["nf4", "fp4"] as const).find((type) => checkpoint.tensors.has(`${name}.quant_state.bitsandbytes__${type}`));
}

/** Whether the checkpoint holds the blocks' linear layers as `precision` keeps them, so that they can be used where they lie. */
export function holdsPrecision(checkpoint: Checkpoint, config: ModelConfig, precision: Precision): boolean {
  for (let layer = 0; layer < config.layers; layer++)
    for (const key of linearKeys) {
      const name = `${linearName(layer, key)}.weight`;
      const dtype = checkpoint.tensors.get(name)?.dtype;
      if (!storedType(checkpoint, name) && dtype !== precision.toUpperCase()) return false;
    }
  return true;
}

/** Where the tensors of a model come from. */
export interface Source {
  /** The tensor as f32, or its bf16 bits as they are. */
  dense(name: string): Float32Array | Uint16Array;
  /** The same in memory that the next call of `borrow` takes again: for tensors that are kept in another form. */
  borrow(name: string): Float32Array | Uint16Array;
  /** The tensor if it is stored in 4 bits, else undefined. */
  quantized(name: string): QuantizedTensor | undefined;
}

/** Bytes. Smaller tensors are read also where the others are mapped: a mapping takes whole pages. */
export const leastMapped = 2 ** 16;

/**
 * Opens every tensor that `config` asks for, or says which one is missing or has another shape. With `map` they stay in their
 * file: memory is the page cache's, and the file must keep its length while they are used.
 */
export function checkpointSource(checkpoint: Checkpoint, config: ModelConfig, { map = false } = {}): Source {
  const bytesOf = (name: string): Uint8Array<ArrayBuffer> => {
    const { descriptor, offset, bytes } = checkpoint.place(name);
    const aligned = (offset * 8) % bitsPerElement(checkpoint.tensors.get(name)!.dtype) === 0;
    if (map && aligned && bytes >= leastMapped) return mapFile(descriptor, offset, bytes);
    const read = preferHugePages(new Uint8Array(bytes));
    checkpoint.readInto(name, read);
    return read;
  };
  for (const [name, shape] of tensorShapes(config)) {
    const tensor = checkpoint.tensors.get(name);
    if (!tensor)
      throw new ModelError(
        "TENSOR_MISSING",
        `${checkpoint.path}: tensor ${name} is missing; config.json asks for it with shape [${shape}]`,
      );
    if (storedType(checkpoint, name)) continue; // its shape is in its quant_state, checked when it is read
    if (String(tensor.shape) !== String(shape))
      throw new ModelError(
        "SHAPE_DISAGREES",
        `${tensor.file}: tensor ${name} has shape [${tensor.shape}], config.json asks for [${shape}]`,
      );
  }
  const borrowed = { bytes: new Uint8Array(0), floats: new Float32Array(0) };
  const inDtype = (
    name: string,
    bytes: Uint8Array,
    floats?: (n: number) => Float32Array,
  ): Float32Array | Uint16Array => {
    const { dtype, file } = checkpoint.tensors.get(name)!;
    if (dtype === "F32") return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    if (dtype === "BF16" || dtype === "F16") {
      const words = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
      return dtype === "BF16" ? words : float16ToFloat32(words, floats?.(words.length));
    }
    throw new ModelError(
      "DTYPE_UNSUPPORTED",
      `${file}: tensor ${name} is ${dtype}; weights are F32, F16, BF16 or bitsandbytes 4-bit`,
    );
  };
  const stored = (name: string, read: (key: string) => BitsandbytesTensor | undefined): QuantizedTensor => {
    try {
      return fromBitsandbytes(name.replace(/\.weight$/, ""), read);
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
      throw new ModelError("QUANT_STATE", `${checkpoint.path}: 4-bit tensor ${name}: ${error.message}`);
    }
  };
  return {
    dense: (name) => inDtype(name, bytesOf(name)),
    borrow(name) {
      const { begin, end } = checkpoint.tensors.get(name)!;
      if (borrowed.bytes.length < end - begin) borrowed.bytes = new Uint8Array(end - begin);
      const bytes = borrowed.bytes.subarray(0, end - begin);
      checkpoint.readInto(name, bytes);
      return inDtype(name, bytes, (n) => {
        if (borrowed.floats.length < n) borrowed.floats = new Float32Array(n);
        return borrowed.floats.subarray(0, n);
      });
    },
    quantized(name) {
      if (!storedType(checkpoint, name)) return undefined;
      const q = stored(name, (key): BitsandbytesTensor | undefined => {
        const tensor = checkpoint.tensors.get(key);
        if (!tensor) return undefined;
        const { dtype, shape, file } = tensor;
        if (dtype !== "U8" && dtype !== "F32" && dtype !== "BF16" && dtype !== "F16")
          throw new ModelError(
            "DTYPE_UNSUPPORTED",
            `${file}: tensor ${key} is ${dtype}; parts of a 4-bit tensor are U8, F32, BF16 or F16`,
          );
        return { dtype, shape, data: bytesOf(key) };
      });
      const shape = tensorShapes(config).get(name)!;
      if (String(q.shape) !== String(shape))
        throw new ModelError(
          "SHAPE_DISAGREES",
          `${checkpoint.path}: 4-bit tensor ${name} has shape [${q.shape}], config.json asks for [${shape}]`,
        );
      return q;
    },
  };
}
