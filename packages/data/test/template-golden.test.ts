// Jinja templates render as in transformers, and their spans and ids are right (conformance/chat_golden.py).
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { encodePrompt, type Message, resolveTemplate, type Segment, type Tokenizer } from "../src/index.js";
import { encodeSegments } from "../src/segments.js";
import { fixture, tokenizer } from "./shared.js";

interface Case {
  template: string;
  tokenizer: string;
  messages: Message[];
  text: string;
  prompt: string;
  spans?: string[];
  ids: number[];
}

const golden = JSON.parse(readFileSync(new URL("golden/chats.json", import.meta.url), "utf8")) as Case[];
const spell = (segments: Segment[], t: Tokenizer): string =>
  segments.map((x) => ("id" in x ? t.tokenOf(x.id) : x.text)).join("");

/** What is learnt, one string a turn. */
function learnt(segments: Segment[], t: Tokenizer): string[] {
  const turns: string[] = [];
  segments.forEach((x, i) => {
    if (!x.target) return;
    const text = spell([x], t);
    if (i > 0 && segments[i - 1]!.target) turns[turns.length - 1] += text;
    else turns.push(text);
  });
  return turns;
}

const BUILTIN = ["chatml", "llama2", "llama3", "zephyr"];
const names = [...new Set(golden.map((x) => x.template))];

test("the golden file holds nine templates and seven conversations", () => {
  expect(names).toHaveLength(9);
  expect(golden).toHaveLength(63);
});

describe.each(names)("%s", (name) => {
  const cases = golden.filter((x) => x.template === name).map((x, i) => [i, x] as const);
  const t = tokenizer(cases[0]![1].tokenizer);
  const jinja = resolveTemplate(readFileSync(fixture(`templates/${name}.jinja`), "utf8"), t);

  test.each(cases)("conversation %i: text, prompt and ids as in transformers", (_, { messages, text, prompt, ids }) => {
    const segments = jinja.render(messages, { tokenizer: t, addGenerationPrompt: false });
    expect(spell(segments, t)).toBe(text);
    expect(spell(jinja.render(messages.slice(0, -1), { tokenizer: t, addGenerationPrompt: true }), t)).toBe(prompt);
    expect([...encodeSegments(segments, t, false).ids]).toEqual(ids);
  });

  test.each(cases)("conversation %i: what is learnt is what the assistant says", (_, { messages, spans }) => {
    const turns = learnt(jinja.render(messages, { tokenizer: t, addGenerationPrompt: false }), t);
    const answers = messages.filter((x) => x.role === "assistant").map((x) => x.content);
    expect(turns).toHaveLength(answers.length);
    if (spans !== undefined) expect(turns).toEqual(spans.map((x) => x.trimEnd()));
    turns.forEach((turn, i) => {
      const end =
        name === "llama2" || name === "zephyr"
          ? "</s>"
          : name.endsWith("dashes") || name === "llama3"
            ? "<|eot_id|>"
            : "<|im_end|>";
      const closing = name === "closing" && i === turns.length - 1 ? "\n<|endoftext|>" : "";
      expect(turn.trimStart()).toMatch(new RegExp(`${end.replaceAll("|", "\\|")}${closing.replaceAll("|", "\\|")}$`));
      expect(turn.slice(0, turn.length - end.length - closing.length).trim()).toBe(answers[i]!.trim());
    });
  });

  test.each(cases)("conversation %i: the prompt's ids begin the training ids", (_, { messages }) => {
    const { ids } = encodeSegments(jinja.render(messages, { tokenizer: t, addGenerationPrompt: false }), t, false);
    const prompt = encodePrompt(messages.slice(0, -1), t, { template: jinja });
    expect([...prompt]).toEqual([...ids.slice(0, prompt.length)]);
    expect(prompt.length).toBeLessThan(ids.length);
  });

  if (!BUILTIN.includes(name)) return;
  test.each(cases)("conversation %i: the built-in template gives the same ids", (_, { messages, ids }) => {
    const segments = resolveTemplate(name, t).render(messages, { tokenizer: t, addGenerationPrompt: false });
    const got = [...encodeSegments(segments, t, false).ids];
    // Jinja templates put BOS where they say so; the built-in zephyr where the tokenizer does.
    const bos = name === "zephyr" ? [t.bos!] : [];
    expect(got).toEqual([...bos, ...ids]);
    const end = { chatml: "<|im_end|>", llama2: "</s>", llama3: "<|eot_id|>", zephyr: "</s>" }[name]!;
    expect(resolveTemplate(name, t).stopIds(t)).toEqual([t.idOf(end)]);
  });
});

test("stopIds finds the token that ends a turn", () => {
  const chatml = readFileSync(fixture("templates/chatml.jinja"), "utf8");
  const t = tokenizer("byte-level");
  expect(resolveTemplate(chatml, t).stopIds(t)).toEqual([t.idOf("<|im_end|>")]);
  const closing = readFileSync(fixture("templates/closing.jinja"), "utf8").replaceAll("<|im_end|>", "<|im_start|>");
  expect(resolveTemplate(closing, t).stopIds(t)).toEqual([t.eos, t.idOf("<|im_start|>")]);
});
