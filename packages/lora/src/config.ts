// adapter_config.json as PEFT 0.21 writes it: every field in its order, and which of them are understood here.
import { LoraError, show } from "./errors.js";
import { PythonFloat, pythonJson } from "./python_json.js";
import type { Targets } from "./targets.js";

/** What a set of adapters has in common. */
export interface LoraConfig extends Targets {
  r: number;
  alpha: number;
  /** Probability of a zero in the adapters' input while training; 0 unless told. */
  dropout?: number;
  /** s = alpha / √r; false unless told. */
  rslora?: boolean;
  /** How the adapters began, for the record; true unless told. */
  init?: boolean | string;
  /** Other ranks for some modules: a regular expression, matched as `^(.*\.)?(KEY)$` against the path, first match wins. */
  rankPattern?: Record<string, number>;
  /** Other alphas, likewise. */
  alphaPattern?: Record<string, number>;
  /** Name or path of the model the adapters belong to. */
  baseModel?: string | undefined;
  revision?: string | undefined;
  /** "CAUSAL_LM" unless told. */
  taskType?: string | undefined;
}

/** Fields with the value they have when unused, as PEFT 0.21 writes them (sorted when written). */
const DEFAULTS = {
  alora_invocation_tokens: null,
  alpha_pattern: {},
  arrow_config: null,
  auto_mapping: null,
  base_model_name_or_path: null,
  bias: "none",
  corda_config: null,
  ensure_weight_tying: false,
  eva_config: null,
  exclude_modules: null,
  fan_in_fan_out: false,
  inference_mode: true,
  init_lora_weights: true,
  kasa_config: null,
  layer_replication: null,
  layers_pattern: null,
  layers_to_transform: null,
  loftq_config: {},
  lora_alpha: 8,
  lora_bias: false,
  lora_dropout: 0,
  lora_ga_config: null,
  megatron_config: null,
  megatron_core: "megatron.core",
  modules_to_save: null,
  monteclora_config: null,
  peft_type: "LORA",
  peft_version: "0.21.0",
  qalora_group_size: 16,
  r: 8,
  rank_pattern: {},
  revision: null,
  target_modules: null,
  target_parameters: null,
  task_type: null,
  trainable_token_indices: null,
  use_bdlora: null,
  use_dora: false,
  use_qalora: false,
  use_rslora: false,
  velora_config: null,
};

/** Fields that change what an adapter computes, or add weights beside it, in ways that are not built here. */
const UNSUPPORTED: Record<string, string> = {
  use_dora: "DoRA (magnitude vectors)",
  use_qalora: "QALoRA",
  use_bdlora: "BD-LoRA",
  lora_bias: "a bias in lora_B",
  fan_in_fan_out: "weights stored as [in, out] (Conv1D)",
  modules_to_save: "whole modules saved beside the adapters",
  target_parameters: "adapters on parameters that are no linear layer",
  trainable_token_indices: "trained token embeddings",
  layer_replication: "replicated layers",
  alora_invocation_tokens: "activated LoRA",
  arrow_config: "Arrow",
  kasa_config: "KaSA",
  monteclora_config: "MonteCLoRA",
  velora_config: "VeLoRA",
  megatron_config: "Megatron layers",
};

/** Initialisations that leave the base weights alone. The others (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA) also change the base. */
const PLAIN_INITS = new Set<unknown>([true, false, "gaussian", "eva", "orthogonal"]);

/**
 * Understands the text of an adapter_config.json.
 * @returns the configuration, and a sentence for each field that is not known and was ignored, as PEFT ignores it
 * @throws {LoraError} JSON, FIELD_MISSING, FIELD_TYPE, UNSUPPORTED (`key` names the field)
 */
