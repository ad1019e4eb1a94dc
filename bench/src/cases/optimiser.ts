// @qlora/paged-optim: one step over parameters that do not fit a cache. Beside PyTorch's fused AdamW where QLORA_PYTHON has it, and
// with a quarter of the state in memory, the rest in a file, beside all of it in memory.
import { join } from "node:path";
import { AdamW, Lion, Sgd } from "@qlora/paged-optim";
import { type Case, type CaseGroup, normals } from "../case.js";
import { scratchFolder } from "../leaving.js";
import { torchOptimiser } from "../torch.js";

const names = ["AdamW 32-bit", "AdamW 8-bit", "Lion 32-bit", "SGD 32-bit"];
const paged = "AdamW 32-bit, a quarter of the state in memory";

export const optimiser: CaseGroup = {
  names: [...names, paged],
  make({ quick }) {
    const n = (quick ? 8 : 32) * 2 ** 20;
    const parameter = () => ({ name: "p", data: normals(n, 0.02), grad: normals(n, 0.01, 2) });
    // The norm is given, so that the step is one pass over memory.
    const step = (optimizer: AdamW | Lion | Sgd) => () => void optimizer.step({ gradNorm: 1 });
    const make = (name: string, bytes: number, optimizer: AdamW | Lion | Sgd, peers: Case["peers"] = []): Case => ({
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
      run: step(optimizer),
      peers,
    });
    const inMemory = new AdamW([parameter()], { lr: 1e-3 });
    return [
      make("AdamW 32-bit", 28, inMemory, [torchOptimiser(n)]), // p, m, v read and written, gradient read
      make("AdamW 8-bit", 16, new AdamW([parameter()], { lr: 1e-3, bits: 8 })),
      make("Lion 32-bit", 20, new Lion([parameter()], { lr: 1e-4 })),
      make("SGD 32-bit", 20, new Sgd([parameter()], { lr: 1e-3 })),
      make(paged, 28, new AdamW([parameter()], { lr: 1e-3, paging: { budget: n * 2, path: stateFile() } }), [
        { name: "all in memory", run: step(inMemory) },
      ]),
    ];
  },
};

/** A path for state that goes with the process; QLORA_BENCH_DIR says on which disk. */
function stateFile(): string {
  return join(scratchFolder(process.env.QLORA_BENCH_DIR).path, "state");
}
