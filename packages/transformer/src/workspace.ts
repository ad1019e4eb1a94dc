// Scratch memory by name, grown to the largest size asked for and reused from step to step.
import { byteLength, type Device, type DeviceArray, type Floats, free, type Ints, newArray } from "./device.js";

/** Named buffers, on the host or on a device. A buffer is valid until the same name is asked for again. */
export class Workspace implements Disposable {
  private readonly buffers = new Map<string, Floats | Ints>();
  /** New buffers are this many times as long as asked for: where a larger pass is known to come, none is made twice. */
  room = 1;

  constructor(readonly device: Device = "cpu") {}

  /** Exactly `length` activations or gradients of activations, f32 on the CPU and bf16 on a device; contents are whatever was there. */
  activations(name: string, length: number): Floats {
    return this.buffer(name, length, this.device === "cpu" ? "f32" : "bf16") as Floats;
  }

  /** The same in f32 wherever it is: what is summed or exponentiated. */
  f32(name: string, length: number): Floats {
    return this.buffer(name, length, "f32") as Floats;
  }

  /** Room for a decoded weight on a device, bf16; the same for every pass. */
  weight(name: string, length: number): DeviceArray {
    return this.buffer(name, length, "bf16", 1) as DeviceArray;
  }

  /** A copy of `values`: the array itself on the CPU. */
  i32(name: string, values: Int32Array): Ints {
    if (this.device === "cpu") return values;
    const copy = this.buffer(name, values.length, "i32");
    copy.set(values as never);
    return copy as Ints;
  }

  private buffer(name: string, length: number, dtype: "f32" | "bf16" | "i32", room = this.room): Floats | Ints {
    let buffer = this.buffers.get(name);
    if (!buffer || buffer.length < length) {
      this.buffers.delete(name); // let go of the old one before the new one is asked for
      free(buffer);
      buffer = newArray(this.device, dtype, Math.ceil(length * room), name);
      this.buffers.set(name, buffer);
    }
    return buffer.length === length ? buffer : buffer.subarray(0, length);
  }

  get bytes(): number {
    let sum = 0;
    for (const buffer of this.buffers.values()) sum += byteLength(buffer);
    return sum;
  }

  /** Frees what is on a device. */
  [Symbol.dispose](): void {
    free(...this.buffers.values());
    this.buffers.clear();
  }
}
