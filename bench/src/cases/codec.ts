// @qlora/nf4's codec: quantise and dequantise arrays that do not fit a cache, into memory that is there.
import { dequantize, quantize } from "@qlora/nf4";
import { type Case, type CaseGroup, expectClose, normals } from "../case.js";

/** NF4's error on normal weights, and some room. */
const NF4_ERROR = 0.1;

export const codec: CaseGroup = {
  names: ["quantize f32", "quantize bf16", "dequantize f32", "dequantize bf16"],
  *make({ quick }) {
    yield* cases([4096, 4096]);
    if (!quick) yield* cases([4096, 11008]);
  },
};

/** A linear layer of LLaMA-7B. */
function cases(shape: [number, number]): Case[] {
  const n = shape[0] * shape[1];
  const weights = normals(n, 0.02);
  const halves = new Uint16Array(new Uint16Array(weights.buffer).filter((_, i) => i % 2 === 1));
  const q = quantize(weights, { shape });
  const out = quantize(weights, { shape });
  const f32 = new Float32Array(n);
  const bf16 = new Uint16Array(n);
  const check = () => {
    dequantize(q, { out: f32 });
    expectClose(f32.subarray(0, 1 << 20), weights.subarray(0, 1 << 20), NF4_ERROR, "NF4");
  };
  const common = { shape: shape.join(" × "), unit: "G elements/s" as const, work: n / 1e9, check };
  const memory = (name: "read" | "write", perElement: number) => ({
    ceiling: { name, work: (n * perElement) / 1e9 },
  });
  return [
    { name: "quantize f32", ...common, ...memory("read", 4), run: () => void quantize(weights, { shape, out }) },
    { name: "quantize bf16", ...common, ...memory("read", 2), run: () => void quantize(halves, { shape, out }) },
    { name: "dequantize f32", ...common, ...memory("write", 4), run: () => void dequantize(q, { out: f32 }) },
    { name: "dequantize bf16", ...common, ...memory("write", 2), run: () => void dequantize(q, { out: bf16 }) },
  ];
}
