// The recipes in examples/: they parse, say what they claim to, and the demo runs.
import { readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { parseConfig, readConfigFile } from "@qlora/trainer";
import { expect, test } from "vitest";
import { folder, qlora } from "./qlora.js";

const examples = join(import.meta.dirname, "../../../examples");
const recipes = join(examples, "recipes");
const needed = { model: "m", data: "d", output: "o" };

test.each(readdirSync(recipes))("%s is a configuration", (name) => {
  const values = readConfigFile(join(recipes, name));
  expect(Object.keys(values).length).toBeGreaterThan(3);
  parseConfig({ ...needed, ...values }, name);
});

test("guanaco-7b.yaml has the values of Table 9 and section 5", () => {
  const config = parseConfig({ ...needed, ...readConfigFile(join(recipes, "guanaco-7b.yaml")) });
  expect(config.batchSize * config.gradientAccumulation).toBe(16);
  expect(config).toMatchObject({ learningRate: 2e-4, maxSteps: 1875, maxLength: 512, trainOnSource: true });
  expect(config).toMatchObject({ loraR: 64, loraAlpha: 16, loraDropout: 0.1, beta2: 0.999, maxGradNorm: 0.3 });
  expect(config).toMatchObject({ precision: "nf4", blockSize: 64, doubleQuant: true, optimizer: "paged-adamw-32bit" });
});

test("the demo runs from the root; flags go over the file; full fine-tuning writes a model", async () => {
  const cwd = folder();
  symlinkSync(examples, join(cwd, "examples"));
  const demo = await qlora(["train", "--config", "examples/recipes/demo.yaml", "--max-steps", "2"], { cwd });
  expect(demo.code, demo.stderr).toBe(0);
  expect(demo.stderr).toMatch(/^ {2}max_steps: 2$/m);
  expect(demo.stderr).toMatch(/^report +qlora-runs\/demo\/report\.html$/m);
  const model = "examples/quickstart/base-model";
  const rest = [
    "--model",
    model,
    "--data",
    "examples/quickstart/data/held-out.jsonl",
    "--output",
    "full",
    "--max-steps",
    "1",
  ];
  const full = await qlora(["train", "--config", "examples/recipes/full-finetuning.yaml", ...rest], { cwd });
  expect(full.code, full.stderr).toBe(0);
  const text = await qlora(["generate", "--model", "full/model", "--prompt", "She", "--max-new-tokens", "3"], { cwd });
  expect(text).toMatchObject({ code: 0, stderr: "" });
});
