// devices() for a person: what `qlora devices` prints.

import { readFileSync } from "node:fs";
import { availableParallelism, cpus, freemem, totalmem } from "node:os";
import type { Device, Devices } from "./devices.js";
import type { UnavailableCode } from "./errors.js";

/**
 * The machine and its devices as text: system, processor, memory, a line per GPU or the reason why there is none and what
 * to do about it.
 */
export function formatDevices(found: Devices): string {
  const rows: [string, string][] = [
    ["system", `${process.platform}-${process.arch}, Node ${process.versions.node}`],
    ["processor", `${cpus()[0]?.model.trim() ?? "unknown"}, ${availableParallelism()} threads${features()}`],
    ["memory", `${size(usableMemory())} free of ${size(totalMemory())}`],
  ];
  if (found.driverVersion) {
    const release = found.driverRelease ? `release ${found.driverRelease}, ` : "";
    const runtime = found.runtimeVersion ? ` (runtime library ${found.runtimeVersion})` : "";
    rows.push(["driver", `${release}CUDA ${found.driverVersion}${runtime}`]);
  }
  for (const device of found.devices) rows.push([device.emulated ? "emulated" : `cuda ${device.id}`, describe(device)]);
  if (found.reason) {
    rows.push(["cuda", `none: ${found.reason}`]);
    if (found.reasonCode) rows.push(["", advice[found.reasonCode]]);
  }
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `${name.padEnd(width)}  ${text}`).join("\n");
}

const advice: Record<UnavailableCode, string> = {
  NO_ADDON: "Everything runs on the CPU's reference code. Build the addons with `pnpm build`.",
  NO_DRIVER:
    "Everything runs on the CPU. For an NVIDIA GPU install its driver (no CUDA toolkit is needed); in a container, pass the GPU in.",
  NO_DEVICE:
    "Everything runs on the CPU. Check CUDA_VISIBLE_DEVICES, the container's GPU settings, and what nvidia-smi lists.",
  DRIVER_TOO_OLD: "Everything runs on the CPU. Update the NVIDIA driver (no CUDA toolkit is needed).",
  INIT_FAILED:
    "Everything runs on the CPU. The driver is installed but does not start: see whether nvidia-smi works; a restart helps after a driver update.",
};

function describe(device: Device): string {
  const memory =
    device.freeMemory === undefined
      ? `${size(device.totalMemory)} (free memory unknown: ${device.problem})`
      : `${size(device.freeMemory)} free of ${size(device.totalMemory)}`;
  if (device.emulated) return `${device.name}, ${memory}, runs kernels on the CPU, for tests`;
  const unified = device.concurrentManagedAccess ? "" : ", managed memory does not page on demand here";
  return `${device.name}, compute ${device.computeCapability}, ${memory}, ${device.multiprocessors} multiprocessors${unified}`;
}

// The instruction sets that the kernels know, of those that Linux reports.
function features(): string {
  try {
    const flags = new Set(/^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.split(" "));
    const known = [
      "avx2",
      "fma",
      "avx512f",
      "avx512_vnni",
      "avx512_bf16",
      "amx_int8",
      "asimd",
      "asimddp",
      "bf16",
      "sve",
    ];
    const present = known.filter((flag) => flags.has(flag));
    return present.length === 0 ? "" : ` (${present.join(" ")})`;
  } catch {
    return "";
  }
}

// A container may have less than the machine (cgroups): Node's constrainedMemory is 0 or absurdly large where it is not limited.
function totalMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem() ? limit : totalmem();
}
function usableMemory(): number {
  return Math.min(freemem(), totalMemory());
}

function size(bytes: number): string {
  return bytes < 2 ** 30 ? `${Math.round(bytes / 2 ** 20)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
