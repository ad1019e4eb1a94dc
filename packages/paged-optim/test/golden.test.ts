// Weights and states after 1 and 20 steps, and schedules, against PyTorch and transformers (conformance/optim_golden.py).
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as optim from "../src/index.js";
import { native } from "../src/native.js";
import * as reference from "../src/reference.js";
import { noise } from "./inputs.js";

interface Case {
  name: string;
  options: { lr: number };
  snapshots: Record<string, Record<string, string>>;
  clip?: number;
  norms?: number[];
  factors?: number[];
}
interface Golden {
  n: number;
  steps: number;
  cases: Case[];
  schedules: { name: string; options: object; factors: number[] }[];
}
const golden: Golden = JSON.parse(readFileSync(new URL("golden/optim.json", import.meta.url), "utf8"));
const { n, steps } = golden;
const unpack = (text: string) => new Float32Array(new Uint8Array(Buffer.from(text, "base64")).buffer);

function expectClose(actual: Float32Array, expected: Float32Array, what: string) {
  for (let i = 0; i < n; ++i) {
    const bound = 1e-6 + 1e-5 * Math.abs(expected[i]!);
    if (!(Math.abs(actual[i]! - expected[i]!) <= bound))
      expect.fail(`${what}[${i}] is ${actual[i]}, PyTorch has ${expected[i]}`);
  }
}

function compare(c: Case) {
  const parameter = { name: "w", data: noise(0, n), grad: new Float32Array(n) };
  // biome-ignore lint/suspicious/noExplicitAny: the class is named in the file
  using optimizer = new (optim as any)[c.name]([parameter], c.options);
  for (let step = 1; step <= steps; ++step) {
    parameter.grad.set(
      noise(step, n).map((x, i) => x * Math.fround(10 ** -(i % 5)) * (step % 7 === 0 ? Math.fround(0.01) : 1)),
    );
    const lr = c.options.lr * (c.factors?.[step - 1] ?? 1);
    const { gradNorm } = optimizer.step({ lr, maxNorm: c.clip });
    if (c.norms) expect(gradNorm / c.norms[step - 1]!).toBeCloseTo(1, 5);
    const snapshot = c.snapshots[step];
    if (!snapshot) continue;
    const { tensors } = optimizer.stateDict();
    for (const [key, value] of Object.entries<string>(snapshot))
      expectClose(key === "weights" ? parameter.data : tensors.get(`w.${key}`), unpack(value), `step ${step} ${key}`);
  }
}

for (const simd of optim.simds())
  for (const c of golden.cases)
    test(`as PyTorch, with ${simd}: ${c.name} ${JSON.stringify(c.options)}${c.clip ? ", clipped, scheduled" : ""}`, () => {
      native.setSimd(simd);
      compare(c);
    });

test("the reference too", () => {
  const kept = { step: native.step, sumSquares: native.sumSquares };
  Object.assign(native, { step: reference.step, sumSquares: reference.sumSquares });
  try {
    golden.cases.forEach(compare);
  } finally {
    Object.assign(native, kept);
  }
});

for (const { name, options, factors } of golden.schedules)
  test(`schedule ${name} ${JSON.stringify(options)}, as transformers`, () => {
    // biome-ignore lint/suspicious/noExplicitAny: the function is named in the file
    const schedule: optim.Schedule = (optim as any)[name](options);
    for (const [step, factor] of factors.entries()) expect(schedule(step), `step ${step}`).toBeCloseTo(factor, 12);
  });
