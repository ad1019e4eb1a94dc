// PyTorch + PEFT as a peer, through the Python that QLORA_PYTHON names.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { threads } from "@qlora/kernels";
import { childPeer, type Peer, unavailable } from "./child.js";
import type { Shape } from "./random-model.js";

const script = join(import.meta.dirname, "../torch_peer.py");
let available: boolean | undefined;

/** Takes a training step. */
export function torchPeer(shape: Shape & { batch: number; seq: number; rank: number }): Peer {
  const name = "PyTorch + PEFT, f32 base";
  const python = process.env.QLORA_PYTHON;
  available ??= python !== undefined && spawnSync(python, ["-c", "import torch, peft"]).status === 0;
  if (!python || !available) return unavailable(name, "QLORA_PYTHON names no Python with torch and peft");
  return childPeer(name, [python, script], { ...shape, threads: threads() });
}
