// Keys and values of earlier tokens while a sequence is decoded (the KV cache), in 32, 16 or 8 bits.
//
// In 16 and 8 bits they take a half or about a quarter of the memory. A layer's are decoded into memory that all layers share
// when its attention needs them, which costs time in proportion to the tokens so far. What is stored is what attention sees,
// for the newest tokens too: a prompt gives the same bits in one pass as token by token.
import { fromBf16, toBf16 } from "@qlora/kernels";
import { dequantizeBlockwise, quantizeBlockwise } from "@qlora/nf4";
import { type DeviceArray, type Floats, free, newArray } from "./device.js";
import { ModelError } from "./error.js";
import type { Model } from "./model.js";
import { linearMap } from "./weight.js";

/** Dtype of the cache: f32; bf16; or int8 with a scale for each token and head. */
export type CacheType = "f32" | "bf16" | "int8";
export const cacheTypes = ["f32", "bf16", "int8"] as const satisfies readonly CacheType[];

/** One layer's keys and values, [capacity, kvHeads, headDim] each. */
export interface LayerCache extends Disposable {
  /** Tokens in it. */
  length: number;
  /** Where the next `tokens` keys and values are to be written, [tokens, kvHeads, headDim] each. */
  next(tokens: number): [keys: Floats, values: Floats];
  /** Takes in what was written there; returns all of them, valid until another layer's are asked for. */
  add(tokens: number): [keys: Floats, values: Floats];
}

/** One side, keys or values, of one layer in some dtype. */
interface Store {
  /** Rows `from` … `to` of `decoded` are stored, and become what is stored. */
  write(decoded: Float32Array, from: number, to: number): void;
  /** Rows 0 … `to` into `decoded`. */
  read(decoded: Float32Array, to: number): void;
  readonly bytes: number;
}

/**
 * A cache for every layer, with room for `capacity` tokens; `bytes` is the memory that all of them take. On a device it is
 * bf16, as all activations are there.
 * @throws {ModelError} PRECISION_UNSUPPORTED for int8 on a device
 */
export function layerCaches(
  { config: { layers, kvHeads, headDim }, device }: Model,
  capacity: number,
  type: CacheType,
): { caches: LayerCache[]; bytes: number } {
  const width = kvHeads * headDim;
  const size = capacity * width;
  if (device !== "cpu") {
    if (type === "int8")
      throw new ModelError("PRECISION_UNSUPPORTED", "a cache in int8 is for --device cpu; leave it out for bf16");
    const side = () => newArray(device, "bf16", size, "cache") as DeviceArray;
    return {
      caches: Array.from({ length: layers }, () => cacheOf([side(), side()], width)),
      bytes: layers * 4 * size,
    };
  }
  if (type === "f32") {
    const caches = Array.from({ length: layers }, () => {
      const sides: [Float32Array, Float32Array] = [new Float32Array(size), new Float32Array(size)];
      return cacheOf(sides, width);
    });
    return { caches, bytes: layers * 2 * size * 4 };
  }
  const store = () => (type === "bf16" ? bf16Store(size, width) : int8Store(size, width, headDim));
  const decoded: [Float32Array, Float32Array] = [new Float32Array(size), new Float32Array(size)];
  const stores = Array.from({ length: layers }, (): [Store, Store] => [store(), store()]);
  const stored = stores.reduce((sum, [k, v]) => sum + k.bytes + v.bytes, 0);
  return { caches: stores.map((pair) => cacheOf(decoded, width, pair)), bytes: stored + 2 * size * 4 };
}

function cacheOf(arrays: [Float32Array, Float32Array], width: number, stores?: [Store, Store]): LayerCache;
function cacheOf(arrays: [DeviceArray, DeviceArray], width: number): LayerCache;
function cacheOf(arrays: [Floats, Floats], width: number, stores?: [Store, Store]): LayerCache {
  const rows = (from: number, to: number) =>
    arrays.map((array) => array.subarray(from * width, to * width)) as [Floats, Floats];
  return {
    length: 0,
    next(tokens) {
      return rows(this.length, this.length + tokens);
    },
    add(tokens) {
      const before = this.length;
      this.length += tokens;
      stores?.forEach((store, i) => {
        store.write(arrays[i] as Float32Array, before, this.length);
        store.read(arrays[i] as Float32Array, this.length);
      });
      return rows(0, this.length);
    },
    [Symbol.dispose]() {
      free(...arrays);
    },
  };
}

function bf16Store(size: number, width: number): Store {
  const words = new Uint16Array(size);
  return {
    bytes: words.byteLength,
    write: (decoded, from, to) =>
      toBf16(decoded.subarray(from * width, to * width), words.subarray(from * width, to * width), {
        n: (to - from) * width,
      }),
    read: (decoded, to) => fromBf16(words, decoded, { n: to * width }),
  };
}

function int8Store(size: number, width: number, blockSize: number): Store {
  const codes = new Uint8Array(size);
  const absmax = new Float32Array(size / blockSize);
  return {
    bytes: codes.byteLength + absmax.byteLength,
    write(decoded, from, to) {
      const rows = quantizeBlockwise(decoded.subarray(from * width, to * width), { map: linearMap, blockSize });
      codes.set(rows.codes, from * width);
      absmax.set(rows.absmax, (from * width) / blockSize);
    },
    read(decoded, to) {
      const end = to * width;
      const rows = {
        codes: codes.subarray(0, end),
        absmax: absmax.subarray(0, end / blockSize),
        map: linearMap,
        blockSize,
      };
      dequantizeBlockwise(rows, { out: decoded });
    },
  };
}
