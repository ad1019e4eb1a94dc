// @qlora/transformer: LLaMA-family decoders on 4-bit, 16-bit or 32-bit weights.
export { type Batch, countTargets, sequenceBatch } from "./batch.js";
export { blockBackward, blockForward, type Layout } from "./block.js";
export { type CacheType, cacheTypes, type LayerCache } from "./cache.js";
export { activationBytes, defaultActivationMemory, keptBlocks } from "./checkpointing.js";
export { type ModelConfig, parseModelConfig, type RopeScaling, readModelConfig } from "./config.js";
export { type Device, type DeviceName, findDevice, placeAdapter, toHost, zero } from "./device.js";
export { ModelError, type ModelErrorCode } from "./error.js";
export { Decoder, type GenerateOptions, generate } from "./generate.js";
export type { Dropout } from "./linear.js";
export { initModel, isMappable, type LoadOptions, type LoadProgress, loadModel, loadSteps } from "./load.js";
export {
  adapters,
  freeModel,
  type Layer,
  type Linear,
  type LinearKey,
  linearKeys,
  linearName,
  linearShape,
  linears,
  type Model,
  modelBytes,
  modelParameters,
  type Norm,
  type Trainable,
  tensorShapes,
  trainables,
  trainEverything,
} from "./model.js";
export { logitsRows, type PassOptions, type PassResult, Runner, type RunnerOptions, tokensTogether } from "./pass.js";
export { type Candidate, candidates, type SamplingOptions, sample } from "./sample.js";
export {
  copyCompanions,
  mergeModel,
  type QuantizeOptions,
  quantizeModel,
  saveModel,
  saveWeights,
  writeFolder,
} from "./save.js";
export { leastMapped } from "./source.js";
export { type Arithmetic, type Compute, hostTensor, type Precision, type Weight } from "./weight.js";
export { Workspace } from "./workspace.js";
