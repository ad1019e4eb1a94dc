// 1500 bad tokenizer.json and 500 bad chat templates.
import { checkVocabulary, loadTokenizer, resolveTemplate } from "@qlora/data";
import { cause, type Files, type Format, nth, otherThan, round } from "./bad-file.js";

const special = [
  { id: 0, content: "<s>", special: true },
  { id: 1, content: "</s>", special: true },
];
const vocab = { "<s>": 0, "</s>": 1, a: 2, b: 3, ab: 4, "▁": 5 };
const good = {
  added_tokens: special,
  normalizer: null,
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
  post_processor: null,
  decoder: { type: "ByteLevel" },
  model: { type: "BPE", vocab, merges: [["a", "b"]], unk_token: "<s>" },
};
const json = (change: object): Files => ({ "tokenizer.json": JSON.stringify({ ...good, ...change }) });
const model = (change: object): Files => json({ model: { ...good.model, ...change } });
const parts = ["normalizer", "pre_tokenizer", "post_processor", "decoder"];
const sequence = (key: string, count: number, part: object) => ({ type: "Sequence", [key]: Array(count).fill(part) });
const replace = (content: string) => ({ type: "Replace", pattern: { String: "a" }, content });
const evil = ["(a+)+$", "(a|a)*b", "((a*)*)*", "(.*a){12}", "(\\w+\\s?)+!", "(a)\\1", "([a-z]+)*x", "(a?){50}a"];

export const tokenizers: Format = {
  name: "tokenizer.json",
  read(dir) {
    const tokenizer = loadTokenizer(dir);
    checkVocabulary(tokenizer, { rows: 6 });
    tokenizer.encode("ab b a");
  },
  causes: [
    cause("JSON", 150, (i) => ({ "tokenizer.json": JSON.stringify(good).slice(0, 2 * i + 1) })),
    cause("UTF8", 60, (i) => ({ "tokenizer.json": Buffer.from([0x22, 0x80 + i, 0x22]) })),
    cause("FILE_UNREADABLE", 20, (i) => ({
      [nth(["tokenizer.model", "tokenizer", "vocab.json", "tokenizer.json/x"], i)]: "{}",
    })),
    cause("TOKENIZER", 40, (i) => ({ "tokenizer.json": nth(["[]", "null", "7", '"x"', "{}", `[${i}]`], i) })),
    cause("TOKENIZER", 160, (i) =>
      json({ [nth(parts, i)]: nth(otherThan("object", "null"), round(parts, i)), note: i }),
    ),
    cause("TOKENIZER", 100, (i) =>
      model({ vocab: nth([undefined, {}, [], null, 7, [["a"]], [["a", "b"]], [1]], i), note: i }),
    ),
    cause("TOKENIZER", 100, (i) =>
      model({ merges: nth([undefined, {}, 7, [["a"]], ["a b c"], [1], [null], [["a", 1]]], i), note: i }),
    ),
    cause("TOKENIZER", 100, (i) =>
      json({
        added_tokens: nth([{}, 7, [1], [null], [{ id: 5 }], [{ id: 5, content: "" }], [{ id: 5, content: i }]], i),
      }),
    ),
    cause("TOKENIZER", 60, (i) =>
      json({
        normalizer: nth(
          [
            sequence("normalizers", 20 + i, replace("aa")),
            replace("$&"),
            sequence("normalizers", 65 + i, { type: "NFC" }),
            { type: "Replace", content: "x" },
          ],
          i,
        ),
      }),
    ),
    cause("TOKENIZER", 40, (i) =>
      json({
        pre_tokenizer: nth(
          [
            { type: "FixedLength", length: nth([0, -1, 0.5, "4", null], i) },
            sequence("pretokenizers", 7 + i, { type: "ByteLevel" }),
            { type: "Split", pattern: "x" },
          ],
          i,
        ),
      }),
    ),
    cause("TOKENIZER_IDS", 150, (i) =>
      model({ vocab: { ...vocab, c: nth([3, -1, 1.5, "6", 2 ** 40, null, 4, []], i) }, note: i }),
    ),
    cause("TOKENIZER_IDS", 100, (i) =>
      model({ merges: nth([[["a", "q"]], [["a", "a"]], ["b b"], [[`x${i}`, "a"]]], i) }),
    ),
    cause("TOKENIZER_IDS", 60, (i) =>
      json({ added_tokens: [...special, { id: nth([2, 3, -1, 1.5, 2 ** 40], i), content: `<${i}>` }] }),
    ),
    cause("TOKENIZER_COMPONENT", 120, (i) =>
      json({ [nth(["normalizer", "pre_tokenizer", "decoder", "post_processor"], i)]: { type: `Part${i}` } }),
    ),
    cause("TOKENIZER_COMPONENT", 40, (i) => model({ type: nth(["WordLevel", "Neural", 7, `Model${i}`], i) })),
    cause("TOKENIZER_REGEX", 120, (i) =>
      json({
        pre_tokenizer: {
          type: "Split",
          pattern: { Regex: `${nth(evil, i)}${"a".repeat(i >> 3)}` },
          behavior: "Isolated",
        },
      }),
    ),
    cause("VOCABULARY", 80, (i) => json({ added_tokens: [...special, { id: 6 + i, content: `<extra ${i}>` }] })),
  ],
};

