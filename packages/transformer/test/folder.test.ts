// Model folders read and written: precisions, bitsandbytes' layout, merging, and damage.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openSafetensors, writeSafetensors } from "@qlora/safetensors";
import { describe, expect, test } from "vitest";
import {
  adapters,
  generate,
  loadModel,
  type Model,
  mergeModel,
  quantizeModel,
  Runner,
  saveModel,
  sequenceBatch,
} from "../src/index.js";
import { type Precision, toFloat32 } from "../src/weight.js";
import { adapted } from "./adapted.js";
import { distance } from "./distance.js";
import { modelFolder } from "./model-folder.js";

const ids = [1, 5, 9, 20, 33, 47];
const logits = (model: Model) => new Runner(model).logits(sequenceBatch(ids));

describe("precisions: relative error of normal weights, as known for each codec", () => {
  const dir = modelFolder();
  const weight = (precision: Precision) => toFloat32(loadModel(dir, { precision }).layers[1]!.gate.weight);
  const exact = weight("f32");
  // Root mean square error on N(0, 1), block 64: NF4 0.0919, bitsandbytes' FP4 0.1219; int8: absmax/127/√12, absmax about 2.4.
  test.each([
    ["bf16", 0, 0],
    ["int8", 0.0045, 0.0065],
    ["nf4", 0.086, 0.097],
    ["fp4", 0.115, 0.129],
  ] as const)("%s", (precision, least, most) => {
    const error = distance(weight(precision), exact);
    expect(error).toBeGreaterThanOrEqual(least);
    expect(error).toBeLessThanOrEqual(most);
  });
});

test("f16 and f32 checkpoints load to what they hold", () => {
  const bf16 = logits(loadModel(modelFolder(), { precision: "f32" }));
  const f16 = logits(loadModel(modelFolder({ torch_dtype: "float16" }, "F16"), { precision: "f32" }));
  const f32 = logits(loadModel(modelFolder({ torch_dtype: "float32" }, "F32"), { precision: "f32" }));
  expect(distance(f16, f32)).toBeLessThan(1e-3);
  expect(distance(bf16, f32)).toBeLessThan(1e-2);
});

test("a 4-bit folder has bitsandbytes' keys and computes what nf4 does", () => {
  const dir = modelFolder();
  const out = `${dir}-nf4`;
  const { before, after } = quantizeModel(dir, out);
  expect(after).toBeLessThan(before);
  using file = openSafetensors(join(out, "model.safetensors"));
  const name = "model.layers.0.self_attn.k_proj.weight";
  const shape = (key: string) => [file.tensors.get(key)!.dtype, ...file.tensors.get(key)!.shape];
  expect(shape(name)).toEqual(["U8", 1024, 1]);
  expect(shape(`${name}.absmax`)).toEqual(["U8", 32]);
  expect(shape(`${name}.quant_map`)).toEqual(["F32", 16]);
  expect(shape(`${name}.nested_absmax`)).toEqual(["F32", 1]);
  expect(shape(`${name}.nested_quant_map`)).toEqual(["F32", 256]);
  expect(JSON.parse(Buffer.from(file.read(`${name}.quant_state.bitsandbytes__nf4`)).toString())).toMatchObject({
    quant_type: "nf4",
    blocksize: 64,
    dtype: "bfloat16",
    shape: [32, 64],
    nested_blocksize: 256,
    nested_dtype: "float32",
  });
  expect(file.tensors.get("model.embed_tokens.weight")).toMatchObject({ dtype: "BF16", shape: [96, 64] });
  const { quantization_config } = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
  expect(quantization_config).toMatchObject({
    quant_method: "bitsandbytes",
    bnb_4bit_quant_type: "nf4",
    bnb_4bit_use_double_quant: true,
  });
  // transformers refuses 6 where it expects 6.0, and JSON has no other way to say it here.
  expect(quantization_config).not.toHaveProperty("llm_int8_threshold");
  expect(logits(loadModel(out))).toEqual(logits(loadModel(dir, { precision: "nf4" })));
  expect(() => quantizeModel(out, `${out}-again`)).toThrow(/already in 4 bits/);
  expect(existsSync(`${out}-again`)).toBe(false);
});

