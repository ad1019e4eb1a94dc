// Steps of AdamW and the norm on a device, beside a copy of as much memory there.
import { allocArray, copy, type DeviceId } from "@qlora/cuda-runtime";
import { type Row, time } from "../../../cuda-runtime/test/cuda/time.js";
import { AdamW, gradNorm } from "../../src/index.js";

/** `gradNorm` includes waiting for its result. */
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
    time("copy", device, () => copy(other, data), { bytes: 8 * n }),
    time("AdamW 32-bit", device, () => wide.step(known), { bytes: 28 * n }),
    time("AdamW 8-bit", device, () => narrow.step(known), { bytes: (16 + 1 / 16) * n }),
    time("gradNorm", device, () => gradNorm(parameters), { bytes: 4 * n }),
  ];
}
