// cuBLAS beside the kernels, with a mock of it on the emulated device: found or not, and the three products in its order.
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { allocArray, type DeviceArray, type KernelAddon, toDevice } from "@qlora/cuda-runtime";
import { loadAddon } from "@qlora/cuda-runtime/load";
import { afterEach, expect, test } from "vitest";
import { buildLibrary } from "../../cuda-runtime/test/mock/build.js";
import { cublas, type MatmulOptions, matmul, matmulGradWeight, matmulTransposed } from "../src/index.js";
import * as reference from "../src/matmul_reference.js";
import { expectClose, random } from "./compare.js";

const device = "cuda-emu";
const library = buildLibrary("libcublas", "libcublas.so.13");
process.env.QLORA_CUBLAS = library; // read at the first product of this process
const addon = loadAddon<KernelAddon>("kernels.emu", new URL("../src/cuda.ts", import.meta.url).href);
afterEach(() => void delete process.env.MOCK_CUBLAS_FAIL);

/** A result rounded to bf16. */
const BF16_RESULT = 2 ** -8;
/** Sums of products of bf16 in float64, rounded to f32. */
const F32_RESULT = 1e-6;

const bf16 = (x: Float32Array) => Uint16Array.from(new Uint32Array(x.buffer), (bits) => bits >>> 16);
const widen = (x: Uint16Array) => new Float32Array(Uint32Array.from(x, (bits) => bits << 16).buffer);

test("the library in use", () => expect(cublas(device)).toEqual({ path: library, version: "13.1.2", reason: null }));

const shape = { m: 200, n: 300, k: 290 };
type Run = (left: DeviceArray, right: DeviceArray, out: DeviceArray, options: MatmulOptions) => void;
type Oracle = (left: Float32Array, right: Float32Array, out: Float32Array, options: MatmulOptions) => void;
const products: [string, Run, Oracle, left: number, right: number, out: number][] = [
  ["matmul", matmul, reference.matmul, 200 * 290, 300 * 290, 200 * 300],
  ["matmulTransposed", matmulTransposed, reference.matmulTransposed, 200 * 300, 300 * 290, 200 * 290],
  ["matmulGradWeight", matmulGradWeight, reference.matmulGradWeight, 200 * 300, 200 * 290, 300 * 290],
];
test.each(products)("%s", (_, run, oracle, ...sizes) => {
  const [left, right] = [bf16(random(sizes[0], 1)), bf16(random(sizes[1], 2))];
  using l = toDevice(left, { device });
  using r = toDevice(right, { device });
  const initial = bf16(random(sizes[2], 3));
  addon.emulationStatistics!();
  for (const [accumulate, alpha] of [
    [false, 1],
    [true, -0.5],
  ] as const) {
    const expected = widen(initial);
    oracle(widen(left), widen(right), expected, { ...shape, accumulate, alpha });
    using f32 = accumulate ? toDevice(widen(initial), { device }) : allocArray("f32", sizes[2], { device });
    run(l, r, f32, { ...shape, accumulate, alpha });
    expectClose(f32.toHost() as Float32Array, expected, F32_RESULT);
    using half = toDevice(initial, { device });
    run(l, r, half, { ...shape, accumulate, alpha });
    expectClose(widen(half.toHost() as Uint16Array), expected, BF16_RESULT);
  }
  expect(addon.emulationStatistics!().launches).toBe(0); // none of the package's own kernels
});

test("own kernels for f32 operands and for small products", () => {
  using a = toDevice(random(300 * 300, 1), { device });
  using b = toDevice(bf16(random(300 * 300, 2)), { device });
  using out = allocArray("f32", 300 * 300, { device });
  addon.emulationStatistics!();
  matmul(b, a, out, shape);
  matmul(b, b, out, { ...shape, m: 20 });
  expect(addon.emulationStatistics!().launches).toBe(2);
});

test("a product that fails is an error", () => {
  using b = toDevice(bf16(random(300 * 300, 2)), { device });
  using out = allocArray("f32", 300 * 300, { device });
  process.env.MOCK_CUBLAS_FAIL = "gemm:13";
  expect(() => matmul(b, b, out, shape)).toThrow(
    expect.objectContaining({ code: 719, status: "CUBLAS_STATUS_EXECUTION_FAILED", call: "matmul" }),
  );
});

test("switched off, missing, not cuBLAS, not searched by the emulator", () => {
  const found = (value: string | undefined) => {
    const { QLORA_CUBLAS: _, ...env } = process.env;
    const file = fileURLToPath(
      new URL(`../${process.env.QLORA_BUILD ?? "build"}/Release/kernels.emu.node`, import.meta.url),
    );
    const script = `console.log(JSON.stringify(require(${JSON.stringify(file)}).cuda.cublas()))`;
    const variables = value === undefined ? env : { ...env, QLORA_CUBLAS: value };
    return JSON.parse(execFileSync(process.execPath, ["-e", script], { encoding: "utf8", env: variables }));
  };
  const none = { path: null, version: null };
  expect(found("0")).toEqual({ ...none, reason: "switched off by QLORA_CUBLAS=0" });
  const missing = join(tmpdir(), "no-libcublas.so.13");
  expect(found(missing)).toEqual({ ...none, reason: `QLORA_CUBLAS: ${missing} could not be loaded` });
  const other = buildLibrary("libcuda", "libcuda-13000.so", "-DVERSION=13000");
  expect(found(other)).toEqual({ ...none, reason: `${other} lacks functions of cuBLAS` });
  expect(found(undefined)).toEqual({ ...none, reason: "there are no kernels for a GPU in this addon" });
});
