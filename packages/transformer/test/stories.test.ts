// A real pretrained model: karpathy's stories260K, whose greedy text was published with it.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { loadTokenizer } from "@qlora/data";
import { describe, expect, test } from "vitest";
import { generate, loadModel, Runner, sequenceBatch } from "../src/index.js";

const shared = process.env.QLORA_SHARED ?? join(import.meta.dirname, "../../../../shared");
const dir = join(shared, "models/stories260K");
const present = existsSync(dir);
if (!present)
  console.warn(`SKIPPED: ${dir} is not there; set QLORA_SHARED to the folder that holds models/stories260K`);

const published = `Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. She wanted to play with it, but it was too high.
Lily's mom said, "Lily, let's go to the park." Lily was sad and didn't know what to do. She said, "I want to play with your ball, but I can't find it."
Lily was sad and didn't know what to do. She said, "I'm sorry, Lily. I didn't know what to do."
Lily didn't want to help her mom, so she said, "I'm sorry, mom. I didn't know what to do." Her mom said, "Don't worry, Lily. We can help you.`;

describe.skipIf(!present)("stories260K", () => {
  test("greedy decoding from BOS gives the published text, word for word", () => {
    const model = loadModel(dir, { precision: "f32" });
    const tokenizer = loadTokenizer(dir);
    const ids = [...generate(model, [1], { maxNewTokens: 256 })];
    expect(ids.slice(0, 19)).toEqual([
      403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338, 401, 396, 267,
    ]);
    expect(tokenizer.decode(ids)).toBe(published);
  });

  test("decoding with the cache gives the logits of the whole sequence", () => {
    const model = loadModel(dir, { precision: "f32" });
    const ids = [1, ...generate(model, [1], { maxNewTokens: 40 })];
    const logits = new Runner(model).logits(sequenceBatch(ids));
    const { vocabSize } = model.config;
    for (let i = 0; i + 1 < ids.length; i++) {
      const row = logits.subarray(i * vocabSize, (i + 1) * vocabSize);
      expect(row.indexOf(Math.max(...row))).toBe(ids[i + 1]);
    }
  });
});
