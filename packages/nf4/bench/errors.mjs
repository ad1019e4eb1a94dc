// The README's table of errors: what each codebook and policy costs in bits and in accuracy, on normal weights and on heavy tails
// (Student's t with 5 degrees of freedom). Needs a build (`pnpm build`). Usage: node bench/errors.mjs
import { bytes, dequantize, quantize } from "@qlora/nf4";

const n = 1 << 22;
let state = 12345n;
function uniform() {
  // splitmix64, the upper 53 bits
  state = (state + 0x9e3779b97f4a7c15n) & 0xffffffffffffffffn;
  let z = state;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & 0xffffffffffffffffn;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & 0xffffffffffffffffn;
  return Number((z ^ (z >> 31n)) >> 11n) / 2 ** 53;
}
const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
const student = () => {
  let chi = 0;
  for (let i = 0; i < 5; i++) chi += normal() ** 2;
  return normal() / Math.sqrt(chi / 5);
};
const inputs = [Float32Array.from({ length: n }, normal), Float32Array.from({ length: n / 4 }, student)];

const rows = [
  ["nf4", {}],
  ["nf4, plain scales", { doubleQuant: false }],
  ["nf4, blocks of 32", { blockSize: 32 }],
  ["nf4, blocks of 128", { blockSize: 128 }],
  ["nf4, blocks of 4096", { blockSize: 4096 }],
  ["fp4 (bitsandbytes')", { codebook: "fp4" }],
  ["e2m1", { codebook: "e2m1" }],
  ["int4", { codebook: "int4" }],
  ["af4", { codebook: "af4" }],
  ["bof4", { codebook: "bof4" }],
  ["bof4-s", { codebook: "bof4-s" }],
  ['nf4, `scale: "mse-search"`', { scale: "mse-search" }],
  ['bof4-s, `scale: "mse-search"`', { codebook: "bof4-s", scale: "mse-search" }],
  ['nf4, `shift: "information"`', { shift: "information" }],
];

/** Mean |x − x̂| and √(Σ(x − x̂)²/Σx²). */
function errors(x, y) {
  let absolute = 0;
  let squared = 0;
  let energy = 0;
  for (let i = 0; i < x.length; i++) {
    absolute += Math.abs(x[i] - y[i]);
    squared += (x[i] - y[i]) ** 2;
    energy += x[i] ** 2;
  }
  return [absolute / x.length, Math.sqrt(squared / energy)];
}

/** Mean entropy of a block's codes, bits. */
function entropy({ codes, blockSize }) {
  let total = 0;
  const half = blockSize / 2;
  for (let b = 0; b < codes.length; b += half) {
    const counts = new Array(16).fill(0);
    for (const byte of codes.subarray(b, b + half)) {
      counts[byte >> 4]++;
      counts[byte & 15]++;
    }
    for (const c of counts) if (c) total -= (c / blockSize) * Math.log2(c / blockSize);
  }
  return total / (codes.length / half);
}

console.log(
  "| | bits per weight | mean error, normal | relative error, normal | relative error, heavy tails | entropy, bits |",
);
console.log("|---|---|---|---|---|---|");
for (const [name, options] of rows) {
  const [q, heavy] = inputs.map((x) => quantize(x, { shape: [x.length], ...options }));
  const [absolute, relative] = errors(inputs[0], dequantize(q));
  const [, tails] = errors(inputs[1], dequantize(heavy));
  const bits = (8 * bytes(q)) / n;
  console.log(
    `| ${name} | ${bits.toFixed(3)} | ${absolute.toFixed(4)} | ${relative.toFixed(4)} | ${tails.toFixed(4)} | ${entropy(q).toFixed(3)} |`,
  );
}
