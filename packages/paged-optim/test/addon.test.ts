// The addon refuses bad arguments with an error that names them; nothing crashes.
import { describe, expect, test } from "vitest";
import { packHyper } from "../src/hyper.js";
import { native, setSimd, setThreads, simd, simds, threads } from "../src/native.js";

const f = (n: number) => new Float32Array(n);
const u = (n: number) => new Uint8Array(n);
const hyper = packHyper({});
const step = native.step as (...args: unknown[]) => void;
const good = [0, 300, f(300), f(300), hyper, f(300), f(300), null, null, null, null, null, null, 0];
const change = (at: number, value: unknown) => good.map((arg, i) => (i === at ? value : arg));
const packed = [0, 300, f(300), f(300), hyper, u(300), u(300), null, f(2), f(2), null, null, null, 0];
const detached = () => {
  const x = f(300);
  structuredClone(x, { transfer: [x.buffer] });
  return x;
};

describe.runIf(native.PageFile)("step", () => {
  test("good arguments", () => {
    expect(() => step(...good)).not.toThrow();
    expect(() => step(...packed)).not.toThrow();
    expect(() => step(...change(1, 0))).not.toThrow();
  });
  const cases: [string, unknown[], string][] = [
    ["no arguments", [], "rule must be a number"],
    ["rule", change(0, 4), "rule must be 0 to 3, got 4"],
    ["rule < 0", change(0, -1), "rule must be a whole number"],
    ["n", change(1, 1.5), "n must be a whole number"],
    ["n NaN", change(1, Number.NaN), "n must be a whole number"],
    ["n too large", change(1, 2 ** 53), "weights has 300 elements, needs 9007199254740992"],
    ["n beyond", change(1, 2 ** 60), "n must be a whole number"],
    ["weights of the wrong type", change(2, new Float64Array(300)), "weights must be a Float32Array"],
    ["a plain array", change(2, Array(300).fill(0)), "weights must be a Float32Array"],
    ["short weights", change(2, f(299)), "weights has 299 elements, needs 300"],
    ["detached weights", change(2, detached()), "weights has 0 elements, needs 300"],
    ["gradient", change(3, new Uint16Array(300)), "gradient must be a Float32Array"],
    ["short gradient", change(3, f(1)), "gradient has 1 elements, needs 300"],
    ["hyper", change(4, f(14)), "hyper has 14 elements, needs 15"],
    ["no state", change(5, null), "s0 must be a Float32Array"],
    ["short state", change(6, f(299)), "s1 has 299 elements, needs 300"],
    ["states of two kinds", change(6, u(300)), "s1 must have the type of s0"],
    ["no absmax", packed.map((x, i) => (i === 8 ? null : x)), "absmax0 must be a Float32Array"],
    ["short absmax", packed.map((x, i) => (i === 9 ? f(1) : x)), "absmax1 has 1 elements, needs 2"],
    ["short codes", packed.map((x, i) => (i === 5 ? u(10) : x)), "s0 has 10 elements, needs 300"],
    ["master of f32", change(11, f(300)), "master is for bf16 weights"],
    ["bf16 alone", change(2, new Uint16Array(300)), "bf16 weights need master or random"],
    [
      "short master",
      good.map((x, i) => (i === 2 ? new Uint16Array(300) : i === 11 ? f(3) : x)),
      "master has 3 elements, needs 300",
    ],
    [
      "short random",
      good.map((x, i) => (i === 2 ? new Uint16Array(300) : i === 12 ? new Uint32Array(3) : x)),
      "random has 3 elements, needs 4",
    ],
    ["first", change(13, 100), "first must be a multiple of 256, got 100"],
  ];
  test.each(cases)("%s", (_, args, message) => expect(() => step(...args)).toThrow(message));
});

describe.runIf(native.PageFile)("the others", () => {
  // biome-ignore lint/suspicious/noExplicitAny: on purpose
  const any = native as any;
  const cases: [string, () => unknown, string][] = [
    ["sumSquares", () => any.sumSquares(u(3)), "x must be a Float32Array"],
    ["scale", () => any.scale(f(3), "1"), "a must be a number"],
    ["encode without flag", () => any.encode(f(3), 1, u(3), f(1)), "signed must be a boolean"],
    ["encode to short codes", () => any.encode(f(300), true, u(299), f(2)), "codes has 299 elements, needs 300"],
    ["encode to short absmax", () => any.encode(f(300), true, u(300), f(1)), "absmax has 1 elements, needs 2"],
    ["decode", () => any.decode(u(300), f(2), true, f(1)), "x has 1 elements, needs 300"],
    ["dynamicMap", () => any.dynamicMap(true, f(255)), "values has 255 elements, needs 256"],
    ["widen", () => any.widen(new Uint16Array(3), f(2)), "y has 2 elements, needs 3"],
    ["copy", () => any.copy(f(3), f(2), 1), "to has 2 elements, needs 3"],
    ["copy in nothing", () => any.copy(f(3), f(3), 0), "piece must be ≥ 1, got 0"],
    ["threads", () => setThreads(0), "threads must be 1 to 1024, got 0"],
    ["simd", () => setSimd("sse9"), "simd: sse9 is not available here"],
  ];
  test.each(cases)("%s", (_, call, message) => expect(call).toThrow(message));
});

test("threads and instruction sets can be asked and chosen", () => {
  const [before, set] = [threads(), simd()];
  setThreads(3);
  expect(threads()).toBe(native.PageFile ? 3 : 1);
  setThreads(before);
  for (const name of simds()) {
    setSimd(name);
    expect(simd()).toBe(name);
  }
  expect(simds()).toContain(native.PageFile ? "scalar" : "reference");
  setSimd(set);
});
