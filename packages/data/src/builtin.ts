// The built-in templates. Each yields its segments directly, so what is learnt is exact by construction: the assistant's
// words and the token that ends its turn.
import { DataError, show } from "./errors.js";
import type { InstructionTemplate, Template } from "./template.js";
import type { Segment, Tokenizer } from "./tokenizer.js";

const source = (text: string): Segment => ({ text, target: false });
const target = (text: string): Segment => ({ text, target: true });

function eos(tokenizer: Tokenizer, template: string): Segment {
  if (tokenizer.eos === undefined) {
    throw new DataError("TOKEN_MISSING", `names no eos_token, which template ${template} ends a turn with`, {
      path: tokenizer.path,
    });
  }
  return { id: tokenizer.eos, target: true };
}

const bosOf = ({ bos }: Tokenizer): Segment[] => (bos === undefined ? [] : [{ id: bos, target: false }]);
const prefixOf = ({ prefix }: Tokenizer): Segment[] => prefix.map((id) => ({ id, target: false, around: true }));

// A marker such as <|im_end|> must be one token, else the model would have to spell it.
function token(content: string, tokenizer: Tokenizer, template: string): number {
  const id = tokenizer.idOf(content);
  if (id !== undefined) return id;
  const message = `has no token ${show(content)}, which template ${template} needs; guanaco, alpaca and plain need none`;
  throw new DataError("TOKEN_MISSING", message, { path: tokenizer.path });
}

function unsupported(template: string, role: string): DataError {
  return new DataError("TEMPLATE_MESSAGES", `template ${template} has no place for a turn of role "${role}"`);
}

const onlyEos = (name: string) => (tokenizer: Tokenizer) => [
  ...new Set([(eos(tokenizer, name) as { id: number }).id, ...tokenizer.eosIds]),
];

/** Prompt, then completion, joined as they are; turns follow each other without anything between them. */
const plain: Template = {
  name: "plain",
  render(messages, { tokenizer }) {
    const turns = messages.flatMap(({ role, content }) =>
      role === "assistant" ? [target(content), eos(tokenizer, "plain")] : [source(content)],
    );
    return [...prefixOf(tokenizer), ...turns];
  },
  stopIds: onlyEos("plain"),
};

/**
 * "### Human: … ### Assistant: …" (qlora, OASST1). The space after "Assistant:" is the answer's first character. EOS ends
 * every assistant turn; a system message stands in front.
 */
const guanaco: Template = {
  name: "guanaco",
  render(messages, { tokenizer, addGenerationPrompt }) {
    const segments = prefixOf(tokenizer);
    let separator = "";
    for (const { role, content } of messages) {
      if (role === "assistant") {
        segments.push(source(`${separator}### Assistant:`), target(` ${content}`), eos(tokenizer, "guanaco"));
        separator = "";
      } else if (role === "tool") throw unsupported("guanaco", role);
      else {
        segments.push(source(`${separator}${role === "user" ? "### Human: " : ""}${content}`));
        separator = " ";
      }
    }
    if (addGenerationPrompt) segments.push(source(`${separator}### Assistant:`));
    return segments;
  },
  stopIds: onlyEos("guanaco"),
};

// https://github.com/tatsu-lab/stanford_alpaca/blob/main/train.py, PROMPT_DICT.
const ALPACA_INPUT =
  "Below is an instruction that describes a task, paired with an input that provides further context. " +
  "Write a response that appropriately completes the request.\n\n";
const ALPACA_NO_INPUT =
  "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n";

/** Stanford Alpaca's wording. Further turns repeat "### Instruction:"; a system message replaces the first sentence. */
const alpaca: InstructionTemplate = {
  name: "alpaca",
  renderInstruction({ instruction, input, output }, { tokenizer, addGenerationPrompt }) {
    const prompt =
      input === ""
        ? `${ALPACA_NO_INPUT}### Instruction:\n${instruction}\n\n### Response:`
        : `${ALPACA_INPUT}### Instruction:\n${instruction}\n\n### Input:\n${input}\n\n### Response:`;
    const answer = addGenerationPrompt || output === undefined ? [] : [target(output), eos(tokenizer, "alpaca")];
    return [...prefixOf(tokenizer), source(prompt), ...answer];
  },
  render(messages, { tokenizer, addGenerationPrompt }) {
    const segments = prefixOf(tokenizer);
    let lead = ALPACA_NO_INPUT;
    for (const { role, content } of messages) {
      if (role === "system") lead = `${content}\n\n`;
      else if (role === "user") {
        segments.push(source(`${lead}### Instruction:\n${content}\n\n`));
        lead = "";
      } else if (role === "assistant") {
        segments.push(source("### Response:"), target(content), eos(tokenizer, "alpaca"));
        lead = "\n\n";
      } else throw unsupported("alpaca", role);
    }
    if (addGenerationPrompt) segments.push(source("### Response:"));
    return segments;
  },
  stopIds: onlyEos("alpaca"),
};

