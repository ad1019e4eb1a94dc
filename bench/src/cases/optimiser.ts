// @qlora/paged-optim: one step over parameters that do not fit a cache.
import { AdamW, Lion } from "@qlora/paged-optim";
import { type Case, type CaseGroup, normals } from "../case.js";

export const optimiser: CaseGroup = {
  names: ["AdamW 32-bit", "AdamW 8-bit", "Lion 32-bit"],
  make({ quick }) {
    const n = (quick ? 8 : 32) * 2 ** 20;
    const parameter = () => ({ name: "p", data: normals(n, 0.02), grad: normals(n, 0.01, 2) });
    const make = (name: string, bytes: number, optimizer: AdamW | Lion): Case => ({
      name,
      shape: `${n / 2 ** 20} Mi parameters`,
      unit: "GB/s",
      work: (n * bytes) / 1e9,
      ceiling: { name: "copy", work: (n * bytes) / 1e9 },
      check() {
        const before = (optimizer.parameters[0]!.data as Float32Array).slice(0, 64);
        if (!optimizer.step().applied) throw new Error(`${name} refused its step; not timed`);
        const after = optimizer.parameters[0]!.data as Float32Array;
        if (before.every((value, i) => value === after[i])) throw new Error(`${name} changed nothing; not timed`);
      },
      // The norm is given, so that the step is one pass over memory.
      run: () => void optimizer.step({ gradNorm: 1 }),
    });
    return [
      make("AdamW 32-bit", 28, new AdamW([parameter()], { lr: 1e-3 })), // p, m, v read and written, gradient read
      make("AdamW 8-bit", 16, new AdamW([parameter()], { lr: 1e-3, bits: 8 })),
      make("Lion 32-bit", 20, new Lion([parameter()], { lr: 1e-4 })),
    ];
  },
};
