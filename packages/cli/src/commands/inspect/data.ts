// A dataset as the model sees it: the text of a few examples, what is not learned marked, and what is kept of the whole.
import {
  type EncodedExample,
  type Example,
  encodeDataset,
  loadTokenizer,
  readDataset,
  renderExample,
  renderReport,
  renderSequence,
  resolveTemplate,
  type Segment,
  type Tokenizer,
} from "@qlora/data";
import type { TrainConfig } from "@qlora/trainer";
import { printable, table } from "../../terminal.js";
import { grouped } from "../../units.js";
import type { Report } from "./report.js";

interface Options extends Pick<TrainConfig, "dataFormat" | "template" | "maxLength" | "trainOnSource"> {
  data: string;
  model?: string | undefined;
  examples: number;
}

export function inspectData(options: Options): Report {
  const examples = readDataset(options.data, { format: options.dataFormat });
  return options.model === undefined ? asText(examples, options) : asTokens(examples, options, options.model);
}

const legend = "What the model reads but does not learn is dim, or between ⟦ and ⟧.";

function asTokens(all: Example[], options: Options, model: string): Report {
  const { data, examples: count, template, maxLength, trainOnSource } = options;
  const tokenizer = loadTokenizer(model);
  const { examples, report } = encodeDataset(all, tokenizer, { template, maxLength, trainOnSource });
  const shown = examples.slice(0, count);
  const text = [
    ...shown.flatMap((sequence, i) => [
      title(i, all[sequence.example], `${sequence.ids.length} tokens`),
      renderSequence(sequence, tokenizer),
      "",
    ]),
    ...(shown.length > 0 ? [legend] : []),
    renderReport(report),
  ].join("\n");
  const plain = shown.map((sequence: EncodedExample) => renderSequence(sequence, tokenizer, { color: false }));
  return { json: { kind: "data", path: data, report, examples: plain }, text, styled: true };
}

/** Without a tokenizer there are no tokens to count, only characters; the template then is guanaco's unless one is named. */
function asText(all: Example[], options: Options): Report {
  const { data, examples: count, trainOnSource } = options;
  const shown = all.slice(0, count).map((example) => renderText(example, options.template, trainOnSource));
  const kinds = new Map<string, number>();
  for (const { kind } of all) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  const characters = all.map(charactersOf).sort((a, b) => a - b);
  const lengths = {
    shortest: characters[0]!,
    median: characters[characters.length >> 1]!,
    longest: characters.at(-1)!,
  };
  const text = [
    ...shown.flatMap((example, i) => [
      title(i, all[i], `${grouped(charactersOf(all[i]!))} characters`),
      printable(example),
      "",
    ]),
    ...(shown.length > 0 ? ["What the model reads but does not learn is between ⟦ and ⟧.", ""] : []),
    table([
      ["examples", Array.from(kinds, ([kind, n]) => `${grouped(n)} ${kind}`).join(", ")],
      ["characters", `${grouped(lengths.shortest)} to ${grouped(lengths.longest)}, median ${grouped(lengths.median)}`],
    ]),
    "Tokens are counted with --model DIR, whose tokenizer and template are then used.",
  ].join("\n");
  const json = { kind: "data", path: data, total: all.length, kinds: Object.fromEntries(kinds), characters: lengths };
  return { json: { ...json, examples: shown }, text, styled: true };
}

function title(i: number, example: Example | undefined, size: string): string {
  const line = example?.origin?.line;
  return `── example ${i + 1}${line === undefined ? "" : `, line ${line}`}: ${size}`;
}

function charactersOf(example: Example): number {
  switch (example.kind) {
    case "text":
      return example.text.length;
    case "completion":
      return example.prompt.length + example.completion.length;
    case "instruction":
      return example.instruction.length + example.input.length + example.output.length;
    case "messages":
      return example.messages.reduce((sum, { content }) => sum + content.length, 0);
  }
}

/** An example through a template, with spellings in place of tokens. */
function renderText(example: Example, name: string, trainOnSource: boolean): string {
  if (example.kind === "text") return example.text.length > 2000 ? `${example.text.slice(0, 2000)}…` : example.text;
  const { tokenizer, spell } = spelling();
  const template = resolveTemplate(name === "auto" ? undefined : name, tokenizer, example);
  const runs: { masked: boolean; text: string }[] = [];
  for (const segment of renderExample(template, example, { tokenizer, addGenerationPrompt: false })) {
    const masked = !segment.target && !trainOnSource;
    if (runs.at(-1)?.masked === masked) runs.at(-1)!.text += spell(segment);
    else runs.push({ masked, text: spell(segment) });
  }
  return runs.map(({ masked, text }) => (masked ? `⟦${text}⟧` : text)).join("");
}

/** Stands for a tokenizer that has every special token, each written as it is spelt. */
function spelling(): { tokenizer: Tokenizer; spell: (segment: Segment) => string } {
  const tokens = ["</s>"];
  const idOf = (token: string) => {
    if (!tokens.includes(token)) tokens.push(token);
    return tokens.indexOf(token);
  };
  const stand = {
    path: "without a model",
    prefix: [],
    bos: undefined,
    eos: 0,
    eosIds: [0],
    chatTemplate: undefined,
    idOf,
  };
  return {
    tokenizer: stand as unknown as Tokenizer,
    spell: (segment) => ("id" in segment ? tokens[segment.id]! : segment.text),
  };
}
