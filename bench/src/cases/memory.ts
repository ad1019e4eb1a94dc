// The whole process of a training step, ours and PyTorch's, on the same weights (bitsandbytes gets the 4-bit ones, PyTorch alone what they
// decode to): the most memory it ever holds, and its first loss. The memory of @qvac/llm-llamacpp beside it, on weights of its own.
import { join } from "node:path";
import type { CaseGroup, Measured } from "../case.js";
import { peakMemory } from "../child.js";
import { notQuick, qvacMemory, qvacName } from "../qvac.js";
import { describe, modelConfig, randomModel } from "../random-model.js";
import { type StepShape, stepShapes } from "../step.js";
import { type Base, torchBases, torchMemory, torchNames } from "../torch.js";

/** Sums in another order, and attention with another exponential. */
const LOSS_ERROR = 1e-3;

export const memory: CaseGroup = {
  names: ["training step memory", "training step loss"],
  *make({ quick, threads, shape: wanted }) {
    for (const shape of quick ? stepShapes.slice(1, 2) : stepShapes) {
      const title = `${describe(shape)}, ${shape.batch} × ${shape.seq} tokens`;
      if (!wanted.test(title)) continue;
      let all: ReturnType<typeof measureAll> | undefined;
      const measured = () => (all ??= measureAll(shape, threads, torchBases(quick)));
      yield {
        name: "training step memory",
        shape: title,
        async measure(): Promise<Measured> {
          const { own, torch } = await measured();
          const value = own.bytes / 1e6;
          const qvac = await (quick ? notQuick.unavailable! : qvacMemory(shape));
          const peers = torch.map(({ name, found }) =>
            peerFigure(name, typeof found === "string" ? found : found.bytes / 1e6),
          );
          const all = [...peers, peerFigure(qvacName, typeof qvac === "string" ? qvac : qvac / 1e6)];
          const holds = (theirs: number) => value <= 0.6 * theirs;
          return { value, unit: "MB", peers: all, ...verdict("at most 60 % of PyTorch's", peers, holds) };
        },
      };
      yield {
        name: "training step loss",
        shape: title,
        async measure(): Promise<Measured> {
          const { own, torch } = await measured();
          const value = own.ready.loss as number;
          const lossOf = ({ base, found }: (typeof torch)[number]) => {
            if (typeof found === "string") return found;
            if (base === "nf4" && shape.ffn % 64 !== 0)
              return "its AVX-512 code takes wrong scales where rows are no whole blocks of 64";
            return found.ready.loss as number;
          };
          const peers = torch.map((peer) => peerFigure(peer.name, lossOf(peer)));
          const holds = (theirs: number) => Math.abs(value - theirs) <= LOSS_ERROR;
          return { value, unit: "nats", peers, ...verdict(`PyTorch's within ${LOSS_ERROR}`, peers, holds) };
        },
      };
    }
  },
};

/** `found`: a figure, or why there is none. */
function peerFigure(name: string, found: number | string) {
  return typeof found === "string" ? { name, value: null, unavailable: found } : { name, value: found };
}

/** Whether the claim holds beside every peer that was measured; nothing where none was. */
function verdict(claim: string, peers: { value: number | null }[], holds: (theirs: number) => boolean) {
  const found = peers.flatMap(({ value }) => (value === null ? [] : [value]));
  return found.length > 0 ? { verdict: { claim, holds: found.every(holds) } } : {};
}

async function measureAll(shape: StepShape, threads: number, bases: readonly Base[]) {
  const script = join(import.meta.dirname, "step-process.js");
  const own = await peakMemory([process.execPath, script], { ...shape, threads }, 1);
  const torch = [];
  for (const base of bases)
    torch.push({
      base,
      name: torchNames[base],
      found: await torchMemory(base, shape, () => randomModel(modelConfig(shape, shape.seq), 0)),
    });
  return { own, torch };
}
