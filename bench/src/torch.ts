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

/** Takes a training step. */
export function torchPeer(shape: StepShape): Peer {
  const command = torchCommand();
  if (typeof command === "string") return unavailable(torchName, command);
  return childPeer(torchName, command, { ...shape, rank, threads: threads() });
}
