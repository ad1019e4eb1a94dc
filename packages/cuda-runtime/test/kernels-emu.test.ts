// The sample kernels on the emulator: right in every order, and the wrong ones found.
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { alloc, asCudaError, CudaError, type Emulation, emulations } from "../src/index.js";
import { download, loadSample, mistakes, sanitized, upload } from "./sample/sample.js";
import { sampleSuite } from "./sample/suite.js";

const sample = loadSample("sample.emu", "sample");
const device = "cuda-emu";

describe.each(emulations)("$schedule, $copies copies", ({ schedule, copies }) => {
  beforeAll(() => sample.setEmulation!(schedule, copies, 1));
  sampleSuite(sample, device);
});

test("counts what it does; the padded tiles of matmul have no bank conflicts", () => {
  sample.emulationStatistics!();
  using x = alloc(64 * 64 * 2, { device });
  using y = alloc(64 * 64 * 2, { device });
  sample.matmul(x.pointer, x.pointer, y.pointer, 64, 64, 64, 0n);
  expect(sample.emulationStatistics!()).toMatchObject({
    launches: 1,
    blocks: 1,
    threads: 128,
    barriers: 512,
    bankConflicts: 0,
  });
  sample.fragments(x.pointer, y.pointer, false, 0n);
  expect(sample.emulationStatistics!()).toMatchObject({ launches: 1, threads: 32, bankConflicts: 0 });
});

test("bad settings", () => {
  expect(() => sample.setEmulation!("sideways" as never, "lazy", 1)).toThrow(RangeError);
  expect(() => sample.setEmulation!("forward", "sometimes" as never, 1)).toThrow(RangeError);
});

// Runs a wrong kernel on x = 1, 2, … 64 and returns what it wrote, or the error.
function run(which: (typeof mistakes)[number], { schedule, copies }: Emulation, seed = 1): Float32Array | Error {
  sample.setEmulation!(schedule, copies, seed);
  const x = Float32Array.from({ length: 64 }, (_, i) => i + 1);
  using dx = upload(device, x);
  using dy = upload(device, new Float32Array(65));
  try {
    sample.mistake(mistakes.indexOf(which), dx.pointer, dy.slice(0, 256).pointer, 64, 0n);
    return download(dy, new Float32Array(65)).subarray(0, 64);
  } catch (error) {
    return asCudaError(error) as Error;
  } finally {
    sample.setEmulation!("forward", "lazy", 1);
  }
}

describe("mistakes that the emulator reports, in every order", () => {
  test.each([
    [
      "barrier_divergent",
      /block \(0, 0, 0\), thread \(\d+, 0, 0\), .*mistakes.cu:\d+: divergent __syncthreads: other threads wait at .*mistakes.cu:\d+/,
    ],
    [
      "lane_missing",
      /mistakes.cu:\d+: divergent warp operation: another lane waits in a different one at .*mistakes.cu:\d+/,
    ],
    [
      "too_much_shared",
      /^mistake: cudaErrorLaunchFailure \(719\): launch at .*mistakes.cu:\d+: dynamic shared memory is 300000, at most 101376$/,
    ],
    ["copy_misaligned", /mistakes.cu:\d+: cp.async: the target of 16 bytes is not aligned to as many/],
    ["matrix_misaligned", /mistakes.cu:\d+: ldmatrix: the row is not aligned to 16 bytes/],
    ["too_many_threads", /threads per block is 2048, at most 1024/],
  ] as const)("%s", (which, message) => {
    for (const emulation of emulations) {
      const error = run(which, emulation);
      expect(error).toBeInstanceOf(CudaError);
      expect(error).toMatchObject({ call: "mistake", code: 719, fatal: true, message: expect.stringMatching(message) });
    }
  });

  test.skipIf(sanitized)("shared_out_of_bounds", () => {
    for (const emulation of emulations)
      expect(run("shared_out_of_bounds", emulation)).toMatchObject({
        message: expect.stringMatching(
          /block \(0, 0, 0\): wrote outside 256 bytes of dynamic shared memory, at byte 25[6-9]$/,
        ),
      });
  });

  test.skipIf(sanitized)("global_out_of_bounds, when the memory is next copied or freed", () => {
    using x = upload(device, new Float32Array(64));
    const y = alloc(256, { device, label: "y" });
    sample.mistake(mistakes.indexOf("global_out_of_bounds"), x.pointer, y.pointer, 64, 0n);
    const written = "CUDA_ERROR_ILLEGAL_STATE (401): a kernel or a copy has written outside this allocation";
    expect(() => download(y, new Float32Array(64))).toThrow(`cuMemcpyDtoH: ${written}`);
    expect(() => y.free()).toThrow(`cuMemFree: ${written}`);
  });
});

describe("races", () => {
  const reversed = Array.from({ length: 64 }, (_, i) => 64 - i);
  const sums = reversed.map((_, i) =>
    Array.from({ length: 8 }, (_, r) => ((i + 20 * r) % 64) + 1).reduce((a, b) => a + b),
  );
  const warpSum = Array.from({ length: 32 }, () => (64 * 65) / 2);
  const name = ({ schedule, copies }: Emulation) => `${schedule}/${copies}`;
  const all = emulations.map(name);
  const only = (copies: Emulation["copies"]) => emulations.filter((e) => e.copies === copies).map(name);
  const cases: [(typeof mistakes)[number], number[], string[]][] = [
    ["barrier_missing", reversed, all],
    ["wait_missing", reversed, only("lazy")],
    ["warp_unsynchronised", warpSum, all],
    ["end_of_loop_barrier_missing", sums, all],
    ["pipeline_barrier_missing", sums, only("eager")],
  ];

  test.skipIf(sanitized).each(cases)("%s is reported", (which, expected, where) => {
    for (const emulation of emulations) {
      const result = run(which, emulation);
      if (where.includes(name(emulation)))
        expect(result).toMatchObject({
          name: "cudaErrorLaunchFailure",
          message: expect.stringMatching(
            /race: byte \d+ of (256|512) bytes of (static|dynamic) shared memory was (written|read) by thread.* and is (written|read) here with no barrier between( \(.*mistakes\.cu:\d+\))?$/,
          ),
        });
      else expect([...(result as Float32Array)].slice(0, expected.length)).toEqual(expected);
    }
  });

  // Without the race detector: by NaN where nothing is written yet, by old values where something is overwritten too early.
  test.skipIf(!sanitized).each(cases)("%s gives wrong numbers", (which, expected, where) => {
    const shown = emulations.filter((emulation) => {
      const result = run(which, emulation);
      if (result instanceof Error) throw result;
      return expected.some((value, i) => value !== result[i]);
    });
    expect(shown.map(name)).toEqual(where);
  });

  test.skipIf(sanitized)("the report names the line", () => {
    const { message } = run("barrier_missing", { schedule: "forward", copies: "lazy" }) as Error;
    const source = readFileSync(new URL("../sample/mistakes.cu", import.meta.url), "utf8").split("\n");
    const line = Number(/mistakes\.cu:(\d+)\)$/.exec(message)?.[1]);
    expect(source[line - 1]).toContain("s[threadIdx.x] = x[threadIdx.x];");
  });
});
