// What `qlora devices` prints.
import { describe, expect, test } from "vitest";
import { type Device, devices, formatDevices } from "../src/index.js";

const h200: Device = {
  id: 0,
  name: "NVIDIA H200",
  computeCapability: "9.0",
  totalMemory: 139.8 * 2 ** 30,
  freeMemory: 100.25 * 2 ** 30,
  multiprocessors: 132,
  warpSize: 32,
  sharedMemoryPerBlock: 232448,
  l2Cache: 50 << 20,
  uuid: "GPU-0",
  pciBus: "0000:01:00.0",
  integrated: false,
  managedMemory: true,
  concurrentManagedAccess: true,
  emulated: false,
};

describe("formatDevices", () => {
  test("a GPU", () => {
    const lines = formatDevices({
      devices: [h200],
      driverVersion: "13.0",
      driverRelease: "580.65.06",
      runtimeVersion: "12.4",
    }).split("\n");
    expect(lines.map((line) => line.slice(0, 9).trim())).toEqual(["system", "processor", "memory", "driver", "cuda 0"]);
    expect(lines[0]).toContain(`Node ${process.versions.node}`);
    expect(lines[1]).toMatch(/ \d+ threads/);
    expect(lines[2]).toMatch(/^memory {5}[\d.]+ (MiB|GiB) free of [\d.]+ (MiB|GiB)$/);
    expect(lines[3]).toBe("driver     release 580.65.06, CUDA 13.0 (runtime library 12.4)");
    expect(lines[4]).toBe("cuda 0     NVIDIA H200, compute 9.0, 100.3 GiB free of 139.8 GiB, 132 multiprocessors");
  });

  test("a GPU in trouble, and one where managed memory does not page", () => {
    const { freeMemory: _, ...rest } = h200;
    const text = formatDevices({
      devices: [
        { ...rest, problem: "cuDevicePrimaryCtxRetain: CUDA_ERROR_DEVICE_UNAVAILABLE", concurrentManagedAccess: false },
      ],
    });
    expect(text).toContain("139.8 GiB (free memory unknown: cuDevicePrimaryCtxRetain: CUDA_ERROR_DEVICE_UNAVAILABLE)");
    expect(text).toContain("managed memory does not page on demand here");
  });

  test.each(["NO_ADDON", "NO_DRIVER", "NO_DEVICE", "DRIVER_TOO_OLD", "INIT_FAILED"] as const)(
    "%s says what to do",
    (reasonCode) => {
      const lines = formatDevices({ devices: [], reason: "because", reasonCode }).split("\n");
      expect(lines.at(-2)).toBe("cuda       none: because");
      expect(lines.at(-1)).toMatch(/^ {11}Everything runs on the CPU/);
    },
  );

  test("this machine, with the emulated device", () => {
    expect(formatDevices(devices({ emulation: true }))).toMatch(
      /^emulated {3}cuda-emu, .* runs kernels on the CPU, for tests$/m,
    );
  });
});
