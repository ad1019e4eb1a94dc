// @qlora/data: files → examples → tokens and labels → batches.

export { type BatchOptions, batches, type Cursor, type Step, trainingSteps } from "./batches.js";
export { collate, collatePadded, type PaddedBatch, type RaggedBatch, type Sequence, shiftLabels } from "./collate.js";
export { type DatasetFormat, iterateDataset, type ReadOptions, readDataset } from "./dataset.js";
export type { DecodeStream } from "./decode-stream.js";
export {
  type EncodedExample,
  type EncodeExampleOptions,
  type EncodeReport,
  encodeDataset,
  encodeExample,
} from "./encode.js";
export { DataError, type DataErrorCode, escapeControls } from "./errors.js";
export {
  type CompletionExample,
  type Example,
  type InstructionExample,
  type Message,
  type MessagesExample,
  type Origin,
  type Role,
  type TextExample,
  toMessages,
} from "./example.js";
export { type HeldOutOptions, splitHeldOut } from "./held-out.js";
export { firstFit } from "./packing.js";
export { encodeExamplePrompt, encodePrompt } from "./prompt.js";
export { permutation, philox } from "./random.js";
export { type RenderOptions, renderReport, renderSequence } from "./render.js";
export { countTargets, IGNORE } from "./segments.js";
export {
  type RenderContext,
  renderExample,
  resolveTemplate,
  type Template,
  type TemplateOptions,
  templateNames,
} from "./template.js";
export {
  type DecodeOptions,
  type EncodeOptions,
  loadTokenizer,
  type Segment,
  type Tokenizer,
} from "./tokenizer.js";
export { checkVocabulary } from "./vocabulary.js";
