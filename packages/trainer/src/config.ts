// A configuration from a YAML file and flags over it; every problem in one line, with a suggestion for a misspelt key.
import { readFileSync, statSync } from "node:fs";
import { parseDocument, stringify } from "yaml";
import { basePrecision, snakeCase, type TrainConfig, type TrainOptions, trainSchema } from "./schema.js";

const MAX_BYTES = 2 ** 20;
const MAX_MESSAGE = 2000;

/** A configuration that cannot be used; `message` names the key and what it takes. */
export class ConfigError extends Error {
  override name = "ConfigError";
  constructor(message: string) {
    super(message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}…` : message);
  }
}

/** Checks options and fills in defaults. @throws {ConfigError} */
export function parseConfig(options: unknown, where = "configuration"): TrainConfig {
  const result = trainSchema.safeParse(options);
  if (!result.success) throw new ConfigError(result.error.issues.map((issue) => explain(issue, where)).join("\n"));
  const config = result.data;
  const precision = basePrecision(config);
  if (config.method === "full" && precision !== "f32")
    throw new ConfigError(`${where}: precision ${precision} cannot be trained in full; use f32, or method qlora`);
  if (config.method === "qlora" && (precision === "bf16" || precision === "f32"))
    throw new ConfigError(`${where}: precision ${precision} is not quantised; use method lora, or precision nf4`);
  if (config.method === "lora" && precision !== "bf16" && precision !== "f32")
    throw new ConfigError(`${where}: method lora keeps the base in bf16 or f32; use method qlora for ${precision}`);
  if (config.earlyStopping > 0 && config.evalSteps === 0)
    throw new ConfigError(`${where}: early_stopping needs eval_steps, the steps between two evaluations`);
  if (config.packTokens !== undefined && config.packTokens < config.maxLength)
    throw new ConfigError(
      `${where}: pack_tokens ${config.packTokens} is less than max_length ${config.maxLength}, the longest sequence`,
    );
  return config;
}

/** Options of a YAML file, keys in camelCase; unknown keys are refused by `parseConfig`. */
export function readConfigFile(path: string): Partial<TrainOptions> {
  let text: string;
  try {
    const { size } = statSync(path);
    if (size > MAX_BYTES) throw new Error(`it has ${size} bytes, at most ${MAX_BYTES} are read`);
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new ConfigError(`${path}: cannot be read: ${(error as Error).message}`);
  }
  let json: unknown;
  try {
    const document = parseDocument(text, { logLevel: "error" });
    const [problem] = document.errors;
    if (problem) throw problem;
    json = document.toJS(); // refuses aliases that multiply
  } catch (error) {
    throw new ConfigError(`${path}: ${(error as Error).message.split("\n")[0]}`);
  }
  if (json === null || json === undefined) return {};
  if (typeof json !== "object" || Array.isArray(json)) throw new ConfigError(`${path}: must hold keys and values`);
  const known = new Map(Object.keys(trainSchema.shape).map((key) => [snakeCase(key), key]));
  return Object.fromEntries(
    Object.entries(json).map(([key, value]) => {
      const name = known.get(key);
      if (!name) throw new ConfigError(`${path}: ${unknownKey(key, [...known.keys()])}`);
      return [name, value];
    }),
  );
}

/** The configuration as YAML, as it is written to `config.yaml` and read back. */
export function formatConfig(config: TrainConfig): string {
  return stringify(Object.fromEntries(Object.entries(config).map(([key, value]) => [snakeCase(key), value])));
}

function unknownKey(key: string, known: readonly string[]): string {
  return `unknown key ${key.length > 60 ? `${key.slice(0, 60)}…` : key}${suggestion(key, known)}`;
}

/** `; did you mean …?` for the nearest known word, or nothing. */
export function suggestion(word: string, known: readonly string[]): string {
  const [best] = known
    .map((name) => ({ name, distance: editDistance(word, name) }))
    .sort((a, b) => a.distance - b.distance);
  return best && best.distance <= Math.max(2, word.length / 3) ? `; did you mean ${best.name}?` : "";
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length]!;
}

function explain(
  issue: { code: string; path: PropertyKey[]; message: string; keys?: string[] },
  where: string,
): string {
  if (issue.code === "unrecognized_keys" && issue.keys) {
    const known = Object.keys(trainSchema.shape);
    return issue.keys.map((key) => `${where}: ${unknownKey(key, known)}`).join("\n");
  }
  const key = String(issue.path[0] ?? "");
  const about = trainSchema.shape[key as keyof typeof trainSchema.shape]?.description;
  const missing = issue.message.includes("received undefined");
  return missing
    ? `${where}: ${snakeCase(key)} is missing (${about})`
    : `${where}: ${snakeCase(key)}: ${issue.message}`;
}
