// A device that is lost in mid-work: each later call is a clear error, disposing stays quiet, and the process lives on.
import { expect, test } from "vitest";
import {
  alloc,
  allocPinned,
  CudaError,
  copyAsync,
  Event,
  leaks,
  memoryStats,
  Stream,
  synchronize,
} from "../src/index.js";
import { failing, useMock } from "./mock/mock.js";

useMock(13000);

test("a lost device", () => {
  const lost = expect.objectContaining({
    constructor: CudaError,
    name: "CUDA_ERROR_ILLEGAL_ADDRESS",
    code: 700,
    fatal: true,
  });
  const survivor = alloc(64);
  {
    using memory = alloc(64);
    using pinned = allocPinned(64);
    using event = new Event();
    using stream = new Stream();
    copyAsync(memory, pinned, stream);
    expect(() => failing("cuStreamSynchronize", 1, 700, () => stream.synchronize())).toThrow(lost);
    expect(() => synchronize()).toThrow(lost);
    expect(() => alloc(64)).toThrow(lost);
    expect(() => event.record(stream)).toThrow(lost);
    // leaving the block disposes all four; the driver answers each with the same status
  }
  expect(() => survivor.free()).toThrow(lost);
  expect(survivor.freed).toBe(true);
  expect(leaks()).toEqual([]);
  expect(memoryStats(0).allocated).toBe(0);
});
