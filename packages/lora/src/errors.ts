// What can be wrong with an adapter's files or its choice of modules: one code a cause.

export type LoraErrorCode =
  | "NOT_FOUND"
  | "JSON"
  | "FIELD_MISSING"
  | "FIELD_TYPE"
  | "UNSUPPORTED"
  | "UNKNOWN_TENSOR"
  | "HALF_MISSING"
  | "SHAPE"
  | "RANK_MISMATCH"
  | "NON_FINITE"
  | "BASE_MISMATCH"
  | "TARGET_UNMATCHED"
  | "PATTERN";

const MAX_MESSAGE = 500;

/** Adapter files or target modules that cannot be used. `path` is the file, `key` the field, tensor, module or pattern. */
export class LoraError extends Error {
  override name = "LoraError";
  readonly code: LoraErrorCode;
  readonly path: string | undefined;
  readonly key: string | undefined;

  constructor(code: LoraErrorCode, message: string, where: { path?: string; key?: string; cause?: unknown } = {}) {
    if (message.length > MAX_MESSAGE) message = `${message.slice(0, MAX_MESSAGE)}…`;
    super(
      where.path === undefined ? message : `${where.path}: ${message}`,
      where.cause === undefined ? undefined : { cause: where.cause },
    );
    this.code = code;
    this.path = where.path;
    this.key = where.key;
  }
}

/** A value out of a file for a message, in at most 60 characters. */
export function show(value: unknown): string {
  let text: string;
  try {
    text = JSON.stringify(value);
  } catch {
    return "a value nested too deeply to show";
  }
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
