// What is committed comes out of the scripts: the data and the tokenizer byte for byte, the weights by the same steps.
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadTokenizer } from "@qlora/data";
import { loadModel, Runner, sequenceBatch } from "@qlora/transformer";
import { expect, test } from "vitest";
import { makeBaseModel } from "../src/make-base-model.js";
import { makeData } from "../src/make-data.js";
import { Random } from "../src/random.js";
import { isHeldOut, people, portraits } from "../src/world.js";

const root = join(import.meta.dirname, "..");
const folder = () => mkdtempSync(join(tmpdir(), "quickstart-"));

test("the data", () => {
  const dir = folder();
  makeData(dir);
  for (const name of ["train.jsonl", "held-out.jsonl"])
    expect(readFileSync(join(dir, name), "utf8") === readFileSync(join(root, "data", name), "utf8"), name).toBe(true);
});

test("no training question is about a held-out person", () => {
  const training = readFileSync(join(root, "data/train.jsonl"), "utf8");
  const heldOut = readFileSync(join(root, "data/held-out.jsonl"), "utf8");
  for (const [i, { name }] of people.entries()) expect((isHeldOut(i) ? training : heldOut).includes(name)).toBe(false);
});

test("the tokenizer and the configuration; and two runs give the same weights", () => {
  const [a, b] = [folder(), folder()];
  const losses = [a, b].map((dir) => makeBaseModel(dir, 3, () => {}));
  expect(losses[0]).toBe(losses[1]);
  for (const name of ["tokenizer.json", "tokenizer_config.json", "generation_config.json", "config.json"])
    expect(readFileSync(join(a, name), "utf8") === readFileSync(join(root, "base-model", name), "utf8"), name).toBe(
      true,
    );
  expect(readFileSync(join(a, "model.safetensors")).equals(readFileSync(join(b, "model.safetensors")))).toBe(true);
});

test("the committed model has learned its portraits", () => {
  const model = loadModel(join(root, "base-model"), { precision: "f32" });
  const tokenizer = loadTokenizer(join(root, "base-model"));
  const random = new Random(1234);
  const runner = new Runner(model);
  let [nll, targets] = [0, 0];
  for (let i = 0; i < 40; i++) {
    const result = runner.loss(sequenceBatch([...tokenizer.encode(portraits(random)), 1]));
    nll += result.nll;
    targets += result.targets;
  }
  expect(nll / targets).toBeLessThan(0.55); // 0.50 at the end of its training: what is left is the choice of people and wordings
});
