// A run's folder: how far it came, its losses, its checkpoints, its bytes.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { checkpointSteps } from "@qlora/trainer";
import { CommandError } from "../../errors.js";
import { table } from "../../terminal.js";
import { byteSize } from "../../units.js";
import type { Report } from "./report.js";

/** A line of log.jsonl; what is not finite stands there as a string. */
interface Entry {
  step: number;
  loss?: number | string;
  heldOutLoss?: number | string;
}

export function inspectRun(path: string): Report {
  const entries = readLog(join(path, "log.jsonl"));
  const heldOut = entries.filter((entry) => entry.heldOutLoss !== undefined);
  const last = entries.filter((entry) => entry.loss !== undefined).at(-1);
  const checkpoints = checkpointSteps(join(path, "checkpoints"));
  const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const bytes = files.reduce((sum, entry) => sum + statSync(join(entry.parentPath ?? entry.path, entry.name)).size, 0);
  const json = {
    kind: "run",
    path,
    steps: last?.step ?? 0,
    loss: last?.loss,
    heldOut: heldOut.map(({ step, heldOutLoss }) => ({ step, loss: heldOutLoss })),
    checkpoints,
    bytes,
  };
  const losses = heldOut.map(({ step, heldOutLoss }) => `${Number(heldOutLoss).toFixed(4)} (step ${step})`);
  const text = [
    path,
    `run of ${json.steps} steps, ${byteSize(bytes)} in ${files.length} files`,
    "",
    table([
      ["last loss", last ? Number(last.loss).toFixed(4) : "none"],
      ["held-out loss", losses.join(" → ") || "not measured"],
      ["checkpoints", checkpoints.map((step) => `step-${step}`).join(", ") || "none"],
    ]),
  ].join("\n");
  return { json, text };
}

function readLog(path: string): Entry[] {
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.flatMap((line, i) => {
    if (line === "") return [];
    try {
      return [JSON.parse(line) as Entry];
    } catch {
      // The last line may be half written while the run is under way, or was killed.
      if (i === lines.length - 1) return [];
      throw new CommandError(`${path}:${i + 1}: not valid JSON; the log is damaged`);
    }
  });
}
