// Steps of AdamW and the norm on a device, beside a copy of as much memory there.
import { allocArray, copy, type DeviceId, Event } from "@qlora/cuda-runtime";
import { AdamW, gradNorm } from "../../src/index.js";

interface Row {
  name: string;
  ms: number;
  gigabytesPerSecond: number;
}

/** Medians of 30 runs, in the device's time; `gradNorm` includes waiting for its result. */
export default function bench(device: DeviceId): Row[] {
  const n = device === "cuda-emu" ? 2 ** 14 : 2 ** 23;
  using data = allocArray("f32", n, { device });
  using grad = allocArray("f32", n, { device });
  using other = allocArray("f32", n, { device });
  data.zero();
  grad.zero();
  const parameters = [{ name: "p", data, grad }];
  using wide = new AdamW(parameters, { lr: 1e-4 });
  using narrow = new AdamW(parameters, { lr: 1e-4, bits: 8 });
  const known = { gradNorm: 1 };
  return [
    time("copy", device, () => copy(other, data), 8 * n),
    time("AdamW 32-bit", device, () => wide.step(known), 28 * n),
    time("AdamW 8-bit", device, () => narrow.step(known), (16 + 1 / 16) * n),
    time("gradNorm", device, () => gradNorm(parameters), 4 * n),
  ];
}

function time(name: string, device: DeviceId, run: () => void, bytes: number): Row {
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
  return { name, ms, gigabytesPerSecond: bytes / ms / 1e6 };
}
