// A template turns a conversation into segments: text and special tokens, each marked as the assistant's or not.
import { builtinTemplates } from "./builtin.js";
import { DataError } from "./errors.js";
import { type Example, type Message, toMessages } from "./example.js";
import { jinjaTemplate } from "./jinja-template.js";
import type { Segment, Tokenizer } from "./tokenizer.js";

export interface RenderContext {
  tokenizer: Tokenizer;
  /** Append what introduces the assistant's next turn, for generation. */
  addGenerationPrompt: boolean;
}

export interface Template {
  /** "guanaco", "alpaca", …, or "jinja" for a template from a model folder or a file. */
  readonly name: string;
  /** Jinja source, where there is one. */
  readonly source?: string;
  /** The segments of a conversation. BOS is among them where the template or the tokenizer puts it. */
  render(messages: readonly Message[], context: RenderContext): Segment[];
  /** Ids that end an assistant turn: what generation stops at. */
  stopIds(tokenizer: Tokenizer): number[];
}

export interface TemplateOptions {
  /**
   * What `strftime_now` answers in Jinja templates. Without it the function is not defined, so that most templates fall
   * back to a fixed date of their own and a run tokenises alike today and tomorrow.
   */
  date?: Date;
}

/** The names that `resolveTemplate` knows, "auto" and "jinja" aside. */
export const templateNames: readonly string[] = [...builtinTemplates.keys()];

/**
 * The template for a name, for Jinja source (recognised by "{%" or "{{"), or for "auto" / undefined: the one that suits
 * an example. Conversations and instructions get the tokenizer's chat template if it has one, else guanaco and alpaca;
 * prompt/completion pairs and text get plain; without an example it is as for a conversation.
 * "jinja" asks for the tokenizer's chat template. Throws DataError TEMPLATE_UNKNOWN, TEMPLATE_SYNTAX, TEMPLATE_TOO_LARGE.
 */
export function resolveTemplate(
  spec: string | Template | undefined,
  tokenizer: Tokenizer,
  example?: Example,
  options: TemplateOptions = {},
): Template {
  if (typeof spec === "object") return spec;
  if (spec === undefined || spec === "auto") return automatic(tokenizer, example, options);
  const builtin = builtinTemplates.get(spec);
  if (builtin !== undefined) return builtin;
  if (spec === "jinja") {
    if (tokenizer.chatTemplate === undefined) {
      throw new DataError("TEMPLATE_UNKNOWN", `has no chat template; name one of ${templateNames.join(", ")}`, {
        path: tokenizer.path,
      });
    }
    return jinjaTemplate(tokenizer.chatTemplate, { ...options, path: tokenizer.path });
  }
  if (/\{[%{]/.test(spec)) return jinjaTemplate(spec, options);
  const known = ["auto", "jinja", ...templateNames].join(", ");
  throw new DataError("TEMPLATE_UNKNOWN", `no template is called "${spec}"; known are ${known}`);
}

function automatic(tokenizer: Tokenizer, example: Example | undefined, options: TemplateOptions): Template {
  if (example?.kind === "text" || example?.kind === "completion") return builtinTemplates.get("plain")!;
  if (tokenizer.chatTemplate !== undefined) return resolveTemplate("jinja", tokenizer, undefined, options);
  return builtinTemplates.get(example?.kind === "instruction" ? "alpaca" : "guanaco")!;
}

/** An example's turns as this template's segments; alpaca keeps instruction and input apart. */
export function renderExample(
  template: Template,
  example: Exclude<Example, { kind: "text" }>,
  context: RenderContext,
): Segment[] {
  const native = (template as Partial<InstructionTemplate>).renderInstruction;
  if (example.kind === "instruction" && native !== undefined) return native(example, context);
  return template.render(toMessages(example), context);
}

/** A template with a wording of its own for instruction/input/output records. */
export interface InstructionTemplate extends Template {
  renderInstruction(
    example: { instruction: string; input: string; output?: string },
    context: RenderContext,
  ): Segment[];
}
