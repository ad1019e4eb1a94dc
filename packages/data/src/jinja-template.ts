// A Jinja chat template as segments: render it, and find in the text what the assistant says.
//
// With {% generation %} marks (transformers' return_assistant_tokens_mask) the spans are what stands between them.
// Without, the conversation is rendered up to each assistant turn, with the generation prompt, and through it. The first
// must be a prefix of the whole: the turn begins where it ends. The second must be, too: the turn ends where it ends; or,
// for templates that close the conversation with one more token, up to the special token that ends the turn. A template
// that changes earlier text as the conversation grows has no such spans; that is an error, not a guess.
import { DataError } from "./errors.js";
import type { Message } from "./example.js";
import { parseJinja, strftime } from "./jinja.js";
import type { Template, TemplateOptions } from "./template.js";
import type { Segment, Tokenizer } from "./tokenizer.js";

// Private-use characters that stand for the marks while rendering; data that holds them is refused.
const BEGIN = "\u{f0f01}";
const END = "\u{f0f02}";

interface Span {
  begin: number;
  end: number;
}

/** The template in Jinja source. Throws DataError TEMPLATE_SYNTAX, TEMPLATE_TOO_LARGE. */
export function jinjaTemplate(source: string, { path, date }: TemplateOptions & { path?: string } = {}): Template {
  const name = "jinja";
  const program = parseJinja(source, { name, path });
  const marked = hasGenerationMarks(source) ? parseJinja(withMarks(source), { name, path }) : undefined;
  const needsDate = /\bstrftime_now\s*\(/.test(source) && !/strftime_now is (not )?defined/.test(source);

  const values = (messages: readonly Message[], tokenizer: Tokenizer, addGenerationPrompt: boolean) => {
    const text = (id: number | undefined): string => (id === undefined ? "" : (tokenizer.tokenOf(id) ?? ""));
    return {
      messages: messages.map(({ role, content }) => ({ role, content })),
      tools: null, // transformers passes both, so "is defined" holds for them
      documents: null,
      add_generation_prompt: addGenerationPrompt,
      bos_token: text(tokenizer.bos),
      eos_token: text(tokenizer.eos),
      pad_token: text(tokenizer.pad),
      unk_token: text(tokenizer.unk),
      ...(date === undefined ? {} : { strftime_now: (format: string) => strftime(date, format) }),
    };
  };
  const checkDate = (): void => {
    if (!needsDate || date !== undefined) return;
    throw new DataError("TEMPLATE_FAILED", `template ${name} asks for the date; give one (option date)`, { path });
  };
  const fail = (message: string): never => {
    throw new DataError("TEMPLATE_UNSTABLE", `template ${name}: ${message}`, { path });
  };

  return {
    name,
    source,
    render(messages, { tokenizer, addGenerationPrompt }) {
      checkDate();
      for (const { content } of messages) {
        if (content.includes(BEGIN) || content.includes(END)) fail("a message holds U+F0F01 or U+F0F02");
      }
      const draw = (upTo: number, prompt: boolean): string =>
        program.render(values(messages.slice(0, upTo), tokenizer, prompt));
      const whole = draw(messages.length, addGenerationPrompt);
      const spans =
        marked === undefined
          ? prefixSpans(messages, whole, draw, tokenizer, fail)
          : markedSpans(marked.render(values(messages, tokenizer, addGenerationPrompt)), whole, fail);
      return segmentsOf(whole, spans, tokenizer);
    },
    stopIds(tokenizer) {
      checkDate();
      return turnEnds(program.render.bind(program), values, tokenizer);
    },
  };
}

function prefixSpans(
  messages: readonly Message[],
  whole: string,
  draw: (upTo: number, prompt: boolean) => string,
  tokenizer: Tokenizer,
  fail: (message: string) => never,
): Span[] {
  const advice =
    "so what the assistant says cannot be told apart; mark it with {% generation %} or use a built-in template";
  const spans: Span[] = [];
  messages.forEach(({ role, content }, i) => {
    if (role !== "assistant") return;
    const begin = draw(i, true);
    if (!whole.startsWith(begin))
      fail(`the text of messages[${i}] does not begin with its generation prompt, ${advice}`);
    const through = draw(i + 1, false);
    const common = commonPrefix(through, whole);
    const end =
      common === through.length ? common : tokenizer.lastSpecialEnd(whole.slice(begin.length, common)) + begin.length;
    if (end < begin.length || (common < through.length && !whole.slice(begin.length, end).includes(content.trim()))) {
      fail(`the text of messages[${i}] changes when the conversation goes on, ${advice}`);
    }
    spans.push({ begin: begin.length, end });
  });
  return spans;
}

function commonPrefix(a: string, b: string): number {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
}

function hasGenerationMarks(source: string): boolean {
  return /\{%[-+]?\s*generation\s*[-+]?%\}/.test(source);
}

// {% generation %} … {% endgeneration %} as expressions that print BEGIN … END, with the white space that block tags
// take with them (trim_blocks, lstrip_blocks).
function withMarks(source: string): string {
  const tag = /(^[ \t]*)?\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}(\n?)/gm;
  return source.replace(tag, (_, indent: string | undefined, left, end, right, newline) => {
    const open = left === "-" ? "{{-" : "{{";
    const close = right === "-" ? "-}}" : "}}";
    const kept = left === "+" ? (indent ?? "") : "";
    return `${kept}${open} "${end === undefined ? BEGIN : END}" ${close}${right === "+" ? newline : ""}`;
  });
}

