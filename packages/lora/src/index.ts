// @qlora/lora: low-rank adapters. Make, run forward and backward, merge, read and write as PEFT does.
export {
  type Adapter,
  type AdapterOptions,
  adapterOf,
  createAdapter,
  type Init,
  parameters,
  scaling,
  zeroGradients,
} from "./adapter.js";
export { type LoraConfig, parsePeftConfig, peftConfigText } from "./config.js";
export { LoraError, type LoraErrorCode } from "./errors.js";
export { keptSize, type LoraDropout, type LoraOptions, loraBackward, loraForward, scratchSize } from "./linear.js";
export { mergeInto, unmergeFrom } from "./merge.js";
export { patternValues } from "./patterns.js";
export { type Adapters, type ReadOptions, readPeftAdapter, writePeftAdapter } from "./peft.js";
export { resolveTargets, type Targets } from "./targets.js";
