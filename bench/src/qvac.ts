// @qvac/llm-llamacpp as a peer of the training step, on Bare, from the folder that QLORA_PEERS names.
//
// It finetunes no "llama", so its model is a "qwen3" of the same shape: the same products, and norms on the heads besides.
// It offers neither activation checkpointing nor clipping, and a step of its is one sequence. It trains on four threads whatever number
// it is told (0.53.0), on few processors against itself.
import { createRequire } from "node:module";
import { join } from "node:path";
import { threads } from "@qlora/kernels";
import { type Peer, peakMemory, unavailable } from "./child.js";
import { type GgufJob, ggufJob, ggufPeer, peersFolder } from "./peers-folder.js";
import { rank, type StepShape } from "./step.js";

const script = join(import.meta.dirname, "../qvac_peer.cjs");
export const qvacName = "@qvac/llm-llamacpp, Q8_0 and f32 head, on its own four threads";

export const notQuick = unavailable(qvacName, "left out of --quick: its step takes seconds");

/** How to start it and with what, or why it cannot be. */
function trainer(shape: StepShape): { command: string[]; model: GgufJob } | { reason: string } {
  if (shape.batch > 1) return { reason: `its step is one sequence, not ${shape.batch}` };
  if (process.platform === "win32")
    return { reason: "it trains on by itself, and Windows cannot stop it between steps" };
  const found = peersFolder(["@qvac/llm-llamacpp", "bare"]);
  if ("reason" in found) return found;
  const { seq, vocab } = shape;
  const bare: string = createRequire(join(found.folder, "node_modules/bare/package.json"))("bare-runtime")();
  return {
    command: [bare, script, found.folder],
    model: {
      shape,
      contextLength: seq,
      kind: { architecture: "qwen3", type: "Q8_0", head: "F32" },
      job: { threads: threads(), rank, seq, vocab },
    },
  };
}

/** Its step, from one of its progress events to the next: forward, backward and AdamW. */
export function qvacPeer(shape: StepShape): Peer {
  const found = trainer(shape);
  if ("reason" in found) return unavailable(qvacName, found.reason);
  return ggufPeer(qvacName, found.command, found.model);
}

/** The most memory that its process ever holds over two steps, in bytes, or why it cannot be measured. */
export async function qvacMemory(shape: StepShape): Promise<number | string> {
  const found = trainer(shape);
  if ("reason" in found) return found.reason;
  const { job, write, remove } = ggufJob(found.model);
  try {
    write();
    return (await peakMemory(found.command, job, 1)).bytes;
  } catch (error) {
    return (error as Error).message;
  } finally {
    remove();
  }
}
