// The machine's own limits, as contenders that run in the same rounds as the cases.
import type { CeilingName } from "./case.js";
import type { Contender } from "./measure.js";
import { native } from "./native.js";

const bytes = 128 * 2 ** 20; // beyond any cache that counts
const iterations = 400_000;

/** One ceiling: how to run it, and how much of its resource (G operations or GB) one run uses. */
export interface Ceiling extends Contender {
  unit: "GFLOP/s" | "GOP/s" | "GB/s";
  work: number;
}

const made = new Map<CeilingName, Ceiling>();
let buffers: [Float32Array, Float32Array] | undefined;

function arrays(): [Float32Array, Float32Array] {
  if (buffers) return buffers;
  buffers = [new Float32Array(bytes / 4), new Float32Array(bytes / 4)];
  for (const buffer of buffers) native.write(buffer);
  return buffers;
}

export function ceiling(name: CeilingName): Ceiling {
  const found = made.get(name) ?? make(name);
  made.set(name, found);
  return found;
}

function make(name: CeilingName): Ceiling {
  if (name === "fma")
    return { name, unit: "GFLOP/s", work: native.fma(iterations) / 1e9, run: () => void native.fma(iterations) };
  if (name === "int8")
    return { name, unit: "GOP/s", work: native.int8(iterations) / 1e9, run: () => void native.int8(iterations) };
  const [x, y] = arrays();
  const runs = { read: () => native.read(x), write: () => native.write(y), copy: () => native.copy(x, y) };
  return { name, unit: "GB/s", work: ((name === "copy" ? 2 : 1) * bytes) / 1e9, run: runs[name] };
}
