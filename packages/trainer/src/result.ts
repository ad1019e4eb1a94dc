// What a finished run leaves behind: the adapter (or the model), the curve as a picture, a page that says how it went.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { memoryStats } from "@qlora/cuda-runtime";
import { writeFileAtomic } from "@qlora/safetensors";
import { saveTrained } from "./adapters.js";
import type { DoneEvent } from "./events.js";
import { peakMemory } from "./peak.js";
import { lossSvg, reportHtml } from "./picture.js";
import type { Run } from "./run.js";
import { snakeCase } from "./schema.js";

export function finishRun({ parts, history, step, tokens }: Run, stoppedEarly: boolean): DoneEvent {
  const { config, folder, model, started, expectedBytes } = parts;
  const { training, heldOut, best } = history;
  const files = saveTrained(model, config, folder);
  const before = heldOut[0]?.step === 0 ? heldOut[0].loss : null;
  const after = heldOut.at(-1)?.step === step ? heldOut.at(-1)!.loss : null;
  const seconds = (performance.now() - started) / 1000;
  const { device } = model;
  const peakBytes = device === "cpu" ? peakMemory() : memoryStats(device).peak;
  const curves = { title: `${config.method} on ${config.data.split("/").at(-1)}`, training, heldOut };
  writeFileAtomic(folder.file("loss.svg"), lossSvg(curves));
  const rows: [string, string][] = [
    ["steps", `${step}${stoppedEarly ? " (stopped early)" : ""}`],
    ["held-out loss before", before?.toFixed(4) ?? "not measured"],
    ["held-out loss after", after?.toFixed(4) ?? "not measured"],
    ["best held-out loss", best ? `${best.loss.toFixed(4)} at step ${best.step}` : "not measured"],
    ["tokens", tokens.toLocaleString("en")],
    ["seconds", seconds.toFixed(1)],
    ["peak memory", `${Math.round(peakBytes / 2 ** 20)} MiB`],
  ];
  const settings = Object.entries(config)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]): [string, string] => [snakeCase(key), String(value)]);
  writeFileAtomic(
    folder.file("report.html"),
    reportHtml(curves, [
      { heading: "Result", rows },
      { heading: "Configuration", rows: settings },
    ]),
  );
  const bestPath = join(folder.best, `step-${best?.step}`);
  const kept = existsSync(bestPath) ? { "best checkpoint": bestPath } : {};
  return {
    type: "done",
    steps: step,
    stoppedEarly,
    heldOut: { before, after },
    best,
    seconds,
    peakBytes,
    expectedBytes,
    files: {
      ...files,
      config: folder.file("config.yaml"),
      log: folder.file("log.jsonl"),
      curve: folder.file("loss.svg"),
      report: folder.file("report.html"),
      ...kept,
    },
  };
}
