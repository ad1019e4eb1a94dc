// The codec and products of few rows on a device, beside a copy there. The weights of a product rotate through more than its caches hold.
import { allocArray, copy, type DeviceId } from "@qlora/cuda-runtime";
import { type Row, time } from "../../../cuda-runtime/test/cuda/time.js";
import {
  type Alloc,
  dequantize,
  freeTensor,
  matmul,
  matmulTransposed,
  type QuantizedTensor,
  quantize,
  toDevice,
} from "../../src/index.js";
import { bf16, gaussian } from "../random.js";

/** Bits of a weight in NF4 with double quantisation. */
const bits = 4.127;

export default function bench(device: DeviceId): Row[] {
  const emulated = device === "cuda-emu";
  const alloc: Alloc = (dtype, length) => allocArray(dtype, length, { device });
  const side = emulated ? 64 : 4096;
  const host = quantize(gaussian(side * side, 7), { shape: [side, side] });
  const one = toDevice(host, alloc);
  using x32 = allocArray("f32", side * side, { device });
  using dense = allocArray("bf16", side * side, { device });
  using other = allocArray("bf16", side * side, { device });
  dequantize(one, { out: x32 });
  dequantize(one, { out: dense });
  const n = side * side;
  const rows = [
    time("copy", device, () => copy(other, dense), { bytes: 4 * n }),
    time("dequantise to bf16", device, () => void dequantize(one, { out: dense }), { bytes: n * (bits / 8 + 2) }),
    time("dequantise to f32", device, () => void dequantize(one, { out: x32 }), { bytes: n * (bits / 8 + 4) }),
    time("quantise f32", device, () => freeTensor(quantize(x32, { shape: [side, side], alloc })), {
      bytes: n * (4 + bits / 8),
    }),
    ...products(device, alloc, host, emulated),
  ];
  freeTensor(one);
  return rows;
}

/** 16 matrices, 138 MB of codes: more than an H100's caches. */
function products(device: DeviceId, alloc: Alloc, host: QuantizedTensor, emulated: boolean): Row[] {
  const [n, k] = host.shape as [number, number];
  const weights = Array.from({ length: emulated ? 1 : 16 }, () => toDevice(host, alloc));
  let turn = 0;
  const next = () => weights[turn++ % weights.length]!;
  using scratch = allocArray("bf16", n * k, { device });
  const rows = (emulated ? [1, 16] : [1, 4, 16, 128, 512, 2048, 8192]).flatMap((m) => {
    using x = allocArray("bf16", m * k, { device });
    x.set(bf16(gaussian(m * k, 3)));
    using out = allocArray("bf16", m * n, { device });
    const work = { bytes: (n * k * bits) / 8 + 2 * m * (n + k), flops: 2 * m * n * k };
    return [
      time(`matmul, m ${m}`, device, () => void matmul(x, next(), { out, scratch }), work),
      time(`matmulTransposed, m ${m}`, device, () => void matmulTransposed(x, next(), { out, scratch }), work),
    ];
  });
  for (const q of weights) freeTensor(q);
  return rows;
}
