// Built-in templates, the choice among templates, and templates whose assistant turns cannot be found.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  type Example,
  encodeDataset,
  loadTokenizer,
  type Message,
  resolveTemplate,
  type Tokenizer,
  templateNames,
} from "../src/index.js";
import { renderExample } from "../src/template.js";
import { dataError, fixture, golden, scratch, tokenizer } from "./shared.js";

const file = scratch();
const turn = (role: Message["role"], content: string): Message => ({ role, content });
const TALK = [
  turn("system", "Sys."),
  turn("user", "Q1"),
  turn("assistant", "A1"),
  turn("user", "Q2"),
  turn("assistant", "A2"),
];

/** Segments as text, learnt ones in ‹ ›. */
function draw(name: string, t: Tokenizer, messages: Message[], addGenerationPrompt = false): string {
  const segments = resolveTemplate(name, t).render(messages, { tokenizer: t, addGenerationPrompt });
  return segments
    .map((x) => {
      const text = "id" in x ? t.tokenOf(x.id)! : x.text;
      return x.target ? `‹${text}›` : text;
    })
    .join("")
    .replaceAll("›‹", "");
}

describe("what is learnt", () => {
  const stories = tokenizer("stories260K");
  test.each([
    ["plain", stories, "<s>Sys.Q1‹A1</s>›Q2‹A2</s>›"],
    ["guanaco", stories, "<s>Sys. ### Human: Q1 ### Assistant:‹ A1</s>›### Human: Q2 ### Assistant:‹ A2</s>›"],
    [
      "alpaca",
      stories,
      "<s>Sys.\n\n### Instruction:\nQ1\n\n### Response:‹A1</s>›\n\n### Instruction:\nQ2\n\n### Response:‹A2</s>›",
    ],
    [
      "chatml",
      tokenizer("byte-level"),
      "<|im_start|>system\nSys.<|im_end|>\n<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\n‹A1<|im_end|>›\n<|im_start|>user\nQ2<|im_end|>\n<|im_start|>assistant\n‹A2<|im_end|>›\n",
    ],
    ["llama2", stories, "<s>[INST] <<SYS>>\nSys.\n<</SYS>>\n\nQ1 [/INST]‹ A1 </s>›<s>[INST] Q2 [/INST]‹ A2 </s>›"],
    [
      "zephyr",
      stories,
      "<s><|system|>\nSys.</s>\n<|user|>\nQ1</s>\n<|assistant|>\n‹A1</s>›\n<|user|>\nQ2</s>\n<|assistant|>\n‹A2</s>›\n",
    ],
  ])("%s", (name, t, expected) => {
    expect(draw(name, t, TALK)).toBe(expected);
    const prompt = draw(name, t, TALK.slice(0, -1), true);
    expect(expected.startsWith(prompt)).toBe(true);
    expect(expected.slice(prompt.length)).toMatch(/^‹ ?A2/);
  });

  test("llama3", () => {
    const t = tokenizer("llama3");
    const header = (role: string) => `<|start_header_id|>${role}<|end_header_id|>ĊĊ`;
    expect(draw("llama3", t, TALK.slice(0, 3)).replaceAll("\n", "Ċ")).toBe(
      `<|begin_of_text|>${header("system")}Sys.<|eot_id|>${header("user")}Q1<|eot_id|>${header("assistant")}‹A1<|eot_id|>›`,
    );
  });
});

test("Stanford Alpaca's wording, with and without input", () => {
  const t = tokenizer("stories260K");
  const render = (input: string, addGenerationPrompt: boolean) =>
    renderExample(
      resolveTemplate("alpaca", t),
      { kind: "instruction", instruction: "Do.", input, output: "Done." },
      { tokenizer: t, addGenerationPrompt },
    )
      .map((x) => ("id" in x ? t.tokenOf(x.id) : x.text))
      .join("");
  const withInput =
    "<s>Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.\n\n### Instruction:\nDo.\n\n### Input:\nThis.\n\n### Response:";
  const withoutInput =
    "<s>Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\nDo.\n\n### Response:";
  expect(render("This.", true)).toBe(withInput);
  expect(render("This.", false)).toBe(`${withInput}Done.</s>`);
  expect(render("", true)).toBe(withoutInput);
  expect(render("", false)).toBe(`${withoutInput}Done.</s>`);
});

describe("choosing", () => {
  const t = tokenizer("stories260K");
  const chat = Object.create(t, { chatTemplate: { value: "{{ messages[0].content }}" } }) as Tokenizer;
  const examples: Record<string, Example> = {
    messages: { kind: "messages", messages: TALK },
    instruction: { kind: "instruction", instruction: "i", input: "", output: "o" },
    completion: { kind: "completion", prompt: "p", completion: "c" },
    text: { kind: "text", text: "t" },
  };
  test.each([
    ["messages", "guanaco", "jinja"],
    ["instruction", "alpaca", "jinja"],
    ["completion", "plain", "plain"],
    ["text", "plain", "plain"],
  ])("auto for %s", (kind, without, withOne) => {
    expect(resolveTemplate("auto", t, examples[kind]).name).toBe(without);
    expect(resolveTemplate(undefined, chat, examples[kind]).name).toBe(withOne);
  });

  test("auto chooses for each kind of record", () => {
    const { report } = encodeDataset([examples.completion!, examples.messages!, examples.text!], t);
    expect(report.template).toBe("plain, guanaco");
  });

  test("by name, by source, as it is", () => {
    for (const name of templateNames) expect(resolveTemplate(name, t).name).toBe(name);
    const own = resolveTemplate("{{ messages[0].content }}", t);
    expect(own.source).toBe("{{ messages[0].content }}");
    expect(resolveTemplate(own, t)).toBe(own);
    expect(resolveTemplate("jinja", chat).source).toBe(chat.chatTemplate);
  });

  test("unknown names list the known ones; jinja needs a chat template", () => {
    expect(dataError("TEMPLATE_UNKNOWN", () => resolveTemplate("vicuna", t)).message).toMatch(
      /auto, jinja, guanaco, alpaca/,
    );
    expect(dataError("TEMPLATE_UNKNOWN", () => resolveTemplate("jinja", t)).message).toMatch(/no chat template/);
  });
});

