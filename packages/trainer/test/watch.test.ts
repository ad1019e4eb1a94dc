// Numbers that are not finite, spikes, early stopping, the best checkpoint, event files, stopping on request.
import { cpSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readPeftAdapter } from "@qlora/lora";
import { openSafetensors, writeSafetensors } from "@qlora/safetensors";
import { toHost } from "@qlora/transformer";
import { describe, expect, test } from "vitest";
import { checkpointSteps, readCheckpoint, type TrainEvent, Trainer, type TrainOptions } from "../src/index.js";
import { folder, makeModel, result, tinyRun, train, trainAndWatch } from "./shared.js";

const of = <T extends TrainEvent["type"]>(events: TrainEvent[], type: T) =>
  events.filter((event): event is Extract<TrainEvent, { type: T }> => event.type === type);

/** Runs, with `spoil` called after each event; returns what happened up to the error, if there was one. */
async function spoiled(options: TrainOptions, spoil: (trainer: Trainer, event: TrainEvent) => void) {
  const trainer = new Trainer(options);
  const events: TrainEvent[] = [];
  try {
    for await (const event of trainer.run()) {
      events.push(event);
      spoil(trainer, event);
    }
  } catch (error) {
    return { events, error: error as Error & { code: string } };
  }
  return { events, error: undefined };
}

describe("numbers that are not finite", () => {
  test("one step is not applied: nothing moves, and the run goes on", async () => {
    const options = tinyRun(folder(), { saveSteps: 1, keepCheckpoints: 9 });
    let mend = () => {};
    const { events, error } = await spoiled(options, ({ model }, event) => {
      if (event.type === "warning") mend();
      if (event.type !== "checkpoint" || event.step !== 2) return;
      const weight = toHost(model!.layers[1]!.inputNorm.weight);
      const before = weight[3]!;
      weight[3] = Number.NaN;
      mend = () => {
        weight[3] = before;
      };
    });
    expect(error).toBeUndefined();
    expect(of(events, "step").map(({ skipped }) => skipped)).toEqual([false, false, true, false, false, false]);
    const saved = (step: number) => readCheckpoint(join(options.output, `checkpoints/step-${step}`));
    expect(saved(3).weights).toEqual(saved(2).weights);
    expect(saved(3).optimizer).toEqual(saved(2).optimizer);
    expect(saved(3).state).toMatchObject({ step: 3, optimizerSteps: 2 });
    expect(saved(4).weights).not.toEqual(saved(2).weights);
  });

  test("three in a row stop the run on the last good checkpoint, which a mended run continues", async () => {
    const options = tinyRun(folder(), { saveSteps: 2, maxSteps: 9 });
    const { events, error } = await spoiled(options, ({ model }, event) => {
      if (event.type === "step" && event.step === 5) toHost(model!.layers[1]!.inputNorm.weight)[3] = Number.NaN;
    });
    expect(error).toMatchObject({
      code: "NON_FINITE",
      message: expect.stringMatching(/^3 steps in a row \(6 to 8\).*the last checkpoint is step 6/),
    });
    const warnings = of(events, "warning").map(({ message }) => message);
    expect(warnings[0]).toMatch(
      /^step 6: the loss is not finite, first bad tensor: model.layers.1.input_layernorm.weight; the step was not applied \(pass 1 of 2, .*data.jsonl:\d+, .*data.jsonl:\d+\)/,
    );
    expect(of(events, "step").map(({ skipped }) => skipped)).toEqual([
      false,
      false,
      false,
      false,
      false,
      true,
      true,
      true,
    ]);
    // Raw values are in the log, and the weights of the checkpoint are those of the last step that was applied.
    const log = readFileSync(join(options.output, "log.jsonl"), "utf8").trim().split("\n");
    expect(JSON.parse(log.at(-1)!)).toMatchObject({ step: 8, loss: "NaN", skipped: true });
    const saved = readCheckpoint(join(options.output, "checkpoints/step-6"));
    expect(saved.state).toMatchObject({ step: 6, optimizerSteps: 5 });
    for (const values of saved.weights.values()) expect(values.every(Number.isFinite)).toBe(true);
    const again = await train({ ...options, resume: "auto" });
    expect(again.at(-1)).toMatchObject({ type: "done", steps: 9 });
  });

  test("a bad gradient alone is named too", async () => {
    const options = tinyRun(folder(), { loraDropout: 0, learningRate: 1e-3 });
    const { events } = await spoiled(options, ({ model }, event) => {
      if (event.type === "step" && event.step === 2) toHost(model!.layers[0]!.q.adapter!.a).fill(3e38);
    });
    expect(of(events, "warning")[0]?.message).toMatch(/step 3: the (loss|gradient of .*) is not finite/);
  });

  test("weights that are not finite never become a checkpoint", async () => {
    const options = tinyRun(folder(), { saveSteps: 2 });
    const { error } = await spoiled(options, ({ model }, event) => {
      if (event.type === "step" && event.step === 4)
        toHost(model!.layers[0]!.q.adapter!.b)[5] = Number.POSITIVE_INFINITY;
    });
    expect(error).toMatchObject({
      code: "NON_FINITE",
      message: expect.stringMatching(
        /checkpoint of step 4 was not written, because model.layers.0.self_attn.q_proj.lora_B.weight is not finite; step 2 is kept/,
      ),
    });
    expect(checkpointSteps(join(options.output, "checkpoints"))).toEqual([2]);
    expect(existsSync(join(options.output, "adapter_model.safetensors"))).toBe(false);
  });

  test("a base model with a NaN in its embedding is told apart from a diverged one", async () => {
    const dir = folder();
    const options = tinyRun(dir, { heldOut: 0 });
    const bad = join(dir, "bad");
    cpSync(options.model, bad, { recursive: true });
    using file = openSafetensors(join(options.model, "model.safetensors"));
    const tensors = [...file.tensors.values()].map(({ name, dtype, shape }) => {
      const data = file.read(name);
      if (name === "model.embed_tokens.weight") new Uint16Array(data.buffer).fill(0x7fc0);
      return { name, dtype, shape, data };
    });
    writeSafetensors(join(bad, "model.safetensors"), tensors);
    const { events, error } = await spoiled({ ...options, model: bad }, () => {});
    expect(error?.message).toMatch(/first bad tensor: model.embed_tokens.weight; /);
    expect(of(events, "step")).toHaveLength(3);
  });
});

