// Between a run and its checkpoints: what goes into one, and how a run takes up where one ends.
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { simd } from "@qlora/kernels";
import { firstNonFinite, type StateTensor } from "@qlora/paged-optim";
import { openSafetensors, type TensorData } from "@qlora/safetensors";
import { type Model, toHost } from "@qlora/transformer";
import { type CheckpointContents, checkpointFiles } from "./checkpoint.js";
import { TrainError } from "./error.js";
import type { TrainEvent } from "./events.js";
import { compareFingerprints, type Fingerprint } from "./fingerprint.js";
import type { History } from "./history.js";
import type { makeOptimizer } from "./optimizer.js";
import { newestCheckpoint, type OpenCheckpoint, readCheckpoint } from "./read-checkpoint.js";
import type { Run, RunParts } from "./run.js";

type Optimizer = ReturnType<typeof makeOptimizer>;

/**
 * Everything that an exact continuation needs; the log is synced first.
 * @throws {TrainError} NON_FINITE: weights that are not finite are never written down.
 */
export function checkpointContents(
  { parts: { folder, model, parameters }, step, tokens }: Run,
  optimizer: Optimizer,
  fingerprint: Fingerprint,
  saved: number | undefined,
): CheckpointContents {
  const bad = firstNonFinite(parameters.map(({ name, data }) => ({ name, grad: data })));
  if (bad !== undefined) {
    const kept = saved === undefined ? "there is no earlier one" : `step ${saved} is kept`;
    throw new TrainError(
      "NON_FINITE",
      `the checkpoint of step ${step} was not written, because ${bad} is not finite; ${kept}. Lower learning_rate`,
    );
  }
  folder.syncLog();
  const { logBytes } = folder;
  return {
    weights: parameters.map(({ name, shape, data }) => ({
      name,
      dtype: "F32" as const,
      shape,
      data: () => toHost(data),
    })),
    optimizer: reuseOneBuffer([...optimizer.stateTensors()]),
    state: {
      version: 1,
      step,
      tokens,
      optimizerSteps: optimizer.steps,
      logBytes,
      simd: arithmetic(model),
      fingerprint,
    },
  };
}

/** What decides the last bits: the instruction set, or the device. */
function arithmetic({ device }: Model): string {
  return device === "cpu" ? simd() : typeof device === "number" ? "cuda" : device;
}

/** The same tensors, all copied into one buffer, one after another: a copy each would be garbage of the state's size. */
function reuseOneBuffer(tensors: readonly StateTensor[]): TensorData[] {
  const size = ({ dtype, shape }: StateTensor) => shape[0]! * (dtype === "U8" ? 1 : 4);
  const buffer = new ArrayBuffer(tensors.reduce((most, tensor) => Math.max(most, size(tensor)), 0));
  return tensors.map((tensor) => ({ ...tensor, data: () => tensor.data(buffer) }));
}

/** Where a run takes up; `saved` is the step when the checkpoint is among its own. */
export interface Resumed {
  step: number;
  tokens: number;
  saved: number | undefined;
}

/** Continues from a checkpoint where one is asked for and found: weights, optimiser, log and history are as they were. */
export function* restore(
  parts: RunParts,
  history: History,
  fingerprint: Fingerprint,
  optimizer: Optimizer,
): Generator<TrainEvent, Resumed | undefined, void> {
  const { config, folder } = parts;
  if (!config.resume) return undefined;
  const warnings: string[] = [];
  const checkpoint =
    config.resume === "auto"
      ? newestCheckpoint(folder.checkpoints, (message) => warnings.push(message))
      : readCheckpoint(resolve(config.resume));
  if (!checkpoint) {
    if (warnings.length > 0)
      throw new TrainError(
        "NO_CHECKPOINT",
        `${folder.checkpoints}: every checkpoint is damaged; start over with another output (${warnings.join("; ")})`,
      );
    if (existsSync(folder.file("log.jsonl")))
      yield { type: "warning", message: `${folder.checkpoints} has no checkpoint; starting from step 0` };
    return undefined;
  }
  const { path, state } = checkpoint;
  warnings.push(...compareFingerprints(path, state.fingerprint, fingerprint));
  const now = arithmetic(parts.model);
  if (state.simd !== now)
    warnings.push(`${path} was computed with ${state.simd}, now ${now}: the last bits of what follows may differ`);
  loadTensors(checkpoint, parts, optimizer);
  const { step, tokens, logBytes } = state;
  const home = dirname(dirname(path));
  const log = folder.openLog(logBytes, home === folder.path ? undefined : join(home, "log.jsonl"));
  const unreadable = history.replay(log);
  if (folder.logBytes < logBytes || unreadable > 0)
    warnings.push(
      `${folder.file("log.jsonl")} has ${folder.logBytes} of the ${logBytes} bytes that it had, ${unreadable} lines unreadable: the curve before step ${step} is incomplete`,
    );
  for (const message of warnings) yield { type: "warning", message };
  yield { type: "resumed", step, path };
  return { step, tokens, saved: dirname(path) === folder.checkpoints ? step : undefined };
}

/** Tensor by tensor into the places where they stay: a resumed run needs no more memory than a new one. */
function loadTensors({ path, state }: OpenCheckpoint, { parameters }: RunParts, optimizer: Optimizer): void {
  const mismatch = (what: string) => new TrainError("CHECKPOINT_MISMATCH", `${path}: ${what}`);
  using weights = openSafetensors(join(path, checkpointFiles.weights));
  for (const { name, data } of parameters) {
    const info = weights.tensors.get(name);
    if (!info) throw mismatch(`${name} is missing`);
    const { dtype, begin, end } = info;
    if (dtype !== "F32" || end - begin !== 4 * data.length)
      throw mismatch(`${name} has ${end - begin} bytes of ${dtype}, needs ${4 * data.length} of F32`);
    if (data instanceof Float32Array) weights.readInto(name, data);
    else {
      const host = new Float32Array(data.length);
      weights.readInto(name, host);
      data.set(host);
    }
  }
  using states = openSafetensors(join(path, checkpointFiles.optimizer));
  const largest = Array.from(states.tensors.values()).reduce((most, { begin, end }) => Math.max(most, end - begin), 0);
  const buffers = new Map<string, ArrayBuffer>(); // one for each array that a parameter has: m, v, …
  const get = (name: string) => {
    const info = states.tensors.get(name);
    if (!info) return undefined;
    const slot = name.slice(name.lastIndexOf(".weight."));
    const buffer = buffers.get(slot) ?? new ArrayBuffer(largest);
    buffers.set(slot, buffer);
    const bytes = info.end - info.begin;
    const data = info.dtype === "F32" ? new Float32Array(buffer, 0, bytes / 4) : new Uint8Array(buffer, 0, bytes);
    states.readInto(name, data);
    return data;
  };
  try {
    optimizer.loadStateDict({ algorithm: optimizer.algorithm, step: state.optimizerSteps, tensors: { get } });
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw mismatch(error.message);
    throw error;
  }
}
