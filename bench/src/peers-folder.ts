// Peers from the folder that QLORA_PEERS names (`npm install --prefix FOLDER …`), which read a GGUF file of random weights.
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { childPeer, type Peer } from "./child.js";
import { type GgufKind, writeGguf } from "./gguf.js";
import { scratchFolder } from "./leaving.js";
import type { Shape } from "./random-model.js";

/** The folder, where it has these packages; otherwise why not. */
export function peersFolder(packages: readonly string[]): { folder: string } | { reason: string } {
  const folder = process.env.QLORA_PEERS;
  if (!folder) return { reason: `QLORA_PEERS names no folder with ${packages.join(" and ")}` };
  const missing = packages.filter((name) => !existsSync(join(folder, "node_modules", name)));
  if (missing.length === 0) return { folder: resolve(folder) };
  return { reason: `${folder} has no ${missing.join(", no ")}: npm install --prefix ${folder} ${packages.join(" ")}` };
}

export interface GgufJob {
  shape: Shape;
  contextLength: number;
  kind: GgufKind;
  /** The rest of what the script is told, beside `path`, the file, and `scratch`, a folder that is removed with it. */
  job: object;
}

/** A folder with the model, and the job that names it. `write` is called once before the job is used, `remove` at the end. */
export function ggufJob({ shape, contextLength, kind, job }: GgufJob) {
  const { path: scratch, remove } = scratchFolder();
  const path = join(scratch, "model.gguf");
  return { job: { ...job, path, scratch }, write: () => writeGguf(path, shape, contextLength, kind), remove };
}

/** A peer whose model is written when it starts, and removed when it stops. */
export function ggufPeer(name: string, command: readonly string[], model: GgufJob): Peer {
  const { job, ...files } = ggufJob(model);
  return childPeer(name, command, job, files);
}
