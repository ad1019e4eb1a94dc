// The whole process of a training step, ours and PyTorch's, on the same weights (the 4-bit ones, decoded for PyTorch): the most memory it
// ever holds, and its first loss. The memory of @qvac/llm-llamacpp beside it, on weights of its own.
import { join } from "node:path";
import { saveWeights } from "@qlora/transformer";
import type { CaseGroup, Measured } from "../case.js";
import { peakMemory } from "../child.js";
import { scratchFolder } from "../leaving.js";
import { notQuick, qvacMemory, qvacName } from "../qvac.js";
import { describe, modelConfig, randomModel } from "../random-model.js";
import { rank, type StepShape, stepShapes } from "../step.js";
import { torchCommand, torchName } from "../torch.js";

/** Sums in another order, and attention with another exponential. */
const LOSS_ERROR = 1e-3;

export const memory: CaseGroup = {
  names: ["training step memory", "training step loss"],
  *make({ quick, threads, shape: wanted }) {
    for (const shape of quick ? stepShapes.slice(1, 2) : stepShapes) {
      const title = `${describe(shape)}, ${shape.batch} × ${shape.seq} tokens`;
      if (!wanted.test(title)) continue;
      let both: ReturnType<typeof measureBoth> | undefined;
      const measured = () => (both ??= measureBoth(shape, threads));
      yield {
        name: "training step memory",
        shape: title,
        async measure(): Promise<Measured> {
          const { own, torch } = await measured();
          const value = own.bytes / 1e6;
          const qvac = await (quick ? notQuick.unavailable! : qvacMemory(shape));
          const peers = [
            peerMemory(torchName, typeof torch === "string" ? torch : torch.bytes),
            peerMemory(qvacName, qvac),
          ];
          if (typeof torch === "string") return { value, unit: "MB", peers };
          const holds = own.bytes <= 0.6 * torch.bytes;
          return { value, unit: "MB", peers, verdict: { claim: "at most 60 % of PyTorch's", holds } };
        },
      };
      yield {
        name: "training step loss",
        shape: title,
        async measure(): Promise<Measured> {
          const { own, torch } = await measured();
          const value = own.ready.loss as number;
          if (typeof torch === "string")
            return { value, unit: "nats", peers: [{ name: torchName, value: null, unavailable: torch }] };
          const theirs = torch.ready.loss as number;
          return {
            value,
            unit: "nats",
            peers: [{ name: torchName, value: theirs }],
            verdict: { claim: `PyTorch's within ${LOSS_ERROR}`, holds: Math.abs(value - theirs) <= LOSS_ERROR },
          };
        },
      };
    }
  },
};

/** `found`: bytes, or why there are none. */
function peerMemory(name: string, found: number | string) {
  return typeof found === "string" ? { name, value: null, unavailable: found } : { name, value: found / 1e6 };
}

async function measureBoth(shape: StepShape, threads: number) {
  const script = join(import.meta.dirname, "step-process.js");
  const own = await peakMemory([process.execPath, script], { ...shape, threads }, 1);
  const command = torchCommand();
  if (typeof command === "string") return { own, torch: command };
  const folder = scratchFolder();
  try {
    const weights = join(folder.path, "model.safetensors");
    saveWeights(randomModel(modelConfig(shape, shape.seq), 0), weights, "F32");
    return { own, torch: await peakMemory(command, { ...shape, rank, threads, weights }, 1) };
  } finally {
    folder.remove();
  }
}
