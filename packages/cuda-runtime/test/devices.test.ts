// devices(): each reason why there is none, then one that works. A failure is not remembered, so one process sees them all.
import { describe, expect, test } from "vitest";
import { alloc, CudaUnavailableError, devices } from "../src/index.js";
import { buildMock, withEnvironment } from "./mock/mock.js";

const mock = buildMock(13000);
const found = (variables: Record<string, string>) => withEnvironment(variables, () => devices());

describe("no device, and why", () => {
  test("on this machine as it is", () => {
    const real = devices();
    if (real.devices.length > 0) {
      expect(real.reason).toBeUndefined();
    } else {
      console.warn(`no GPU here: ${real.reason}`);
      expect(real.reason).toMatch(/^(no NVIDIA driver library: |driver present|driver too old: |init failed: )/);
    }
  });

  test("no driver library", () => {
    const none = found({ QLORA_LIBCUDA: "/nowhere/libcuda.so.1" });
    expect(none).toMatchObject({ devices: [], reasonCode: "NO_DRIVER" });
    expect(none.reason).toMatch(/^no NVIDIA driver library: .*\/nowhere\/libcuda.so.1/);
    expect(none).not.toHaveProperty("driverVersion");
  });

  test("using memory says the same", () => {
    withEnvironment({ QLORA_LIBCUDA: "/nowhere/libcuda.so.1" }, () => {
      expect(() => alloc(1)).toThrow(CudaUnavailableError);
      expect(() => alloc(1)).toThrow(
        expect.objectContaining({ code: "NO_DRIVER", message: expect.stringMatching(/^no NVIDIA/) }),
      );
    });
  });

  test("a library that is no driver", () => {
    expect(found({ QLORA_LIBCUDA: "libm.so.6" })).toMatchObject({
      reasonCode: "INIT_FAILED",
      reason: "init failed: dlsym: cuDriverGetVersion is missing (libm.so.6)",
    });
  });

  test("driver too old", () => {
    expect(found({ QLORA_LIBCUDA: mock, MOCK_VERSION: "11040" })).toMatchObject({
      devices: [],
      driverVersion: "11.4",
      reasonCode: "DRIVER_TOO_OLD",
      reason: "driver too old: found one for CUDA 11.4, needs 12.0 or newer",
    });
  });

  test("init failed", () => {
    expect(found({ QLORA_LIBCUDA: mock, MOCK_FAIL: "cuInit:1:803" })).toMatchObject({
      driverVersion: "13.0",
      reasonCode: "INIT_FAILED",
      reason: `init failed: cuInit: CUDA_ERROR_SYSTEM_DRIVER_MISMATCH: the mock says no (${mock})`,
    });
  });

  test("driver present, no device", () => {
    const none = found({ QLORA_LIBCUDA: mock, MOCK_COUNT: "0", CUDA_VISIBLE_DEVICES: "7" });
    expect(none).toMatchObject({ driverVersion: "13.0", reasonCode: "NO_DEVICE" });
    expect(none.reason).toBe('driver present (CUDA 13.0), no device (CUDA_VISIBLE_DEVICES is "7")');
  });

  test("the emulated device is there all the same, last, and only when asked for", () => {
    withEnvironment({ QLORA_LIBCUDA: "/nowhere/libcuda.so.1" }, () => {
      const { devices: all, reasonCode } = devices({ emulation: true });
      expect(reasonCode).toBe("NO_DRIVER");
      expect(all).toMatchObject([{ id: "cuda-emu", name: "cuda-emu", emulated: true, computeCapability: "8.0" }]);
    });
  });

  test("and then a driver that works", () => {
    const works = found({ QLORA_LIBCUDA: mock });
    expect(works.reason).toBeUndefined();
    expect(works.devices.length).toBe(2);
  });
});
