// Scratch memory by name, grown to the largest size asked for and reused from step to step.

/** Named f32 and i32 buffers. A buffer is valid until the same name is asked for again. */
export class Workspace {
  private readonly floats = new Map<string, Float32Array>();
  /** New buffers are this many times as long as asked for: where a larger pass is known to come, none is made twice. */
  room = 1;

  /** A Float32Array of exactly `length` elements; its contents are whatever was there. */
  f32(name: string, length: number): Float32Array {
    let buffer = this.floats.get(name);
    if (!buffer || buffer.length < length) {
      this.floats.delete(name); // let go of the old one before the new one is asked for
      buffer = new Float32Array(Math.ceil(length * this.room));
      this.floats.set(name, buffer);
    }
    return buffer.length === length ? buffer : buffer.subarray(0, length);
  }

  get bytes(): number {
    let sum = 0;
    for (const buffer of this.floats.values()) sum += buffer.byteLength;
    return sum;
  }
}
