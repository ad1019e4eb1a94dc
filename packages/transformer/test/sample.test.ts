// Sampling: each option removes what it says, and the rest keeps its proportions.
import { expect, test } from "vitest";
import { candidates, type SamplingOptions, sample } from "../src/index.js";
import golden from "./golden/sampling.json" with { type: "json" };

const logits = () => Float32Array.from([0, Math.log(2), Math.log(4), Math.log(8), -40]);

/** How often each token comes out, over the quantiles of a uniform. */
function shares(options: SamplingOptions): number[] {
  const counts = [0, 0, 0, 0, 0];
  const draws = 3000;
  for (let i = 0; i < draws; i++) counts[sample(logits(), [], () => (i + 0.5) / draws, options)]!++;
  return counts.map((count) => count / draws);
}

test.each<[SamplingOptions, number[]]>([
  [{ temperature: 1 }, [1 / 15, 2 / 15, 4 / 15, 8 / 15, 0]],
  [{ temperature: 0.5 }, [1 / 85, 4 / 85, 16 / 85, 64 / 85, 0]],
  [{ temperature: 1, topK: 2 }, [0, 0, 1 / 3, 2 / 3, 0]],
  [{ temperature: 1, topP: 0.6 }, [0, 0, 1 / 3, 2 / 3, 0]],
  [{ temperature: 1, topP: 0.5 }, [0, 0, 0, 1, 0]],
  [{ temperature: 1, minP: 0.3 }, [0, 0, 1 / 3, 2 / 3, 0]],
])("%j", (options, expected) => {
  for (const [i, share] of shares(options).entries()) expect(share).toBeCloseTo(expected[i]!, 3);
});

test("temperature 0 takes the first of the most likely", () => {
  expect(sample(Float32Array.of(1, 3, 3, 2), [], () => 0.99)).toBe(1);
});

test("the repetition penalty counts a token once and pushes both signs down", () => {
  const values = Float32Array.of(2, -2, 1);
  sample(values, [0, 0, 1], () => 0, { repetitionPenalty: 2 });
  expect([...values]).toEqual([1, -4, 1]);
});

// Their softmax is in f64 on logits that were divided by the temperature in f32.
const ROUNDING = 1e-6;
test.each(golden.cases)("transformers leaves the same of a distribution: $options", ({ options, probabilities }) => {
  const kept = candidates(Float32Array.from(golden.logits), golden.seen, options);
  const total = kept.reduce((sum, { weight }) => sum + weight, 0);
  const found = new Float64Array(probabilities.length);
  for (const { id, weight } of kept) found[id] = weight / total;
  for (const [id, expected] of probabilities.entries()) {
    expect(found[id]! > 0, `token ${id} is kept`).toBe(expected > 0);
    expect(Math.abs(found[id]! - expected)).toBeLessThan(ROUNDING);
  }
});
