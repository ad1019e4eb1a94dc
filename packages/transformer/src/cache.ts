// Keys and values of earlier tokens while a sequence is decoded (the KV cache), in 32, 16 or 8 bits.
//
// In 16 and 8 bits they take a half or about a quarter of the memory. A layer's are decoded into memory that all layers share
// when its attention needs them, which costs time in proportion to the tokens so far. What is stored is what attention sees,
// for the newest tokens too: a prompt gives the same bits in one pass as token by token.
import { embeddingBackward, fromBf16, toBf16 } from "@qlora/kernels";
import { dequantizeBlockwise, quantizeBlockwise } from "@qlora/nf4";
import { type DeviceArray, type Floats, free, type Ints, newArray } from "./device.js";
import { ModelError } from "./error.js";
import type { Model } from "./model.js";
import { linearMap } from "./weight.js";
import { Workspace } from "./workspace.js";

/** Dtype of the cache: f32; bf16; or int8 with a scale for each token and head. */
export type CacheType = "f32" | "bf16" | "int8";
export const cacheTypes = ["f32", "bf16", "int8"] as const satisfies readonly CacheType[];

/** One layer's keys and values, [capacity, kvHeads, headDim] each. */
export interface LayerCache {
  /** Where the next `tokens` keys and values are to be written, [tokens, kvHeads, headDim] each. */
  next(tokens: number): [keys: Floats, values: Floats];
  /**
   * Takes in what was written there, of the tokens at `positions`; returns all of them, on a device with the room for those to
   * come, valid until another layer's are asked for.
   */
  add(tokens: number, positions: Ints): [keys: Floats, values: Floats];
}

/** The caches of all layers. */
export interface Caches extends Disposable {
  layers: LayerCache[];
  /** Memory that all of them take. */
  bytes: number;
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
 * A cache for every layer, with room for `capacity` tokens. On a device it is bf16, as all activations are there.
 * @throws {ModelError} PRECISION_UNSUPPORTED for int8 on a device
 */
export function layerCaches(
  { config: { layers, kvHeads, headDim }, device }: Model,
  capacity: number,
  type: CacheType,
): Caches {
  const width = kvHeads * headDim;
  const size = capacity * width;
  const each = <T>(make: () => T) => Array.from({ length: layers }, make);
  if (device !== "cpu") {
    if (type === "int8")
      throw new ModelError("PRECISION_UNSUPPORTED", "a cache in int8 is for --device cpu; leave it out for bf16");
    const sides = each((): Sides<DeviceArray> => [deviceSide(device, size), deviceSide(device, size)]);
    const staging = new Workspace(device);
    return {
      layers: sides.map((pair) => deviceCache(pair, staging, capacity, width)),
      bytes: layers * 4 * size,
      [Symbol.dispose]() {
        free(...sides.flat());
        staging[Symbol.dispose]();
      },
    };
  }
  const side = () => new Float32Array(size);
  if (type === "f32") {
    const caches = each(() => hostCache([side(), side()], width));
    return { layers: caches, bytes: layers * 2 * size * 4, [Symbol.dispose]() {} };
  }
  const store = () => (type === "bf16" ? bf16Store(size, width) : int8Store(size, width, headDim));
  const decoded: Sides<Float32Array> = [side(), side()];
  const stores = each((): Sides<Store> => [store(), store()]);
  const stored = stores.reduce((sum, [k, v]) => sum + k.bytes + v.bytes, 0);
  return {
    layers: stores.map((pair) => hostCache(decoded, width, pair)),
    bytes: stored + 2 * size * 4,
    [Symbol.dispose]() {},
  };
}

/** Keys and values. */
type Sides<T> = [keys: T, values: T];

function hostCache(arrays: Sides<Float32Array>, width: number, stores?: Sides<Store>): LayerCache {
  let length = 0;
  const rows = (from: number, to: number) =>
    arrays.map((array) => array.subarray(from * width, to * width)) as Sides<Float32Array>;
  return {
    next(tokens) {
      return rows(length, length + tokens);
    },
    add(tokens) {
      const before = length;
      length += tokens;
      stores?.forEach((store, i) => {
        store.write(arrays[i]!, before, length);
        store.read(arrays[i]!, length);
      });
      return rows(0, length);
    },
  };
}

/** Zeros. */
function deviceSide(device: Model["device"], size: number): DeviceArray {
  const array = newArray(device, "bf16", size, "cache") as DeviceArray;
  return array.zero();
}

/**
 * Holds nothing but arrays, so that a graph can be launched for one position after another. A row is zero until it is written:
 * adding to it is writing it.
 */
function deviceCache(sides: Sides<DeviceArray>, staging: Workspace, capacity: number, width: number): LayerCache {
  const rows = (tokens: number) =>
    ["keys", "values"].map((name) => staging.activations(name, tokens * width)) as Sides<Floats>;
  return {
    next: rows,
    add(tokens, positions) {
      for (const [i, added] of rows(tokens).entries())
        embeddingBackward(positions, added, sides[i]!, { m: tokens, d: width, vocab: capacity });
      return sides;
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
