// Prompts for generation: tokenised as the training sequences begin.
import type { Example, Message, TextExample } from "./example.js";
import { encodeSegments } from "./segments.js";
import { renderExample, resolveTemplate, type Template } from "./template.js";
import type { Tokenizer } from "./tokenizer.js";

/**
 * The ids after which generation begins: the conversation so far and what introduces the assistant's turn. They equal
 * the first ids of the training sequence of the same conversation with an answer.
 */
export function encodePrompt(
  messages: readonly Message[],
  tokenizer: Tokenizer,
  { template }: { template?: string | Template } = {},
): Int32Array {
  const resolved = resolveTemplate(template, tokenizer);
  const segments = resolved.render(messages, { tokenizer, addGenerationPrompt: true });
  return encodeSegments(segments, tokenizer, false).ids;
}

/** As `encodePrompt`, for an example of any kind: what stands before its (last) answer. Text is its own prompt. */
export function encodeExamplePrompt(
  example: Example,
  tokenizer: Tokenizer,
  { template }: { template?: string | Template } = {},
): Int32Array {
  const resolved = resolveTemplate(template, tokenizer, example);
  if (example.kind === "text") return tokenizer.encode(example.text);
  const open = withoutAnswer(example);
  return encodeSegments(renderExample(resolved, open, { tokenizer, addGenerationPrompt: true }), tokenizer, false).ids;
}

function withoutAnswer<E extends Exclude<Example, TextExample>>(example: E): E {
  if (example.kind === "instruction") return example;
  if (example.kind === "completion") {
    return { kind: "messages", messages: [{ role: "user", content: example.prompt }] } as unknown as E;
  }
  const last = example.messages.at(-1)?.role === "assistant" ? -1 : undefined;
  return { ...example, messages: example.messages.slice(0, last) };
}
