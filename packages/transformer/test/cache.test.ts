// The cache in each dtype: what it holds, what that does to the logits, what memory it takes.
import { expect, test } from "vitest";
import { cacheTypes, Decoder, generate, initModel, type Model, parseModelConfig } from "../src/index.js";
import { distance } from "./distance.js";
import { json } from "./model-folder.js";
import { normals } from "./random.js";

const model = initModel(parseModelConfig(json), normals(5));
const ids = Array.from({ length: 40 }, (_, i) => (i * 37 + 5) % json.vocab_size);

/** Logits after `ids`, the first `prompt` of them in one pass and the others one by one. */
function logits(of: Model, prompt: number, cache: (typeof cacheTypes)[number]): Float32Array {
  const decoder = new Decoder(of, ids.length, { cache });
  let last = decoder.append(ids.slice(0, prompt));
  for (const id of ids.slice(prompt)) last = decoder.append([id]);
  return last.slice();
}

// Keys and values rounded to 8 bits of mantissa, or to 1/254 of the largest of a head: of the order of 2^-9 and 2^-8 in the logits.
test.each([
  ["bf16", 1e-4, 6e-3],
  ["int8", 1e-4, 2e-2],
] as const)("%s: logits differ from the f32 cache's by its rounding", (cache, least, most) => {
  const found = distance(logits(model, 20, cache), logits(model, 20, "f32"));
  console.log(`${cache}: relative error ${found.toExponential(1)}`);
  expect(found).toBeGreaterThan(least);
  expect(found).toBeLessThan(most);
});

// A product of many rows and of one differ in their last bits, so a key that lies between two values of a narrow cache may become either:
// rarely, and then no more than such a rounding does. Most models agree to 1e-5 in each dtype, and in f32 all do.
test.each(cacheTypes)("%s: a prompt in one pass and token by token", (cache) => {
  const found = Array.from({ length: 15 }, (_, i) => {
    const other = initModel(parseModelConfig(json), normals(5 + i));
    return distance(logits(other, 39, cache), logits(other, 1, cache));
  }).sort((a, b) => a - b);
  expect(found[7]).toBeLessThan(1e-5);
  expect(found[14]).toBeLessThan(cache === "f32" ? 1e-5 : 1e-3);
});

test("memory: a half and about a quarter of f32, and one layer in f32", () => {
  const bytes = cacheTypes.map((cache) => new Decoder(model, 64, { cache }).cacheBytes);
  const { num_hidden_layers: layers, num_key_value_heads: heads } = json;
  const elements = 2 * 64 * heads * 16;
  expect(bytes).toEqual([
    layers * elements * 4,
    layers * elements * 2 + elements * 4,
    layers * elements * (1 + 4 / 16) + elements * 4,
  ]);
});

test("generate takes the dtype", () => {
  const greedy = cacheTypes.map((cache) => [...generate(model, [1, 2, 3], { maxNewTokens: 8, stopIds: [], cache })]);
  for (const tokens of greedy) expect(tokens).toHaveLength(8);
  expect(greedy[1]).toEqual(greedy[0]);
});
