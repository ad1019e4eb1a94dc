// config.json of a LLaMA-family model in Hugging Face's layout, read strictly.
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { ModelError } from "./error.js";

/** RoPE frequency scaling as in Llama 3.1 (transformers `rope_type: "llama3"`), or linear interpolation. */
export type RopeScaling =
  | { type: "linear"; factor: number }
  | {
      type: "llama3";
      factor: number;
      lowFreqFactor: number;
      highFreqFactor: number;
      originalMaxPositions: number;
    };

/** The shape of a LLaMA-family decoder. Sizes are in elements. */
export interface ModelConfig {
  architecture: "LlamaForCausalLM" | "MistralForCausalLM";
  hiddenSize: number;
  intermediateSize: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  vocabSize: number;
  /** Longest sequence that the model was made for, in tokens. */
  maxPositions: number;
  normEps: number;
  ropeTheta: number;
  ropeScaling?: RopeScaling;
  /** The output projection is the embedding itself. */
  tiedHead: boolean;
  bosTokenId: number | undefined;
  eosTokenIds: number[];
  /** Dtype that the checkpoint declares for its 16- or 32-bit tensors. */
  dtype: "float32" | "float16" | "bfloat16";
}

/**
 * Reads `<dir>/config.json`.
 * @throws {ModelError} CONFIG_MISSING, CONFIG_JSON, ARCH_UNSUPPORTED, FIELD_MISSING or FIELD_RANGE, naming the field.
 */