function markedSpans(text: string, whole: string, fail: (message: string) => never): Span[] {
  const spans: Span[] = [];
  let plain = "";
  let begin: number | undefined;
  for (const part of text.split(/(\u{f0f01}|\u{f0f02})/u)) {
    if (part === BEGIN) {
      if (begin !== undefined) fail("{% generation %} inside {% generation %}");
      begin = plain.length;
    } else if (part === END) {
      if (begin === undefined) fail("{% endgeneration %} without {% generation %}");
      spans.push({ begin: begin!, end: plain.length });
      begin = undefined;
    } else plain += part;
  }
  if (plain !== whole) fail("it renders differently with its {% generation %} marks printed");
  return spans;
}

// White space after the token that ends a turn belongs to the layout, not to what the assistant says.
function segmentsOf(text: string, spans: Span[], tokenizer: Tokenizer): Segment[] {
  const segments: Segment[] = [];
  let at = 0;
  for (const { begin, end } of spans) {
    const said = text.slice(begin, end);
    const trimmed = said.trimEnd();
    const stop = tokenizer.lastSpecialEnd(trimmed) === trimmed.length && trimmed !== "" ? begin + trimmed.length : end;
    segments.push({ text: text.slice(at, begin), target: false }, { text: text.slice(begin, stop), target: true });
    at = stop;
  }
  segments.push({ text: text.slice(at), target: false });
  return segments.filter((x) => !("text" in x) || x.text !== "");
}

// The special token after the assistant's words in a small conversation, if any, and the tokenizer's own ends.
function turnEnds(
  render: (values: Record<string, unknown>) => string,
  values: (messages: readonly Message[], tokenizer: Tokenizer, prompt: boolean) => Record<string, unknown>,
  tokenizer: Tokenizer,
): number[] {
  const ends = new Set(tokenizer.eosIds);
  const mark = "qlora-turn";
  const messages: Message[] = [
    { role: "user", content: "?" },
    { role: "assistant", content: mark },
  ];
  const text = render(values(messages, tokenizer, false));
  const after = text.slice(text.lastIndexOf(mark) + mark.length);
  const id = text.includes(mark) ? tokenizer.encode(after.trim(), { addSpecial: false })[0] : undefined;
  if (id !== undefined && tokenizer.isSpecial(id)) ends.add(id);
  return [...ends];
}
