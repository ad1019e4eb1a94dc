// Weights in, codes out, a piece at a time: a tensor never has to be in memory as a whole.
import { pieceOf, turn } from "./async.js";
import { decode, output } from "./codec.js";
import { allocate, encode, granule } from "./encode.js";
import { checkLength, checkWeights, oneOf, type Plan, plan } from "./plan.js";
import { nest, shifts } from "./scales.js";
import { blocks, checkTensor } from "./shape.js";
import type { NestedScales, QuantizedTensor, QuantizeOptions, Weights } from "./types.js";

/**
 * Consecutive codes of a tensor. Without double quantisation `absmax` (and `shift`) belong to them. With it, the scales need
 * the mean of all of them: one last part without codes has `nested` (and `nestedShift`) for the whole tensor.
 */
export interface QuantizedPart {
  codes: Uint8Array;
  absmax?: Float32Array;
  shift?: Float32Array;
  nested?: NestedScales;
  nestedShift?: NestedScales;
}

/**
 * Quantises a tensor that arrives in chunks of any sizes. Its parts, put together, are the bytes of `quantize`.
 * Memory: one piece (256 blocks and what a chunk adds), and with double quantisation 4 bytes a block (5 with shifts).
 * @throws {TypeError|RangeError} as `quantize`, and when the chunks hold more or fewer weights than the shape.
 */
export async function* quantizeStream(
  chunks: AsyncIterable<Weights> | Iterable<Weights>,
  options: Omit<QuantizeOptions, "out">,
): AsyncGenerator<QuantizedPart, void, undefined> {
  const p = plan(options);
  const whole = p.doubleQuant ? allocate(p, p.n, { coded: 0 }) : undefined;
  let done = 0;
  for await (const weights of regroup(p, chunks)) {
    const part = allocate(p, weights.length);
    encode(p, weights, part, 0, done);
    const { codes, absmax, shift, nestedShift } = part;
    if (whole) {
      const first = done / p.blockSize;
      whole.absmax.set(absmax, first);
      whole.nestedShift?.codes.set(nestedShift!.codes, first);
      whole.nestedShift?.absmax.set(nestedShift!.absmax, first / 256);
      yield { codes };
    } else yield { codes, absmax, ...(shift && { shift }) };
    done += weights.length;
    await turn();
  }
  if (!whole) return;
  const { codes, absmax, nestedShift } = whole;
  yield { codes, nested: nest(absmax), ...(nestedShift && { nestedShift }) };
}

/** The chunks' weights in pieces of whole granules; only the last may be another length. A piece is valid until the next. */
async function* regroup(p: Plan, chunks: AsyncIterable<Weights> | Iterable<Weights>): AsyncGenerator<Weights> {
  const size = granule(p);
  const most = pieceOf(p);
  let rest: Weights | undefined;
  let filled = 0;
  let seen = 0;
  for await (const chunk of chunks) {
    checkWeights(chunk, "chunk");
    rest ??= chunk instanceof Float32Array ? new Float32Array(size) : new Uint16Array(size);
    if (rest.constructor !== chunk.constructor)
      throw new TypeError(`chunk is a ${chunk.constructor.name} after a ${rest.constructor.name}`);
    seen += chunk.length;
    if (seen > p.n) checkLength(seen, p.n, p.shape);
    for (let at = 0; at < chunk.length; ) {
      const left = chunk.length - at;
      if (filled === 0 && left >= size) {
        const take = Math.min(most, left - (left % size));
        yield chunk.subarray(at, at + take);
        at += take;
      } else {
        const take = Math.min(left, size - filled);
        rest.set(chunk.subarray(at, at + take), filled);
        at += take;
        filled = (filled + take) % size;
        if (filled === 0) yield rest;
      }
    }
  }
  checkLength(seen, p.n, p.shape);
  if (filled) yield rest!.subarray(0, filled);
}

/**
 * Decodes a tensor in pieces of at least `elements` (whole groups of 256 blocks; the last is shorter), each a new array.
 */
export async function* dequantizeStream(
  q: QuantizedTensor,
  { dtype = "f32", elements = 1 << 20 }: { dtype?: "f32" | "bf16"; elements?: number } = {},
): AsyncGenerator<Weights, void, undefined> {
  const n = checkTensor(q);
  oneOf("dtype", dtype, ["f32", "bf16"]);
  if (!Number.isSafeInteger(elements) || elements < 1)
    throw new RangeError(`elements must be a whole number ≥ 1, got ${elements}`);
  const shift = shifts(q) ?? null;
  const size = blocks(elements, 256 * q.blockSize) * 256 * q.blockSize;
  for (let at = 0; at < n; at += size) {
    const length = Math.min(size, n - at);
    const out = output(length, { dtype });
    decode(q, at, at + length, shift, out);
    yield out;
    await turn();
  }
}
