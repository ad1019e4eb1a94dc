// TensorBoard's event file: scalars in the record format of TensorFlow (core/lib/io/record_writer.h, core/util/event.proto).
//
//   record = length u64 | masked crc32c(length) u32 | event | masked crc32c(event) u32          all little-endian
//   event  = wall_time (1, double) | step (2, int64) | file_version (3, string) or summary (5: value (1: tag (1), simple_value (2, float)))
import { closeSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { History } from "./history.js";

const suffix = ".qlora";

export class EventFile {
  private constructor(private fd: number) {}

  /** A new file in `dir` that begins with what the log already holds; earlier files of the same run are removed. */
  static open(dir: string, history: History): EventFile {
    for (const name of readdirSync(dir))
      if (name.startsWith("events.out.tfevents.") && name.endsWith(suffix)) rmSync(join(dir, name));
    const now = Date.now() / 1000;
    const file = new EventFile(
      openSync(join(dir, `events.out.tfevents.${Math.floor(now)}.${process.pid}${suffix}`), "w"),
    );
    file.write(encodeEvent(now, 0, { version: "brain.Event:2" }));
    for (const { step, loss } of history.training) file.add(step, { loss });
    for (const { step, loss } of history.heldOut) file.add(step, { heldOutLoss: loss });
    return file;
  }

  /** Scalars by tag. */
  add(step: number, scalars: Record<string, number>): void {
    for (const [tag, value] of Object.entries(scalars))
      this.write(encodeEvent(Date.now() / 1000, step, { tag, value }));
  }

  close(): void {
    closeSync(this.fd);
  }

  private write(event: Uint8Array): void {
    const bytes = encodeRecord(event);
    for (let done = 0; done < bytes.length; ) done += writeSync(this.fd, bytes, done);
  }
}

export function encodeRecord(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(16 + data.length);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc(data), true);
  return record;
}

export function encodeEvent(
  wallTime: number,
  step: number,
  what: { version: string } | { tag: string; value: number },
): Uint8Array {
  const fields = [double(1, wallTime), [0x10, ...varint(step)]];
  if ("version" in what) fields.push(bytes(3, text(what.version)));
  else fields.push(bytes(5, bytes(1, [...bytes(1, text(what.tag)), ...float(2, what.value)])));
  return Uint8Array.from(fields.flat());
}

const text = (value: string) => [...new TextEncoder().encode(value)];
const bytes = (field: number, value: number[]) => [(field << 3) | 2, ...varint(value.length), ...value];
const double = (field: number, value: number) => [(field << 3) | 1, ...new Uint8Array(Float64Array.of(value).buffer)];
const float = (field: number, value: number) => [(field << 3) | 5, ...new Uint8Array(Float32Array.of(value).buffer)];

function varint(value: number): number[] {
  const out: number[] = [];
  for (; value > 127; value = Math.floor(value / 128)) out.push((value % 128) | 128);
  return [...out, value];
}

const table = Uint32Array.from({ length: 256 }, (_, i) => {
  let crc = i;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** CRC-32C (Castagnoli), rotated and offset as TensorFlow does (core/lib/hash/crc32c.h, Mask). */
export function maskedCrc(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = table[(crc ^ byte) & 255]! ^ (crc >>> 8);
  crc = (crc ^ 0xffffffff) >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