describe("refused", () => {
  const t = tokenizer("stories260K");
  test("templates whose tokens the tokenizer lacks", () => {
    expect(dataError("TOKEN_MISSING", () => draw("chatml", t, TALK)).message).toMatch(/<\|im_start\|>.*chatml/);
    expect(dataError("TOKEN_MISSING", () => draw("llama3", t, TALK)).message).toMatch(/<\|start_header_id\|>/);
    const bare = loadTokenizer(file("tokenizer.json", readFileSync(golden("tokenizers/stories260K/tokenizer.json"))));
    expect(dataError("TOKEN_MISSING", () => draw("guanaco", bare, TALK)).message).toMatch(/no eos_token.*guanaco/);
  });

  test("turns a template has no place for", () => {
    for (const name of ["guanaco", "alpaca", "llama2", "zephyr"]) {
      dataError("TEMPLATE_MESSAGES", () => draw(name, t, [turn("tool", "x")]));
    }
  });

  const jinja = (source: string, messages: Message[] = TALK.slice(1)) =>
    resolveTemplate(source, tokenizer("byte-level")).render(messages, {
      tokenizer: tokenizer("byte-level"),
      addGenerationPrompt: false,
    });

  test("text that changes as the conversation goes on", () => {
    const source = readFileSync(fixture("templates/unstable.jinja"), "utf8");
    const thinking = [
      turn("user", "Q"),
      turn("assistant", "<think>hm</think>A"),
      turn("user", "Q2"),
      turn("assistant", "A2"),
    ];
    expect(jinja(source, thinking.slice(0, 2)).filter((x) => x.target)).toHaveLength(1);
    const error = dataError("TEMPLATE_UNSTABLE", () => jinja(source, thinking));
    expect(error.message).toMatch(/messages\[1\].*changes.*\{% generation %\}.*built-in/);
  });

  test("a generation prompt that the turn does not begin with", () => {
    const source =
      "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<bot>{% endif %}";
    expect(dataError("TEMPLATE_UNSTABLE", () => jinja(source)).message).toMatch(
      /does not begin with its generation prompt/,
    );
  });

  test("marks that are not balanced", () => {
    const nested = "{% generation %}{% generation %}{{ messages[0].content }}{% endgeneration %}{% endgeneration %}";
    expect(dataError("TEMPLATE_UNSTABLE", () => jinja(nested)).message).toMatch(/inside/);
    const open = "{% if false %}{% generation %}{% endif %}{{ messages[0].content }}{% endgeneration %}";
    expect(dataError("TEMPLATE_UNSTABLE", () => jinja(open)).message).toMatch(/without/);
  });

  test("data that holds the marks' stand-ins", () => {
    dataError("TEMPLATE_UNSTABLE", () => jinja("{{ messages[0].content }}", [turn("user", "\u{f0f01}")]));
  });

  test("errors of the template's own name it, and the example's file and line", () => {
    const source = "{{ raise_exception('roles must alternate') }}";
    expect(dataError("TEMPLATE_FAILED", () => jinja(source)).message).toBe("template jinja: roles must alternate");
    const example: Example = { kind: "messages", messages: TALK, origin: { path: "data.jsonl", line: 7 } };
    const error = dataError("TEMPLATE_FAILED", () => encodeDataset([example], t, { template: source }));
    expect([error.path, error.line]).toEqual(["data.jsonl", 7]);
    expect(error.message).toMatch(/^data\.jsonl:7: template jinja/);
  });
});

describe("dates", () => {
  const t = tokenizer("byte-level");
  const dated = readFileSync(fixture("templates/dated.jinja"), "utf8");
  const text = (source: string, date?: Date): string =>
    resolveTemplate(source, t, undefined, date === undefined ? {} : { date })
      .render([turn("user", "Q")], { tokenizer: t, addGenerationPrompt: false })
      .map((x) => ("id" in x ? "" : x.text))
      .join("");

  test("a template falls back to its own date unless one is given", () => {
    expect(text(dated)).toMatch(/Today Date: 26 Jul 2024</);
    expect(text(dated, new Date(Date.UTC(2025, 0, 5)))).toMatch(/Today Date: 05 Jan 2025</);
  });

  test("one that must have it says so", () => {
    const needs = '{{ strftime_now("%Y-%m-%d %H:%M:%S %A %a %B %%") }}';
    expect(dataError("TEMPLATE_FAILED", () => text(needs)).message).toMatch(/asks for the date/);
    expect(text(needs, new Date(Date.UTC(2025, 11, 31, 1, 2, 3)))).toBe("2025-12-31 01:02:03 Wednesday Wed December %");
  });
});
