// One weight matrix in whatever precision it is kept: its two products, its gradient when it trains, its size in bytes.

import type { DeviceArray } from "@qlora/cuda-runtime";
import * as kernels from "@qlora/kernels";
import * as nf4 from "@qlora/nf4";
import { byteLength, type Floats, toHost, type Weights } from "./device.js";
import type { Workspace } from "./workspace.js";

/** How the linear layers of the blocks are kept. Embedding, head and norms stay in 16 or 32 bits. */
export type Precision = "nf4" | "fp4" | "int8" | "bf16" | "f32";

/** A matrix [n, k]: y = x·Wᵀ maps k features to n. */
export type Weight =
  | { kind: "dense"; n: number; k: number; data: Weights; grad?: Floats }
  | { kind: "8bit"; n: number; k: number; data: nf4.Blockwise }
  | {
      kind: "4bit";
      n: number;
      k: number;
      data: nf4.QuantizedTensor | nf4.TiledWeights | nf4.DeviceQuantizedTensor;
      /** On a device, while a block is worked on (decoded.ts): the weight in bf16. */
      decoded?: DeviceArray;
    };

/** How a product with frozen weights is computed: exactly in f32, or in int8 (opt-in; a single row stays f32). */
export type Arithmetic = "f32" | "int8";

/** One arithmetic for all products with frozen weights, the head's too, or one for each pass: forward, its recomputation, and dX. */
export type Compute = Arithmetic | Record<"forward" | "recompute" | "backward", Arithmetic>;

export function arithmetic(compute: Compute, pass: "forward" | "recompute" | "backward"): Arithmetic {
  return typeof compute === "string" ? compute : compute[pass];
}

export interface WeightProductOptions {
  /** Of products with frozen weights on the CPU. Default "f32". */
  compute?: Arithmetic;
  /** Add to what is there. Default false. */
  accumulate?: boolean;
  /** For many rows on a device: 4-bit weights are decoded there once instead of by every tile. */
  scratch?: Workspace;
}

/** y [m, n] = x [m, k]·Wᵀ. */
export function matmul(x: Floats, w: Weight, y: Floats, m: number, options: WeightProductOptions = {}): void {
  const [input, out] = [rows(x, m, w.k), rows(y, m, w.n)];
  if (w.kind === "4bit") product(nf4.matmul, input, w, out, m, options);
  else kernels.matmul(x, dense(w), y, sizes(w, m, options));
}

/** dx [m, k] = dy [m, n]·W. */
export function matmulTransposed(
  dy: Floats,
  w: Weight,
  dx: Floats,
  m: number,
  options: WeightProductOptions = {},
): void {
  const [input, out] = [rows(dy, m, w.n), rows(dx, m, w.k)];
  if (w.kind === "4bit") product(nf4.matmulTransposed, input, w, out, m, options);
  else kernels.matmulTransposed(dy, dense(w), dx, sizes(w, m, options));
}

/** Of a product with other than 4-bit weights; ones that train are multiplied exactly. */
function sizes(w: Weight, m: number, { compute, accumulate = false }: WeightProductOptions) {
  const frozen = w.kind === "8bit" || (w.kind === "dense" && !w.grad && ArrayBuffer.isView(w.data));
  return { m, n: w.n, k: w.k, accumulate, compute: frozen ? forRows(m, compute) : ("f32" as const) };
}

/** int8 products are made for many rows; of one row f32 is the faster and the exact one. */
const forRows = (m: number, compute: Arithmetic = "f32"): Arithmetic => (m === 1 ? "f32" : compute);

/** A product with 4-bit weights, where they are. */
function product(
  multiply: typeof nf4.matmul,
  input: Floats,
  { data, n, k, decoded: dense }: Weight & { kind: "4bit" },
  out: Floats,
  m: number,
  { compute, accumulate = false, scratch }: WeightProductOptions,
): void {
  if ("device" in data) {
    const decode = !dense && scratch && m >= nf4.denseRows(); // the product itself knows whether this device gains
    const room = decode ? { scratch: scratch.weight("weight", n * k) } : { dense };
    multiply(input as DeviceArray, data, { out: out as DeviceArray, accumulate, ...room });
  } else {
    multiply(input as Float32Array, data, { out: out as Float32Array, accumulate, compute: forRows(m, compute) });
  }
}

/** grad += dyᵀ·x for a weight that trains; nothing for a frozen one. */
export function accumulateGradient(dy: Floats, x: Floats, w: Weight, m: number): void {
  if (w.kind === "dense" && w.grad) kernels.matmulGradWeight(dy, x, w.grad, { m, n: w.n, k: w.k, accumulate: true });
}

/** Int8 with one scale per `blockSize` weights: levels i/127, i = -128 … 127. */
export const linearMap = Float32Array.from({ length: 256 }, (_, i) => (i - 128) / 127);

/** A weight in 8 bits: the paper's Int8 baseline. Its products decode the whole matrix first, so it is for comparison, not speed. */
export function quantize8bit(data: Float32Array, n: number, k: number, blockSize: number): Weight {
  return { kind: "8bit", n, k, data: nf4.quantizeBlockwise(data, { map: linearMap, blockSize }) };
}

/** A 4-bit weight as it is stored in files, wherever it is. */
export function hostTensor(data: (Weight & { kind: "4bit" })["data"]): nf4.QuantizedTensor {
  return "device" in data ? nf4.toHost(data) : nf4.untile(data);
}

/** The weight as f32 [n, k] on the host: a copy, except for f32 weights that are there. */
export function toFloat32(w: Weight): Float32Array {
  if (w.kind === "8bit") return nf4.dequantizeBlockwise(w.data);
  if (w.kind === "4bit") return nf4.dequantize(hostTensor(w.data)) as Float32Array;
  const data = toHost(w.data as Float32Array | Uint16Array);
  if (data instanceof Float32Array) return data;
  const out = new Float32Array(data.length);
  kernels.fromBf16(data, out, { n: out.length });
  return out;
}

/** Bytes in memory, the gradient included. */
export function weightBytes(w: Weight): number {
  if (w.kind === "4bit") return nf4.bytes(w.data);
  if (w.kind === "8bit") return w.data.codes.byteLength + w.data.absmax.byteLength;
  return byteLength(w.data) + (w.grad ? byteLength(w.grad) : 0);
}

let decoded = new Float32Array(0);

/** What the dense kernels take: the array itself, or an 8-bit weight decoded into the one buffer that all of them share. */
function dense(w: Exclude<Weight, { kind: "4bit" }>): Weights {
  if (w.kind === "dense") return w.data;
  if (decoded.length < w.n * w.k) decoded = new Float32Array(w.n * w.k);
  return nf4.dequantizeBlockwise(w.data, { out: decoded });
}

function rows<A extends Floats>(x: A, m: number, columns: number): A {
  return x.length === m * columns ? x : (x.subarray(0, m * columns) as A);
}
