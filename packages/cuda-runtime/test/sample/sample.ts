// The sample addon, and kernels' arguments out of typed arrays.
import { createRequire } from "node:module";
import { alloc, copy, type DeviceId, type KernelAddon, type Memory } from "../../src/index.js";

export interface Sample extends KernelAddon {
  add(x: bigint, y: bigint, z: bigint, n: number, stream: bigint): void;
  exp2(x: bigint, y: bigint, n: number, stream: bigint): void;
  sum(x: bigint, partial: bigint, result: bigint, n: number, stream: bigint): void;
  matmul(a: bigint, b: bigint, c: bigint, m: number, n: number, k: number, stream: bigint): void;
  matmulS8(a: bigint, b: bigint, c: bigint, m: number, n: number, k: number, stream: bigint): void;
  warp(x: bigint, out: bigint, rows: number, stream: bigint): void;
  fragments(x: bigint, out: bigint, transposed: boolean, stream: bigint): void;
  mistake(which: number, x: bigint, y: bigint, n: number, stream: bigint): void;
}

export const mistakes = [
  "barrier_missing",
  "wait_missing",
  "barrier_divergent",
  "lane_missing",
  "warp_unsynchronised",
  "end_of_loop_barrier_missing",
  "pipeline_barrier_missing",
  "global_out_of_bounds",
  "shared_out_of_bounds",
  "copy_misaligned",
  "matrix_misaligned",
  "too_much_shared",
  "too_many_threads",
] as const;

/** build/<folder>/Release/<name>.node; under test:sanitize the one that was built for it. */
export function loadSample(name: "sample.emu" | "sample", folder: string): Sample {
  const build = sanitized ? process.env.QLORA_BUILD : `build/${folder}`;
  const addon = createRequire(import.meta.url)(`../../${build}/Release/${name}.node`) as Sample;
  addon.setThreads(2);
  return addon;
}

/** True when the addons are built with AddressSanitizer (scripts/test-sanitized.js). */
export const sanitized = process.env.QLORA_BUILD === "build/sanitize-address";

/** Device memory with the bytes of an array. */
export function upload(device: DeviceId, array: ArrayBufferView): Memory {
  const memory = alloc(array.byteLength, { device });
  copy(memory, array);
  return memory;
}

/** The bytes of a memory as `into`, which is returned. */
export function download<T extends ArrayBufferView>(memory: Memory, into: T): T {
  copy(into, memory);
  return into;
}