export function parsePeftConfig(text: string, path: string): { config: LoraConfig; warnings: string[] } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new LoraError("JSON", `not JSON: ${(cause as Error).message}`, { path, cause });
  }
  if (!isObject(json)) throw new LoraError("JSON", "must be a JSON object", { path });
  const fields = new Map(Object.entries(json));
  if (!fields.has("peft_type")) throw new LoraError("FIELD_MISSING", "has no peft_type", { path, key: "peft_type" });
  refuseUnsupported(fields, path);
  const get = reader(fields, path);
  const config: LoraConfig = {
    r: get("r", 8, "a whole number ≥ 1", isRank),
    alpha: get("lora_alpha", 8, "a number", isNumber),
    dropout: get("lora_dropout", 0, "a number from 0 to below 1", (p): p is number => isNumber(p) && p >= 0 && p < 1),
    rslora: get("use_rslora", false, "true or false", isBoolean),
    init: get("init_lora_weights", true, "true, false or a name", (x) => isBoolean(x) || isString(x)),
    rankPattern: get("rank_pattern", {}, "an object of whole numbers ≥ 1", isRecordOf(isRank)),
    alphaPattern: get("alpha_pattern", {}, "an object of numbers", isRecordOf(isNumber)),
    targetModules: get("target_modules", [], "a list of names or a string", isSelection),
    excludeModules: get("exclude_modules", undefined, "a list of names or a string", isSelection),
    layersToTransform: get("layers_to_transform", undefined, "a whole number or a list of them", isLayers),
    layersPattern: get("layers_pattern", undefined, "a list of names or a string", isSelection),
    baseModel: get("base_model_name_or_path", undefined, "a string", isString),
    revision: get("revision", undefined, "a string", isString),
    taskType: get("task_type", undefined, "a string", isString),
  };
  const unknown = [...fields].filter(([key, value]) => !Object.hasOwn(DEFAULTS, key) && isActive(value));
  return { config, warnings: unknown.map(([key]) => `${path}: ignored the unknown field ${show(key)}`) };
}

function refuseUnsupported(fields: Map<string, unknown>, path: string): void {
  const refuse = (key: string, what: string) => {
    throw new LoraError("UNSUPPORTED", `${key} is ${show(fields.get(key))}: ${what}`, { path, key });
  };
  if (fields.get("peft_type") !== "LORA") refuse("peft_type", 'only "LORA" adapters are supported');
  for (const [key, what] of Object.entries(UNSUPPORTED))
    if (isActive(fields.get(key))) refuse(key, `${what} are not supported`.replace(/^(\S+) are/, "$1 is"));
  if ((fields.get("bias") ?? "none") !== "none") refuse("bias", "trained biases are not supported");
  const init = fields.get("init_lora_weights") ?? true;
  if (typeof init === "string" && !PLAIN_INITS.has(init))
    refuse(
      "init_lora_weights",
      "this initialisation also changes the base weights; convert the adapter to a plain one in PEFT " +
        "(save_pretrained with path_initial_model_for_weight_conversion)",
    );
}

/** The text PEFT's save_pretrained would write: all fields sorted, two spaces, ASCII, a point in every float. */
export function peftConfigText(config: LoraConfig): string {
  const { dropout = 0, rslora = false, init = true, rankPattern = {}, alphaPattern = {} } = config;
  const fields: Record<keyof typeof DEFAULTS, unknown> = {
    ...DEFAULTS,
    r: config.r,
    lora_alpha: config.alpha,
    lora_dropout: new PythonFloat(dropout),
    use_rslora: rslora,
    init_lora_weights: init,
    rank_pattern: rankPattern,
    alpha_pattern: alphaPattern,
    target_modules: config.targetModules,
    exclude_modules: config.excludeModules ?? null,
    layers_to_transform: config.layersToTransform ?? null,
    layers_pattern: config.layersPattern ?? null,
    base_model_name_or_path: config.baseModel ?? null,
    revision: config.revision ?? null,
    task_type: config.taskType ?? "CAUSAL_LM",
  };
  return pythonJson(fields);
}

/** Reads a field; null and absence give `otherwise`. */
function reader(fields: Map<string, unknown>, path: string) {
  return <T, U>(key: string, otherwise: U, expected: string, is: (value: unknown) => value is T): T | U => {
    const value = fields.get(key) ?? otherwise;
    if (value === otherwise) return otherwise;
    if (is(value)) return value;
    throw new LoraError("FIELD_TYPE", `${key} must be ${expected}, is ${show(value)}`, {
      path,
      key,
    });
  };
}

/** Whether a field asks for anything. */
function isActive(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return false;
  return typeof value === "object" ? Object.keys(value).length > 0 : true;
}

const isObject = (x: unknown): x is Record<string, unknown> => typeof x === "object" && x !== null && !Array.isArray(x);
const isString = (x: unknown): x is string => typeof x === "string";
const isBoolean = (x: unknown): x is boolean => typeof x === "boolean";
const isNumber = (x: unknown): x is number => Number.isFinite(x);
const isRank = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) >= 1;
const isRecordOf =
  <T>(is: (x: unknown) => x is T) =>
  (x: unknown): x is Record<string, T> =>
    isObject(x) && Object.values(x).every(is);
const isListOf =
  <T>(is: (x: unknown) => x is T) =>
  (x: unknown): x is T[] =>
    Array.isArray(x) && x.every(is);
const isSelection = (x: unknown): x is string | string[] => isString(x) || isListOf(isString)(x);
const isLayer = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) >= 0;
const isLayers = (x: unknown): x is number | number[] => isLayer(x) || isListOf(isLayer)(x);
