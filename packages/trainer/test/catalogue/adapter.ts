// 300 bad adapters as PEFT would write them.
import { readPeftAdapter } from "@qlora/lora";
import { cause, type Files, type Format, nth, otherThan, round, safetensors } from "./bad-file.js";

const module = "model.layers.0.self_attn.q_proj";
const modules = new Map([[module, { inFeatures: 4, outFeatures: 3 }]]);
const peft = { peft_type: "LORA", r: 2, lora_alpha: 4, target_modules: ["q_proj"] };
const half = (letter: string, path = module) => `base_model.model.${path}.lora_${letter}.weight`;

interface Tensor {
  name: string;
  shape: number[];
  dtype?: string;
}
const pair = (a: number[], b: number[], path = module): Tensor[] => [
  { name: half("A", path), shape: a },
  { name: half("B", path), shape: b },
];
const good = pair([2, 4], [3, 2]);

/** A folder with these tensors, filled with `value`, and this configuration. */
function adapter(tensors: readonly Tensor[], change: object = {}, value = 0.5): Files {
  const header: Record<string, object> = {};
  let at = 0;
  for (const { name, shape, dtype = "F32" } of tensors) {
    const bytes = shape.reduce((x, y) => x * y, 1) * 4;
    header[name] = { dtype, shape, data_offsets: [at, at + bytes] };
    at += bytes;
  }
  return {
    "adapter_config.json": JSON.stringify({ ...peft, ...change }),
    "adapter_model.safetensors": safetensors(
      JSON.stringify(header),
      new Uint8Array(new Float32Array(at / 4).fill(value).buffer),
    ),
  };
}
const text = (config: string): Files => ({ ...adapter(good), "adapter_config.json": config });
const typed: [string, unknown[]][] = [
  ["r", [0, -1, 1.5, ...otherThan("number", "null")]],
  ["lora_alpha", otherThan("number", "null")],
  ["lora_dropout", [1, -0.1, "0.1", []]],
  ["use_rslora", otherThan("boolean", "null")],
  ["rank_pattern", [7, "x", [1], { a: 0 }, { a: "1" }, { a: 1.5 }]],
  ["alpha_pattern", [7, "x", [1], { a: "1" }, { a: null }]],
  ["target_modules", [7, { a: 1 }, [1], [null]]],
  ["layers_to_transform", ["x", -1, 1.5, [-1], {}]],
];
const unsupported = {
  use_dora: true,
  bias: "all",
  modules_to_save: ["x"],
  fan_in_fan_out: true,
  peft_type: "IA3",
  init_lora_weights: "pissa",
  lora_bias: true,
  target_parameters: ["x"],
};

export const adapters: Format = {
  name: "adapter",
  read: (dir) => void readPeftAdapter(dir, { modules }),
  causes: [
    cause("NOT_FOUND", 10, (i) =>
      nth<Files>(
        [{ x: "" }, { "adapter_config.json": "{}", x: "" }, { "adapter_model.safetensors": "" }],
        i % 3 === 1 ? 0 : i,
      ),
    ),
    cause("JSON", 40, (i) => text(nth(["{", "[]", "null", `${i}`, "", '{"r":}'], i))),
    cause("FIELD_MISSING", 10, (i) => adapter(good, { peft_type: undefined, note: i })),
    cause("FIELD_TYPE", 60, (i) =>
      adapter(good, { [nth(typed, i)[0]]: nth(nth(typed, i)[1], round(typed, i)), note: i }),
    ),
    cause("UNSUPPORTED", 40, (i) =>
      adapter(good, { ...Object.fromEntries([nth(Object.entries(unsupported), i)]), note: i }),
    ),
    cause("UNKNOWN_TENSOR", 30, (i) =>
      adapter([
        ...good,
        { name: nth([`x${i}`, half("C"), `base_model.model.${module}.bias`, half("embedding_A")], i), shape: [2] },
      ]),
    ),
    cause("HALF_MISSING", 20, (i) => adapter(i % 3 ? [good[i % 2]!] : [], { note: i })),
    cause("SHAPE", 30, (i) =>
      adapter(nth([pair([2, 4], [3, 3 + i]), pair([2], [3, 2]), pair([2, 4], [3, 2, 1]), pair([0, 4], [3, 0])], i)),
    ),
    cause("RANK_MISMATCH", 20, (i) => adapter(good, nth([{ r: 3 + i }, { rank_pattern: { q_proj: 4 + i } }], i))),
    cause("NON_FINITE", 20, (i) => adapter(good, { note: i }, nth([Number.NaN, Infinity, -Infinity], i))),
    cause("BASE_MISMATCH", 20, (i) =>
      adapter(
        nth([pair([2, 5 + i], [3, 2]), pair([2, 4], [4 + i, 2]), pair([2, 4], [3, 2], `model.layers.${1 + i}.x`)], i),
      ),
    ),
    cause("PATTERN", 6, (i) =>
      adapter(pair([2, 4], [3, 2], `${"a".repeat(40)}.x`), {
        rank_pattern: nth<object>([{ "(a+)+$": 2 }, { "(": 2 }, { "[a": 2 }], i),
      }),
    ),
  ],
};
