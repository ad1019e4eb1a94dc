// The native addon, loaded on first use; its errors arrive typed.
import { isMainThread } from "node:worker_threads";
import { asCudaError, CudaUnavailableError } from "./errors.js";
import { type Addon, loadAddon } from "./load.js";

/** What the driver says about one device. */
export interface NativeDevice {
  name: string;
  totalMemory: number;
  freeMemory?: number;
  problem?: string;
  uuid: string;
  pciBus: string;
  major: number;
  minor: number;
  multiprocessors: number;
  warpSize: number;
  sharedMemoryPerBlock: number;
  l2Cache: number;
  integrated: number;
  managedMemory: number;
  concurrentManagedAccess: number;
}

/** What came of looking for the driver: `devices` when it can be used, else the call that failed. */
export interface Probe {
  path: string;
  version: number;
  minimum: number;
  /** Of a libcudart on this machine, 0 when none was found. */
  runtime: number;
  call: string;
  status: number;
  text: string;
  devices?: NativeDevice[];
}

/** A device is its index, -1 for cuda-emu; memory kinds are 0 device, 1 pinned, 2 managed; stream 0n is the default stream. */
export interface Native extends Addon {
  probe(): Probe;
  emulatedDevice(): NativeDevice;
  allocate(device: number, kind: number, bytes: number): { pointer: bigint; host?: bigint };
  release(device: number, kind: number, address: bigint, bytes: number): void;
  freeAtEnd(): void;
  hostBuffer(address: bigint, bytes: number): ArrayBuffer;
  detach(buffer: ArrayBuffer): void;
  memInfo(device: number): { free: number; total: number };
  memoryStats(device: number): { allocated: number; peak: number; managed: number; pinned: number };
  resetPeak(device: number): void;
  prefetch(device: number, pointer: bigint, bytes: number, to: number, stream: bigint): void;
  advise(device: number, pointer: bigint, bytes: number, advice: number, to: number): void;
  upload(device: number, target: bigint, bytes: number, source: Uint8Array): void;
  download(device: number, source: bigint, bytes: number, target: Uint8Array): void;
  copy(
    device: number,
    direction: number,
    target: bigint,
    source: bigint,
    bytes: number,
    async: boolean,
    stream: bigint,
  ): void;
  copyPeer(
    device: number,
    target: bigint,
    from: number,
    source: bigint,
    bytes: number,
    async: boolean,
    stream: bigint,
  ): void;
  memset(device: number, target: bigint, value: number, bytes: number, async: boolean, stream: bigint): void;
  streamCreate(device: number, nonBlocking: boolean): bigint;
  streamDestroy(device: number, stream: bigint): void;
  streamSynchronize(device: number, stream: bigint): void;
  streamQuery(device: number, stream: bigint): boolean;
  streamWait(device: number, stream: bigint, event: bigint): void;
  eventCreate(device: number, timing: boolean): bigint;
  eventDestroy(device: number, event: bigint): void;
  eventRecord(device: number, event: bigint, stream: bigint): void;
  eventSynchronize(device: number, event: bigint): void;
  eventQuery(device: number, event: bigint): boolean;
  captureBegin(device: number): void;
  captureEnd(device: number): bigint;
  graphLaunch(device: number, graph: bigint): void;
  graphDestroy(device: number, graph: bigint): void;
  elapsed(device: number, start: bigint, end: bigint): number;
  mapFile(file: number, offset: number, bytes: number): ArrayBuffer;
  setDevice(device: number): void;
  synchronize(device: number): void;
}

let loaded: Native | undefined;

/** @throws {CudaUnavailableError} NO_ADDON when the addon is neither built nor installed. */
export function native(): Native {
  if (!loaded) loaded = load();
  return loaded;
}

function load(): Native {
  let addon: Native;
  try {
    addon = loadAddon<Native>("cuda-runtime", import.meta.url);
  } catch (error) {
    throw new CudaUnavailableError((error as Error).message, "NO_ADDON");
  }
  if (!isMainThread) addon.freeAtEnd();
  const calls = Object.entries(addon).map(([name, call]) => [name, withTypedErrors(call, () => addon.probe())]);
  return Object.fromEntries(calls) as Native;
}

function withTypedErrors<A extends unknown[], R>(call: (...args: A) => R, probe: () => Probe): (...args: A) => R {
  return (...args) => {
    try {
      return call(...args);
    } catch (error) {
      if ((error as { unavailable?: boolean }).unavailable === true) throw unavailable(probe()) ?? error;
      throw asCudaError(error);
    }
  };
}

/** The reason why a probe found no usable device, or undefined when it found one. */
export function unavailable(probe: Probe): CudaUnavailableError | undefined {
  const { call, version, minimum, status, text } = probe;
  if (call === "dlopen") return new CudaUnavailableError(`no NVIDIA driver library: ${text}`, "NO_DRIVER");
  if (version && version < minimum)
    return new CudaUnavailableError(
      `driver too old: found one for CUDA ${cudaVersion(version)}, needs ${cudaVersion(minimum)} or newer`,
      "DRIVER_TOO_OLD",
    );
  if (status === 100 || probe.devices?.length === 0) {
    const hidden = process.env.CUDA_VISIBLE_DEVICES;
    const hint = hidden === undefined ? "" : ` (CUDA_VISIBLE_DEVICES is "${hidden}")`;
    return new CudaUnavailableError(`driver present (CUDA ${cudaVersion(version)}), no device${hint}`, "NO_DEVICE");
  }
  if (!probe.devices)
    return new CudaUnavailableError(
      `init failed: ${call}: ${text || `status ${status}`} (${probe.path})`,
      "INIT_FAILED",
    );
  return undefined;
}

/** 13000 → "13.0". */
export function cudaVersion(version: number): string {
  return `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;
}

/** The number the addon knows a device by. @throws {TypeError} */
export function deviceIndex(device: number | "cuda-emu"): number {
  if (device === "cuda-emu") return -1;
  if (!Number.isInteger(device) || device < 0)
    throw new TypeError(`device must be an index (0, 1, …) or "cuda-emu", got ${JSON.stringify(device)}`);
  return device;
}

export function wholeNumber(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`${name} must be a whole number ≥ 0, got ${value}`);
}