describe("loss spikes", () => {
  const spiky = (dir: string) =>
    tinyRun(dir, {
      maxSteps: 14,
      spikeWindow: 8,
      spikeThreshold: 8,
      learningRate: 1e-4,
      saveSteps: 1,
      keepCheckpoints: 99,
    });
  const spike = ({ model }: Trainer, event: TrainEvent) => {
    const weight = model && toHost(model.norm.weight);
    if (event.type === "step" && event.step === 10) for (let i = 0; i < weight!.length; i++) weight![i]! *= 30;
    if (event.type === "step" && event.step === 11) for (let i = 0; i < weight!.length; i++) weight![i]! /= 30;
  };

  test("a step far above the last ones is not applied, when asked for", async () => {
    const { events, error } = await spoiled(spiky(folder()), spike);
    expect(error).toBeUndefined();
    expect(
      of(events, "step")
        .filter(({ skipped }) => skipped)
        .map(({ step }) => step),
    ).toEqual([11]);
    expect(of(events, "warning")[0]?.message).toMatch(
      /step 11: its (loss|gradient norm) is [\d.]+ standard deviations above the last 8 steps/,
    );
  });
  test("and is applied by default", async () => {
    const { events } = await spoiled({ ...spiky(folder()), spikeThreshold: 0 }, spike);
    expect(of(events, "step").some(({ skipped }) => skipped)).toBe(false);
  });
});

