// Matrix products: 4-bit weights in both directions and both arithmetics, and dense f32, beside OpenBLAS and PyTorch on f32 weights.
// The weights rotate through more than the caches hold, as they do in a model.
import { matmul as denseMatmul, matmulTransposed as denseTransposed } from "@qlora/kernels";
import {
  dequantize,
  matmul,
  matmulTransposed,
  type QuantizedTensor,
  quantize,
  type TiledWeights,
  tile,
} from "@qlora/nf4";
import { type Case, type CaseGroup, expectClose, normals } from "../case.js";
import { native } from "../native.js";
import { torchProduct } from "../torch.js";

const [n, k] = [4096, 4096];
/** Sums of 4096 products in f32 against sums in another order. */
const F32_ERROR = 2e-6;
/** Activations in int8 (READMEs of @qlora/nf4 and @qlora/kernels). */
const INT8_ERROR = 0.012;

export const products: CaseGroup = {
  names: [
    "nf4 matmul",
    "nf4 matmulTransposed",
    "nf4 gemv",
    "nf4 matmul int8",
    "nf4 matmulTransposed int8",
    "f32 matmul",
    "f32 matmulTransposed",
    "f32 matmul int8",
    "f32 matmulTransposed int8",
  ],
  make({ quick, threads }) {
    const copies = 12; // 12 × 8.7 MB in 4 bits
    const weights = quantize(normals(n * k, 0.02), { shape: [n, k] });
    const tiled = Array.from({ length: copies }, () => tile(weights));
    const f32 = Array.from({ length: 2 }, () => dequantize(weights) as Float32Array);
    const blas = native.openBlas(threads);
    const cases: Case[] = [];
    let turn = 0;
    const next = <T>(items: T[]): T => items[turn++ % items.length]!;
    for (const m of quick ? [1, 16, 128] : [1, 4, 16, 64, 128, 512, 2048]) {
      const x = normals(m * k, 1, 77);
      const y = new Float32Array(m * n);
      const flops = (2 * m * n * k) / 1e9;
      const reference = new Float32Array(m * n);
      const shape = `m ${m}, ${n} × ${k}`;
      const peers = (transposed: boolean) => [
        {
          name: "OpenBLAS sgemm, f32 weights",
          run: () => native.sgemm(transposed, m, n, k, x, next(f32), y),
          ...(blas ? {} : { unavailable: "libopenblas is not installed" }),
        },
        ...(quick ? [] : [torchProduct(transposed, [m, n, k])]),
      ];
      const quantized = (transposed: boolean, compute: "f32" | "int8"): Case => {
        const product = transposed ? matmulTransposed : matmul;
        const run = (w: QuantizedTensor | TiledWeights, compute: "f32" | "int8") =>
          void product(x, w, { out: y, compute } as { out: Float32Array });
        const name =
          m === 1 && !transposed && compute === "f32"
            ? "nf4 gemv"
            : `nf4 ${transposed ? "matmulTransposed" : "matmul"}${compute === "int8" ? " int8" : ""}`;
        return {
          name,
          shape,
          unit: "GFLOP/s",
          work: flops,
          ceiling:
            m === 1
              ? { name: "read", work: (n * k * 4.127) / 8 / 1e9 }
              : { name: compute === "int8" ? "int8" : "fma", work: flops },
          check() {
            (transposed ? denseTransposed : denseMatmul)(x, f32[0]!, reference, { m, n, k });
            run(tiled[0]!, compute);
            expectClose(y, reference, compute === "int8" ? INT8_ERROR : F32_ERROR, `${name} ${shape}`);
          },
          run: () => run(next(tiled), compute),
          peers:
            compute === "f32" ? peers(transposed) : [{ name: "its own f32 mode", run: () => run(next(tiled), "f32") }],
        };
      };
      cases.push(quantized(false, "f32"), quantized(true, "f32"), quantized(false, "int8"), quantized(true, "int8"));
      const dense = (transposed: boolean, compute: "f32" | "int8"): Case => {
        const product = transposed ? denseTransposed : denseMatmul;
        const run = (w: Float32Array, compute: "f32" | "int8") => product(x, w, y, { m, n, k, compute });
        const name = `f32 ${transposed ? "matmulTransposed" : "matmul"}${compute === "int8" ? " int8" : ""}`;
        return {
          name,
          shape,
          unit: "GFLOP/s",
          work: flops,
          ceiling: { name: compute === "int8" ? "int8" : "fma", work: flops },
          check() {
            if (compute === "int8") product(x, f32[0]!, reference, { m, n, k });
            else if (blas) native.sgemm(transposed, m, n, k, x, f32[0]!, reference);
            else return;
            run(f32[0]!, compute);
            expectClose(y, reference, compute === "int8" ? INT8_ERROR : F32_ERROR, `${name} ${shape}`);
          },
          run: () => run(next(f32), compute),
          peers:
            compute === "f32" ? peers(transposed) : [{ name: "its own f32 mode", run: () => run(next(f32), "f32") }],
          slow: compute === "int8",
        };
      };
      cases.push(dense(false, "f32"), dense(true, "f32"), dense(false, "int8"), dense(true, "int8"));
    }
    return cases;
  },
};
