// A Hugging Face tokenizer folder: text to ids and back.
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { AddedTokens } from "./added-tokens.js";
import { DecodeStream } from "./decode-stream.js";
import { DataError, show } from "./errors.js";
import { readTokenizerConfig, type SpecialName, type TokenizerConfig } from "./tokenizer-config.js";
import { type Core, continuationParts, createCore } from "./tokenizer-core.js";
import { readTokenizerJson, type TokenizerJson } from "./tokenizer-json.js";

export interface EncodeOptions {
  /** Add what the tokenizer adds around a text (usually BOS in front). Default true. */
  addSpecial?: boolean;
  /** The text continues other text: SentencePiece-style tokenizers put no space in front of it. Default false. */
  continues?: boolean;
}

export interface DecodeOptions {
  /** Leave special tokens (BOS, EOS, …) out of the text. Default true. */
  skipSpecial?: boolean;
}

/**
 * A piece of a conversation: text, or one special token by id; `target` pieces are what the model learns to write.
 * `around` marks what the tokenizer itself puts before a text (BOS): the text after it counts as the beginning.
 */
export type Segment = { text: string; target: boolean } | { id: number; target: boolean; around?: boolean };

/**
 * Reads the tokenizer in a model folder: tokenizer.json, with tokenizer_config.json, special_tokens_map.json,
 * config.json, generation_config.json and chat_template.jinja where they exist. A path to a tokenizer.json works, too.
 * Throws DataError (FILE_…, JSON, TOKENIZER…, FIELD_TYPE) naming the file.
 */
export function loadTokenizer(path: string): Tokenizer {
  const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  const dir = isFile ? join(path, "..") : path;
  const file = isFile ? path : join(path, "tokenizer.json");
  if (!existsSync(file) && existsSync(join(dir, "tokenizer.model"))) {
    const message =
      "no such file; there is a tokenizer.model, which transformers converts (AutoTokenizer, save_pretrained)";
    throw new DataError("FILE_UNREADABLE", message, { path: file });
  }
  return new Tokenizer(readTokenizerJson(file), readTokenizerConfig(dir), file);
}

/** Text ↔ ids as the Hugging Face tokenizer of the same folder. Made by `loadTokenizer`. */
export class Tokenizer {
  /** The tokenizer.json it was read from. */
  readonly path: string;
  /** Ids of the special tokens, where the folder names them. */
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  readonly pad: number | undefined;
  readonly unk: number | undefined;
  /** Every id that ends a sequence: `eos`, and what config.json and generation_config.json list. */
  readonly eosIds: readonly number[];
  /** One more than the largest id. */
  readonly vocabSize: number;
  /** The model's Jinja chat template, if it has one. */
  readonly chatTemplate: string | undefined;
  /** All of its chat templates by name ("default", "tool_use", …). */
  readonly chatTemplates: ReadonlyMap<string, string>;
  /** `model_max_length` where tokenizer_config.json states a real one. */
  readonly modelMaxLength: number | undefined;

  readonly #core: Core;
  readonly #json: TokenizerJson;
  readonly #prefix: readonly number[];
  readonly #suffix: readonly number[];
  readonly #added: AddedTokens;
  #continuation: Pick<Core, "normalizer" | "pre_tokenizer"> | undefined;

