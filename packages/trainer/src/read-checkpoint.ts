// Reading checkpoints: every byte is verified before anything is used.
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { openSafetensors, toFloat32 } from "@qlora/safetensors";
import { z } from "zod";
import { type CheckpointState, checkpointFiles, checkpointSteps, type Manifest, manifestFile } from "./checkpoint.js";
import { digest } from "./disk.js";
import { TrainError } from "./error.js";

/** A checkpoint that was verified; its tensors are read when they are asked for. */
export interface OpenCheckpoint {
  readonly path: string;
  readonly state: CheckpointState;
  readonly weights: Map<string, Float32Array | Uint8Array>;
  readonly optimizer: Map<string, Float32Array | Uint8Array>;
}

const maxJsonBytes = 16 * 2 ** 20;
const count = z.number().int().nonnegative();
const manifestSchema = z.object({
  version: z.literal(1),
  step: count,
  files: z.record(
    z.string().regex(/^(?!\.{1,2}$)[^/\\\0]+$/, "must be plain file names"),
    z.object({ bytes: count, sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  ),
}) satisfies z.ZodType<Manifest>;
const stateSchema = z.object({
  version: z.literal(1),
  step: count,
  optimizerSteps: count,
  logBytes: count,
  tokens: count,
  simd: z.string(),
  fingerprint: z.object({ configuration: z.record(z.string(), z.unknown()), baseModel: z.string(), data: z.string() }),
}) satisfies z.ZodType<CheckpointState>;

/**
 * Reads one checkpoint, verifying every byte.
 * @throws {TrainError} CHECKPOINT_DAMAGED naming the file; NO_CHECKPOINT where there is none
 */
export function readCheckpoint(path: string): OpenCheckpoint {
  if (!existsSync(path))
    throw new TrainError(
      "NO_CHECKPOINT",
      `${path} does not exist; name a folder step-N of a run's checkpoints, or auto`,
    );
  const damaged = (what: string) => new TrainError("CHECKPOINT_DAMAGED", `${path}: ${what}`);
  const json = <T>(name: string, schema: z.ZodType<T>): T => {
    let value: unknown;
    try {
      const { size } = statSync(join(path, name));
      if (size > maxJsonBytes) throw new Error(`${size} bytes, at most ${maxJsonBytes} are read`);
      value = JSON.parse(readFileSync(join(path, name), "utf8"));
    } catch (error) {
      throw damaged(`${name} cannot be read (${(error as Error).message})`);
    }
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const [issue] = result.error.issues;
    throw damaged(`${name}: ${issue?.path.join(".")}: ${issue?.message}`);
  };
  const hashed = (name: string) => {
    try {
      return digest(join(path, name));
    } catch (error) {
      throw damaged(`${name} cannot be read (${(error as Error).message})`);
    }
  };
  const manifest = json(manifestFile, manifestSchema);
  for (const name of Object.values(checkpointFiles))
    if (!Object.hasOwn(manifest.files, name)) throw damaged(`${manifestFile} does not list ${name}`);
  for (const [name, expected] of Object.entries(manifest.files)) {
    if (!existsSync(join(path, name))) throw damaged(`${name} is missing`);
    const found = hashed(name);
    if (found.bytes !== expected.bytes)
      throw damaged(`${name} has ${found.bytes} bytes, ${manifestFile} says ${expected.bytes}`);
    if (found.sha256 !== expected.sha256) throw damaged(`${name} does not match its sha256 in ${manifestFile}`);
  }
  const tensors = (name: string) => {
    try {
      using file = openSafetensors(join(path, name));
      return new Map(
        Array.from(file.tensors.values(), ({ name: tensor, dtype }) => [
          tensor,
          dtype === "F32" ? toFloat32(file.read(tensor), dtype) : file.read(tensor),
        ]),
      );
    } catch (error) {
      throw damaged((error as Error).message);
    }
  };
  const state = json(checkpointFiles.state, stateSchema);
  return {
    path,
    state,
    get weights() {
      return tensors(checkpointFiles.weights);
    },
    get optimizer() {
      return tensors(checkpointFiles.optimizer);
    },
  };
}

/** The newest checkpoint that holds; damaged ones are reported through `warn` and skipped. Undefined where there is none. */
export function newestCheckpoint(dir: string, warn: (message: string) => void): OpenCheckpoint | undefined {
  for (const step of checkpointSteps(dir)) {
    try {
      return readCheckpoint(join(dir, `step-${step}`));
    } catch (error) {
      warn(`skipping a damaged checkpoint: ${(error as Error).message}`);
    }
  }
  return undefined;
}
