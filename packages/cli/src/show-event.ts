// One event of a training run, for a person.
import { relative } from "node:path";
import type { MemoryEstimate, TrainEvent } from "@qlora/trainer";
import type { Progress } from "./progress.js";
import { printable, say, table } from "./terminal.js";
import { byteSize, duration, grouped } from "./units.js";

export function showEvent(event: TrainEvent, bar: Progress): void {
  switch (event.type) {
    case "data":
      bar.print(printable(`Data: ${event.training} examples to train on, ${event.heldOut} held out; ${event.summary}`));
      break;
    case "memory":
      bar.print(`Memory expected at the peak: ${byteSize(event.estimate.total)}`);
      bar.print(
        table(
          [...event.estimate.parts, ...mappedPart(event.estimate)].map(({ name, bytes, note }) => [
            `  ${name}`,
            byteSize(bytes).padStart(9),
            note,
          ]),
        ),
      );
      break;
    case "loading":
      bar.update(event.done, event.total, `loading ${event.done}/${event.total} tensors`);
      if (event.done === event.total) bar.clear();
      break;
    case "model":
      bar.print(`Model: ${grouped(event.parameters)} parameters, ${grouped(event.trainable)} trained`);
      break;
    case "resumed":
      bar.print(`Continuing from ${shown(event.path)} (step ${event.step})`);
      break;
    case "evaluating":
      bar.update(event.done, event.total, `held-out loss ${event.done}/${event.total}`);
      break;
    case "evaluation":
      bar.clear();
      bar.print(`Step ${event.step}: held-out loss ${event.loss.toFixed(4)}`);
      break;
    case "step": {
      const speed = `${Math.round(event.tokensPerSecond)} tokens/s`;
      const loss = `loss ${event.loss.toFixed(4)}`;
      const eta = `ETA ${duration(event.etaSeconds)}`;
      bar.update(event.step, event.steps, `step ${event.step}/${event.steps}  ${loss}  ${speed}  ${eta}`);
      if (event.step === event.steps) bar.end();
      break;
    }
    case "warning":
      bar.print(printable(`Warning: ${event.message}`));
      break;
    case "checkpoint":
      break;
    case "stopped":
      bar.end();
      say(
        event.step > 0
          ? `Stopped after step ${event.step}; the same command with --resume auto continues`
          : "Stopped before the first step",
      );
      break;
    case "done": {
      bar.end();
      const { before, after } = event.heldOut;
      const rows: [string, string][] = [];
      if (before !== null && after !== null) rows.push(["held-out loss", `${before.toFixed(4)} → ${after.toFixed(4)}`]);
      rows.push(["time", duration(event.seconds)]);
      rows.push(["peak memory", `${byteSize(event.peakBytes)} (expected ${byteSize(event.expectedBytes)})`]);
      for (const [name, path] of Object.entries(event.files)) rows.push([name, shown(path)]);
      say();
      say(table(rows));
    }
  }
}

/** The weights in a mapped file as a line beside the parts of the estimate, where there are some. */
export function mappedPart({ mapped }: MemoryEstimate): MemoryEstimate["parts"] {
  const note = "not counted: in the file, resident as far as there is room";
  return mapped > 0 ? [{ name: "mapped weights", bytes: mapped, note }] : [];
}

/** A path as short as it can be said from here. */
function shown(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith("..") ? path : short;
}
