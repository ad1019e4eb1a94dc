// Errors of every package as one line on stderr and an exit code: 2 for wrong usage, 1 for everything else.
import { AddonError, CudaError } from "@qlora/cuda-runtime";
import { DataError } from "@qlora/data";
import { EvaluationError } from "@qlora/eval";
import { LoraError } from "@qlora/lora";
import { SafetensorsError } from "@qlora/safetensors";
import { ConfigError, TrainError } from "@qlora/trainer";
import { ModelError } from "@qlora/transformer";

/** Wrong usage: exit code 2. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** Something that a command cannot do with what it was given: exit code 1. */
export class CommandError extends Error {
  override name = "CommandError";
}

const speaking = [
  UsageError,
  CommandError,
  ConfigError,
  TrainError,
  ModelError,
  DataError,
  EvaluationError,
  LoraError,
  SafetensorsError,
  CudaError,
  AddonError,
];

/** Whether the command line itself, or the configuration it names, is wrong. */
export function isUsage(error: unknown): boolean {
  return error instanceof UsageError || error instanceof ConfigError;
}

/** The error for a person: which file, tensor, line or flag, and what to do. */
export function describeError(error: unknown): string {
  if (speaking.some((kind) => error instanceof kind)) return (error as Error).message;
  if (!(error instanceof Error)) return String(error);
  const { code, path, syscall } = error as NodeJS.ErrnoException;
  if (code !== undefined && syscall !== undefined) {
    const reason = error.message.replace(/^[A-Z0-9]+: /, "").replace(/, \w+( '.*)?$/, "");
    return `${path === undefined ? "" : `${path}: `}${reason} (${syscall})`;
  }
  return `${error.message} (unexpected; --debug shows where)`;
}
