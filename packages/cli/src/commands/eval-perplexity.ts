// qlora eval perplexity: of a text, or of the answers in a dataset.
import { setImmediate as tick } from "node:timers/promises";
import { type Example, encodeDataset, iterateDataset, readDataset, renderReport } from "@qlora/data";
import {
  type Document,
  EvaluationError,
  formatPerplexity,
  type PerplexityResult,
  perplexity,
  readDocuments,
} from "@qlora/eval";
import { heldOutLoss } from "@qlora/trainer";
import { Runner } from "@qlora/transformer";
import { z } from "zod";
import { command } from "../command.js";
import { UsageError } from "../errors.js";
import { checkHtml, htmlOption, writeHtml } from "../html.js";
import { type LoadedModel, modelOptions, openModel } from "../model-options.js";
import { progress } from "../progress.js";
import { tokenScorer } from "../scorer.js";
import { result, table } from "../terminal.js";

export const perplexityCommand = command({
  name: "eval perplexity",
  summary: "perplexity and loss, of a text or of a dataset's answers",
  schema: z.strictObject({
    ...modelOptions,
    data: z
      .string()
      .min(1)
      .describe(
        "text file or JSON(L) with a text field, of which every token counts; or a dataset, of which the answers do",
      ),
    window: z.number().int().min(2).optional().describe("tokens the model sees at once; default its context"),
    stride: z.number().int().positive().optional().describe("tokens the window moves on in a text; default half of it"),
    maxTokens: z.number().int().positive().optional().describe("stop in a text after so many tokens"),
    template: z.string().optional().describe("chat template of a dataset; default auto, or as in the adapter's run"),
    html: htmlOption,
    json: z.boolean().default(false).describe("one JSON object on stdout"),
  }),
  examples: [
    "qlora eval perplexity --model my-model --data book.txt",
    "qlora eval perplexity --model my-model --adapter runs/mine --data held-out.jsonl --json",
  ],
  async run({ data, stride, window, maxTokens, template, html, json, ...options }) {
    checkHtml(html);
    const source = readSource(data);
    const loaded = await openModel(options);
    const context = loaded.model.config.maxPositions;
    if (window !== undefined && window > context)
      throw new UsageError(`--window must be at most the model's context of ${context}, got ${window}`);
    const length = window ?? context;
    if (source.kind === "dataset") {
      if (stride !== undefined || maxTokens !== undefined || html !== undefined)
        throw new UsageError(`${data} is a dataset; --stride, --max-tokens and --html are for texts`);
      const { text, ...values } = await answerLoss(source.examples, loaded, { template, window: length });
      result(json, values, text);
      return;
    }
    if (stride !== undefined && stride >= length)
      throw new UsageError(`--stride must be below the window of ${length} tokens, got ${stride}`);
    const measured = await textLoss(source.documents, loaded, { stride, window: length, maxTokens });
    writeHtml(html, {
      title: "Perplexity",
      subtitle: data,
      perplexity: [{ name: options.model, result: measured }],
    });
    result(json, measured, formatPerplexity(measured));
  },
});

type Source = { kind: "text"; documents: Document[] } | { kind: "dataset"; examples: Example[] };

/** Documents where the file has them; else a dataset with prompts and answers. */
function readSource(path: string): Source {
  try {
    return { kind: "text", documents: readDocuments(path) };
  } catch (error) {
    if (!(error instanceof EvaluationError) || error.code !== "BAD_DOCUMENT") throw error;
    iterateDataset(path).next(); // says what forms are known where the first record has none of them
    return { kind: "dataset", examples: readDataset(path) };
  }
}

async function textLoss(
  documents: Document[],
  loaded: LoadedModel,
  options: { stride: number | undefined; window: number; maxTokens: number | undefined },
): Promise<PerplexityResult> {
  const bar = progress();
  const { stride, window, maxTokens } = options;
  const scorer = tokenScorer(loaded);
  const measured = await perplexity(documents, scorer, {
    window,
    ...(stride === undefined ? {} : { stride }),
    ...(maxTokens === undefined ? {} : { maxTokens }),
    onProgress: ({ tokens, nll, document, documents }) =>
      bar.update(
        document - 1,
        documents,
        `document ${document}/${documents}  ${tokens} tokens  perplexity ${Math.exp(nll).toFixed(3)}`,
      ),
  });
  bar.end();
  return measured;
}

/** Mean nll over the answers' tokens, those that training would learn. */
async function answerLoss(
  examples: Example[],
  loaded: LoadedModel,
  { template = loaded.template, window }: { template: string | undefined; window: number },
) {
  const encoded = encodeDataset(examples, loaded.tokenizer, { maxLength: window, ...(template ? { template } : {}) });
  const bar = progress();
  const steps = heldOutLoss(new Runner(loaded.model), encoded.examples, window);
  let step = steps.next();
  for (; !step.done; step = steps.next()) {
    bar.update(step.value.done, step.value.total, `example ${step.value.done}/${step.value.total}`);
    await tick();
  }
  bar.end();
  const nll = step.value;
  const tokens = encoded.report.targetTokens;
  return {
    perplexity: Math.exp(nll),
    nll,
    tokens,
    bitsPerByte: null,
    examples: encoded.report.kept,
    report: encoded.report,
    text: `${table([
      ["perplexity", Math.exp(nll).toFixed(4)],
      ["nll per token", `${nll.toFixed(5)} nats`],
      ["tokens", `${tokens} of the answers`],
    ])}\n${renderReport(encoded.report)}`,
  };
}
