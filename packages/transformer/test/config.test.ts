// config.json: what is understood, and one clear line for what is not.
import { describe, expect, test } from "vitest";
import { parseModelConfig } from "../src/index.js";
import { json } from "./model-folder.js";

test("reads a LLaMA config", () => {
  expect(parseModelConfig(json)).toMatchObject({
    hiddenSize: 64,
    layers: 2,
    heads: 4,
    kvHeads: 2,
    headDim: 16,
    tiedHead: false,
    eosTokenIds: [2],
    dtype: "bfloat16",
  });
});

test("reads rope scaling in the old and the new place", () => {
  const llama3 = {
    rope_type: "llama3",
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  };
  const expected = { type: "llama3", factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: 8192 };
  expect(parseModelConfig({ ...json, rope_theta: 500000, rope_scaling: llama3 })).toMatchObject({
    ropeTheta: 500000,
    ropeScaling: expected,
  });
  const { rope_theta: _, ...rest } = json;
  expect(parseModelConfig({ ...rest, rope_parameters: { ...llama3, rope_theta: 500000 } })).toMatchObject({
    ropeTheta: 500000,
    ropeScaling: expected,
  });
  expect(parseModelConfig({ ...json, rope_scaling: { type: "linear", factor: 2 } }).ropeScaling).toEqual({
    type: "linear",
    factor: 2,
  });
  expect(parseModelConfig({ ...json, rope_scaling: null }).ropeScaling).toBeUndefined();
});

describe("refuses, naming the field", () => {
  test.each([
    [{ architectures: ["GPT2LMHeadModel"] }, "ARCH_UNSUPPORTED", /GPT2LMHeadModel.*LlamaForCausalLM/],
    [{ architectures: undefined, model_type: "mamba" }, "ARCH_UNSUPPORTED", /mamba/],
    [{ hidden_size: undefined }, "FIELD_MISSING", /hidden_size is missing/],
    [{ hidden_size: "64" }, "FIELD_RANGE", /hidden_size.*"64"/],
    [{ num_hidden_layers: 1.5 }, "FIELD_RANGE", /num_hidden_layers.*1.5/],
    [{ num_attention_heads: 5 }, "FIELD_RANGE", /hidden_size 64.*num_attention_heads 5/],
    [{ num_key_value_heads: 3 }, "FIELD_RANGE", /num_key_value_heads 3/],
    [{ attention_bias: true }, "ARCH_UNSUPPORTED", /attention_bias/],
    [{ hidden_act: "gelu" }, "ARCH_UNSUPPORTED", /gelu/],
    [{ sliding_window: 16 }, "ARCH_UNSUPPORTED", /sliding_window/],
    [{ rope_scaling: { rope_type: "yarn", factor: 4 } }, "ARCH_UNSUPPORTED", /yarn/],
    [{ rope_scaling: { rope_type: "llama3", factor: 4 } }, "FIELD_MISSING", /low_freq_factor/],
    [{ torch_dtype: "float8" }, "FIELD_RANGE", /float8/],
  ])("%j", (edit, code, message) => {
    expect(() => parseModelConfig({ ...json, ...edit }, "x/config.json")).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});