describe("held-out loss", () => {
  // A learning rate this high makes things worse after a few steps.
  const rough = (dir: string, options: Partial<TrainOptions> = {}) =>
    tinyRun(dir, { maxSteps: 30, evalSteps: 2, saveSteps: 0, learningRate: 0.3, ...options });

  test("the best checkpoint is kept apart, and is an adapter", async () => {
    const options = rough(folder(), { maxSteps: 16 });
    // From step 8 on the model is far worse, in whatever arithmetic.
    const { events } = await spoiled(options, ({ model }, event) => {
      const weight = model && toHost(model.norm.weight);
      if (event.type === "step" && event.step === 8) for (let i = 0; i < weight!.length; i++) weight![i]! *= 30;
    });
    const evaluations = of(events, "evaluation").filter(({ step }) => step > 0);
    const best = evaluations.reduce((a, b) => (b.loss < a.loss ? b : a));
    expect(best.step).toBeLessThan(16);
    expect(events.at(-1)).toMatchObject({
      best: { step: best.step, loss: best.loss },
      files: { "best checkpoint": join(options.output, `best/step-${best.step}`) },
    });
    expect(readdirSync(join(options.output, "best"))).toEqual([`step-${best.step}`]);
    const dir = join(options.output, `best/step-${best.step}`);
    const { adapters } = readPeftAdapter(dir);
    const { weights } = readCheckpoint(dir);
    for (const [name, { a }] of adapters) expect(weights.get(`${name}.lora_A.weight`)).toEqual(a);
  });

  test("early stopping ends a run that no longer improves, at the same step after a resume", async () => {
    const dir = folder();
    const options = rough(dir, { earlyStopping: 3, saveSteps: 1, keepCheckpoints: 99 });
    const events = await train(options);
    const done = events.at(-1) as Extract<TrainEvent, { type: "done" }>;
    expect(done.stoppedEarly).toBe(true);
    expect(done.steps).toBe(done.best!.step + 6);
    for (const step of [done.steps - 1, done.steps - 3, done.steps]) {
      const output = join(dir, `from-${step}`);
      await train({ ...options, output, saveSteps: 0, resume: join(options.output, `checkpoints/step-${step}`) });
      expect(result(output, done.steps).log).toEqual(result(options.output, done.steps).log);
      expect(result(output, done.steps).adapter).toEqual(result(options.output, done.steps).adapter);
    }
  });
});