  /** @internal */
  constructor(json: TokenizerJson, config: TokenizerConfig, path: string) {
    this.path = path;
    this.#json = json;
    this.#core = createCore(json, path);
    const vocabulary = json.model.vocab as Record<string, number> | unknown[];
    let largest = Array.isArray(vocabulary) ? vocabulary.length - 1 : -1;
    if (!Array.isArray(vocabulary)) for (const id of Object.values(vocabulary)) if (id > largest) largest = id;
    for (const token of json.added_tokens) if (token.id > largest) largest = token.id;
    this.vocabSize = largest + 1;
    this.bos = this.#resolve("bos", config);
    this.eos = this.#resolve("eos", config);
    this.pad = this.#resolve("pad", config);
    this.unk = this.#resolve("unk", config);
    this.eosIds = [...new Set([...(this.eos === undefined ? [] : [this.eos]), ...config.eosIds])];
    this.chatTemplates = config.chatTemplates;
    this.chatTemplate = config.chatTemplates.get("default") ?? [...config.chatTemplates.values()][0];
    this.modelMaxLength = config.modelMaxLength;
    const named = [this.bos, this.eos, this.pad].filter((x) => x !== undefined);
    this.#added = new AddedTokens(json.added_tokens, named);
    [this.#prefix, this.#suffix] = this.#around();
  }

  /** The ids of a text. Text that spells a special token ("</s>") becomes that token, as in the reference. */
  encode(text: string, { addSpecial = true, continues = false }: EncodeOptions = {}): Int32Array {
    const ids = continues ? this.#encodeAfter(text, true) : this.#encode(text);
    return Int32Array.from(addSpecial ? [...this.#prefix, ...ids, ...this.#suffix] : ids);
  }

  /** The text of ids, exactly as the decoder in tokenizer.json says. Ids without a token are left out. */
  decode(ids: ArrayLike<number>, { skipSpecial = true }: DecodeOptions = {}): string {
    const known = Array.from(ids).filter(
      (id) => this.#core.id_to_token(id) !== undefined && !(skipSpecial && this.#added.isSpecial(id)),
    );
    if (known.length === 0) return "";
    return this.#core.decode(known, { skip_special_tokens: false, clean_up_tokenization_spaces: false });
  }

  /** Decodes token by token, holding back characters whose bytes have not all arrived. */
  decodeStream(options: DecodeOptions = {}): DecodeStream {
    return new DecodeStream((ids) => this.decode(ids, options));
  }

  /** The token's own spelling in the vocabulary ("▁the", "Ġthe", "<0x0A>"). */
  tokenOf(id: number): string | undefined {
    return this.#core.id_to_token(id);
  }

  /** The id of a token by its spelling in the vocabulary. */
  idOf(token: string): number | undefined {
    return this.#core.token_to_id(token);
  }

  /** Whether an id is a special token. */
  isSpecial(id: number): boolean {
    return this.#added.isSpecial(id);
  }

  /** The ids that the tokenizer puts before a text (usually BOS or nothing). */
  get prefix(): readonly number[] {
    return this.#prefix;
  }

  /**
   * The ids of a text in pieces, each tokenised on its own, so that what comes after a piece cannot change its ids: a
   * prompt has the same ids alone as in front of its answer. A piece that continues text gets no leading space from
   * SentencePiece-style tokenizers, so for pieces cut where the tokenizer never merges the ids are those of the whole.
   * Returns one array per segment.
   */
  encodeSegments(segments: readonly Segment[]): number[][] {
    let inText = false; // the text so far ends in ordinary text, not in an added token
    let first = true;
    return segments.map((segment) => {
      if ("id" in segment) {
        inText = false;
        first &&= segment.around === true;
        return [segment.id];
      }
      if (segment.text === "") return [];
      const ids = first ? this.#encode(segment.text) : this.#encodeAfter(segment.text, inText);
      inText = !this.#added.isLast(segment.text);
      first = false;
      return ids;
    });
  }

  #encode(text: string): number[] {
    const { ids } = this.#core.encode(text, { add_special_tokens: false });
    return ids.map((id) => {
      if (id !== undefined) return id;
      throw new DataError("TOKENIZER", `has no token for a part of ${show(text)}, and no unknown token`, {
        path: this.path,
      });
    });
  }

  // `text` after other text (inText) or after an added token; up to its first added token it may be a continuation.
  #encodeAfter(text: string, inText: boolean): number[] {
    const always = !inText && this.#prefixesEverySection();
    if (always) return this.#encode(text);
    const at = this.#added.first(text);
    const head = at < 0 ? text : text.slice(0, at);
    const rest = at < 0 ? "" : text.slice(at);
    return [...(head === "" ? [] : this.#encodeContinuation(head)), ...(rest === "" ? [] : this.#encode(rest))];
  }

  #encodeContinuation(text: string): number[] {
    this.#continuation ??= continuationParts(this.#json, this.path);
    const { normalizer, pre_tokenizer } = this.#core;
    try {
      this.#core.normalizer = this.#continuation.normalizer;
      this.#core.pre_tokenizer = this.#continuation.pre_tokenizer;
      return this.#encode(text);
    } finally {
      this.#core.normalizer = normalizer;
      this.#core.pre_tokenizer = pre_tokenizer;
    }
  }

  // Metaspace "first" adds its space at the head of the whole text only; every other scheme after added tokens, too.
  #prefixesEverySection(): boolean {
    const first = (part: unknown): boolean =>
      typeof part === "object" &&
      part !== null &&
      Object.entries(part).some(([k, v]) => (k === "prepend_scheme" ? v === "first" : first(v)));
    return !first(this.#json.pre_tokenizer);
  }

  /** Where the last special token spelt in a text ends; -1 without one. */
  lastSpecialEnd(text: string): number {
    return this.#added.lastSpecialEnd(text);
  }

  #resolve(name: SpecialName, { special }: TokenizerConfig): number | undefined {
    const value = special[name];
    if (value === undefined) {
      const unk = name === "unk" ? this.#json.model.unk_token : undefined;
      return typeof unk === "string" ? this.#core.token_to_id(unk) : undefined;
    }
    if (typeof value === "number") return value < this.vocabSize ? value : undefined;
    const id = this.#core.token_to_id(value);
    if (id === undefined && name !== "pad" && name !== "unk") {
      throw new DataError("TOKENIZER", `has no token ${show(value)}, which its configuration calls ${name}_token`, {
        path: this.path,
      });
    }
    return id;
  }

  // What the post-processor puts before and after a text.
  #around(): [number[], number[]] {
    const ids = (special: boolean) => this.#core.encode("a", { add_special_tokens: special }).ids as number[];
    const bare = ids(false);
    const full = ids(true);
    let at = 0;
    while (at + bare.length < full.length && !bare.every((id, i) => full[at + i] === id)) at++;
    return [full.slice(0, at), full.slice(at + bare.length)];
  }
}
