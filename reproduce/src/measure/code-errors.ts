// Rounding errors of the 4-bit codebooks, on normal numbers and on the linear layers of models.
import { createRandom } from "@qlora/eval";
import { bytes, type Codebook, dequantize, type QuantizeOptions, quantize } from "@qlora/nf4";
import { linears, loadModel } from "@qlora/transformer";

/** Sign, three bits of exponent, no mantissa: 0 and ±2⁻⁶ … ±1. */
const e3m0 = Float32Array.from({ length: 16 }, (_, i) => (i % 8 === 0 ? 0 : (i < 8 ? 1 : -1) * 2 ** ((i % 8) - 7)));

/** The 4-bit types compared, as options of `quantize`. The paper's other types have plain scales. */
export const types: Record<string, { codebook: Codebook; doubleQuant: boolean }> = {
  "NF4 + DQ": { codebook: "nf4", doubleQuant: true },
  NF4: { codebook: "nf4", doubleQuant: false },
  E3M0: { codebook: e3m0, doubleQuant: false },
  E2M1: { codebook: "e2m1", doubleQuant: false },
  FP4: { codebook: "fp4", doubleQuant: false },
  Int4: { codebook: "int4", doubleQuant: false },
};
export const names = Object.keys(types);

export interface Errors {
  /** Mean |x − x̂| over σ, mean (x − x̂)² over σ², σ² the mean of x². */
  absolute: number;
  squared: number;
  /** Stored bits a weight, scales included. */
  bits: number;
}

export interface MeasuredErrors {
  weights: string;
  elements: number;
  errors: Record<string, Errors>;
}

/** Errors of every type on `normals` standard normal numbers, and on the linear layers of each model. */
export function codeErrors(normals: number, models: readonly string[]): MeasuredErrors[] {
  const measured = [over("N(0, 1)", [standardNormals(normals)])];
  for (const path of models) {
    const model = loadModel(path, { precision: "f32" });
    const tensors = [...linears(model)].map(({ weight }) => weight.data as Float32Array);
    measured.push(over(path.split("/").at(-1)!, tensors));
  }
  return measured;
}

/** Errors over all tensors, each in units of its own standard deviation. */
function over(weights: string, tensors: readonly Float32Array[]): MeasuredErrors {
  const elements = tensors.reduce((sum, { length }) => sum + length, 0);
  const errors = names.map((name): [string, Errors] => {
    let [absolute, squared, size] = [0, 0, 0];
    for (const tensor of tensors) {
      const one = tensorErrors(tensor, types[name]!);
      absolute += one.absolute;
      squared += one.squared;
      size += one.bytes;
    }
    return [name, { absolute: absolute / elements, squared: squared / elements, bits: (8 * size) / elements }];
  });
  return { weights, elements, errors: Object.fromEntries(errors) };
}

function tensorErrors(x: Float32Array, options: Omit<QuantizeOptions, "shape">) {
  const quantised = quantize(x, { shape: [x.length], ...options });
  const y = dequantize(quantised);
  let [absolute, squared, energy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const error = x[i]! - y[i]!;
    absolute += Math.abs(error);
    squared += error * error;
    energy += x[i]! * x[i]!;
  }
  const sigma = Math.sqrt(energy / x.length);
  return { absolute: absolute / sigma, squared: squared / sigma ** 2, bytes: bytes(quantised) };
}

/** N(0, 1) by Box and Muller; the same every time. */
function standardNormals(count: number): Float32Array {
  const random = createRandom(1);
  const out = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()));
    const angle = 2 * Math.PI * random.uniform();
    out[i] = radius * Math.cos(angle);
    if (i + 1 < count) out[i + 1] = radius * Math.sin(angle);
  }
  return out;
}
