// @qlora/trainer: configuration, the loop, checkpoints, events.
export { attachAdapter, loraConfig, makeTrainable } from "./adapters.js";
export { type CheckpointContents, type CheckpointState, checkpointSteps, writeCheckpoint } from "./checkpoint.js";
export { ConfigError, formatConfig, parseConfig, readConfigFile, suggestion } from "./config.js";
export { describeReport, loadData, type TrainingData } from "./dataset.js";
export { TrainError, type TrainErrorCode } from "./error.js";
export { type EstimateInput, estimateMemory, type MemoryEstimate } from "./estimate.js";
export type { DoneEvent, MemoryEvent, StepEvent, TrainEvent } from "./events.js";
export type { Fingerprint } from "./fingerprint.js";
export { heldOutLoss } from "./held-out.js";
export { makeOptimizer, makeSchedule } from "./optimizer.js";
export { type StepOrder, stepOrder } from "./order.js";
export { type CurvePoint, type Curves, lossSvg, reportHtml } from "./picture.js";
export { newestCheckpoint, type OpenCheckpoint, readCheckpoint } from "./read-checkpoint.js";
export { availableMemory, freeBytes } from "./resources.js";
export { basePrecision, kebabCase, snakeCase, type TrainConfig, type TrainOptions, trainSchema } from "./schema.js";
export { type AccumulateOptions, type AccumulateResult, accumulate } from "./step.js";
export { type RunOptions, Trainer } from "./trainer.js";
