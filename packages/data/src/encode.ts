// Examples → token ids and labels, with a report of what was kept and what was not.
import { DataError } from "./errors.js";
import type { Example } from "./example.js";
import { countTargets, encodeSegments } from "./segments.js";
import { renderExample, resolveTemplate, type Template } from "./template.js";
import { textWindows } from "./text-windows.js";
import type { Tokenizer } from "./tokenizer.js";

export interface EncodeExampleOptions {
  /** A name, Jinja source, or a resolved template; default "auto" (see `resolveTemplate`). */
  template?: string | Template;
  /** Learn the prompt, too (everything but BOS). Default false. */
  trainOnSource?: boolean;
  /** Most tokens in a sequence. Default: no limit. */
  maxLength?: number;
  /** What happens to a longer one: cut its end off, or leave it out. Default "truncate". Text is always cut into windows. */
  onTooLong?: "truncate" | "drop";
}

export interface EncodedExample {
  /** [t] token ids. */
  ids: Int32Array;
  /** [t] `labels[i]` is `ids[i]` where position i is learnt, else -100. Not shifted: see `shiftLabels`. */
  labels: Int32Array;
  /** Index of the example it came from. */
  example: number;
}

export interface EncodeReport {
  /** Examples read: `kept + tooLong + labelFree`. */
  total: number;
  /** Examples with at least one sequence. */
  kept: number;
  /** Of those, how many lost their end. */
  truncated: number;
  /** Left out because of their length: dropped, or nothing learnable within `maxLength`. */
  tooLong: number;
  /** Left out because nothing in them is learnt. */
  labelFree: number;
  /** Sequences made; more than `kept` when texts were cut into windows. */
  sequences: number;
  /** Tokens in the sequences. */
  tokens: number;
  /** Tokens that are predicted and learnt: labelled, and not the first of their sequence. */
  targetTokens: number;
  /** Examples left out, with the reason; the first 100. */
  dropped: { example: number; line: number | undefined; reason: "tooLong" | "labelFree" }[];
  /** Name of the template used; of each, where "auto" chose several for records of several kinds. */
  template: string;
}

/** One of them encoded: possibly several sequences (windows of a long text), possibly none. */
function sequencesOf(
  example: Example,
  tokenizer: Tokenizer,
  template: Template,
  options: EncodeExampleOptions,
): { sequences: { ids: Int32Array; labels: Int32Array }[]; outcome: "kept" | "truncated" | "tooLong" | "labelFree" } {
  const { trainOnSource = false, maxLength = Number.POSITIVE_INFINITY, onTooLong = "truncate" } = options;
  if (example.kind === "text") {
    const sequences = textWindows(example, tokenizer, maxLength);
    return { sequences, outcome: sequences.length > 0 ? "kept" : "labelFree" };
  }
  const segments = renderExample(template, example, { tokenizer, addGenerationPrompt: false });
  const whole = encodeSegments(segments, tokenizer, trainOnSource);
  if (countTargets(whole.labels) === 0) return { sequences: [], outcome: "labelFree" };
  if (whole.ids.length <= maxLength) return { sequences: [whole], outcome: "kept" };
  const cut = { ids: whole.ids.slice(0, maxLength), labels: whole.labels.slice(0, maxLength) };
  if (onTooLong === "drop" || countTargets(cut.labels) === 0) return { sequences: [], outcome: "tooLong" };
  return { sequences: [cut], outcome: "truncated" };
}

/**
 * One example as ids and labels: `{ids, labels}`, both Int32Array [t], labels[i] = ids[i] where learnt, else -100 (not
 * shifted). Throws DataError NO_TARGETS where nothing in it (or within `maxLength`) is learnt, TOKEN_MISSING, TEMPLATE_….
 * Text longer than `maxLength` needs `encodeDataset`, which makes windows of it.
 */