const loop = (body: string) => `{% for i in range(2000) %}{% for j in range(2000) %}${body}{% endfor %}{% endfor %}`;
/** A folder whose chat template is `source`. */
const template = (source: string): Files => ({ ...json({}), "chat_template.jinja": source });
const syntax = [
  "{% if %}",
  "{{ a",
  "{% for x %}{% endfor %}",
  "{% endif %}",
  "{{ 1 + }}",
  "{% set %}",
  "{{ 'a }}",
  "{% if a %}",
];
const failing = [
  "{{ raise_exception('no') }}",
  "{{ messages[0].nothing() }}",
  "{{ undefined_function() }}",
  "{{ messages | nofilter }}",
  "{{ 'a' is nothing }}",
];

export const templates: Format = {
  name: "chat template",
  read(dir) {
    const tokenizer = loadTokenizer(dir);
    const messages = [
      { role: "user" as const, content: "hi" },
      { role: "assistant" as const, content: "ho" },
    ];
    resolveTemplate("jinja", tokenizer).render(messages, { tokenizer, addGenerationPrompt: false });
  },
  causes: [
    cause("TEMPLATE_SYNTAX", 200, (i) => template(`${" x".repeat(i >> 3)}${nth(syntax, i)}`)),
    cause("TEMPLATE_FAILED", 100, (i) => template(`${"x".repeat(i)}${nth(failing, i)}`)),
    cause("TEMPLATE_TOO_LARGE", 40, (i) => template(i % 2 ? "x".repeat(65_537 + i) : `a${" ".repeat(1024 + i)}b`)),
    cause("TEMPLATE_BUDGET", 6, (i) => template(nth([loop("x"), loop("{{ i }}"), "{{ range(1000000000) }}"], i))),
    cause("TEMPLATE_OUTPUT", 20, (i) =>
      template(
        `{% set x = namespace(v='${"x".repeat(40 + i)}') %}{% for i in range(40) %}{% set x.v = x.v + x.v %}{% endfor %}{{ x.v }}`,
      ),
    ),
    cause("TEMPLATE_UNKNOWN", 20, (i) => json({ note: i })),
    cause("FIELD_TYPE", 60, (i) => ({
      ...json({}),
      "tokenizer_config.json": JSON.stringify({
        chat_template: nth([7, {}, [1], [{ name: "x" }], true, [{ template: "x" }]], i),
        note: i,
      }),
    })),
    cause("UTF8", 30, (i) => ({ ...json({}), "chat_template.jinja": Buffer.from([0x80 + i]) })),
  ],
};
