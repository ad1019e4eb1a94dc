// A resumed run equals the uninterrupted one bit for bit: weights, optimiser, log, evaluation, adapter.
import { appendFileSync, cpSync, existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkpointSteps, TrainError, type TrainOptions } from "../src/index.js";
import { folder, makeData, result, tinyRun, train } from "./shared.js";

const optimizers = ["adamw-32bit", "adamw-8bit", "lion-32bit"] as const;
/** Packed passes, and the other optimisers: one cell each. */
const others: Partial<TrainOptions>[] = [
  { packTokens: 128, gradientAccumulation: 1 },
  { packTokens: 128, gradientAccumulation: 2, optimizer: "paged-adamw-8bit" },
  { optimizer: "paged-adam-8bit" },
  { optimizer: "paged-ademamix-32bit" },
  { optimizer: "sgd-32bit", schedule: "wsd" },
];

const cells = optimizers.flatMap((optimizer) =>
  [1, 3].flatMap((gradientAccumulation) =>
    [true, false].flatMap((groupByLength) =>
      [false, true].map((paged) => ({ optimizer, gradientAccumulation, groupByLength, paged })),
    ),
  ),
);

describe("resumed at every step", () => {
  async function everyStep(dir: string, changes: Partial<TrainOptions>) {
    makeData(join(dir, "data.jsonl"), 16); // 12 to train on: 6 or 2 steps an epoch, so 7 steps cross one edge or three
    const options = tinyRun(dir, {
      optimizerMemory: 1 / 32,
      loraR: 32, // matrices of 4096 elements and more, so that 8 bits are 8 bits
      maxLength: 64,
      maxSteps: 7,
      evalSteps: 3,
      saveSteps: 1,
      keepCheckpoints: 100,
      schedule: "cosine",
      warmupSteps: 2,
      ...changes,
    });
    await train(options);
    const expected = result(options.output, 7);
    for (let step = 1; step < 7; step++) {
      const output = join(dir, `from-${step}`);
      const resume = join(options.output, `checkpoints/step-${step}`);
      const events = await train({ ...options, output, resume, saveSteps: 0 });
      expect(events.find(({ type }) => type === "resumed")).toMatchObject({ step });
      expect(events.filter(({ type }) => type === "warning")).toEqual([]);
      expect(result(output, 7)).toEqual(expected);
    }
  }

  test.each(cells)(
    "$optimizer, accumulation $gradientAccumulation, by length $groupByLength, paged $paged",
    ({ optimizer, gradientAccumulation, groupByLength, paged }) =>
      everyStep(folder(), {
        optimizer: paged ? `paged-${optimizer}` : optimizer,
        gradientAccumulation,
        groupByLength,
      }),
  );

  test.each(others)("%j", (changes) => everyStep(folder(), changes));
});

test("resumed from a place that pages to one that does not, and with other activations kept", async () => {
  const dir = folder();
  const options = tinyRun(dir, { optimizer: "paged-adamw-32bit", optimizerMemory: 1 / 64, activationMemory: 0 });
  await train(options);
  const output = join(dir, "other");
  const resume = join(options.output, "checkpoints/step-4");
  await train({ ...options, output, resume, optimizer: "adamw-32bit", activationMemory: 64, saveSteps: 1 });
  expect(result(output, 6)).toEqual(result(options.output, 6));
});

test("a full fine-tuning resumes exactly", async () => {
  const dir = folder();
  const options = tinyRun(dir, { method: "full", keepCheckpoints: 5, learningRate: 1e-3 });
  await train(options);
  const expected = result(options.output, 6);
  expect(expected.model).not.toBe("absent");
  const output = join(dir, "other");
  await train({ ...options, output, resume: join(options.output, "checkpoints/step-2") });
  expect(result(output, 6)).toEqual(expected);
});

