// @qlora/paged-optim: optimisers with 32- and 8-bit states, in memory, in the pages of a file, or on a device.

export { NoCudaError } from "./cuda.js";
export { DeviceState, type DeviceStateOptions } from "./device-state.js";
export { type LoraPlusOptions, loraPlusGroups } from "./lora-plus.js";
export { setSimd, setThreads, simd, simds, threads } from "./native.js";
export { clipFactor, clipGradNorm, firstNonFinite, gradNorm } from "./norm.js";
export type { Optimizer, PlacementOptions } from "./optimizer.js";
export { Adam, AdamW, AdEMAMix, Lion, Sgd } from "./optimizers.js";
export { PagedStateError, type PagedStateErrorCode } from "./page-file.js";
export { PagedState, type PagedStateOptions, type PagingCounters } from "./paged.js";
export { type AdamOptions, type AdEMAMixOptions, type LionOptions, type SgdOptions, stateBytes } from "./rules.js";
export { constant, cosine, linear, type Schedule, wsd } from "./schedules.js";
export { MemoryState, type StateMemory, type StateStore } from "./store.js";
export type * from "./types.js";
