// PyTorch + PEFT as a peer, through the Python that QLORA_PYTHON names.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { threads } from "@qlora/kernels";
import { childPeer, type Peer, unavailable } from "./child.js";
import { rank, type StepShape } from "./step.js";

const script = join(import.meta.dirname, "../torch_peer.py");
let available: boolean | undefined;

export const torchName = "PyTorch + PEFT, f32 base";

/** How to start it, or why it cannot be. */
export function torchCommand(): string[] | string {
  const python = process.env.QLORA_PYTHON;
  available ??= python !== undefined && spawnSync(python, ["-c", "import torch, peft"]).status === 0;
  return python && available ? [python, script] : "QLORA_PYTHON names no Python with torch and peft";
}

/** A whole training step in PyTorch and PEFT. */
export function torchPeer(shape: StepShape): Peer {
  return stepper(torchName, { ...shape, rank });
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
  const command = torchCommand();
  if (typeof command === "string") return unavailable(name, command);
  return childPeer(name, command, { ...job, threads: threads() });
}
