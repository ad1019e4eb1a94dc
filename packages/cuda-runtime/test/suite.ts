// What every driver must do, real, mocked or emulated: handles, copies, streams, events, counters.
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import {
  advise,
  alloc,
  allocManaged,
  allocPinned,
  CudaHandleError,
  CudaOutOfMemoryError,
  copy,
  copyAsync,
  type DeviceId,
  Event,
  leaks,
  memInfo,
  memoryStats,
  memset,
  prefetch,
  resetPeakMemory,
  Stream,
  synchronize,
} from "../src/index.js";

export function suite(device: DeviceId): void {
  const bytes = (n: number, seed = 1) => Uint8Array.from({ length: n }, (_, i) => (i * 31 + seed * 17) & 255);
  afterEach(() => expect(leaks()).toEqual([]));

  describe("handles", () => {
    test.each([
      ["device", alloc],
      ["pinned", allocPinned],
      ["managed", allocManaged],
    ] as const)("%s memory: freed once, disposed any number of times", (kind, make) => {
      const memory = make(1000, { device, label: "w" });
      expect(memory.pointer % 256n).toBe(0n);
      expect(memory).toMatchObject({ memoryKind: kind, bytes: 1000, device, freed: false });
      expect(leaks()).toMatchObject([{ kind: `${kind} memory`, bytes: 1000, device, label: "w", collected: false }]);
      memory.free();
      expect(memory.freed).toBe(true);
      memory[Symbol.dispose]();
      memory[Symbol.dispose]();
      expect(() => memory.free()).toThrow(new CudaHandleError(`${kind} memory "w" is freed twice`, "DOUBLE_FREE"));
      expect(() => memory.pointer).toThrow(
        new CudaHandleError(`${kind} memory "w" is used after it was freed`, "USE_AFTER_FREE"),
      );
      expect(() => copy(memory, new Uint8Array(1000))).toThrow(CudaHandleError);
      expect(() => memset(memory, 0)).toThrow(CudaHandleError);
    });

    test("using frees", () => {
      {
        using memory = alloc(64, { device });
        expect(leaks().length).toBe(1);
        expect(memory.bytes).toBe(64);
      }
      expect(leaks()).toEqual([]);
    });

    test("streams and events", () => {
      for (const handle of [new Stream({ device }), new Event({ device })]) {
        expect(handle.handle).not.toBe(0n);
        handle.free();
        handle[Symbol.dispose]();
        expect(() => handle.free()).toThrow(CudaHandleError);
        expect(() => handle.synchronize()).toThrow(CudaHandleError);
        expect(() => handle.query()).toThrow(CudaHandleError);
      }
    });

    test("bad arguments", () => {
      for (const size of [0, -1, 1.5, Number.NaN, 2 ** 60]) expect(() => alloc(size, { device })).toThrow(RangeError);
      expect(() => alloc(1, { device: -1 })).toThrow(TypeError);
      expect(() => alloc(1, { device: "cuda:0" as never })).toThrow(TypeError);
      using memory = alloc(16, { device });
      expect(() => memory.slice(8, 9)).toThrow("bytes 8 to 17 are not within device memory of 16 bytes");
      expect(() => memory.slice(-1)).toThrow(RangeError);
      expect(() => memory.view(Uint8Array)).toThrow(TypeError);
      expect(() => memset(memory, 256)).toThrow(RangeError);
      expect(() => prefetch(memory, device)).toThrow("prefetch is for managed memory, got device memory");
    });
  });

  describe("copies", () => {
    test("up and down, any typed array, any part", () => {
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 5000 }),
          fc.integer({ min: 0, max: 999 }),
          fc.integer(),
          (n, skip, seed) => {
            using memory = alloc(n + skip, { device });
            memset(memory, 7);
            const part = memory.slice(skip, n);
            const source = bytes(n + skip, seed).subarray(skip);
            copy(part, source);
            const back = new Uint8Array(n + skip);
            copy(back, memory);
            expect(back.subarray(skip)).toEqual(source);
            expect(back.subarray(0, skip)).toEqual(new Uint8Array(skip).fill(7));
          },
        ),
        { numRuns: 30 },
      );
      using memory = alloc(32, { device });
      copy(memory, Float64Array.of(1, 2, 3, Math.PI));
      const back = new Float64Array(4);
      copy(back, memory);
      expect([...back]).toEqual([1, 2, 3, Math.PI]);
    });

    test("device to device, pinned, managed, on the spot", () => {
      using a = alloc(512, { device });
      using b = alloc(512, { device });
      using pinned = allocPinned(512, { device });
      using managed = allocManaged(512, { device });
      pinned.view(Uint8Array).set(bytes(512));
      copy(a, pinned);
      copy(b, a);
      copy(managed, b);
      copy(pinned.slice(0, 256), managed.slice(256, 256));
      expect(pinned.view(Uint8Array, 0, 256)).toEqual(bytes(512).subarray(256));
      expect(pinned.view(Uint8Array, 256)).toEqual(bytes(512).subarray(256));
      copy(a.slice(0, 4), pinned.view(Uint8Array, 0, 4)); // a view of pinned memory is pinned memory
      expect(() => copy(pinned, pinned)).toThrow("copy needs device memory on one side at least");
      expect(() => copy(new Uint8Array(1), new Uint8Array(1))).toThrow(TypeError);
      expect(() => copy({} as never, a)).toThrow(TypeError);
    });

    test("sizes must agree; a detached array has none", () => {
      using memory = alloc(8, { device });
      expect(() => copy(memory, new Uint8Array(9))).toThrow("target has 8 bytes, source has 9");
      const gone = new Uint8Array(8);
      structuredClone(gone.buffer, { transfer: [gone.buffer] });
      expect(() => copy(memory, gone)).toThrow("target has 8 bytes, source has 0");
      expect(() => copy(gone, memory)).toThrow("target has 0 bytes, source has 8");
    });

    test("shared array buffers", () => {
      using memory = alloc(64, { device });
      const shared = new Uint8Array(new SharedArrayBuffer(64));
      shared.set(bytes(64));
      copy(memory, shared);
      const back = new Uint8Array(64);
      copy(back, memory);
      expect(back).toEqual(bytes(64));
    });

    test("asynchronous, in order, keeping both ends until the stream is done", async () => {
      using stream = new Stream({ device });
      using up = allocPinned(1024, { device });
      using down = allocPinned(1024, { device });
      using memory = alloc(1024, { device });
      up.view(Uint8Array).set(bytes(1024));
      copyAsync(memory, up, stream);
      memset(memory.slice(0, 4), 255, stream);
      copyAsync(down.view(Uint8Array), memory, stream);
      await stream.finished();
      expect(stream.query()).toBe(true);
      expect(down.view(Uint8Array).subarray(4)).toEqual(bytes(1024).subarray(4));
      expect([...down.view(Uint8Array, 0, 4)]).toEqual([255, 255, 255, 255]);
      expect(() => copyAsync(memory, new Uint8Array(1024), stream)).toThrow(
        "source of an asynchronous copy must be memory of allocPinned, not a plain typed array",
      );
      expect(() => copyAsync(new Uint8Array(1024), memory, stream)).toThrow(TypeError);
    });

    test("memory freed while a stream uses it waits for the stream", () => {
      using stream = new Stream({ device });
      const up = allocPinned(64, { device });
      using memory = alloc(64, { device });
      copyAsync(memory, up, stream);
      up.free();
      expect(stream.query()).toBe(true);
    });
  });

  test("views of pinned memory are emptied when it is freed, and survive a transfer", () => {
    const pinned = allocPinned(64, { device });
    const view = pinned.view(Float32Array);
    view.fill(2.5);
    expect(pinned.view(Uint8Array).buffer).toBe(view.buffer);
    expect(() => pinned.view(Float32Array, 32, 9)).toThrow(RangeError);
    const moved = structuredClone(view, { transfer: [view.buffer] });
    expect(moved.length).toBe(16);
    const again = pinned.view(Float32Array);
    expect([...again]).toEqual(Array(16).fill(2.5));
    pinned.free();
    expect(again.length).toBe(0);
    expect(() => pinned.view(Float32Array)).toThrow(CudaHandleError);
  });

  test("managed memory: seen by the host, moved and advised, never more than is free", () => {
    const { free } = memInfo(device);
    using managed = allocManaged(4096, { device });
    managed.view(Int32Array).fill(-3);
    prefetch(managed, device);
    advise(managed, "preferred-location", { to: "host" });
    advise(managed, "read-mostly");
    advise(managed, "read-mostly", { unset: true });
    expect(() => advise(managed, "fast" as never)).toThrow(RangeError);
    {
      using stream = new Stream({ device });
      prefetch(managed.slice(0, 1024), "host", stream);
    }
    synchronize(device);
    const back = new Int32Array(1024);
    copy(back, managed);
    expect(back.every((x) => x === -3)).toBe(true);
    expect(() => allocManaged(free + 1, { device })).toThrow(CudaOutOfMemoryError);
    expect(() => allocManaged(1, { device, reserve: free })).toThrow(/1 bytes asked, 4096 managed already/);
  });

  test("out of memory names what was asked and what was free", () => {
    const { free, total } = memInfo(device);
    expect(free).toBeLessThanOrEqual(total);
    let caught: unknown;
    try {
      alloc(total * 2, { device, label: "all of it" });
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(CudaOutOfMemoryError);
    expect(caught).toMatchObject({
      name: "CUDA_ERROR_OUT_OF_MEMORY",
      code: 2,
      call: "cuMemAlloc",
      asked: total * 2,
      device,
    });
    expect((caught as CudaOutOfMemoryError).free).toBeGreaterThan(0);
    expect((caught as Error).message).toContain("for all of it");
  });

  test("counts what is held and the peak", () => {
    const before = memoryStats(device).allocated;
    resetPeakMemory(device);
    {
      using a = alloc(1000, { device });
      using b = allocManaged(500, { device });
      using c = allocPinned(300, { device });
      expect(memoryStats(device)).toEqual({ allocated: before + 1500, peak: before + 1500, managed: 500, pinned: 300 });
      expect(a.bytes + b.bytes + c.bytes).toBe(1800);
    }
    expect(memoryStats(device)).toEqual({ allocated: before, peak: before + 1500, managed: 0, pinned: 0 });
    resetPeakMemory(device);
    expect(memoryStats(device).peak).toBe(before);
  });

  test("events take times and order streams", async () => {
    using first = new Stream({ device });
    using second = new Stream({ device, nonBlocking: true });
    using memory = alloc(1 << 16, { device });
    using start = new Event({ device }).record(first);
    memset(memory, 1, first);
    using end = new Event({ device }).record(first);
    second.wait(end);
    memset(memory, 2, second);
    await second.finished();
    await end.finished();
    expect(end.query()).toBe(true);
    expect(end.since(start)).toBeGreaterThanOrEqual(0);
    const back = new Uint8Array(1 << 16);
    copy(back, memory);
    expect(back.every((x) => x === 2)).toBe(true);
    using untimed = new Event({ device, timing: false });
    untimed.record().synchronize();
  });
}
