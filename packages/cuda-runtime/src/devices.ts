// The CUDA devices of this machine, or the reason why there are none.
import { readFileSync } from "node:fs";
import { CudaUnavailableError, type UnavailableCode } from "./errors.js";
import { cudaVersion, type NativeDevice, native, type Probe, unavailable } from "./native.js";

/** A device: its CUDA index, or the emulated one that runs kernels on the CPU. */
export type DeviceId = number | "cuda-emu";

export interface Device {
  id: DeviceId;
  name: string;
  /** Compute capability, "9.0". */
  computeCapability: string;
  /** Bytes. */
  totalMemory: number;
  /** Bytes; absent when no context could be made to ask, and then `problem` says why. */
  freeMemory?: number;
  problem?: string;
  multiprocessors: number;
  warpSize: number;
  /** Bytes of shared memory one block can opt in to. */
  sharedMemoryPerBlock: number;
  /** Bytes. */
  l2Cache: number;
  uuid: string;
  pciBus: string;
  /** Shares its memory with the host. */
  integrated: boolean;
  managedMemory: boolean;
  /** Host and device may use managed memory at once; without it there is no page migration on demand (Windows, WSL). */
  concurrentManagedAccess: boolean;
  emulated: boolean;
}

export interface Devices {
  devices: Device[];
  /** The newest CUDA the driver serves, "13.0". */
  driverVersion?: string;
  /** The driver's own release, "580.65.06", where the kernel module tells it (Linux). */
  driverRelease?: string;
  /** The CUDA runtime library (libcudart) found on this machine, "13.0". Nothing here needs one: kernels carry their own. */
  runtimeVersion?: string;
  /** Why there is no CUDA device, one line; absent when there is one. */
  reason?: string;
  reasonCode?: UnavailableCode;
}

/**
 * Lists the CUDA devices. Needs no driver, no toolkit and never throws for the lack of one: `reason` then says what is
 * missing. With `emulation` the emulated device "cuda-emu" comes last; `reason` still speaks of the real ones.
 * Free memory is asked in the device's primary context, which is made for that and released (a fraction of a second).
 * QLORA_LIBCUDA names another driver library to open.
 * @throws {CudaError} when the driver works but a query of a device fails.
 */
export function devices({ emulation = false }: { emulation?: boolean } = {}): Devices {
  let probe: Probe;
  try {
    probe = native().probe();
  } catch (error) {
    if (!(error instanceof CudaUnavailableError)) throw error;
    return { devices: [], reason: error.message, reasonCode: error.code };
  }
  const result: Devices = { devices: (probe.devices ?? []).map((device, index) => describe(device, index)) };
  if (probe.version) result.driverVersion = cudaVersion(probe.version);
  if (probe.runtime) result.runtimeVersion = cudaVersion(probe.runtime);
  const release = driverRelease();
  if (release) result.driverRelease = release;
  const why = unavailable(probe);
  if (why) Object.assign(result, { reason: why.message, reasonCode: why.code });
  if (emulation) result.devices.push(describe(native().emulatedDevice(), "cuda-emu"));
  return result;
}

function describe(device: NativeDevice, id: DeviceId): Device {
  const { major, minor, integrated, managedMemory, concurrentManagedAccess, ...same } = device;
  return {
    id,
    ...same,
    computeCapability: `${major}.${minor}`,
    integrated: integrated !== 0,
    managedMemory: managedMemory !== 0,
    concurrentManagedAccess: concurrentManagedAccess !== 0,
    emulated: id === "cuda-emu",
  };
}

function driverRelease(): string | undefined {
  try {
    return /\s(\d+\.\d+(?:\.\d+)?)\s/.exec(readFileSync("/proc/driver/nvidia/version", "utf8"))?.[1];
  } catch {
    return undefined;
  }
}
