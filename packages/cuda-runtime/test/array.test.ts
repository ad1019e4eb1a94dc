// Device arrays: types, views, copies, and what is refused.
import { expect, test } from "vitest";
import { allocArray, CudaHandleError, DeviceArray, leaks, toDevice } from "../src/index.js";

const device = "cuda-emu";

test.each([
  ["f32", Float32Array.of(1, -2, 0.5, 8)],
  ["bf16", Uint16Array.of(1, 2, 3, 0x3f80)],
  ["i32", Int32Array.of(1, -2, 3, 4)],
  ["u8", Uint8Array.of(1, 2, 255, 4)],
  ["i8", Int8Array.of(1, -2, 3, 4)],
] as const)("%s goes there and back; views share its memory", (dtype, host) => {
  using array = toDevice(host, { device });
  expect(array.dtype).toBe(dtype);
  expect(array.bytes).toBe(host.byteLength);
  expect(array.toHost()).toEqual(host);
  const part = array.subarray(1, 3);
  expect(part.pointer - array.pointer).toBe(BigInt(host.BYTES_PER_ELEMENT));
  part.set(host.subarray(2, 4) as typeof host);
  expect([...array.toHost()]).toEqual([host[0], host[2], host[3], host[3]]);
  array.zero();
  expect(array.toHost()).toEqual(new (host.constructor as Float32ArrayConstructor)(4));
  expect(array.subarray(3, 99).length).toBe(1);
  expect(array.subarray(9).toHost().length).toBe(0);
});

test("the same bytes as another type", () => {
  using array = toDevice(Float32Array.of(1, 2), { device });
  expect(array.as("bf16").toHost()).toEqual(Uint16Array.of(0, 0x3f80, 0, 0x4000));
});

test("what is refused", () => {
  const array = allocArray("f32", 4, { device });
  expect(() => new DeviceArray(array.memory, "f32", 5)).toThrow(RangeError);
  expect(() => new DeviceArray(array.memory, "f32", 1, 2)).toThrow("offset 2 is not a multiple of the size of f32");
  expect(() => array.set(new Float32Array(3))).toThrow(RangeError);
  expect(() => toDevice(new Float64Array(2) as never, { device })).toThrow("Float64Array has no counterpart");
  const view = array.subarray(0, 2);
  array.free();
  expect(() => view.pointer).toThrow(CudaHandleError);
  expect(() => view.toHost()).toThrow(CudaHandleError);
  expect(leaks()).toEqual([]);
});
