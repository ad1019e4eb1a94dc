// The device "cuda-emu": the same handles on host memory, and its nets.
import { describe, expect, test } from "vitest";
import { alloc, allocManaged, CudaOutOfMemoryError, copy, Event, Graph, leaks, memInfo, Stream } from "../src/index.js";
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
});
