// The device "cuda-emu": the same handles on host memory, and its nets.
import { describe, expect, test } from "vitest";
import {
  alloc,
  allocManaged,
  CudaOutOfMemoryError,
  copy,
  Event,
  Graph,
  leaks,
  memInfo,
  memset,
  Stream,
} from "../src/index.js";
import { withEnvironment } from "./mock/mock.js";
import { suite } from "./suite.js";

const device = "cuda-emu";

describe("cuda-emu", () => {
  suite(device);

  test("fresh memory is NaN", () => {
    using memory = alloc(16, { device });
    const values = new Float32Array(4);
    copy(values, memory);
    expect([...values]).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN]);
  });

  test("has the memory that QLORA_EMU_MEMORY gives it", () => {
    withEnvironment({ QLORA_EMU_MEMORY: "100000" }, () => {
      expect(memInfo(device)).toEqual({ free: 100000, total: 100000 });
      using memory = alloc(60000, { device });
      expect(memInfo(device).free).toBe(40000);
      expect(() => alloc(40001, { device })).toThrow(expect.objectContaining({ asked: 40001, free: 40000 }));
      expect(() => allocManaged(40001, { device })).toThrow(CudaOutOfMemoryError);
      expect(memory.bytes).toBe(60000);
    });
  });

  test("unknown streams and events are refused", () => {
    using stream = new Stream({ device });
    expect(() => stream.wait({ handle: 1n } as never)).toThrow(
      expect.objectContaining({ name: "CUDA_ERROR_INVALID_VALUE" }),
    );
    using event = new Event({ device });
    expect(() => event.record({ handle: 48n } as never)).toThrow(expect.objectContaining({ call: "cuEventRecord" }));
    expect(() => event.since(event)).toThrow(expect.objectContaining({ call: "cuEventElapsedTime" }));
  });

  test("a graph runs what was recorded at every launch", () => {
    let runs = 0;
    {
      using graph = new Graph(() => void runs++, { device });
      graph.launch();
      graph.launch();
    }
    expect(runs).toBe(2);
    expect(leaks()).toEqual([]);
  });

  test("a graph holds kernels only: memory and copies are refused in it, as a driver does", () => {
    const memory = alloc(64, { device });
    const others: [string, () => unknown][] = [
      ["cuMemAlloc", () => alloc(64, { device }).free()],
      ["cuMemcpy", () => copy(memory, new Uint8Array(64))],
      ["cuMemcpy", () => copy(new Uint8Array(64), memory)],
      ["cuMemcpy", () => copy(memory, memory)],
      ["cuMemsetD8", () => memset(memory, 0)],
    ];
    for (const [call, work] of others) {
      using graph = new Graph(() => void work(), { device });
      const refused = { name: "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", code: 900, call };
      expect(() => graph.launch()).toThrow(expect.objectContaining(refused));
      work(); // outside it may
    }
    memory.free();
  });
});
