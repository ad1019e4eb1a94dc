// Logits, gradients and fifty steps of training beside PyTorch + transformers + PEFT on the same dequantised weights.
//
// With a Python that has them (see README.md) the reference is computed anew; otherwise the committed one in golden/ is used.
// `UPDATE_GOLDEN=1` with such a Python rewrites golden/.
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readPeftAdapter, writePeftAdapter } from "@qlora/lora";
import { AdamW, gradNorm } from "@qlora/paged-optim";
import { openSafetensors, toFloat32 } from "@qlora/safetensors";
import { accumulate, attachAdapter } from "@qlora/trainer";
import { adapters, loadModel, type Model, Runner, toHost, trainables, zero } from "@qlora/transformer";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { logitsDifference } from "../src/logits.js";
import { findPython, runPython } from "../src/python.js";
import {
  adaptedModel,
  adapterConfig,
  type Case,
  learningRate,
  makeRequest,
  maxGradNorm,
  type Request,
  writeRequest,
} from "../src/request.js";

/** Largest difference of a logit: f32 sums in another order over a few layers. */
const LOGITS = 1e-4;
/** Relative Frobenius error of an adapter's gradient. */
const GRADIENT = 1e-4;
/** Difference of the loss at any of fifty steps. */
const LOSS = 1e-3;

const root = join(import.meta.dirname, "../..");
const shared = process.env.QLORA_SHARED ?? join(root, "../shared");
const quickstart = join(root, "examples/quickstart");
const cases: Case[] = [
  {
    name: "base-model",
    model: join(quickstart, "base-model"),
    data: join(quickstart, "data/train.jsonl"),
    template: "guanaco",
  },
  {
    name: "stories260K",
    model: join(shared, "models/stories260K"),
    data: join(shared, "data/alpaca_en_demo.json"),
    template: "guanaco",
  },
];

const python = findPython();
if (!python) console.warn("No Python with torch, transformers and peft: comparing with the committed reference values");

describe.each(cases)("$name", (item) => {
  const golden = join(import.meta.dirname, "../golden", item.name);
  if (!existsSync(item.model)) {
    console.warn(`SKIPPED: ${item.model} is not there`);
    test.skip("its model is not there");
    return;
  }
  const work = mkdtempSync(join(tmpdir(), "conformance-"));
  let reference = golden;
  let request: Request;
  let model: Model;
  let losses: number[];
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  beforeAll(() => {
    model = adaptedModel(item);
    request = makeRequest(item);
    if (!python) return;
    writeRequest(work, item, request, model);
    const trained = adaptedModel(item);
    train(trained, request);
    writePeftAdapter(join(work, "ours"), adapters(trained), adapterConfig);
    runPython(python, [join(import.meta.dirname, "../training_golden.py"), work]);
    reference = work;
    if (process.env.UPDATE_GOLDEN)
      for (const name of [
        "logits.safetensors",
        "gradients.safetensors",
        "result.json",
        "trained",
        "trained-logits.safetensors",
      ])
        cpSync(join(work, name), join(golden, name), { recursive: true });
  });

  test("logits", () => {
    expect(logitsDifference(model, request.prompts, join(reference, "logits.safetensors"))).toBeLessThan(LOGITS);
  });

  test("every adapter gradient of the first step", () => {
    const parameters = trainables(model);
    for (const { grad } of parameters) zero(grad);
    pass(model, request, 0);
    using file = openSafetensors(join(reference, "gradients.safetensors"));
    expect(file.tensors.size).toBe(parameters.length);
    for (const { name, grad } of parameters) {
      const [values, expected] = [toHost(grad), toFloat32(file.read(name), "F32")];
      let [error, norm] = [0, 0];
      for (let i = 0; i < expected.length; i++) {
        error += (values[i]! - expected[i]!) ** 2;
        norm += expected[i]! ** 2;
      }
      expect(Math.sqrt(error / norm), name).toBeLessThan(GRADIENT);
    }
  });

  test("the loss of fifty steps", () => {
    losses = train(model, request);
    const expected = JSON.parse(readFileSync(join(reference, "result.json"), "utf8")).losses as number[];
    expect(losses).toHaveLength(expected.length);
    for (const [step, loss] of losses.entries())
      expect(Math.abs(loss - expected[step]!), `step ${step}`).toBeLessThan(LOSS);
    expect(losses.at(-1)).toBeLessThan(losses[0]!);
  });

  test("an adapter written by PEFT gives PEFT's logits here", () => {
    const fresh = loadModel(item.model, { precision: "nf4" });
    attachAdapter(fresh, join(reference, "trained"));
    expect(logitsDifference(fresh, request.prompts, join(reference, "trained-logits.safetensors"))).toBeLessThan(
      LOGITS,
    );
  });

  test.skipIf(!python)("an adapter written here gives our logits in PEFT", () => {
    const fresh = loadModel(item.model, { precision: "nf4" });
    attachAdapter(fresh, join(work, "ours"));
    expect(readPeftAdapter(join(work, "ours")).adapters.size).toBe(adapters(fresh).size);
    expect(logitsDifference(fresh, request.prompts, join(work, "ours-logits.safetensors"))).toBeLessThan(LOGITS);
  });
});

function pass(model: Model, request: Request, step: number): { nll: number; targets: number } {
  const examples = request.steps[step]!.map(({ ids, labels }, example) => ({
    ids: Int32Array.from(ids),
    labels: Int32Array.from(labels),
    example,
  }));
  const passes = accumulate(new Runner(model), [examples.slice(0, 2), examples.slice(2)], {
    checkpointing: true,
    dropout: 0,
    seed: 0,
    step,
  });
  for (;;) {
    const next = passes.next();
    if (next.done) return next.value;
  }
}

function train(model: Model, request: Request): number[] {
  const parameters = trainables(model);
  const optimizer = new AdamW(parameters, { lr: learningRate });
  return request.steps.map((_, step) => {
    for (const { grad } of parameters) zero(grad);
    const { nll, targets } = pass(model, request, step);
    optimizer.step({ maxNorm: maxGradNorm, gradNorm: gradNorm(parameters) });
    return nll / targets;
  });
}