describe("resume auto", () => {
  async function interrupted(options: Partial<TrainOptions> = {}) {
    const dir = folder();
    const all = tinyRun(dir, options);
    await train(all);
    const expected = result(all.output, 6);
    return { dir, options: { ...all, resume: "auto" }, expected };
  }

  test("a finished run is finished again and stays as it was", async () => {
    const { options, expected } = await interrupted();
    const events = await train(options);
    expect(events.filter(({ type }) => type === "step" || type === "checkpoint" || type === "evaluation")).toEqual([]);
    expect(result(options.output, 6)).toEqual(expected);
  });

  test("what the log holds beyond the checkpoint is cut off", async () => {
    const { options, expected } = await interrupted();
    rmSync(join(options.output, "checkpoints/step-6"), { recursive: true });
    appendFileSync(join(options.output, "log.jsonl"), '{"step":99,"loss":1}\n{"step":100,"lo');
    await train(options);
    expect(result(options.output, 6)).toEqual(expected);
  });

  test.each([
    ["a flipped bit in the weights", "weights.safetensors", (bytes: Buffer) => (bytes[bytes.length >> 1]! ^= 4)],
    ["a flipped bit in the optimiser", "optimizer.safetensors", (bytes: Buffer) => (bytes[bytes.length - 1]! ^= 1)],
    [
      "another step in the state",
      "state.json",
      (bytes: Buffer) => bytes.write('"step": 7', bytes.indexOf('"step": 6')),
    ],
    ["a manifest that is not JSON", "manifest.json", (bytes: Buffer) => (bytes[0] = 0)],
  ])("skips aloud a newest checkpoint with %s", async (_, name, damage) => {
    const { options, expected } = await interrupted();
    const path = join(options.output, "checkpoints/step-6", name);
    const bytes = readFileSync(path);
    damage(bytes);
    writeFileSync(path, bytes);
    const events = await train(options);
    expect(events.find(({ type }) => type === "warning")).toMatchObject({
      message: expect.stringMatching(new RegExp(`step-6: ${name}`)),
    });
    expect(events.find(({ type }) => type === "resumed")).toMatchObject({ step: 4 });
    expect(result(options.output, 6)).toEqual(expected);
  });

  test("skips one that is cut short, and one that lacks a file", async () => {
    const { options, expected } = await interrupted({ keepCheckpoints: 3 });
    truncateSync(join(options.output, "checkpoints/step-6/weights.safetensors"), 100);
    rmSync(join(options.output, "checkpoints/step-4/state.json"));
    const events = await train(options);
    const warnings = events.flatMap((event) => (event.type === "warning" ? [event.message] : []));
    expect(warnings[0]).toMatch(/weights.safetensors has 100 bytes, manifest.json says/);
    expect(warnings[1]).toMatch(/state.json is missing/);
    expect(events.find(({ type }) => type === "resumed")).toMatchObject({ step: 2 });
    expect(result(options.output, 6)).toEqual(expected);
  });

  test("never starts over silently where every checkpoint is damaged", async () => {
    const { options } = await interrupted();
    for (const step of [4, 6]) rmSync(join(options.output, `checkpoints/step-${step}/manifest.json`));
    await expect(train(options)).rejects.toMatchObject({
      code: "NO_CHECKPOINT",
      message: expect.stringMatching(/every checkpoint is damaged/),
    });
  });

  test("says that there is none, and begins", async () => {
    const { options, expected } = await interrupted();
    rmSync(join(options.output, "checkpoints"), { recursive: true });
    const events = await train(options);
    expect(events.find(({ type }) => type === "warning")).toMatchObject({
      message: expect.stringMatching(/starting from step 0/),
    });
    expect(result(options.output, 6)).toEqual(expected);
  });

  test("refuses what is another run, and names what differs", async () => {
    const { dir, options } = await interrupted();
    const mismatch = (change: Partial<TrainOptions>) => expect(train({ ...options, ...change })).rejects;
    await mismatch({ seed: 1 }).toThrow(/seed 42 \(now 1\)/);
    await mismatch({ batchSize: 1 }).toThrow(/batch_size 2 \(now 1\)/);
    await mismatch({ loraR: 8 }).toThrow(/lora_r 4 \(now 8\)/);
    await mismatch({ data: makeData(join(dir, "other.jsonl"), 25) }).toThrow(/other data/);
    cpSync(options.model, join(dir, "other-model"), { recursive: true });
    const weights = readFileSync(join(dir, "other-model/model.safetensors"));
    for (let i = weights.length >> 1; i < weights.length; i += 2) weights[i]! ^= 0x40;
    writeFileSync(join(dir, "other-model/model.safetensors"), weights);
    await mismatch({ model: join(dir, "other-model") }).toThrow(/another base model/);
  });

  test("allows another learning rate, aloud", async () => {
    const { options } = await interrupted();
    const events = await train({ ...options, learningRate: 1e-3, maxSteps: 8 });
    expect(events.find(({ type }) => type === "warning")).toMatchObject({
      message: expect.stringMatching(/learning_rate 0.01 \(now 0.001\)/),
    });
    expect(events.at(-1)).toMatchObject({ type: "done", steps: 8 });
  });

  test("goes on for longer, keeping the newest two", async () => {
    const { options } = await interrupted();
    await train({ ...options, maxSteps: 9 });
    expect(checkpointSteps(join(options.output, "checkpoints"))).toEqual([9, 8]);
  });
});

test("going back to an earlier checkpoint removes the later ones of the abandoned run", async () => {
  const options = tinyRun(folder(), { keepCheckpoints: 3 });
  await train(options);
  await train({ ...options, resume: join(options.output, "checkpoints/step-2"), maxSteps: 3 });
  expect(checkpointSteps(join(options.output, "checkpoints"))).toEqual([3, 2]);
});

test("a checkpoint that is not there is an error, not a new run", async () => {
  const options = tinyRun(folder(), { resume: "/nowhere/step-3" });
  await expect(train(options)).rejects.toThrow(TrainError);
  expect(existsSync(join(options.output, "log.jsonl"))).toBe(false);
});
