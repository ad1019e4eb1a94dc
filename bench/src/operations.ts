// What every native function does with its arguments: the multiply-adds of products and attention, and the bytes that it reads and writes
// at least, each array once (twice where it is added to).

export interface Work {
  /** 2 for each multiply-add of a product; norms, activations and sums count for bytes alone. */
  flops: number;
  bytes: number;
  /** The multiplications are of bytes. */
  int8?: boolean;
}

// biome-ignore lint/suspicious/noExplicitAny: arguments as the addons take them, numbers and typed arrays
type Arguments = any[];
type Memory = ArrayBufferView | null;

/** `dy` and `x` [m, ·] against a matrix, as the three dense products take them. */
const product = ([m, n, k, , accumulate, left, right, out]: Arguments): Work => ({
  flops: 2 * m * n * k,
  bytes: sizes(left, right) + (accumulate ? 2 : 1) * out.byteLength,
});

/** Query and key pairs of causal attention whose queries are the last of each sequence. */
function pairs(cuQ: Int32Array, cuK: Int32Array): number {
  let sum = 0;
  for (let i = 1; i < cuQ.length; i++) {
    const q = cuQ[i]! - cuQ[i - 1]!;
    sum += q * (cuK[i]! - cuK[i - 1]!) - (q * (q - 1)) / 2;
  }
  return sum;
}

const memory =
  (bytes: (args: Arguments) => number) =>
  (args: Arguments): Work => ({ flops: 0, bytes: bytes(args) });

/** By package and name of the native function. */
export const operations: Record<string, Record<string, (args: Arguments) => Work>> = {
  nf4: {
    product4([, accumulate, int8, m, n, k, , , x, out, codes, , , ...values]) {
      const bytes = sizes(x, codes, ...values.filter(ArrayBuffer.isView)) + (accumulate ? 2 : 1) * out.byteLength;
      return { flops: 2 * m * n * k, bytes, int8 };
    },
  },
  kernels: {
    matmul: product,
    matmulTransposed: product,
    matmulInt8: (args) => ({ ...product(args), int8: true }),
    matmulTransposedInt8: (args) => ({ ...product(args), int8: true }),
    matmulGradWeight: product,
    attention([heads, , headDim, , cuQ, cuK, ...arrays]) {
      return { flops: 4 * heads * headDim * pairs(cuQ, cuK), bytes: sizes(...arrays) };
    },
    attentionBackward([heads, , headDim, , cuQ, cuK, ...arrays]) {
      return { flops: 10 * heads * headDim * pairs(cuQ, cuK), bytes: sizes(...arrays) };
    },
    rmsNorm: memory(([m, d]) => 8 * m * d),
    rmsNormBackward: memory(([m, d]) => 16 * m * d),
    rope: memory(([m, heads, headDim]) => 8 * m * heads * headDim),
    swiglu: memory(([n]) => 12 * n),
    swigluBackward: memory(([n]) => 20 * n),
    crossEntropy: memory(([m, v, , gradient]) => (gradient ? 8 : 4) * m * v),
    embedding: memory(([m, d, , , table]) => m * d * (4 + table.BYTES_PER_ELEMENT)),
    embeddingBackward: memory(([m, d]) => 12 * m * d),
    add: memory(([n]) => 12 * n),
    scale: memory(([n]) => 8 * n),
    sumSquares: memory(([n]) => 4 * n),
    dropout: memory(([n, , , , , accumulate]) => (accumulate ? 12 : 8) * n),
  },
  "paged-optim": {
    // weights, states and master copy in place; the gradient is read
    step: memory(
      ([, , weights, gradient, , ...states]) =>
        2 * sizes(weights, ...states.filter(ArrayBuffer.isView)) + gradient.byteLength,
    ),
    sumSquares: memory(([x]) => x.byteLength),
    scale: memory(([x]) => 2 * x.byteLength),
  },
};

function sizes(...arrays: Memory[]): number {
  return arrays.reduce((sum, array) => sum + (array?.byteLength ?? 0), 0);
}
