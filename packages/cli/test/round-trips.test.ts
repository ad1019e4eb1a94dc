// What one command writes, another one reads: the same text comes out.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import {
  baseModel,
  editJson,
  folder,
  fresh,
  hasShared,
  heldOutData,
  json,
  model,
  qlora,
  shard,
  shared,
  trainData,
} from "./qlora.js";

const prompts = ["This is about", "### Human: What is the job of Carl Reed?\n### Assistant:", "She", ""];

/** Greedy ids for every prompt. */
async function greedy(dir: string, ...rest: string[]): Promise<number[][]> {
  const all: number[][] = [];
  for (const prompt of prompts) {
    const argv = ["generate", "--model", dir, "--prompt", prompt, "--max-new-tokens", "30", "--temperature", "0"];
    all.push((await json<{ ids: number[] }>([...argv, ...rest])).ids);
  }
  return all;
}

const models: [string, string][] = [["the base model (bf16)", baseModel]];
if (hasShared) models.push(["stories260K (f32)", join(shared, "models/stories260K")]);

describe.each(models)("%s", (_, dir) => {
  const adapter = fresh("run");
  beforeAll(async () => {
    const argv = `train --model ${dir} --data ${trainData} --output ${adapter} --max-steps 30 --batch-size 16
      --gradient-accumulation 1 --learning-rate 3e-3 --lora-r 16 --template guanaco --held-out 0`;
    const { code, stderr } = await qlora(argv.split(/\s+/));
    expect(code, stderr).toBe(0);
  });

  test("quantize, then generate = --precision nf4 of the original", async () => {
    const output = fresh("nf4");
    expect((await qlora(["quantize", "--model", dir, "--output", output])).code).toBe(0);
    expect(await greedy(output)).toEqual(await greedy(dir, "--precision", "nf4"));
  });

  const merge = async (...rest: string[]) => {
    const output = fresh("merged");
    const argv = ["merge", "--model", dir, "--adapter", adapter, "--output", output, ...rest];
    expect(await json(argv)).toMatchObject({ modules: 35 });
    return output;
  };

  test("merge --through nf4, then generate = the 4-bit base with its adapter", async () => {
    const tuned = await greedy(dir, "--precision", "nf4", "--adapter", adapter);
    expect(await greedy(await merge("--through", "nf4", "--dtype", "f32"))).toEqual(tuned);
    expect(await greedy(dir, "--adapter", adapter)).toEqual(tuned); // the run's own precision is the default
    expect(await greedy(dir, "--precision", "nf4")).not.toEqual(tuned);
  });

  test("merge without rounding = the full base with the adapter", async () => {
    const full = await greedy(dir, "--precision", "f32", "--adapter", adapter);
    expect(await greedy(await merge("--dtype", "f32"))).toEqual(full);
  });

  test("merged in the file's own dtype, the loss is that of base and adapter", async () => {
    const nll = async (...argv: string[]) =>
      (await json<{ nll: number }>(["eval", "perplexity", "--data", heldOutData, "--template", "guanaco", ...argv]))
        .nll;
    const expected = await nll("--model", dir, "--adapter", adapter);
    expect(Math.abs((await nll("--model", await merge("--through", "nf4"))) / expected - 1)).toBeLessThan(0.01);
  });

  test("shards are one model", async () => {
    const sharded = model();
    if (dir !== baseModel) return;
    shard(sharded, 3);
    expect(await greedy(sharded)).toEqual(await greedy(dir));
  });
});

test("an adapter of another model is refused, by name; nothing is written", async () => {
  const adapter = fresh("run");
  await qlora(
    `train --model ${baseModel} --data ${trainData} --output ${adapter} --max-steps 1 --lora-r 2 --gradient-accumulation 1`.split(
      " ",
    ),
  );
  const other = model((dir) =>
    editJson(join(dir, "config.json"), (config) => {
      config.num_hidden_layers = 4;
    }),
  );
  const output = fresh("merged");
  for (const argv of [
    ["generate", "--model", other, "--adapter", adapter, "--prompt", "x"],
    ["merge", "--model", other, "--adapter", adapter, "--output", output],
  ]) {
    const { code, stderr } = await qlora(argv);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^qlora \w+: .*adapter_model\.safetensors: model\.layers\.4\.\S+ is no linear layer of the base model; .*\n$/,
    );
  }
  expect((await qlora(["inspect", output])).stderr).toMatch(/does not exist/);
});

test("an adapter without its run is used with an f32 base; its folder is inspected as an adapter", async () => {
  const run = fresh("run");
  await qlora(
    `train --model ${baseModel} --data ${trainData} --output ${run} --max-steps 1 --lora-r 2 --gradient-accumulation 1`.split(
      " ",
    ),
  );
  const copy = folder();
  const { cpSync } = await import("node:fs");
  for (const name of ["adapter_model.safetensors", "adapter_config.json"]) cpSync(join(run, name), join(copy, name));
  const argv = ["generate", "--model", baseModel, "--prompt", "She", "--max-new-tokens", "5"];
  expect((await qlora([...argv, "--adapter", copy])).stderr).toBe("");
  expect((await qlora([...argv, "--adapter", run])).stderr).toMatch(/^Base model in nf4/);
  expect(await json(["inspect", copy])).toMatchObject({ kind: "adapter", config: { r: 2, alpha: 16 } });
  expect((await qlora(["inspect", copy])).stdout).toMatch(/^modules +.*down_proj × 5.*q_proj × 5/m);
});

test.skipIf(!hasShared)("stories260K tells its published story", async () => {
  const dir = join(shared, "models/stories260K");
  const published = [...readFileSync(join(dir, "README.md"), "utf8").matchAll(/^> (.*)$/gm)]
    .map(([, line]) => line)
    .join("\n");
  expect(published.length).toBeGreaterThan(500);
  const { text } = await json<{ text: string }>([
    "generate",
    "--model",
    dir,
    "--prompt",
    "",
    "--precision",
    "f32",
    "--temperature",
    "0",
    "--max-new-tokens",
    "300",
  ]);
  expect(text.slice(0, published.length)).toBe(published);
});

test.skipIf(!hasShared)("perplexity of stories260K is transformers'", async () => {
  const golden = JSON.parse(
    readFileSync(new URL("../../eval/test/golden/perplexity.json", import.meta.url), "utf8"),
  ) as {
    text: string;
    cases: { bos: number | null; window: number; stride: number; tokens: number; nll: number; bitsPerByte: number }[];
  };
  const data = join(folder({ "text.txt": golden.text }), "text.txt");
  const cases = golden.cases.filter(({ bos }) => bos !== null);
  expect(cases.length).toBeGreaterThan(0);
  for (const { window, stride, tokens, nll, bitsPerByte } of cases) {
    const measured = await json<{ nll: number; bitsPerByte: number; tokens: number }>(
      `eval perplexity --model ${join(shared, "models/stories260K")} --data ${data} --window ${window} --stride ${stride}`.split(
        " ",
      ),
    );
    expect(measured.tokens).toBe(tokens);
    expect(Math.abs(measured.nll - nll)).toBeLessThan(1e-5);
    expect(Math.abs(measured.bitsPerByte - bitsPerByte)).toBeLessThan(1e-5);
  }
});