/** `<|im_start|>role⏎…<|im_end|>⏎` (OpenAI's ChatML, as Qwen uses it). */
const chatml: Template = {
  name: "chatml",
  render(messages, { tokenizer, addGenerationPrompt }) {
    const id = (content: string, learnt: boolean): Segment => ({
      id: token(content, tokenizer, "chatml"),
      target: learnt,
    });
    const segments = prefixOf(tokenizer);
    for (const { role, content } of messages) {
      const learnt = role === "assistant";
      segments.push(id("<|im_start|>", false), source(`${role}\n`));
      segments.push(learnt ? target(content) : source(content), id("<|im_end|>", learnt), source("\n"));
    }
    if (addGenerationPrompt) segments.push(id("<|im_start|>", false), source("assistant\n"));
    return segments;
  },
  stopIds: (tokenizer) => [...new Set([token("<|im_end|>", tokenizer, "chatml"), ...tokenizer.eosIds])],
};

/** `<s>[INST] <<SYS>>⏎system⏎<</SYS>>⏎⏎user [/INST] answer </s>` (meta-llama/llama, generation.py). */
const llama2: Template = {
  name: "llama2",
  render(messages, { tokenizer }) {
    const segments: Segment[] = [];
    let system = "";
    for (const { role, content } of messages) {
      if (role === "system") system = `<<SYS>>\n${content.trim()}\n<</SYS>>\n\n`;
      else if (role === "user") {
        segments.push(...bosOf(tokenizer), source(`[INST] ${system}${content.trim()} [/INST]`));
        system = "";
      } else if (role === "assistant") segments.push(target(` ${content.trim()} `), eos(tokenizer, "llama2"));
      else throw unsupported("llama2", role);
    }
    return segments;
  },
  stopIds: onlyEos("llama2"),
};

/** `<|start_header_id|>role<|end_header_id|>⏎⏎…<|eot_id|>` (Llama 3 model card). */
const llama3: Template = {
  name: "llama3",
  render(messages, { tokenizer, addGenerationPrompt }) {
    const id = (content: string, learnt: boolean): Segment => ({
      id: token(content, tokenizer, "llama3"),
      target: learnt,
    });
    const header = (role: string): Segment[] => [
      id("<|start_header_id|>", false),
      source(role),
      id("<|end_header_id|>", false),
      source("\n\n"),
    ];
    const segments = bosOf(tokenizer);
    for (const { role, content } of messages) {
      const learnt = role === "assistant";
      segments.push(...header(role), { text: content.trim(), target: learnt }, id("<|eot_id|>", learnt));
    }
    if (addGenerationPrompt) segments.push(...header("assistant"));
    return segments;
  },
  stopIds: (tokenizer) => [...new Set([token("<|eot_id|>", tokenizer, "llama3"), ...tokenizer.eosIds])],
};

/** `<|role|>⏎…</s>⏎` (HuggingFaceH4/zephyr-7b-beta). */
const zephyr: Template = {
  name: "zephyr",
  render(messages, { tokenizer, addGenerationPrompt }) {
    const segments = prefixOf(tokenizer);
    for (const { role, content } of messages) {
      const learnt = role === "assistant";
      if (role === "tool") throw unsupported("zephyr", role);
      segments.push(source(`<|${role}|>\n`), { text: content, target: learnt });
      segments.push({ ...eos(tokenizer, "zephyr"), target: learnt }, source("\n"));
    }
    if (addGenerationPrompt) segments.push(source("<|assistant|>\n"));
    return segments;
  },
  stopIds: onlyEos("zephyr"),
};

export const builtinTemplates: ReadonlyMap<string, Template> = new Map(
  [guanaco, alpaca, chatml, llama2, llama3, zephyr, plain].map((x) => [x.name, x]),
);
