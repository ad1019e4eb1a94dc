// quantize and dequantize on a device.
import { levels, signedScale } from "./codebooks.js";
import {
  type Alloc,
  checkArray,
  checkDeviceTensor,
  type DeviceArray,
  type DeviceNestedScales,
  type DeviceQuantizedTensor,
  kernelArguments,
} from "./device.js";
import { dynamicMapSigned } from "./dynamic-map.js";
import { cudaKernels } from "./native.js";
import { checkLength, plan } from "./plan.js";
import { blocks } from "./shape.js";
import type { QuantizeOptions } from "./types.js";

/** On a device: `scale` is "absmax" and `shift` is "none"; a Uint16Array's counterpart is bf16. */
export type DeviceQuantizeOptions = Omit<QuantizeOptions, "dtype" | "out"> & {
  /** Makes the arrays of the result. */
  alloc: Alloc;
};

/** What the kernel leaves where every block is finite. */
const NO_BLOCK = 0x7f7f7f7f;

/** `quantize` for weights on a device. Waits for it, to report weights that are not finite. */
export function quantizeOnDevice(weights: DeviceArray, options: DeviceQuantizeOptions): DeviceQuantizedTensor {
  const { n, count, shape, codebook, blockSize, doubleQuant, factors, information } = plan(options);
  const { alloc } = options;
  if (factors || information)
    throw new RangeError('on a device scale must be "absmax" and shift "none": quantise on the CPU, then toDevice()');
  if (typeof alloc !== "function") throw new TypeError("options.alloc must be a function that makes device arrays");
  checkArray(weights, weights.device, ["f32", "bf16"], "weights", 0);
  checkLength(weights.length, n, shape);
  const kernels = cudaKernels(weights.device);
  const made = new Set<DeviceArray>();
  const make: Alloc = (dtype, length) => {
    const array = alloc(dtype, length);
    made.add(array);
    return array;
  };
  const discard = (arrays: Iterable<DeviceArray>) => {
    for (const array of arrays) if (made.delete(array)) array.free();
  };
  try {
    const [codes, absmax, bad] = [make("u8", Math.ceil(n / 2)), make("f32", count), make("i32", 1)];
    kernels.quantize(n, weights, blockSize, levels(codebook, blockSize), signedScale(codebook), absmax, codes, bad);
    const nested = doubleQuant ? nest(absmax, count, weights.device, make, discard) : undefined;
    const first = bad.toHost()[0]!;
    if (first !== NO_BLOCK) {
      const last = Math.min(n, (first + 1) * blockSize) - 1;
      throw new RangeError(`weights[${first * blockSize}] to [${last}] are not all finite; weights must be finite`);
    }
    discard(nested ? [bad, absmax] : [bad]);
    const scales = nested ? { absmax: undefined, nested } : { absmax, nested: undefined };
    return { device: weights.device, codes, shape, codebook, blockSize, ...scales };
  } catch (error) {
    discard(made);
    throw error;
  }
}

/** Double quantisation of [count] scales. */
function nest(
  scales: DeviceArray,
  count: number,
  device: DeviceArray["device"],
  make: Alloc,
  discard: (arrays: Iterable<DeviceArray>) => void,
): DeviceNestedScales {
  const groups = blocks(count, 256);
  const [codes, absmax, map] = [make("u8", count), make("f32", groups), make("f32", 256)];
  const [sums, mean] = [make("u8", 8 * groups), make("f32", 1)];
  map.set(dynamicMapSigned);
  const kernels = cudaKernels(device);
  kernels.mean(count, scales, sums, mean);
  kernels.quantizeBlockwise(count, scales, map, mean, absmax, codes);
  const offset = mean.toHost()[0]!;
  discard([sums, mean]);
  return { codes, absmax, map, offset, blockSize: 256 };
}

/** `dequantize` for a tensor on a device: queued, into `out` in f32 or bf16. */
export function dequantizeOnDevice(q: DeviceQuantizedTensor, out: DeviceArray | undefined): DeviceArray {
  const n = checkDeviceTensor(q);
  if (out === undefined) throw new TypeError("out must be given on a device: an array of f32 or bf16");
  checkArray(out, q.device, ["f32", "bf16"], "out", n);
  cudaKernels(q.device).dequantize(n, ...kernelArguments(q), out);
  return out;
}
