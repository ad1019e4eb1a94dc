// Where a model's arrays are: on the CPU as typed arrays, or on a device as arrays of @qlora/cuda-runtime.
import {
  allocArray,
  DeviceArray,
  type DeviceId,
  devices,
  type HostArray,
  toDevice as upload,
} from "@qlora/cuda-runtime";
import type { Adapter } from "@qlora/lora";
import * as nf4 from "@qlora/nf4";
import { ModelError } from "./error.js";
import type { Weight } from "./weight.js";

export type { DeviceArray };

/** f32 on the CPU; on a device f32 or bf16. */
export type Floats = Float32Array | DeviceArray;
export type Ints = Int32Array | DeviceArray;
/** f32 or bf16. */
export type Weights = Float32Array | Uint16Array | DeviceArray;

/** "cpu", or a device of @qlora/cuda-runtime: a GPU's index or "cuda-emu". */
export type Device = "cpu" | DeviceId;

/** What --device takes: "cuda" is the first device that CUDA_VISIBLE_DEVICES leaves. */
export type DeviceName = "cpu" | "cuda" | "cuda-emu";

/** @throws {ModelError} DEVICE_UNAVAILABLE with the reason why there is none */
export function findDevice(name: DeviceName): Device {
  if (name !== "cuda") return name;
  const { reason } = devices();
  if (reason !== undefined)
    throw new ModelError("DEVICE_UNAVAILABLE", `device cuda cannot be used: ${reason}; leave --device out, or use cpu`);
  return 0;
}

/** A new array, zeros on the CPU and undefined contents on a device. */
export function newArray(device: Device, dtype: "f32" | "bf16" | "i32", length: number, label?: string): Floats | Ints {
  if (device !== "cpu") return allocArray(dtype, length, { device, ...(label ? { label } : {}) });
  if (dtype === "bf16") throw new TypeError("activations are f32 on the CPU");
  return dtype === "f32" ? new Float32Array(length) : new Int32Array(length);
}

/** The array on `device`: itself on the CPU. */
export function place<T extends HostArray>(array: T, device: Device, label?: string): T | DeviceArray {
  return device === "cpu" ? array : upload(array, { device, ...(label ? { label } : {}) });
}

/** A copy of an array of a device on the host; a typed array is returned as it is. */
export function toHost<T extends HostArray>(array: T | DeviceArray): T {
  return array instanceof DeviceArray ? (array.toHost() as T) : array;
}

/** A new f32 array of zeros. */
export function zeros(length: number, device: Device): Floats {
  const array = newArray(device, "f32", length) as Floats;
  zero(array);
  return array;
}

/** Whether its elements are f32, here or on a device. */
export function isF32(array: Weights): array is Floats {
  return array instanceof DeviceArray ? array.dtype === "f32" : array instanceof Float32Array;
}

/** Sets every element to zero. */
export function zero(array: HostArray | DeviceArray): void {
  if (array instanceof DeviceArray) array.zero();
  else array.fill(0);
}

/** Frees those of the arrays that are on a device. */
export function free(...arrays: (HostArray | DeviceArray | undefined)[]): void {
  for (const array of arrays) if (array instanceof DeviceArray) array[Symbol.dispose]();
}

export function byteLength(array: HostArray | DeviceArray): number {
  return array instanceof DeviceArray ? array.bytes : array.byteLength;
}

/** @throws {ModelError} for int8, whose products exist on the CPU only */
export function placeWeight(weight: Weight, device: Device, name: string): Weight {
  if (device === "cpu") return weight;
  const { n, k } = weight;
  if (weight.kind === "8bit")
    throw new ModelError(
      "PRECISION_UNSUPPORTED",
      `${name}: precision int8 is for --device cpu; use nf4, fp4, bf16 or f32`,
    );
  if (weight.kind === "4bit") {
    if ("device" in weight.data) return weight;
    const alloc: nf4.Alloc = (dtype, length) => allocArray(dtype, length, { device, label: name });
    return { kind: "4bit", n, k, data: nf4.toDevice(nf4.untile(weight.data), alloc) };
  }
  const grad = weight.grad && place(toHost(weight.grad), device, `${name} gradient`);
  return { kind: "dense", n, k, data: place(toHost(weight.data), device, name), ...(grad ? { grad } : {}) };
}

/** The adapter with its arrays on `device`, f32 there too. */
export function placeAdapter(adapter: Adapter<Floats>, device: Device): Adapter<Floats> {
  if (device === "cpu") return adapter;
  const move = (array: Floats) => (array.length > 0 ? place(toHost(array), device, "adapter") : array);
  const { a, b, gradA, gradB } = adapter;
  return { ...adapter, a: move(a), b: move(b), gradA: move(gradA), gradB: move(gradB) };
}

/** The adapter with its matrices on the host, to be written or merged: itself on the CPU, else a copy without gradients. */
export function hostAdapter(adapter: Adapter<Floats>): Adapter {
  const [a, b, none] = [toHost(adapter.a), toHost(adapter.b), new Float32Array(0)];
  return a === adapter.a ? (adapter as Adapter) : { ...adapter, a, b, gradA: none, gradB: none };
}
