// Configurations: defaults, YAML, flags over it, and one clear line for everything that is wrong.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ConfigError,
  formatConfig,
  kebabCase,
  parseConfig,
  readConfigFile,
  snakeCase,
  suggestion,
  Trainer,
  trainSchema,
} from "../src/index.js";
import { folder } from "./shared.js";

const needed = { model: "m", data: "d.jsonl", output: "o" };

function yaml(text: string): string {
  const path = join(folder(), "run.yaml");
  writeFileSync(path, text);
  return path;
}

test("the defaults are the paper's recipe", () =>
  expect(parseConfig(needed)).toMatchObject({
    method: "qlora",
    blockSize: 64,
    doubleQuant: true,
    loraR: 64,
    loraAlpha: 16,
    loraDropout: 0.1,
    loraTargetModules: "all-linear",
    optimizer: "paged-adamw-32bit",
    learningRate: 2e-4,
    schedule: "constant",
    beta2: 0.999,
    maxGradNorm: 0.3,
    batchSize: 1,
    gradientAccumulation: 16,
    groupByLength: true,
    gradientCheckpointing: true,
  }));

test("what is written to config.yaml reads back as the same configuration", () => {
  const config = parseConfig({ ...needed, precision: "fp4", maxSteps: 3, resume: "auto", heldOutData: "h: [1" });
  expect(parseConfig(readConfigFile(yaml(formatConfig(config))))).toEqual(config);
});

test("flags go over the file", () => {
  const file = readConfigFile(yaml("model: m\ndata: d\noutput: o\nlora_r: 8\nlearning_rate: 1e-3\n"));
  expect(parseConfig({ ...file, loraR: 16 })).toMatchObject({ loraR: 16, learningRate: 1e-3 });
});

test("an empty file holds no options", () => expect(readConfigFile(yaml("# nothing yet\n"))).toEqual({}));

describe("says in one line what is wrong", () => {
  const message = (act: () => unknown): string => {
    try {
      act();
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      return (error as Error).message;
    }
    return expect.fail("nothing was wrong");
  };
  test.each([
    ["an unknown key in YAML", "lora_rank: 8", /run.yaml: unknown key lora_rank/],
    ["a misspelt key in YAML", "learnin_rate: 1", /run.yaml: unknown key learnin_rate; did you mean learning_rate\?/],
    ["camelCase in YAML", "batchSize: 1", /unknown key batchSize; did you mean batch_size\?/],
    ["a key given twice", "seed: 1\nseed: 2", /run.yaml: Map keys must be unique at line 2/],
    ["broken YAML", "model: [", /run.yaml: .* at line 1/],
    ["a list", "- model", /must hold keys and values/],
    ["plain text", "hello", /must hold keys and values/],
  ])("%s", (_, text, expected) => {
    const found = message(() => readConfigFile(yaml(text)));
    expect(found).toMatch(expected);
    expect(found).not.toContain("\n");
  });
  test("a file that is not there", () =>
    expect(message(() => readConfigFile("/nowhere.yaml"))).toMatch(/nowhere.yaml: cannot be read: ENOENT/));
  test.each([
    [{ ...needed, model: undefined }, /model is missing \(folder of the base model/],
    [{ ...needed, lorar: 8 }, /unknown key lorar; did you mean loraR\?/],
    [{ ...needed, batchSize: 0 }, /batch_size: .*(>0|1)/],
    [{ ...needed, batchSize: 1.5 }, /batch_size: .*int/],
    [{ ...needed, learningRate: "fast" }, /learning_rate: .*expected number/],
    [{ ...needed, learningRate: Number.NaN }, /learning_rate: /],
    [
      { ...needed, method: "qlora", precision: "bf16" },
      /precision bf16 is not quantised; use method lora, or precision nf4/,
    ],
    [
      { ...needed, method: "full", precision: "nf4" },
      /precision nf4 cannot be trained in full; use f32, or method qlora/,
    ],
    [
      { ...needed, method: "lora", precision: "nf4" },
      /method lora keeps the base in bf16 or f32; use method qlora for nf4/,
    ],
    [{ ...needed, blockSize: 65 }, /block_size: /],
    [{ ...needed, keepCheckpoints: 1 }, /keep_checkpoints: .*2/],
    [{ ...needed, earlyStopping: 2 }, /early_stopping needs eval_steps/],
    [{ ...needed, packTokens: 100 }, /pack_tokens 100 is less than max_length 512/],
    [{ ...needed, optimizer: "adam" }, /optimizer: .*paged-adamw-32bit/],
  ])("%j", (options, expected) => {
    expect(message(() => new Trainer(options as never))).toMatch(expected);
  });
  test("several problems are several lines", () =>
    expect(message(() => parseConfig({ ...needed, seed: -1, threads: 0 })).split("\n")).toHaveLength(2));
  test("a suggestion is near, or there is none", () => {
    expect(suggestion("sead", ["seed", "data"])).toBe("; did you mean seed?");
    expect(suggestion("completely_else", ["seed", "data"])).toBe("");
  });
  test("no options whatever throw anything but a ConfigError", () =>
    fc.assert(
      fc.property(
        fc.oneof(
          fc.anything(),
          fc.dictionary(fc.constantFrom(...Object.keys(trainSchema.shape), "__proto__"), fc.anything()),
        ),
        (options) => {
          try {
            parseConfig(options);
          } catch (error) {
            return error instanceof ConfigError;
          }
          return true;
        },
      ),
      { numRuns: 2000 },
    ));
});

test("every key has a description, and its other spellings come back", () => {
  for (const [key, { description }] of Object.entries(trainSchema.shape)) {
    expect(description, key).toBeTruthy();
    expect(snakeCase(key).replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())).toBe(key);
    expect(kebabCase(key)).toBe(snakeCase(key).replaceAll("_", "-"));
  }
});
