// How the benches of gpu-check time: medians of a device's own time.
import { type DeviceId, Event } from "../../src/index.js";

export interface Row {
  name: string;
  ms: number;
  gigabytesPerSecond?: number;
  teraflopsPerSecond?: number;
}

/** What one run moves, or computes. */
export interface Work {
  bytes?: number;
  flops?: number;
}

/** Median of 30 runs after 5, in the device's time; one run on the emulator, whose times mean nothing. */
export function time(name: string, device: DeviceId, run: () => void, { bytes, flops }: Work): Row {
  const [warm, rounds] = device === "cuda-emu" ? [0, 1] : [5, 30];
  for (let i = 0; i < warm; ++i) run();
  using start = new Event({ device });
  using end = new Event({ device });
  const times = Array.from({ length: rounds }, () => {
    start.record();
    run();
    end.record();
    return end.since(start);
  });
  const ms = times.sort((a, b) => a - b)[times.length >> 1]!;
  return {
    name,
    ms,
    ...(bytes === undefined ? {} : { gigabytesPerSecond: bytes / ms / 1e6 }),
    ...(flops === undefined ? {} : { teraflopsPerSecond: flops / ms / 1e9 }),
  };
}