describe("stopping", () => {
  test("an AbortSignal: the last finished step is saved, and the run that continues is the same", async () => {
    const dir = folder();
    const options = tinyRun(dir, { saveSteps: 0, evalSteps: 2 });
    await train(options);
    const expected = result(options.output, 6);
    for (const at of ["evaluation", "step", "evaluating"] as const) {
      const output = join(dir, at);
      const stop = new AbortController();
      const events = await train({ ...options, output }, stop.signal, (event) => {
        if (
          event.type === at &&
          (event.type === "evaluating"
            ? output &&
              existsSync(join(output, "log.jsonl")) &&
              readFileSync(join(output, "log.jsonl"), "utf8").includes('"step":2')
            : event.step === 2)
        )
          stop.abort();
      });
      expect(events.at(-1)).toEqual({ type: "stopped", step: 2 });
      await train({ ...options, output, resume: "auto" });
      expect(result(output, 6)).toEqual(expected);
    }
  });

  test("before the first step nothing is saved", async () => {
    const options = tinyRun(folder());
    const stop = new AbortController();
    stop.abort();
    expect((await train(options, stop.signal)).at(-1)).toEqual({ type: "stopped", step: 0 });
    expect(existsSync(join(options.output, "checkpoints"))).toBe(false);
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s saves and exits %d within 10 s; then --resume auto goes on", async (signal, code) => {
    const dir = folder();
    makeModel(join(dir, "model"), { hidden: 256, intermediate: 1024, layers: 8, heads: 4, kvHeads: 4 });
    const options = tinyRun(dir, { saveSteps: 0, maxSteps: 400, batchSize: 8, gradientAccumulation: 8 });
    const ended = await trainAndWatch(options, (event, kill) => {
      if (event.type === "step" && event.step === 2) kill(signal);
    });
    expect(ended.status).toBe(code);
    expect(ended.seconds).toBeLessThan(10);
    expect(ended.events.at(-1)).toMatchObject({ type: "stopped" });
    const [newest] = checkpointSteps(join(options.output, "checkpoints"));
    expect(newest).toBeGreaterThanOrEqual(2);
    const events = await train({ ...options, maxSteps: newest! + 1, resume: "auto" });
    expect(of(events, "resumed")).toMatchObject([{ step: newest }]);
  });

  test("a second signal ends it at once", async () => {
    const dir = folder();
    makeModel(join(dir, "model"), { hidden: 256, intermediate: 1024, layers: 8, heads: 4, kvHeads: 4 });
    const ended = await trainAndWatch(
      tinyRun(dir, { saveSteps: 0, maxSteps: 400, batchSize: 8, gradientAccumulation: 8 }),
      (event, kill) => {
        if (event.type !== "step" || event.step !== 2) return;
        kill("SIGTERM");
        setTimeout(() => kill("SIGTERM"), 1);
      },
    );
    expect(ended.status).toBe(143);
    expect(ended.seconds).toBeLessThan(5);
  });

  test("a folder in use is refused to a second run, and free once the first was killed", async () => {
    const dir = folder();
    const options = tinyRun(dir, { maxSteps: 2000, saveSteps: 1 });
    let refused: Promise<unknown> | undefined;
    await trainAndWatch(options, (event, kill) => {
      if (event.type !== "checkpoint" || refused) return;
      refused = train({ ...options, resume: "auto" }).then(
        () => "ran",
        (error: { code: string }) => error.code,
      );
      void refused.finally(() => kill("SIGKILL"));
    });
    expect(await refused).toBe("OUTPUT_LOCKED");
    const [newest] = checkpointSteps(join(options.output, "checkpoints"));
    expect((await train({ ...options, maxSteps: newest!, resume: "auto" })).at(-1)).toMatchObject({ type: "done" });
  });
});

test("event files hold what the log holds, and are written anew by a resumed run", async () => {
  const options = tinyRun(folder(), { tensorboard: true, evalSteps: 2 });
  await train(options);
  await train({ ...options, resume: join(options.output, "checkpoints/step-4") });
  const files = readdirSync(options.output).filter((name) => name.includes("tfevents"));
  expect(files).toHaveLength(1);
  const scalars = readEvents(readFileSync(join(options.output, files[0]!)));
  const log = readFileSync(join(options.output, "log.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { step: number; loss?: number; heldOutLoss?: number });
  const expected = (tag: "loss" | "heldOutLoss") =>
    log.flatMap((entry) => (entry[tag] === undefined ? [] : [[entry.step, Math.fround(entry[tag])]]));
  for (const tag of ["loss", "heldOutLoss"] as const)
    expect(scalars.filter((x) => x.tag === tag).map(({ step, value }) => [step, value])).toEqual(expected(tag));
});

/** An independent reader of what this package writes: records, then the fields of the protocol buffers. */
function readEvents(bytes: Buffer): { tag: string; step: number; value: number }[] {
  const out: { tag: string; step: number; value: number }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    const event = bytes.subarray(at + 12, at + 12 + length);
    at += 16 + length;
    const step = event[10]!; // 1: wall time (9 bytes), 2: step, below 128 here
    if (event[11] !== 0x2a) continue;
    const tagLength = event[16]!;
    out.push({ tag: event.toString("utf8", 17, 17 + tagLength), step, value: event.readFloatLE(18 + tagLength) });
  }
  expect(bytes.length).toBeGreaterThan(0);
  return out;
}