export function encodeExample(
  example: Example,
  tokenizer: Tokenizer,
  options: EncodeExampleOptions = {},
): { ids: Int32Array; labels: Int32Array } {
  const template = resolveTemplate(options.template, tokenizer, example);
  const { sequences, outcome } = atOrigin(example, () => sequencesOf(example, tokenizer, template, options));
  if (sequences.length !== 1) {
    const why =
      sequences.length > 1
        ? `is text of ${sequences.length} windows; encodeDataset keeps them all`
        : outcome === "tooLong"
          ? `has nothing to learn within ${options.maxLength} tokens, or is longer`
          : "has nothing to learn";
    throw new DataError("NO_TARGETS", `the example ${why}`, { ...example.origin });
  }
  return sequences[0]!;
}

/**
 * Encodes a dataset. Nothing disappears silently: every example is kept or counted in `report`. Throws DataError
 * NO_TARGETS when nothing is left, and what rendering a template throws, naming the example's file and line. `template`
 * is the one used (for the first example), to be given to `encodePrompt` when generating.
 */
export function encodeDataset(
  examples: Iterable<Example>,
  tokenizer: Tokenizer,
  options: EncodeExampleOptions = {},
): { examples: EncodedExample[]; report: EncodeReport; template: Template } {
  checkMaxLength(options.maxLength);
  const templates = new Map<Example["kind"], Template>();
  const out: EncodedExample[] = [];
  const report: EncodeReport = {
    total: 0,
    kept: 0,
    truncated: 0,
    tooLong: 0,
    labelFree: 0,
    sequences: 0,
    tokens: 0,
    targetTokens: 0,
    dropped: [],
    template: "",
  };
  let path: string | undefined;
  for (const example of examples) {
    if (!templates.has(example.kind)) {
      templates.set(example.kind, resolveTemplate(options.template, tokenizer, example));
    }
    const template = templates.get(example.kind)!;
    path ??= example.origin?.path;
    const index = report.total++;
    const { sequences, outcome } = atOrigin(example, () => sequencesOf(example, tokenizer, template, options));
    if (outcome === "tooLong" || outcome === "labelFree") {
      report[outcome]++;
      if (report.dropped.length < 100)
        report.dropped.push({ example: index, line: example.origin?.line, reason: outcome });
      continue;
    }
    report.kept++;
    if (outcome === "truncated") report.truncated++;
    for (const sequence of sequences) {
      out.push({ ...sequence, example: index });
      report.tokens += sequence.ids.length;
      report.targetTokens += countTargets(sequence.labels);
    }
  }
  report.sequences = out.length;
  if (out.length === 0) throw nothingLeft(report, options, path);
  report.template = [...new Set([...templates.values()].map((x) => x.name))].join(", ");
  return { examples: out, report, template: [...templates.values()][0]! };
}

function checkMaxLength(maxLength: number | undefined): void {
  if (maxLength === undefined || maxLength === Number.POSITIVE_INFINITY) return;
  if (!Number.isInteger(maxLength) || maxLength < 2)
    throw new RangeError(`maxLength is ${maxLength}, expected at least 2`);
}

// Errors of templates and tokenizers get the example's file and line.
function atOrigin<T>(example: Example, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof DataError && error.line === undefined && example.origin !== undefined) {
      throw new DataError(error.code, error.message, { ...example.origin, cause: error });
    }
    throw error;
  }
}

function nothingLeft(report: EncodeReport, { maxLength }: EncodeExampleOptions, path: string | undefined): DataError {
  if (report.total === 0) return new DataError("EMPTY_FILE", "the dataset has no examples", { path });
  const parts = [
    report.labelFree > 0 ? `${report.labelFree} have no assistant turn, completion or output` : "",
    report.tooLong > 0 ? `${report.tooLong} have nothing to learn within ${maxLength} tokens` : "",
  ].filter((x) => x !== "");
  const message = `none of the ${report.total} examples can be trained on: ${parts.join("; ")}`;
  return new DataError("NO_TARGETS", message, { path });
}
