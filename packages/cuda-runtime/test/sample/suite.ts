// The sample kernels against plain loops, on the emulator or on a GPU.
import { expect, test } from "vitest";
import { alloc, type DeviceId, leaks, synchronize } from "../../src/index.js";
import { download, type Sample, upload } from "./sample.js";

const bf16Bits = (x: number) => {
  const bits = new Uint32Array(Float32Array.of(x).buffer)[0]!;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
};
const bf16Value = (bits: number) => new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!;

// Values of a small linear congruential generator, as many as asked for.
function values(n: number, seed: number): number[] {
  let state = seed;
  return Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

export function sampleSuite(sample: Sample, device: DeviceId): void {
  test.each([1, 255, 256, 1000, 70000])("add %i", (n) => {
    const [x, y] = [Float32Array.from(values(n, 1)), Float32Array.from(values(n, 2))];
    using dx = upload(device, x);
    using dy = upload(device, y);
    using dz = alloc(n * 4, { device });
    sample.add(dx.pointer, dy.pointer, dz.pointer, n, 0n);
    expect(download(dz, new Float32Array(n))).toEqual(x.map((value, i) => value + y[i]!));
  });

  test("exp2", () => {
    const x = Float32Array.of(0, 1, -3, 0.5, -0.3, 20.7, -125.5, -140, -Infinity, 128, Number.NaN);
    using dx = upload(device, x);
    using dy = alloc(x.byteLength, { device });
    sample.exp2(dx.pointer, dy.pointer, x.length, 0n);
    const y = download(dy, new Float32Array(x.length));
    for (let i = 0; i < 7; i++) expect(Math.abs(y[i]! / 2 ** x[i]! - 1)).toBeLessThan(4 * 2 ** -24); // 2 ulp
    expect([...y.subarray(7)]).toEqual([0, 0, Infinity, Number.NaN]);
  });

  test.each([1, 31, 1000, 300_000])("sum %i, the same bits each time", (n) => {
    const x = Float32Array.from(values(n, 3));
    using dx = upload(device, x);
    using partial = alloc(1024, { device });
    using result = alloc(4, { device });
    const runs = [0, 1].map(() => {
      sample.sum(dx.pointer, partial.pointer, result.pointer, n, 0n);
      return download(result, new Float32Array(1))[0]!;
    });
    expect(runs[0]).toBe(runs[1]);
    const exact = x.reduce((sum, value) => sum + value, 0);
    expect(Math.abs(runs[0]! - exact)).toBeLessThan(1e-6 * Math.sqrt(n) + 1e-7 * n); // f32 rounding of a tree
  });

  test.each([
    [64, 64, 32],
    [16, 8, 64],
    [70, 130, 96],
    [1, 2, 32],
    [129, 66, 320],
  ])("matmul bf16 %i × %i × %i", (m, n, k) => {
    const [a, b] = [Uint16Array.from(values(m * k, 5), bf16Bits), Uint16Array.from(values(n * k, 6), bf16Bits)];
    using da = upload(device, a);
    using db = upload(device, b);
    using dc = alloc(m * n * 2, { device });
    sample.matmul(da.pointer, db.pointer, dc.pointer, m, n, k, 0n);
    const c = Float64Array.from(download(dc, new Uint16Array(m * n)), bf16Value);
    const [x, y] = [Float64Array.from(a, bf16Value), Float64Array.from(b, bf16Value)];
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let exact = 0;
        let size = 0;
        for (let l = 0; l < k; l++) {
          const term = x[i * k + l]! * y[j * k + l]!;
          exact += term;
          size += Math.abs(term);
        }
        // Half a unit of bf16's last place, and f32 sums in the tensor core's order.
        const error = Math.abs(c[i * n + j]! - exact);
        if (!(error <= Math.abs(exact) * 2 ** -8 + size * 2 ** -20))
          expect.fail(`c[${i}, ${j}] is off by ${error} from ${exact}`);
      }
  });

  test.each([
    [16, 8, 32],
    [48, 40, 160],
  ])("matmul int8 %i × %i × %i, exactly", (m, n, k) => {
    const [a, b] = [values(m * k, 7), values(n * k, 8)].map((list) => Int8Array.from(list, (x) => Math.floor(x * 128)));
    using da = upload(device, a!);
    using db = upload(device, b!);
    using dc = alloc(m * n * 4, { device });
    sample.matmulS8(da.pointer, db.pointer, dc.pointer, m, n, k, 0n);
    const exact = Int32Array.from({ length: m * n }, (_, at) => {
      let sum = 0;
      for (let l = 0; l < k; l++) sum += a![Math.floor(at / n) * k + l]! * b![(at % n) * k + l]!;
      return sum;
    });
    expect(download(dc, new Int32Array(m * n))).toEqual(exact);
  });

  test("warp operations", () => {
    const rows = 3;
    const x = Int32Array.from(values(rows * 32, 9), (value) => Math.floor(value * 900));
    x[40] = 1500; // row 1: __any_sync(> 1000)
    x[70] = -1500; // row 2: not __all_sync(> -1000)
    using dx = upload(device, x);
    using out = alloc(11 * rows * 128, { device });
    sample.warp(dx.pointer, out.pointer, rows, 0n);
    const got = download(out, new Int32Array(11 * rows * 32));
    for (let row = 0; row < rows; row++) {
      const v = [...x.subarray(row * 32, row * 32 + 32)];
      const at = (source: number, lane: number, inside: boolean) => v[inside ? source : lane]!;
      const odd = v.filter((value) => value & 1).length;
      const [any, all] = [Number(v.some((value) => value > 1000)), Number(v.every((value) => value > -1000))];
      const expected = [
        (lane: number) => v[(lane & ~7) + ((lane + 3) & 7)]!,
        (lane: number) => v[lane ^ 5]!,
        (lane: number) => at(lane - 3, lane, lane % 16 >= 3),
        (lane: number) => at(lane + 3, lane, lane % 16 < 13),
        () => v.reduce((bits, value, lane) => bits | ((value & 1) << lane), 0),
        () => any * 2 + all,
        () => v.reduce((sum, value) => sum + value, 0),
        () => Math.max(...v),
        (lane: number) => v[lane < 16 ? lane ^ 1 : lane ^ 2]!,
        () => odd * 4 + any * 2 + all,
        () => v.reduce((sum, value) => sum + value, 0),
      ];
      expected.forEach((f, which) => {
        const begin = (which * rows + row) * 32;
        expect([...got.subarray(begin, begin + 32)], `operation ${which}, row ${row}`).toEqual(
          v.map((_, lane) => f(lane)),
        );
      });
    }
  });

  test.each([false, true])("ldmatrix fragments, transposed: %s", (transposed) => {
    const x = Uint16Array.from({ length: 256 }, (_, i) => i * 251);
    using dx = upload(device, x);
    using out = alloc(192 * 4, { device });
    sample.fragments(dx.pointer, out.pointer, transposed, 0n);
    const got = download(out, new Uint32Array(192));
    const element = (matrix: number, row: number, column: number) =>
      x[matrix * 64 + (transposed ? column * 8 + row : row * 8 + column)]!;
    const pair = (lane: number, matrix: number) => {
      const [g, t] = [lane >> 2, (lane & 3) * 2];
      return (element(matrix, g, t) | (element(matrix, g, t + 1) << 16)) >>> 0;
    };
    for (let lane = 0; lane < 32; lane++) {
      for (let matrix = 0; matrix < 4; matrix++) expect(got[lane * 4 + matrix]).toBe(pair(lane, matrix));
      for (let matrix = 0; matrix < 2; matrix++) expect(got[128 + lane * 2 + matrix]).toBe(pair(lane, matrix));
    }
  });

  test("nothing is left behind", () => {
    synchronize(device);
    expect(leaks()).toEqual([]);
  });
}
