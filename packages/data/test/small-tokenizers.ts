// tokenizer.json documents of a few tokens that between them hold every component the tokenizers library knows.

const special = (id: number, content: string) => ({ id, content, special: true, normalized: false, lstrip: false });
const letters = ["a", "b", "h", "i", "e", "l", "o", "w", "r", "d", "1", "2"];
const vocabulary = (tokens: readonly string[]) => Object.fromEntries(tokens.map((token, id) => [token, id]));
const around = {
  type: "TemplateProcessing",
  single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
  pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
  special_tokens: { "<s>": { id: "<s>", ids: [0], tokens: ["<s>"] } },
};
const split = { type: "Split", pattern: { Regex: " ?\\p{L}+| ?\\d| +" }, behavior: "Isolated", invert: false };

/** GPT-2's kind: bytes as letters. */
const byteLevel = {
  version: "1.0",
  added_tokens: [special(0, "<s>"), special(1, "</s>")],
  normalizer: {
    type: "Sequence",
    normalizers: [{ type: "NFC" }, { type: "Replace", pattern: { String: "q" }, content: "o" }],
  },
  pre_tokenizer: {
    type: "Sequence",
    pretokenizers: [
      split,
      { type: "Digits", individual_digits: true },
      { type: "ByteLevel", add_prefix_space: false, use_regex: false },
    ],
  },
  post_processor: { type: "Sequence", processors: [{ type: "ByteLevel", trim_offsets: true }, around] },
  decoder: { type: "ByteLevel" },
  model: {
    type: "BPE",
    vocab: vocabulary([
      "<s>",
      "</s>",
      ...letters,
      ..."Ġ!ÃÂ©ĠĊĀðŁĺĢHí¸½ł".split("").filter((x, i, all) => all.indexOf(x) === i),
      "ab",
      "he",
    ]),
    merges: [["a", "b"], "h e"],
    unk_token: "<s>",
  },
};

/** SentencePiece's BPE as LLaMA has it. */
const metaspace = {
  added_tokens: [special(0, "<unk>"), special(1, "<s>")],
  normalizer: {
    type: "Sequence",
    normalizers: [
      { type: "Prepend", prepend: "▁" },
      { type: "Replace", pattern: { String: " " }, content: "▁" },
    ],
  },
  pre_tokenizer: null,
  post_processor: { ...around, special_tokens: { "<s>": { id: "<s>", ids: [1], tokens: ["<s>"] } } },
  decoder: {
    type: "Sequence",
    decoders: [
      { type: "Replace", pattern: { String: "▁" }, content: " " },
      { type: "ByteFallback" },
      { type: "Fuse" },
      { type: "Strip", content: " ", start: 1, stop: 0 },
    ],
  },
  model: {
    type: "BPE",
    vocab: vocabulary(["<unk>", "<s>", "<0x00>", "<0x0A>", "<0xC3>", "<0xA9>", "▁", "▁a", ...letters, "ab"]),
    merges: ["▁ a", "a b"],
    byte_fallback: true,
    fuse_unk: true,
    unk_token: "<unk>",
    ignore_merges: false,
  },
};

const unigram = {
  added_tokens: [special(0, "<unk>"), { ...special(1, "<x>"), special: false, normalized: true }],
  normalizer: {
    type: "Sequence",
    normalizers: [
      { type: "Precompiled", precompiled_charsmap: "" },
      { type: "Strip", strip_left: true, strip_right: true },
      { type: "NFKC" },
      { type: "NFD" },
    ],
  },
  pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "first", split: true },
  post_processor: {
    type: "RobertaProcessing",
    sep: ["<x>", 1],
    cls: ["<unk>", 0],
    trim_offsets: true,
    add_prefix_space: false,
  },
  decoder: { type: "Metaspace", replacement: "▁", prepend_scheme: "always" },
  model: {
    type: "Unigram",
    unk_id: 0,
    byte_fallback: false,
    vocab: ["<unk>", "<x>", "▁", "▁a", "ab", ...letters].map((token, i) => [token, -i / 2]),
  },
};

const wordPiece = {
  added_tokens: [special(0, "[UNK]"), special(1, "[CLS]")],
  normalizer: {
    type: "BertNormalizer",
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: true,
    lowercase: true,
  },
  pre_tokenizer: { type: "BertPreTokenizer" },
  post_processor: { type: "BertProcessing", sep: ["[UNK]", 0], cls: ["[CLS]", 1] },
  decoder: { type: "WordPiece", prefix: "##", cleanup: true },
  model: {
    type: "WordPiece",
    vocab: vocabulary(["[UNK]", "[CLS]", "hello", ...letters, "##b", "##o"]),
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
  },
};

const others = {
  ...wordPiece,
  normalizer: { type: "Sequence", normalizers: [{ type: "NFKD" }, { type: "StripAccents" }, { type: "Lowercase" }] },
  pre_tokenizer: {
    type: "Sequence",
    pretokenizers: [
      { type: "WhitespaceSplit" },
      { type: "Whitespace" },
      { type: "Punctuation", behavior: "Isolated" },
      { type: "Replace", pattern: { Regex: "\\d+" }, content: "1" },
      { type: "FixedLength", length: 5 },
    ],
  },
  decoder: {
    type: "Sequence",
    decoders: [
      { type: "CTC", pad_token: "a", word_delimiter_token: "b", cleanup: true },
      { type: "BPEDecoder", suffix: "o" },
    ],
  },
};

export const tokenizers: readonly object[] = [byteLevel, metaspace, unigram, wordPiece, others];