test("merging gives the adapted model, on the base as it is or through the codec", () => {
  const dir = modelFolder({ torch_dtype: "float32" }, "F32");
  for (const [precision, through] of [
    ["f32", undefined],
    ["nf4", { codebook: "nf4", blockSize: 64, doubleQuant: true }],
  ] as const) {
    const model = adapted(loadModel(dir, { precision }));
    const merged = `${dir}-merged-${precision}`;
    mergeModel(dir, adapters(model), merged, through);
    expect(distance(logits(loadModel(merged, { precision: "f32" })), logits(model))).toBeLessThan(1e-5);
  }
});

test("saving and loading in full gives the same model", () => {
  const dir = modelFolder();
  const model = loadModel(dir, { precision: "f32" });
  saveModel(model, dir, `${dir}-copy`);
  expect(logits(loadModel(`${dir}-copy`, { precision: "f32" }))).toEqual(logits(model));
});

describe("damage", () => {
  const rewrite = (
    dir: string,
    edit: (tensors: Map<string, { dtype: "BF16"; shape: number[]; data: Uint8Array }>) => void,
  ) => {
    const path = join(dir, "model.safetensors");
    const tensors = new Map<string, { dtype: "BF16"; shape: number[]; data: Uint8Array }>();
    {
      using file = openSafetensors(path);
      for (const { name, shape } of file.tensors.values())
        tensors.set(name, { dtype: "BF16", shape, data: file.read(name) });
    }
    edit(tensors);
    writeSafetensors(
      path,
      Array.from(tensors, ([name, tensor]) => ({ name, ...tensor })),
    );
  };

  test("a missing tensor is named", () => {
    const dir = modelFolder();
    rewrite(dir, (tensors) => tensors.delete("model.layers.1.mlp.up_proj.weight"));
    expect(() => loadModel(dir)).toThrow(
      expect.objectContaining({
        code: "TENSOR_MISSING",
        message: expect.stringMatching(/model\.layers\.1\.mlp\.up_proj\.weight is missing.*\[128,64\]/),
      }),
    );
  });

  test("a shape that disagrees names both sides", () => {
    const dir = modelFolder({ intermediate_size: 96 });
    expect(() => loadModel(dir)).toThrow(
      expect.objectContaining({
        code: "SHAPE_DISAGREES",
        message: expect.stringMatching(/shape \[128,64\].*asks for \[96,64\]/),
      }),
    );
  });

  test("no config.json, or one that is not JSON", () => {
    const dir = modelFolder();
    writeFileSync(join(dir, "config.json"), "{");
    expect(() => loadModel(dir)).toThrow(expect.objectContaining({ code: "CONFIG_JSON" }));
    mkdirSync(`${dir}-empty`);
    expect(() => loadModel(`${dir}-empty`)).toThrow(expect.objectContaining({ code: "CONFIG_MISSING" }));
  });

  test("an output that holds files is left alone", () => {
    const dir = modelFolder();
    const before = readdirSync(dir);
    expect(() => quantizeModel(dir, dir)).toThrow(expect.objectContaining({ code: "OUTPUT_EXISTS" }));
    expect(readdirSync(dir)).toEqual(before);
  });
});

test("a prompt longer than the context is refused", () => {
  const model = loadModel(modelFolder());
  expect(() => [...generate(model, new Int32Array(65).fill(1))]).toThrow(
    expect.objectContaining({ code: "CONTEXT_EXCEEDED" }),
  );
  expect([...generate(model, new Int32Array(60).fill(1), { stopIds: [] })]).toHaveLength(5); // 64 positions, and one more id read off the last
});
