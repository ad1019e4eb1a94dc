// What native.ts uses where no addon loads: the checks of the addon in front of the plain TypeScript operations.
import { flags, floats, halves, ints, numbers, bytes as octets, product, sizes, weights } from "./arguments.js";
import type { Native } from "./native.js";
import * as reference from "./reference.js";

/** Elements of the arrays of m × k, m × n and n × k of a product. */
function matmulSizes(m: number, n: number, k: number): { mk: number; mn: number; nk: number } {
  sizes({ m, n, k });
  return { mk: product(m, k, "m × k"), mn: product(m, n, "m × n"), nk: product(n, k, "n × k") };
}

function forward(product: typeof reference.matmul): Native["matmul"] {
  return (m, n, k, alpha, accumulate, x, w, y) => {
    const { mk, mn, nk } = matmulSizes(m, n, k);
    numbers({ alpha });
    flags({ accumulate });
    floats({ x }, mk);
    weights({ w }, nk);
    floats({ y }, mn);
    product(x, w, y, { m, n, k, alpha, accumulate });
  };
}

function transposed(product: typeof reference.matmulTransposed): Native["matmulTransposed"] {
  return (m, n, k, alpha, accumulate, dy, w, dx) => {
    const { mk, mn, nk } = matmulSizes(m, n, k);
    numbers({ alpha });
    flags({ accumulate });
    floats({ dy }, mn);
    weights({ w }, nk);
    floats({ dx }, mk);
    product(dy, w, dx, { m, n, k, alpha, accumulate });
  };
}

/** Elements of the arrays of attention. */
function attentionSizes(heads: number, kvHeads: number, headDim: number, cuQ: Int32Array, cuK: Int32Array) {
  sizes({ heads, kvHeads, headDim });
  if (heads === 0 || kvHeads === 0 || heads % kvHeads !== 0)
    throw new RangeError(`heads must be a multiple of kvHeads, got ${heads} and ${kvHeads}`);
  if (headDim === 0 || headDim > 4096) throw new RangeError(`headDim must be 1 to 4096, got ${headDim}`);
  ints({ cuQ, cuK }, 1);
  if (cuQ.length !== cuK.length)
    throw new RangeError(`cuQ and cuK must be equally long, got ${cuQ.length} and ${cuK.length}`);
  for (const [name, cu] of Object.entries({ cuQ, cuK })) {
    if (cu[0] !== 0) throw new RangeError(`${name}[0] must be 0, got ${cu[0]}`);
    for (let i = 1; i < cu.length; i++)
      if (cu[i]! < cu[i - 1]!) throw new RangeError(`${name}[${i}] is ${cu[i]}, below ${cu[i - 1]} before it`);
  }
  const [tq, tk] = [cuQ.at(-1)!, cuK.at(-1)!];
  return {
    ofQ: product(tq, product(heads, headDim, "heads × headDim"), "tokens × heads × headDim"),
    ofK: product(tk, product(kvHeads, headDim, "kvHeads × headDim"), "tokens × kvHeads × headDim"),
    ofLse: product(tq, heads, "tokens × heads"),
  };
}

/** Whole numbers from 0 to `end - 1`, or `ignored`. */
function within(name: string, values: Int32Array, end: number, ignored?: number): void {
  const at = values.findIndex((value) => !(value >= 0 && value < end) && value !== ignored);
  const also = ignored === undefined ? "" : ` or ${ignored}`;
  if (at >= 0) throw new RangeError(`${name}[${at}] is ${values[at]}, must be 0 to ${end - 1}${also}`);
}

