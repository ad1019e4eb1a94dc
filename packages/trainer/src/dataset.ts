// A run's data: read, encoded, split into training and held-out sequences.
import {
  type EncodedExample,
  type EncodeReport,
  type Example,
  encodeDataset,
  type Origin,
  readDataset,
  splitHeldOut,
  type Template,
  type Tokenizer,
} from "@qlora/data";
import { TrainError } from "./error.js";
import type { TrainConfig } from "./schema.js";

export interface TrainingData {
  training: EncodedExample[];
  heldOut: EncodedExample[];
  /** Where each training example stood in its file, by `EncodedExample.example`. */
  origins: (Origin | undefined)[];
  /** The held-out examples before encoding, for asking the model. */
  heldOutExamples: Example[];
  template: Template;
  report: EncodeReport;
}

/** Reads and splits by example (never by window of one text), then encodes with the configured template. */
export function loadData(config: TrainConfig, tokenizer: Tokenizer, maxPositions: number): TrainingData {
  const examples = readDataset(config.data, { format: config.dataFormat });
  const options = {
    template: config.template,
    trainOnSource: config.trainOnSource,
    maxLength: Math.min(config.maxLength, maxPositions),
    onTooLong: config.onTooLong,
  };
  const split = config.heldOutData
    ? { train: examples, heldOut: readDataset(config.heldOutData, { format: config.dataFormat }) }
    : splitHeldOut(examples, { count: heldOutCount(config, examples.length), seed: config.seed });
  if (split.train.length === 0)
    throw new TrainError(
      "NO_DATA",
      `${config.data}: holding out ${split.heldOut.length} examples leaves none to train on`,
    );
  const { examples: training, report, template } = encodeDataset(split.train, tokenizer, options);
  const heldOut =
    split.heldOut.length > 0 ? encodeDataset(split.heldOut, tokenizer, { ...options, template }).examples : [];
  return {
    training,
    heldOut,
    origins: split.train.map(({ origin }) => origin),
    heldOutExamples: split.heldOut,
    template,
    report,
  };
}

function heldOutCount({ heldOut, maxHeldOut }: TrainConfig, total: number): number {
  if (heldOut >= 1) return Math.floor(heldOut);
  return Math.min(maxHeldOut, Math.round(total * heldOut));
}

/** What was kept and what was not, in one line. */
export function describeReport({
  total,
  kept,
  truncated,
  tooLong,
  labelFree,
  tokens,
  targetTokens,
  template,
}: EncodeReport): string {
  const left = [
    truncated && `${truncated} truncated`,
    tooLong && `${tooLong} too long`,
    labelFree && `${labelFree} without labels`,
  ].filter(Boolean);
  const numbers = `${tokens.toLocaleString("en")} tokens, ${targetTokens.toLocaleString("en")} of them learned`;
  return `${kept} of ${total} kept${left.length ? ` (${left.join(", ")})` : ""}; ${numbers}; template ${template}`;
}
