// The part of @huggingface/tokenizers that is used, and four places where something is added to it: text that continues
// other text, runs of bytes that are not UTF-8, Unigram's ties, and the speed of tokenizers without a pre-tokenizer.
import * as library from "@huggingface/tokenizers";
import { DataError } from "./errors.js";
import type { Component, TokenizerJson } from "./tokenizer-json.js";
import { unigram } from "./unigram.js";

/** What this package calls on the library's Tokenizer. */
export interface Core {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: (number | undefined)[] };
  decode(ids: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
  normalizer: unknown;
  pre_tokenizer: unknown;
  decoder: unknown;
  model: { encode(words: string[]): string[] };
}

const { Tokenizer, ByteFallbackDecoder, SequenceDecoder } = library as unknown as {
  Tokenizer: new (json: object, config: object) => Core;
  ByteFallbackDecoder: new (config: object) => { decode_chain(tokens: string[]): string[] };
  SequenceDecoder: new (config: object) => { decoders: unknown[] };
};

/** Builds the library's tokenizer. Throws DataError TOKENIZER_COMPONENT where it knows no class for a part. */
export function createCore(json: TokenizerJson, path: string, words = splitsBeforeSpaces(json)): Core {
  let core: Core;
  try {
    core = new Tokenizer(json, {});
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new DataError("TOKENIZER_COMPONENT", `cannot be used: ${message}`, { path, cause });
  }
  repairByteFallback(core.decoder);
  if (Array.isArray(json.model.vocab)) {
    const segment = unigram(json.model);
    core.model.encode = (texts) => texts.flatMap(segment);
  }
  if (words) core.pre_tokenizer = wordByWord(core.pre_tokenizer as PreTokenizer | null);
  return guarded(core, path);
}

// A component with nonsense in it may only fail when it runs.
function guarded(core: Core, path: string): Core {
  const guard =
    <A extends unknown[], R>(run: (...args: A) => R) =>
    (...args: A): R => {
      try {
        return run.apply(core, args);
      } catch (cause) {
        const message = cause instanceof Error ? cause.message : String(cause);
        throw new DataError("TOKENIZER_COMPONENT", `cannot be used: ${message}`, { path, cause });
      }
    };
  core.encode = guard(core.encode);
  core.decode = guard(core.decode);
  return core;
}

type PreTokenizer = (text: string, options: object) => string[];

// "▁a▁b" → "▁a", "▁b": words come again, and the library caches what it has merged.
function wordByWord(inner: PreTokenizer | null): PreTokenizer {
  return (text, options) => (inner?.(text, options) ?? [text]).flatMap((x) => x.split(/(?<=[^▁])(?=▁)/u));
}

// Whether a text is to be given to the model in words. Metaspace with `split` asks for it, which the library passes over.
// For BPE without a pre-tokenizer it changes nothing if no token has a "▁" after another character, as then no merge
// crosses the start of a word.
function splitsBeforeSpaces({ model, pre_tokenizer }: TokenizerJson): boolean {
  if (pre_tokenizer !== null && pre_tokenizer.type !== "Metaspace") return false;
  if (pre_tokenizer !== null && (pre_tokenizer.replacement ?? "▁") !== "▁") return false;
  if (pre_tokenizer !== null && pre_tokenizer.split !== false) return true;
  if (model.type !== "BPE") return false;
  return !Object.keys(model.vocab as object).some((token) => /[^▁]▁/.test(token));
}

/**
 * Normaliser and pre-tokenizer for text that continues other text: without the space that SentencePiece-style
 * tokenizers put before a text ("Prepend ▁", Metaspace, ByteLevel add_prefix_space).
 */
export function continuationParts(json: TokenizerJson, path: string): Pick<Core, "normalizer" | "pre_tokenizer"> {
  const empty = { type: "BPE", vocab: {}, merges: [], unk_token: null };
  const bare = {
    normalizer: withoutPrefix(json.normalizer),
    pre_tokenizer: withoutPrefix(json.pre_tokenizer),
    post_processor: null,
    decoder: null,
    model: empty,
    added_tokens: [],
  };
  return createCore(bare, path, splitsBeforeSpaces(json));
}

function withoutPrefix(part: Component | null): Component | null {
  switch (part?.type) {
    case "Sequence": {
      const name = Array.isArray(part.normalizers) ? "normalizers" : "pretokenizers";
      const parts = ((part[name] ?? []) as Component[]).map(withoutPrefix).filter((x) => x !== null);
      return { ...part, [name]: parts };
    }
    case "Prepend":
      return null;
    case "Metaspace":
      return { ...part, prepend_scheme: "never", add_prefix_space: false };
    case "ByteLevel":
      return { ...part, add_prefix_space: false };
    default:
      return part;
  }
}

// tokenizers/src/decoders/byte_fallback.rs: a run of byte tokens that is not UTF-8 becomes one U+FFFD per byte. The
// JavaScript library lets TextDecoder choose (fewer of them), and drops a byte-order mark.
function repairByteFallback(decoder: unknown): void {
  if (decoder instanceof SequenceDecoder) for (const part of decoder.decoders) repairByteFallback(part);
  if (decoder instanceof ByteFallbackDecoder) decoder.decode_chain = decodeByteFallback;
}

function decodeByteFallback(tokens: string[]): string[] {
  const out: string[] = [];
  let bytes: number[] = [];
  const flush = (): void => {
    if (bytes.length === 0) return;
    try {
      out.push(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes)));
    } catch {
      for (const _ of bytes) out.push("\ufffd");
    }
    bytes = [];
  };
  for (const token of tokens) {
    const hex = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1];
    if (hex !== undefined) bytes.push(Number.parseInt(hex, 16));
    else {
      flush();
      out.push(token);
    }
  }
  flush();
  return out;
}
