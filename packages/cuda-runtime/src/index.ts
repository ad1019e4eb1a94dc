// @qlora/cuda-runtime: CUDA devices and memory for Node.
export { allocArray, DeviceArray, type DType, type HostArray, toDevice } from "./array.js";
export { type Advice, advise, type CopyEnd, copy, copyAsync, memset, prefetch } from "./copies.js";
export { type Device, type DeviceId, type Devices, devices } from "./devices.js";
export { type Emulation, type EmulationStatistics, emulations, type KernelAddon } from "./emulation.js";
export { asCudaError, CudaError, CudaOutOfMemoryError, CudaUnavailableError, type UnavailableCode } from "./errors.js";
export { formatDevices } from "./format.js";
export { Graph, type GraphOptions } from "./graph.js";
export { CudaHandleError, type Leak, leaks } from "./handle.js";
export { type Addon, AddonError, loadAddon } from "./load.js";
export { mapFile } from "./map.js";
export {
  type AllocOptions,
  alloc,
  allocManaged,
  allocPinned,
  type ManagedOptions,
  type Memory,
  type MemoryKind,
  type MemoryRange,
  type MemoryStats,
  memInfo,
  memoryStats,
  resetPeakMemory,
} from "./memory.js";
export { Event, type EventOptions, Stream, type StreamOptions, setDevice, synchronize } from "./stream.js";