export function readModelConfig(dir: string): ModelConfig {
  const path = join(dir, "config.json");
  if (!existsSync(path))
    throw new ModelError(
      "CONFIG_MISSING",
      `${path} does not exist; a model folder holds config.json, model.safetensors and tokenizer.json`,
    );
  let json: unknown;
  try {
    const { size } = statSync(path);
    if (size > maxBytes) throw new Error(`${size} bytes, at most ${maxBytes} are read`);
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new ModelError("CONFIG_JSON", `${path} is not JSON: ${(error as Error).message}`);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new ModelError("CONFIG_JSON", `${path} must hold a JSON object`);
  return parseModelConfig(json as Record<string, unknown>, path);
}

/** The same from a parsed object; `path` is only named in errors. */
export function parseModelConfig(json: Record<string, unknown>, path = "config.json"): ModelConfig {
  const field = new Fields(json, path);
  const architecture = architectureOf(json, path);
  const hiddenSize = field.size("hidden_size");
  const heads = field.size("num_attention_heads");
  const headDim = field.size("head_dim", Math.floor(hiddenSize / heads));
  const kvHeads = field.size("num_key_value_heads", heads);
  const maxPositions = field.size("max_position_embeddings");
  if (json.head_dim == null && hiddenSize % heads !== 0)
    throw new ModelError(
      "FIELD_RANGE",
      `${path}: hidden_size ${hiddenSize} is not a multiple of num_attention_heads ${heads}`,
    );
  if (heads % kvHeads !== 0)
    throw new ModelError(
      "FIELD_RANGE",
      `${path}: num_attention_heads ${heads} is not a multiple of num_key_value_heads ${kvHeads}`,
    );
  if (headDim % 2 !== 0) throw new ModelError("FIELD_RANGE", `${path}: head_dim ${headDim} is odd; RoPE rotates pairs`);
  field.refuse("attention_bias", json.attention_bias === true, "biases on attention projections");
  field.refuse("mlp_bias", json.mlp_bias === true, "biases on MLP projections");
  field.refuse(
    "hidden_act",
    json.hidden_act != null && json.hidden_act !== "silu",
    `activation ${show(json.hidden_act)} (only silu)`,
  );
  const window = json.sliding_window;
  field.refuse(
    "sliding_window",
    typeof window === "number" && window < maxPositions,
    `sliding-window attention of ${window} tokens`,
  );

  // transformers 5 writes rope_parameters {rope_theta, rope_type, …}; earlier versions rope_theta and rope_scaling.
  const parameters = (json.rope_parameters ?? {}) as Record<string, unknown>;
  const rope = new Fields({ ...json, ...parameters }, path);
  const scaling = ropeScaling(
    (json.rope_scaling ?? json.rope_parameters) as Record<string, unknown> | null | undefined,
    path,
  );
  const dtype = json.dtype ?? json.torch_dtype ?? "float32";
  if (dtype !== "float32" && dtype !== "float16" && dtype !== "bfloat16")
    throw new ModelError("FIELD_RANGE", `${path}: dtype ${show(dtype)} is not float32, float16 or bfloat16`);
  const eos = json.eos_token_id;
  return {
    architecture,
    hiddenSize,
    intermediateSize: field.size("intermediate_size"),
    layers: field.size("num_hidden_layers", undefined, maxLayers),
    heads,
    kvHeads,
    headDim,
    vocabSize: field.size("vocab_size"),
    maxPositions,
    normEps: field.positive("rms_norm_eps", 1e-6),
    ropeTheta: rope.positive("rope_theta", 10000),
    ...(scaling ? { ropeScaling: scaling } : {}),
    tiedHead: json.tie_word_embeddings === true,
    bosTokenId: typeof json.bos_token_id === "number" ? json.bos_token_id : undefined,
    eosTokenIds: Array.isArray(eos) ? eos.filter((id) => typeof id === "number") : typeof eos === "number" ? [eos] : [],
    dtype,
  };
}

const maxBytes = 4 * 2 ** 20;
/** More than any model has; each is named, and looked for, before a tensor is read. */
const maxLayers = 4096;

const architectures = { llama: "LlamaForCausalLM", mistral: "MistralForCausalLM" } as const;

function architectureOf(json: Record<string, unknown>, path: string): ModelConfig["architecture"] {
  const known = Object.values(architectures);
  const named: unknown = Array.isArray(json.architectures) ? (json.architectures[0] ?? "") : undefined;
  const architecture = named ?? new Map<unknown, string>(Object.entries(architectures)).get(json.model_type);
  if (known.includes(architecture as ModelConfig["architecture"])) return architecture as ModelConfig["architecture"];
  throw new ModelError(
    "ARCH_UNSUPPORTED",
    `${path}: architecture ${named === undefined ? `model_type ${show(json.model_type)}` : show(named)} is not supported; supported are ${known.join(", ")}`,
  );
}

function ropeScaling(json: Record<string, unknown> | null | undefined, path: string): RopeScaling | undefined {
  const type = json?.rope_type ?? json?.type ?? "default";
  if (!json || type === "default") return undefined;
  const field = new Fields(json, `${path}: rope_scaling`);
  if (type === "linear") return { type: "linear", factor: field.positive("factor") };
  if (type === "llama3")
    return {
      type: "llama3",
      factor: field.positive("factor"),
      lowFreqFactor: field.positive("low_freq_factor"),
      highFreqFactor: field.positive("high_freq_factor"),
      originalMaxPositions: field.size("original_max_position_embeddings"),
    };
  throw new ModelError(
    "ARCH_UNSUPPORTED",
    `${path}: rope_scaling type ${show(type)} is not supported; supported are linear, llama3`,
  );
}

/** A value out of a file for a message, in at most 60 characters. */
function show(value: unknown): string {
  try {
    const text = JSON.stringify(value) ?? "undefined";
    return text.length > 60 ? `${text.slice(0, 59)}…` : text;
  } catch {
    return "a value nested too deeply to show";
  }
}

/** Numbers of a JSON object, checked as they are taken. */
class Fields {
  constructor(
    private readonly json: Record<string, unknown>,
    private readonly path: string,
  ) {}
  positive(name: string, fallback?: number): number {
    const value = this.json[name] ?? fallback;
    if (value === undefined) throw new ModelError("FIELD_MISSING", `${this.path}: ${name} is missing`);
    if (typeof value !== "number" || !(value > 0) || !Number.isFinite(value))
      throw new ModelError("FIELD_RANGE", `${this.path}: ${name} must be a positive number, found ${show(value)}`);
    return value;
  }
  size(name: string, fallback?: number, most = 2 ** 31): number {
    const value = this.positive(name, fallback);
    if (!Number.isInteger(value) || value > most)
      throw new ModelError(
        "FIELD_RANGE",
        `${this.path}: ${name} must be a whole number from 1 to ${most}, found ${value}`,
      );
    return value;
  }
  refuse(name: string, condition: boolean, what: string): void {
    if (condition) throw new ModelError("ARCH_UNSUPPORTED", `${this.path}: ${name}: ${what} is not supported`);
  }
}
