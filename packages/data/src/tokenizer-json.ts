// tokenizer.json, checked before the tokenizers library sees it: it comes from a stranger's repository.
// Format: https://huggingface.co/docs/tokenizers. What is refused and why: ids and merges that disagree, patterns that
// can take exponential time in a backtracking engine, components that make a text grow without end or that the library has no
// class for.
import { DataError, show } from "./errors.js";
import { readJson } from "./files.js";
import { exponential } from "./regex.js";
import { checkGrowth } from "./tokenizer-growth.js";

export const MAX_TOKENIZER_BYTES = 256 * 2 ** 20;
const MAX_ID = 16_777_216;
const MODELS: readonly string[] = ["BPE", "Unigram", "WordPiece"];

export interface AddedToken {
  id: number;
  content: string;
  special?: boolean;
  normalized?: boolean;
}

export interface TokenizerJson {
  added_tokens: AddedToken[];
  normalizer: Component | null;
  pre_tokenizer: Component | null;
  post_processor: Component | null;
  decoder: Component | null;
  model: Component;
}

export type Component = { type?: string; [key: string]: unknown };

/** Reads and checks a tokenizer.json. Throws DataError TOKENIZER, TOKENIZER_IDS, TOKENIZER_REGEX, JSON, FILE_…. */
export function readTokenizerJson(path: string): TokenizerJson {
  const json = readJson(path, { maxBytes: MAX_TOKENIZER_BYTES });
  return checkTokenizerJson(json, path);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The checks of readTokenizerJson on a parsed value. */
export function checkTokenizerJson(json: unknown, path: string): TokenizerJson {
  const fail = (message: string): never => {
    throw new DataError("TOKENIZER", message, { path });
  };
  if (!isObject(json)) return fail("not a JSON object");
  const part = (name: string): Component | null => {
    const value = json[name] ?? null;
    if (value !== null && !isObject(value)) fail(`"${name}" is ${show(value)}, expected an object or null`);
    return value as Component | null;
  };
  const model = part("model") ?? fail('"model" is missing');
  const added = json.added_tokens ?? [];
  if (!Array.isArray(added)) return fail('"added_tokens" is not an array');
  if (model.type !== undefined && !MODELS.includes(model.type)) {
    const message = `model ${show(model.type)} cannot be used, known are ${MODELS.join(", ")}`;
    throw new DataError("TOKENIZER_COMPONENT", message, { path });
  }
  const ids = checkVocabulary(model, path);
  checkAdded(added, ids, path);
  checkMerges(model, path);
  checkPatterns(json, path);
  const parts = {
    normalizer: part("normalizer"),
    pre_tokenizer: part("pre_tokenizer"),
    post_processor: part("post_processor"),
    decoder: part("decoder"),
  };
  for (const [name, value] of Object.entries(parts)) checkGrowth(value, name, path);
  return { ...json, ...parts, added_tokens: added as AddedToken[], model };
}

function checkId(id: unknown, token: string, path: string): asserts id is number {
  if (!Number.isInteger(id) || (id as number) < 0 || (id as number) > MAX_ID) {
    throw new DataError("TOKENIZER_IDS", `token ${show(token)} has id ${show(id)}, expected 0 … ${MAX_ID}`, { path });
  }
}

// id → token of the model's own vocabulary. BPE and WordPiece: {token: id}; Unigram: [[token, score], …].
function checkVocabulary(model: Component, path: string): Map<number, string> {
  const ids = new Map<number, string>();
  const put = (token: string, id: unknown): void => {
    checkId(id, token, path);
    const other = ids.get(id);
    if (other !== undefined) {
      throw new DataError("TOKENIZER_IDS", `id ${id} belongs to both ${show(other)} and ${show(token)}`, { path });
    }
    ids.set(id, token);
  };
  if (Array.isArray(model.vocab)) {
    model.vocab.forEach((entry, id) => {
      if (!Array.isArray(entry) || typeof entry[0] !== "string" || typeof entry[1] !== "number") {
        throw new DataError("TOKENIZER", `"model.vocab[${id}]" is ${show(entry)}, expected [token, score]`, { path });
      }
      put(entry[0], id);
    });
    const { unk_id: unknown = null, vocab } = model;
    if (unknown !== null && !(Number.isInteger(unknown) && Object.hasOwn(vocab as unknown[], unknown as number))) {
      const message = `"model.unk_id" is ${show(unknown)}, expected an id of the vocabulary, 0 … ${(vocab as unknown[]).length - 1}`;
      throw new DataError("TOKENIZER_IDS", message, { path });
    }
  } else if (isObject(model.vocab)) {
    for (const [token, id] of Object.entries(model.vocab)) put(token, id);
  } else {
    throw new DataError("TOKENIZER", '"model.vocab" is missing', { path });
  }
  if (ids.size === 0) throw new DataError("TOKENIZER", '"model.vocab" is empty', { path });
  return ids;
}

function checkAdded(added: unknown[], ids: Map<number, string>, path: string): void {
  added.forEach((token, i) => {
    if (!isObject(token) || typeof token.content !== "string" || token.content === "") {
      throw new DataError("TOKENIZER", `"added_tokens[${i}]" is ${show(token)}, expected {id, content, …}`, { path });
    }
    checkId(token.id, token.content, path);
    const other = ids.get(token.id);
    if (other !== undefined && other !== token.content) {
      const message = `added token ${show(token.content)} has id ${token.id}, which belongs to ${show(other)}`;
      throw new DataError("TOKENIZER_IDS", message, { path });
    }
    ids.set(token.id, token.content);
  });
}

// Each merge joins two tokens of the vocabulary into a third (the tokenizers library refuses others, too).
function checkMerges(model: Component, path: string): void {
  if (model.type !== "BPE" && model.merges === undefined) return;
  if (!Array.isArray(model.merges)) throw new DataError("TOKENIZER", '"model.merges" is not an array', { path });
  const vocabulary = model.vocab as Record<string, number>;
  const prefix = typeof model.continuing_subword_prefix === "string" ? model.continuing_subword_prefix : "";
  model.merges.forEach((merge: unknown, i) => {
    const pair = typeof merge === "string" ? merge.split(" ") : merge;
    if (!Array.isArray(pair) || pair.length !== 2 || pair.some((x) => typeof x !== "string")) {
      throw new DataError("TOKENIZER", `"model.merges[${i}]" is ${show(merge)}, expected two tokens`, { path });
    }
    const [a, b] = pair as [string, string];
    for (const token of [a, b, a + (prefix !== "" && b.startsWith(prefix) ? b.slice(prefix.length) : b)]) {
      if (!Object.hasOwn(vocabulary, token)) {
        const message = `"model.merges[${i}]" ${show([a, b])}: ${show(token)} is not in the vocabulary`;
        throw new DataError("TOKENIZER_IDS", message, { path });
      }
    }
  });
}

// Every {"Regex": source} outside the vocabulary; and what must have one, or a {"String": text}.
function checkPatterns(json: Record<string, unknown>, path: string): void {
  const visit = (value: unknown, where: string, depth: number): void => {
    if (depth > 64) throw new DataError("TOKENIZER", `"${where}" is nested too deeply`, { path });
    if (typeof value !== "object" || value === null) return;
    const { type, pattern } = value as Component;
    if ((type === "Split" || type === "Replace") && !isPattern(pattern))
      throw new DataError("TOKENIZER", `"${where}.pattern" is ${show(pattern)}, expected {"String"} or {"Regex"}`, {
        path,
      });
    for (const [key, child] of Object.entries(value)) {
      if (key === "Regex" && typeof child === "string") {
        const why = exponential(child);
        if (why !== undefined)
          throw new DataError("TOKENIZER_REGEX", `pattern ${show(child)} of ${where} ${why}`, { path });
      } else visit(child, `${where}.${key}`, depth + 1);
    }
  };
  for (const name of ["normalizer", "pre_tokenizer", "post_processor", "decoder"]) visit(json[name], name, 0);
}

function isPattern(value: unknown): boolean {
  return isObject(value) && (typeof value.String === "string" || typeof value.Regex === "string");
}
