// What log.jsonl says, as numbers: the curves, and the decisions that depend on them. A resumed run reads it back from the
// log, so that it decides as the uninterrupted one does.
import type { CurvePoint } from "./picture.js";

/** A line of log.jsonl: a step, or a held-out loss. Numbers that are not finite are written as strings. */
export type LogEntry =
  | { step: number; loss: number | string; gradNorm: number | string; skipped: boolean }
  | { step: number; heldOutLoss: number | string };

export class History {
  readonly training: CurvePoint[] = [];
  readonly heldOut: CurvePoint[] = [];
  /** Steps not applied, without an applied one in between. */
  skippedInRow = 0;
  /** Lowest held-out loss, and its step. */
  best: CurvePoint | null = null;
  /** Evaluations since the best one. */
  sinceBest = 0;
  /** Loss and gradient norm of applied steps, the newest last. */
  private readonly applied: { loss: number; gradNorm: number }[] = [];

  add(entry: LogEntry): void {
    const { step } = entry;
    if ("heldOutLoss" in entry) {
      const loss = Number(entry.heldOutLoss);
      this.heldOut.push({ step, loss });
      const better = Number.isFinite(loss) && (this.best === null || loss < this.best.loss);
      if (better) this.best = { step, loss };
      this.sinceBest = better ? 0 : this.sinceBest + 1;
      return;
    }
    const [loss, gradNorm] = [Number(entry.loss), Number(entry.gradNorm)];
    this.training.push({ step, loss });
    this.skippedInRow = entry.skipped ? this.skippedInRow + 1 : 0;
    if (!entry.skipped) this.applied.push({ loss, gradNorm });
  }

  /** Reads the lines of a log back; returns how many could not be read. */
  replay(log: string): number {
    let unreadable = 0;
    for (const line of log.split("\n")) {
      if (line === "") continue;
      try {
        this.add(JSON.parse(line) as LogEntry);
      } catch {
        unreadable++;
      }
    }
    return unreadable;
  }

  /**
   * How far a step is off the last `window` applied ones, in standard deviations: the larger of loss and gradient norm.
   * Undefined until there are that many.
   */
  zScore(
    step: { loss: number; gradNorm: number },
    window: number,
  ): { of: "loss" | "gradient norm"; z: number } | undefined {
    if (this.applied.length < window) return undefined;
    const recent = this.applied.slice(-window);
    const loss = zScore(
      recent.map(({ loss }) => loss),
      step.loss,
    );
    const norm = zScore(
      recent.map(({ gradNorm }) => gradNorm),
      step.gradNorm,
    );
    return loss >= norm ? { of: "loss", z: loss } : { of: "gradient norm", z: norm };
  }
}

function zScore(values: readonly number[], value: number): number {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
  return variance > 0 ? (value - mean) / Math.sqrt(variance) : 0;
}
