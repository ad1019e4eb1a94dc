// 4-bit folders between here and transformers with bitsandbytes, both ways.
//
// With a Python that has them (see README.md) they are asked anew; otherwise the committed answers in golden/ are used.
// `UPDATE_GOLDEN=1` with such a Python rewrites them.
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBitsandbytes } from "@qlora/nf4";
import { openCheckpoint } from "@qlora/safetensors";
import { loadModel, quantizeModel, saveModel } from "@qlora/transformer";
import { afterAll, beforeAll, expect, test } from "vitest";
import { logitsDifference } from "../src/logits.js";
import { findPython, runPython } from "../src/python.js";

/** Largest difference of a logit: f32 sums in another order over a few layers. */
const LOGITS = 1e-4;
/** Relative difference of the mean of a weight's scales, which PyTorch sums in f32, in an order that depends on the device. */
const OFFSET = 1e-6;

const python = findPython("bitsandbytes");
if (!python)
  console.warn("No Python with torch, transformers, peft and bitsandbytes: comparing with the committed answers");

const base = join(import.meta.dirname, "../../examples/quickstart/base-model");
const golden = join(import.meta.dirname, "../golden/bitsandbytes");
const work = mkdtempSync(join(tmpdir(), "conformance-"));
const [full, ours] = [join(work, "full"), join(work, "ours")];
const prompts = [[0, ...Array.from("The quick brown fox", (c) => c.charCodeAt(0))]];
const reference = python ? work : golden;
afterAll(() => rmSync(work, { recursive: true, force: true }));

beforeAll(() => {
  saveModel(loadModel(base), base, full, "F32");
  quantizeModel(full, ours);
  if (!python) return;
  writeFileSync(join(work, "request.json"), JSON.stringify({ full, ours, prompts }));
  runPython(python, [join(import.meta.dirname, "../bitsandbytes_golden.py"), work]);
  if (!process.env.UPDATE_GOLDEN) return;
  mkdirSync(golden, { recursive: true });
  for (const name of ["logits.safetensors", "result.json"]) cpSync(join(work, name), join(golden, name));
});

test("a folder written here has our logits in bitsandbytes", () => {
  expect(logitsDifference(loadModel(ours), prompts, join(reference, "logits.safetensors"))).toBeLessThan(LOGITS);
});

test("bitsandbytes gives the same weights the same codes, and scales of the same mean", () => {
  const { weights } = JSON.parse(readFileSync(join(reference, "result.json"), "utf8"));
  using file = openCheckpoint(ours);
  const get = (key: string) => {
    const entry = file.tensors.get(key);
    return entry && { ...entry, data: file.read(key) };
  };
  const found = [...file.tensors.keys()].filter((key) => key.endsWith("_proj.weight")).sort();
  expect(found).toEqual(Object.keys(weights));
  for (const name of found) {
    const { codes, nested } = fromBitsandbytes(name.replace(/\.weight$/, ""), get);
    expect(createHash("sha256").update(codes).digest("hex"), name).toBe(weights[name].codes);
    expect(Math.abs(nested!.offset / weights[name].offset - 1), name).toBeLessThan(OFFSET);
  }
});

test.skipIf(!python)("a folder written by transformers and bitsandbytes is read here as ours is", () => {
  expect(logitsDifference(loadModel(join(work, "theirs")), prompts, join(work, "logits.safetensors"))).toBeLessThan(
    LOGITS,
  );
});
