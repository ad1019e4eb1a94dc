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

/** Adapter files or target modules that cannot be used. `path` is the file, `key` the field, tensor, module or pattern. */
export class LoraError extends Error {
  override name = "LoraError";
  readonly code: LoraErrorCode;
  readonly path: string | undefined;
  readonly key: string | undefined;

  constructor(code: LoraErrorCode, message: string, where: { path?: string; key?: string; cause?: unknown } = {}) {
    super(
      where.path === undefined ? message : `${where.path}: ${message}`,
      where.cause === undefined ? undefined : { cause: where.cause },
    );
    this.code = code;
    this.path = where.path;
    this.key = where.key;
  }
}