export const fallback: Native = {
  threads: () => 1,
  setThreads(threads) {
    sizes({ threads });
    if (threads < 1 || threads > 1024) throw new RangeError(`threads must be 1 to 1024, got ${threads}`);
  },
  simd: () => "typescript",
  simds: () => ["typescript"],
  setSimd(name) {
    if (typeof name !== "string") throw new TypeError("simd must be a string");
    if (name !== "typescript") throw new RangeError(`simd: ${name} is not available here`);
  },

  matmul: forward(reference.matmul),
  matmulInt8: forward(reference.matmulInt8),
  matmulTransposed: transposed(reference.matmulTransposed),
  matmulTransposedInt8: transposed(reference.matmulTransposedInt8),
  matmulGradWeight(m, n, k, alpha, accumulate, dy, x, dw) {
    const { mk, mn, nk } = matmulSizes(m, n, k);
    numbers({ alpha });
    flags({ accumulate });
    floats({ dy }, mn);
    floats({ x }, mk);
    floats({ dw }, nk);
    reference.matmulGradWeight(dy, x, dw, { m, n, k, alpha, accumulate });
  },

  rmsNorm(m, d, eps, x, weight, y, invRms) {
    sizes({ m, d });
    numbers({ eps });
    floats({ x, y }, product(m, d, "m × d"));
    floats({ weight }, d);
    floats({ invRms }, m);
    reference.rmsNorm(x, weight, y, invRms, { m, d, eps });
  },
  rmsNormBackward(m, d, dy, x, weight, invRms, dx, dweight) {
    sizes({ m, d });
    floats({ dy, x, dx }, product(m, d, "m × d"));
    floats({ weight }, d);
    floats({ invRms }, m);
    if (dweight !== null && dweight !== undefined) floats({ dweight }, d);
    reference.rmsNormBackward(dy, x, weight, invRms, dx, dweight, { m, d });
  },

  rope(m, heads, headDim, inverse, x, positions, cos, sin) {
    sizes({ m, heads, headDim });
    flags({ inverse });
    if (headDim === 0 || headDim % 2 !== 0) throw new RangeError(`headDim must be even and > 0, got ${headDim}`);
    floats({ x }, product(m, product(heads, headDim, "heads × headDim"), "m × heads × headDim"));
    ints({ positions }, m);
    floats({ cos }, 0);
    floats({ sin }, cos.length);
    within("positions", positions.subarray(0, m), Math.floor(cos.length / (headDim / 2)));
    reference.rope(x, positions, { cos, sin }, { m, heads, headDim, inverse });
  },

  attention(heads, kvHeads, headDim, scale, cuQ, cuK, q, k, v, out, lse) {
    const { ofQ, ofK, ofLse } = attentionSizes(heads, kvHeads, headDim, cuQ, cuK);
    numbers({ scale });
    floats({ q, out }, ofQ);
    floats({ k, v }, ofK);
    floats({ lse }, ofLse);
    reference.attention(q, k, v, out, lse, cuQ, cuK, { heads, kvHeads, headDim, scale });
  },
  attentionBackward(heads, kvHeads, headDim, scale, cuQ, cuK, dout, q, k, v, out, lse, dq, dk, dv) {
    const { ofQ, ofK, ofLse } = attentionSizes(heads, kvHeads, headDim, cuQ, cuK);
    numbers({ scale });
    floats({ dout, q, out, dq }, ofQ);
    floats({ k, v, dk, dv }, ofK);
    floats({ lse }, ofLse);
    reference.attentionBackward(dout, q, k, v, out, lse, cuQ, dq, dk, dv, { heads, kvHeads, headDim, scale, cuK });
  },

  swiglu(n, gate, up, y) {
    sizes({ n });
    floats({ gate, up, y }, n);
    reference.swiglu(gate, up, y, { n });
  },
  swigluBackward(n, dy, gate, up, dgate, dup) {
    sizes({ n });
    floats({ dy, gate, up, dgate, dup }, n);
    reference.swigluBackward(dy, gate, up, dgate, dup, { n });
  },

  crossEntropy(m, v, scale, gradient, logits, labels, losses) {
    sizes({ m, v });
    numbers({ scale });
    flags({ gradient });
    floats({ logits }, product(m, v, "m × v"));
    ints({ labels }, m);
    floats({ losses }, m);
    within("labels", labels.subarray(0, m), v, -100);
    reference.crossEntropy(logits, labels, losses, { m, v, scale, gradient });
  },

  embedding(m, d, vocab, ids, table, y) {
    sizes({ m, d, vocab });
    ints({ ids }, m);
    weights({ table }, product(vocab, d, "vocab × d"));
    floats({ y }, product(m, d, "m × d"));
    within("ids", ids.subarray(0, m), vocab);
    reference.embedding(ids, table, y, { m, d, vocab });
  },
  embeddingBackward(m, d, vocab, ids, dy, dtable) {
    sizes({ m, d, vocab });
    ints({ ids }, m);
    floats({ dy }, product(m, d, "m × d"));
    floats({ dtable }, product(vocab, d, "vocab × d"));
    within("ids", ids.subarray(0, m), vocab);
    reference.embeddingBackward(ids, dy, dtable, { m, d, vocab });
  },

  add(n, x, y) {
    sizes({ n });
    floats({ x, y }, n);
    reference.add(x, y, { n });
  },
  scale(n, a, x) {
    sizes({ n });
    numbers({ a });
    floats({ x }, n);
    reference.scale(x, Math.fround(a), { n });
  },
  sumSquares(n, x) {
    sizes({ n });
    floats({ x }, n);
    return reference.sumSquares(x, { n });
  },
  dropout(n, p, seedHigh, seedLow, offset, accumulate, x, y) {
    sizes({ n, seed: seedHigh, offset });
    sizes({ seed: seedLow });
    numbers({ p });
    flags({ accumulate });
    if (!(p >= 0 && p < 1)) throw new RangeError(`p must be at least 0 and below 1, got ${p}`);
    if (Math.max(seedHigh, seedLow) >= 2 ** 32) throw new RangeError("seed must be two words of 32 bits");
    floats({ x, y }, n);
    reference.dropout(x, y, { n, p, seed: [seedHigh, seedLow], offset, accumulate });
  },
  preferHugePages(bytes) {
    octets({ bytes }, 0);
  },

  toBf16(n, x, y) {
    sizes({ n });
    floats({ x }, n);
    halves({ y }, n);
    reference.toBf16(x, y, { n });
  },
  fromBf16(n, x, y) {
    sizes({ n });
    halves({ x }, n);
    floats({ y }, n);
    reference.fromBf16(x, y, { n });
  },
};
