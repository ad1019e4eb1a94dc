// 1000 bad config.json, and weights that are not those that a config.json says.
import { loadModel, type ModelConfig, readModelConfig } from "@qlora/transformer";
import { cause, type Files, type Format, nth, otherThan, round, safetensors } from "./bad-file.js";

const good = {
  architectures: ["LlamaForCausalLM"],
  hidden_size: 4,
  intermediate_size: 6,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  vocab_size: 5,
  max_position_embeddings: 16,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
  torch_dtype: "float32",
};
const config = (change: object): Files => ({ "config.json": JSON.stringify({ ...good, ...change }) });
const needed = [
  "hidden_size",
  "intermediate_size",
  "num_hidden_layers",
  "num_attention_heads",
  "vocab_size",
  "max_position_embeddings",
];
const outOfRange = [0, -1, 1.5, 2 ** 40, ...otherThan("number", "null"), "12", 1e300, -0.5];

const scaling = (change: object) => ({
  rope_scaling: {
    rope_type: "llama3",
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8,
    ...change,
  },
});
const scalings = ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"];

export const configs: Format = {
  name: "config.json",
  read: (dir): ModelConfig => readModelConfig(dir),
  causes: [
    cause("CONFIG_MISSING", 10, (i) => ({ [`config-${i}.json`]: "{}" })),
    cause("CONFIG_JSON", 150, (i) => ({
      "config.json": nth(
        ["{", "[]", "null", `${i}`, '"x"', "", "{'a':1}", `{"a":${i},}`, "\0", "[".repeat(i * 100 + 1)],
        i,
      ),
    })),
    cause("FIELD_MISSING", 150, (i) => config({ [nth(needed, i)]: undefined, note: i })),
    cause("FIELD_MISSING", 50, (i) => config({ ...scaling({ [nth(scalings, i)]: undefined }), note: i })),
    cause("FIELD_RANGE", 250, (i) =>
      config({
        [nth([...needed, "rms_norm_eps", "head_dim", "rope_theta", "num_key_value_heads"], i)]: nth(
          otherThan("number", "null"),
          i,
        ),
        note: i,
      }),
    ),
    cause("FIELD_RANGE", 150, (i) => config({ [nth(needed, i)]: nth(outOfRange, round(needed, i)), note: i })),
    cause("FIELD_RANGE", 80, (i) =>
      config(
        nth(
          [
            { hidden_size: 5 + 2 * i },
            { num_key_value_heads: 3 + i },
            { head_dim: 2 * i + 1 },
            { torch_dtype: `int${i}` },
          ],
          i,
        ),
      ),
    ),
    cause("FIELD_RANGE", 60, (i) => config(scaling({ [nth(scalings, i)]: nth([0, -1, "8", {}], round(scalings, i)) }))),
    cause("ARCH_UNSUPPORTED", 100, (i) =>
      config(
        nth(
          [
            { architectures: [`Model${i}`] },
            { architectures: [] },
            { architectures: undefined, model_type: "bert" },
            { attention_bias: true },
            { mlp_bias: true },
            { hidden_act: "gelu" },
            { rope_scaling: { type: "yarn" } },
            { sliding_window: 4 },
          ],
          i,
        ),
      ),
    ),
  ],
};

const layer = "model.layers.0.";
const shapes: Record<string, number[]> = {
  "model.embed_tokens.weight": [5, 4],
  [`${layer}input_layernorm.weight`]: [4],
  [`${layer}self_attn.q_proj.weight`]: [4, 4],
  [`${layer}self_attn.k_proj.weight`]: [2, 4],
  [`${layer}self_attn.v_proj.weight`]: [2, 4],
  [`${layer}self_attn.o_proj.weight`]: [4, 4],
  [`${layer}post_attention_layernorm.weight`]: [4],
  [`${layer}mlp.gate_proj.weight`]: [6, 4],
  [`${layer}mlp.up_proj.weight`]: [6, 4],
  [`${layer}mlp.down_proj.weight`]: [4, 6],
  "model.norm.weight": [4],
};
/** The model's weights with one tensor changed; `undefined` leaves it out. */
function weights(
  i: number,
  change: (shape: number[], i: number) => { dtype: string; shape: number[] } | undefined,
): Files {
  const header: Record<string, object> = {};
  let at = 0;
  for (const [n, [tensor, shape]] of Object.entries(shapes).entries()) {
    const entry = n === i % 11 ? change(shape, round(Object.keys(shapes), i)) : { dtype: "F32", shape };
    if (!entry) continue;
    const bytes = entry.shape.reduce((a, b) => a * b, 1) * (/64/.test(entry.dtype) ? 8 : 4);
    header[tensor] = { ...entry, data_offsets: [at, at + bytes] };
    at += bytes;
  }
  return { ...config({}), "model.safetensors": safetensors(JSON.stringify(header), at) };
}

export const models: Format = {
  name: "model folder",
  read: (dir) => void loadModel(dir),
  causes: [
    cause("TENSOR_MISSING", 55, (i) => weights(i, () => undefined)),
    cause("SHAPE_DISAGREES", 110, (i) =>
      weights(i, (shape, k) => ({
        dtype: "F32",
        shape: k % 2 ? [...shape, 1 + k] : [shape[0]! + 1 + k, ...shape.slice(1)],
      })),
    ),
    cause("DTYPE_UNSUPPORTED", 55, (i) =>
      weights(i, (shape, k) => ({ dtype: nth(["I32", "F64", "I64", "U32", "U64"], k), shape })),
    ),
    cause("NOT_FOUND", 10, () => config({})),
  ],
};
