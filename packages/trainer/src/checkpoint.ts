// Writing checkpoints that survive a crash at any instant.
//
// A checkpoint is a folder `step-N` with the trained tensors, the optimiser's state, `state.json`, and `manifest.json` (length
// and sha256 of each file, written last). It is filled under a temporary name, synced to disk, and renamed; others are
// removed only afterwards. A reader takes the newest whose manifest holds, so a torn one is never continued from.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type TensorData, writeFileAtomic, writeSafetensors } from "@qlora/safetensors";
import { digest, syncFolder } from "./disk.js";
import { TrainError } from "./error.js";
import type { Fingerprint } from "./fingerprint.js";
import { freeBytes } from "./resources.js";

/** Named arrays of a checkpoint, by file. */
export interface CheckpointContents {
  /** What trains, by name. */
  weights: readonly TensorData[];
  /** The optimiser's state, by name. */
  optimizer: readonly TensorData[];
  /** Everything else that an exact continuation needs; JSON. */
  state: CheckpointState;
  /** Writes further files into the folder; they are in the manifest but not needed to continue. */
  extra?: (folder: string) => void;
}

export interface CheckpointState {
  version: 1;
  /** Optimiser steps done. */
  step: number;
  /** Steps that the optimiser applied (fewer than `step` where some were skipped). */
  optimizerSteps: number;
  /** Length of log.jsonl when the checkpoint was made; what follows is cut off on resume. */
  logBytes: number;
  /** Tokens trained on so far. */
  tokens: number;
  /** Instruction set of the kernels, or the device that is none: another one gives other last bits. */
  simd: string;
  /** What the run was made of; a checkpoint of another run is refused. */
  fingerprint: Fingerprint;
}

export const checkpointFiles = {
  weights: "weights.safetensors",
  optimizer: "optimizer.safetensors",
  state: "state.json",
} as const;
export const manifestFile = "manifest.json";

export interface Manifest {
  version: 1;
  step: number;
  /** By file name. */
  files: Record<string, { bytes: number; sha256: string }>;
}

/** Bytes that a checkpoint's tensors take on disk. */
export function checkpointBytes({ weights, optimizer }: Pick<CheckpointContents, "weights" | "optimizer">): number {
  const bytes = ({ dtype, shape }: TensorData) => shape.reduce((a, b) => a * b, 1) * (dtype === "U8" ? 1 : 4);
  return [...weights, ...optimizer].reduce((sum, tensor) => sum + bytes(tensor), 0);
}

/**
 * Writes `<dir>/step-N`, then removes all but the newest `keep` checkpoints up to N, and later ones: they belong to a run
 * that was abandoned when this one went back. Returns its path.
 * @throws {TrainError} CHECKPOINT_WRITE with the bytes needed and free; every other checkpoint is as it was.
 */
export function writeCheckpoint(dir: string, contents: CheckpointContents, keep: number): string {
  const { step } = contents.state;
  const path = join(dir, `step-${step}`);
  const temporary = join(dir, `.tmp-${process.pid}-${step}`);
  const needed = checkpointBytes(contents);
  try {
    mkdirSync(dir, { recursive: true });
    sweep(dir);
    const free = freeBytes(dir);
    if (free < needed) throw new Error("no space left on the disk");
    mkdirSync(temporary);
    writeSafetensors(join(temporary, checkpointFiles.weights), contents.weights);
    writeSafetensors(join(temporary, checkpointFiles.optimizer), contents.optimizer);
    writeFileAtomic(join(temporary, checkpointFiles.state), `${JSON.stringify(contents.state, null, 2)}\n`);
    contents.extra?.(temporary);
    const files = Object.fromEntries(
      readdirSync(temporary)
        .sort()
        .map((name) => [name, digest(join(temporary, name))]),
    );
    writeFileAtomic(
      join(temporary, manifestFile),
      `${JSON.stringify({ version: 1, step, files } satisfies Manifest, null, 2)}\n`,
    );
    syncFolder(temporary);
    if (existsSync(path)) discard(dir, `step-${step}`);
    renameSync(temporary, path);
    syncFolder(dir);
  } catch (error) {
    removeQuietly(temporary);
    const [newest] = checkpointSteps(dir);
    const kept =
      newest === step
        ? "it is in place, but may not survive a power cut"
        : newest === undefined
          ? "there is no other"
          : `step ${newest} is the newest there is`;
    throw new TrainError(
      "CHECKPOINT_WRITE",
      `${path} could not be written: it needs ${needed} bytes, ${freeBytes(dir)} are free (${rootMessage(error)}); ${kept}. Make room, or lower keep_checkpoints, then continue with --resume auto`,
      { cause: error },
    );
  }
  const kept = checkpointSteps(dir)
    .filter((other) => other <= step)
    .slice(0, keep);
  for (const other of checkpointSteps(dir)) if (!kept.includes(other)) discardQuietly(dir, `step-${other}`);
  return path;
}

/** Steps that have a checkpoint in `dir`, newest first. */
export function checkpointSteps(dir: string): number[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .map((name) => /^step-(\d+)$/.exec(name)?.[1])
    .filter((step) => step !== undefined)
    .map(Number)
    .sort((a, b) => b - a);
}

/** Removes what a crash left behind. */
function sweep(dir: string): void {
  for (const name of readdirSync(dir))
    if (/^\.(tmp|del)-/.test(name)) rmSync(join(dir, name), { recursive: true, force: true });
}

/** Renames first, so that a half-removed checkpoint never carries a checkpoint's name. */
function discard(dir: string, name: string): void {
  const doomed = join(dir, `.del-${name}-${process.pid}`);
  removeQuietly(doomed);
  renameSync(join(dir, name), doomed);
  removeQuietly(doomed);
}

/** A checkpoint too many is no reason to stop a run. */
function discardQuietly(dir: string, name: string): void {
  try {
    discard(dir, name);
  } catch {
    // tried again after the next checkpoint
  }
}

/** What stays behind is swept at the next checkpoint. */
function removeQuietly(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // a failing disk: the error that brought us here is the one to report
  }
}

/** What the system said, without what each layer added. */
function rootMessage(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause) if (!(at.cause instanceof Error)) return at.message;
  return String(error);
}
