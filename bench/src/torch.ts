// PyTorch + PEFT as a peer, with bitsandbytes or without, through the Python that QLORA_PYTHON names.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { threads } from "@qlora/kernels";
import { type Model, saveWeights } from "@qlora/transformer";
import { childPeer, type Peer, peakMemory, unavailable } from "./child.js";
import { scratchFolder } from "./leaving.js";
import { saveFourBits } from "./random-checkpoint.js";
import { rank, type StepShape } from "./step.js";

const script = join(import.meta.dirname, "../torch_peer.py");

/** What holds the frozen weights: f32 tensors, or bitsandbytes in 4 bits. */
export type Base = "f32" | "nf4";
export const torchNames = { f32: "PyTorch + PEFT, f32 base", nf4: "PyTorch + PEFT + bitsandbytes" } as const;
/** Those that are measured: bitsandbytes takes too long to start for `--quick`. */
export const torchBases = (quick: boolean): Base[] => (quick ? ["f32"] : ["nf4", "f32"]);
const modules = { f32: "torch, peft", nf4: "torch, peft, bitsandbytes" } as const;
const available = new Map<Base, boolean>();

/** How to start it, or why it cannot be. */
function torchCommand(base: Base): string[] | string {
  const python = process.env.QLORA_PYTHON;
  if (!available.has(base))
    available.set(base, Boolean(python) && spawnSync(python!, ["-c", `import ${modules[base]}`]).status === 0);
  return python && available.get(base) ? [python, script] : `QLORA_PYTHON names no Python with ${modules[base]}`;
}

/** A training step of that shape, its job and the files of `model`'s weights that it reads; or why there is none. */
function trainer(base: Base, shape: StepShape, model: () => Model) {
  const command = torchCommand(base);
  if (typeof command === "string") return command;
  const { path, remove } = scratchFolder();
  const weights = base === "f32" ? { weights: join(path, "model.safetensors") } : { folder: path };
  const write = () =>
    weights.weights ? saveWeights(model(), weights.weights, "F32") : saveFourBits(model(), shape, path);
  return { command, job: { ...shape, rank, threads: threads(), ...weights }, files: { write, remove } };
}

/** A whole training step in PyTorch and PEFT, of the weights of `model`. */
export function torchPeer(base: Base, shape: StepShape, model: Model): Peer {
  const found = trainer(base, shape, () => model);
  if (typeof found === "string") return unavailable(torchNames[base], found);
  return childPeer(torchNames[base], found.command, found.job, found.files);
}

/** The most memory that its process ever holds over two steps, and what it says when it is ready; or why it cannot be measured. */
export async function torchMemory(base: Base, shape: StepShape, model: () => Model) {
  const found = trainer(base, shape, model);
  if (typeof found === "string") return found;
  try {
    found.files.write();
    return await peakMemory(found.command, found.job, 1);
  } finally {
    found.files.remove();
  }
}

/** A step of PyTorch's fused AdamW over so many f32 parameters. */
export function torchOptimiser(elements: number): Peer {
  return stepper("PyTorch fused AdamW", { elements });
}

/** x [m, k]·Wᵀ, or x [m, n]·W, with f32 weights [n, k]. */
export function torchProduct(transposed: boolean, [m, n, k]: [number, number, number]): Peer {
  return stepper("PyTorch mm, f32 weights", { product: [m, n, k], transposed });
}

/** Takes the steps of torch_peer.py for `job`. */
function stepper(name: string, job: object): Peer {
  const command = torchCommand("f32");
  if (typeof command === "string") return unavailable(name, command);
  return childPeer(name, command, { ...job, threads: threads() });
}
