// quantize and dequantize a piece at a time, so that timers, sockets and signals are served in between. The kernels' threads do
// the work as in the synchronous forms; the calling thread is busy for some milliseconds a piece.
import { decode, output } from "./codec.js";
import { allocate, encode, finish, granule } from "./encode.js";
import { simd } from "./kernels.js";
import { checkLength, checkWeights, type Plan, plan } from "./plan.js";
import { shifts } from "./scales.js";
import { checkTensor } from "./shape.js";
import type { DequantizeOptions, QuantizedTensor, QuantizeOptions, Weights } from "./types.js";

/** `quantize` that lets the event loop run between pieces; the same result. The weights must not change meanwhile. */
export async function quantizeAsync(weights: Weights, options: QuantizeOptions): Promise<QuantizedTensor> {
  const p = plan(options);
  checkWeights(weights);
  checkLength(weights.length, p.n, p.shape);
  const results = allocate(p, p.n, { out: options.out });
  const piece = pieceOf(p);
  for (let at = 0; at < p.n; at += piece) {
    encode(p, weights.subarray(at, Math.min(p.n, at + piece)), results, at);
    await turn();
  }
  return finish(p, results);
}

/** `dequantize` that lets the event loop run between pieces; the same result. */
export function dequantizeAsync(
  q: QuantizedTensor,
  options?: DequantizeOptions<Float32Array> & { dtype?: "f32" | undefined },
): Promise<Float32Array>;
export function dequantizeAsync(
  q: QuantizedTensor,
  options: DequantizeOptions<Uint16Array> & { dtype: "bf16" },
): Promise<Uint16Array>;
export function dequantizeAsync<T extends Weights>(
  q: QuantizedTensor,
  options: DequantizeOptions<T> & { out: T },
): Promise<T>;
export async function dequantizeAsync(q: QuantizedTensor, options: DequantizeOptions = {}): Promise<Weights> {
  const n = checkTensor(q);
  const out = output(n, options);
  const shift = shifts(q) ?? null;
  const piece = roundUp(simd() === "reference" ? 1 << 19 : 1 << 24, 256 * q.blockSize);
  for (let at = 0; at < n; at += piece) {
    const end = Math.min(n, at + piece);
    decode(q, at, end, shift, out.subarray(at, end));
    await turn();
  }
  return out;
}

/** Elements that take some milliseconds under this plan. */
export function pieceOf(p: Plan): number {
  const fast = p.information ? 1 << 17 : p.factors ? 1 << 19 : 1 << 24;
  return roundUp(simd() === "reference" ? fast >> 5 : fast, granule(p));
}

function roundUp(n: number, multiple: number): number {
  return Math.ceil(n / multiple) * multiple;
}

/** Resolves after the event loop has had a turn. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}
