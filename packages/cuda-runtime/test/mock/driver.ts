// What the runtime asks of the driver, seen through the mock: the calls, every failure typed, nothing leaked.
import { describe, expect, test } from "vitest";
import {
  advise,
  alloc,
  allocManaged,
  allocPinned,
  CudaError,
  CudaHandleError,
  CudaOutOfMemoryError,
  copy,
  copyAsync,
  devices,
  Event,
  Graph,
  leaks,
  memoryStats,
  memset,
  prefetch,
  Stream,
  setDevice,
  synchronize,
} from "../../src/index.js";
import { suite } from "../suite.js";
import { allCalls, calls, failing, withEnvironment } from "./mock.js";

export function driverSuite(version: "12.1" | "13.0"): void {
  suite(0);

  test("lists the devices", () => {
    const found = devices();
    expect(found).toMatchObject({ driverVersion: version });
    expect(found.reason).toBeUndefined();
    expect(found.devices.map((device) => device.name)).toEqual(["Mock GPU 0", "Mock GPU 1"]);
    expect(found.devices[1]).toEqual({
      id: 1,
      name: "Mock GPU 1",
      computeCapability: "9.0",
      totalMemory: 1 << 20,
      freeMemory: 1 << 20,
      multiprocessors: 132,
      warpSize: 32,
      sharedMemoryPerBlock: 232448,
      l2Cache: 0,
      uuid: "GPU-11111111-1111-1111-1111-111111111111",
      pciBus: "0000:02:00.0",
      integrated: false,
      managedMemory: true,
      concurrentManagedAccess: true,
      emulated: false,
    });
  });

  test("a device that is not there", () => {
    for (const device of [2, 63, 64, 4000])
      expect(() => alloc(1, { device })).toThrow(
        expect.objectContaining({
          constructor: CudaError,
          name: "CUDA_ERROR_INVALID_DEVICE",
          code: 101,
          call: "cuDeviceGet",
        }),
      );
  });

  test("a device that gives no context is listed with the problem", () => {
    const found = failing("cuDevicePrimaryCtxRetain", "*", 46, () => devices());
    expect(found.devices[0]).toMatchObject({ problem: "cuDevicePrimaryCtxRetain: CUDA_ERROR_DEVICE_UNAVAILABLE" });
    expect(found.devices[0]).not.toHaveProperty("freeMemory");
  });

  test("one primary context per device, whatever is allocated", () => {
    alloc(8, { device: 1 }).free(); // the device's first use, or not: the count below is the same
    const log = calls(() => {
      for (let i = 0; i < 3; i++) alloc(8, { device: 1 }).free();
    });
    expect(log.filter((line) => line.startsWith("cuDevicePrimaryCtxRetain"))).toEqual([]);
  });

  test("setDevice makes a device current, and devices() leaves it so", () => {
    expect(allCalls(() => setDevice(1)).at(-1)).toBe("cuCtxSetCurrent 1 -> 0");
    expect(allCalls(() => devices()).filter((line) => line.startsWith("cuCtxSetCurrent"))).toEqual([
      "cuCtxSetCurrent 0 -> 0",
      "cuCtxSetCurrent 1 -> 0", // as before
      "cuCtxSetCurrent 1 -> 0",
      "cuCtxSetCurrent 1 -> 0",
    ]);
    expect(() => setDevice(5)).toThrow(expect.objectContaining({ code: 101 }));
  });

  test("between devices", () => {
    using a = alloc(256, { device: 0 });
    using b = alloc(256, { device: 1 });
    using stream = new Stream({ device: 1 });
    memset(a, 9);
    const log = calls(() => {
      copy(b, a);
      copyAsync(b, a, stream);
    });
    expect(log).toEqual(["cuMemcpyPeer 256 -> 0", "cuMemcpyPeerAsync 256 -> 0"]);
    const back = new Uint8Array(256);
    copy(back, b);
    expect(back[255]).toBe(9);
    using emulated = alloc(256, { device: "cuda-emu" });
    expect(() => copy(emulated, a)).toThrow("cannot copy between cuda-emu and a real device directly");
  });

  test("prefetch and advise in the driver's own signature", () => {
    using managed = allocManaged(4096);
    const log = calls(() => {
      prefetch(managed, 1);
      prefetch(managed.slice(1024, 1024), "host");
      advise(managed, "accessed-by", { to: 1 });
      advise(managed, "preferred-location", { to: "host", unset: true });
    });
    expect(log).toEqual(
      version === "12.1"
        ? [
            "cuMemPrefetchAsync 4096 device 1 -> 0",
            "cuMemPrefetchAsync 1024 device -1 -> 0",
            "cuMemAdvise 4096 advice 5 device 1 -> 0",
            "cuMemAdvise 4096 advice 4 device -1 -> 0",
          ]
        : [
            "cuMemPrefetchAsync_v2 4096 location 1 1 flags 0 -> 0",
            "cuMemPrefetchAsync_v2 1024 location 2 0 flags 0 -> 0",
            "cuMemAdvise_v2 4096 advice 5 location 1 1 -> 0",
            "cuMemAdvise_v2 4096 advice 4 location 2 0 -> 0",
          ],
    );
  });

  test("managed memory beyond what is free never reaches the driver", () => {
    const log = calls(() => expect(() => allocManaged((1 << 20) + 1)).toThrow(CudaOutOfMemoryError));
    expect(log.filter((line) => line.startsWith("cuMemAllocManaged"))).toEqual([]);
  });

  test("a stream that is busy: query says so, finished() waits, free() waits", async () => {
    await withEnvironment({ MOCK_BUSY: "20" }, async () => {
      using stream = new Stream();
      expect(stream.query()).toBe(false);
      await stream.finished();
      expect(stream.query()).toBe(true);
    });
    using stream = new Stream();
    const pinned = allocPinned(64);
    using memory = alloc(64);
    copyAsync(memory, pinned, stream);
    expect(calls(() => pinned.free())).toEqual([expect.stringMatching(/^cuStreamSynchronize/), "cuMemFreeHost -> 0"]);
  });

  test("graphs: captured from the default stream, launched, destroyed", () => {
    let queued = 0;
    let graph!: Graph;
    const captured = calls(() => {
      graph = new Graph(() => void queued++);
    });
    expect(captured.map((call) => call.split(" ")[0])).toEqual([
      "cuStreamBeginCapture_v2",
      "cuStreamEndCapture",
      "cuGraphInstantiateWithFlags",
      "cuGraphDestroy",
    ]);
    expect(calls(() => graph.launch())).toEqual([expect.stringMatching(/^cuGraphLaunch/)]);
    expect(queued).toBe(1); // recorded once, never run by a launch
    expect(calls(() => graph.free())).toEqual([expect.stringMatching(/^cuGraphExecDestroy/)]);
    expect(() => graph.launch()).toThrow(CudaHandleError);
    const broken = () =>
      new Graph(() => {
        throw new Error("no such kernel");
      });
    expect(broken).toThrow("no such kernel");
    new Graph(() => {}).free(); // the broken capture is over
    expect(leaks()).toEqual([]);
  });

  describe("every status is typed and names its call", () => {
    const memory = () => alloc(64);
    const cases: [string, string, () => unknown][] = [
      ["cuMemAlloc_v2", "cuMemAlloc", memory],
      ["cuMemHostAlloc", "cuMemHostAlloc", () => allocPinned(64)],
      ["cuMemHostGetDevicePointer_v2", "cuMemHostGetDevicePointer", () => allocPinned(64)],
      ["cuMemAllocManaged", "cuMemAllocManaged", () => allocManaged(64)],
      ["cuMemGetInfo_v2", "cuMemGetInfo", () => allocManaged(64)],
      ["cuStreamCreate", "cuStreamCreate", () => new Stream()],
      ["cuEventCreate", "cuEventCreate", () => new Event()],
      ["cuCtxSynchronize", "cuCtxSynchronize", () => synchronize()],
      ["cuMemcpyHtoD_v2", "cuMemcpyHtoD", () => using(memory(), (m) => copy(m, new Uint8Array(64)))],
      ["cuMemcpyDtoH_v2", "cuMemcpyDtoH", () => using(memory(), (m) => copy(new Uint8Array(64), m))],
      ["cuMemcpyDtoD_v2", "cuMemcpyDtoD", () => using(memory(), (m) => copy(m, m))],
      ["cuMemsetD8_v2", "cuMemsetD8", () => using(memory(), (m) => memset(m, 0))],
      ["cuMemFree_v2", "cuMemFree", () => memory().free()],
      ["cuStreamSynchronize", "cuStreamSynchronize", () => using(new Stream(), (s) => s.synchronize())],
      ["cuStreamQuery", "cuStreamQuery", () => using(new Stream(), (s) => s.query())],
      ["cuEventRecord", "cuEventRecord", () => using(new Event(), (e) => e.record())],
      ["cuStreamBeginCapture_v2", "cuStreamBeginCapture", () => new Graph(() => {})],
      ["cuStreamEndCapture", "cuStreamEndCapture", () => new Graph(() => {})],
      ["cuGraphInstantiateWithFlags", "cuGraphInstantiateWithFlags", () => new Graph(() => {})],
      ["cuGraphLaunch", "cuGraphLaunch", () => using(new Graph(() => {}), (g) => g.launch())],
      ["cuEventElapsedTime", "cuEventElapsedTime", () => using(new Event(), (e) => e.since(e))],
    ];
    function using<T extends Disposable>(handle: T, run: (handle: T) => unknown): unknown {
      using held = handle;
      return run(held);
    }

    test.each(cases)("%s", (symbol, call, run) => {
      const before = memoryStats(0);
      expect(() => failing(symbol, 1, 1, run)).toThrow(
        expect.objectContaining({
          constructor: CudaError,
          name: "CUDA_ERROR_INVALID_VALUE",
          code: 1,
          call,
          fatal: false,
          message: `${call}: CUDA_ERROR_INVALID_VALUE (1): the mock says no`,
        }),
      );
      expect(leaks()).toEqual([]);
      expect(memoryStats(0)).toEqual({ ...before, peak: expect.any(Number) });
    });

    test("out of memory from the driver", () => {
      for (const [symbol, run] of [
        ["cuMemAlloc_v2", memory],
        ["cuMemHostAlloc", () => allocPinned(64)],
      ] as const)
        expect(() => failing(symbol, 1, 2, run)).toThrow(
          expect.objectContaining({ constructor: CudaOutOfMemoryError, asked: 64, free: expect.any(Number) }),
        );
    });
  });
}
