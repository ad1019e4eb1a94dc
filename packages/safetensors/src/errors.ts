// What can be wrong with a safetensors file: one code a cause, and a message that says where and what to do.

/** One code per cause; `README.md` explains each. */
export type SafetensorsErrorCode =
  | "NOT_FOUND"
  | "IO"
  | "CLOSED"
  | "HEADER_TOO_SMALL"
  | "HEADER_TOO_LARGE"
  | "HEADER_TRUNCATED"
  | "UTF8"
  | "JSON"
  | "NOT_OBJECT"
  | "DUP_KEY"
  | "UNKNOWN_FIELD"
  | "FIELD_MISSING"
  | "METADATA_TYPE"
  | "NAME"
  | "TOO_MANY_TENSORS"
  | "DTYPE"
  | "SHAPE_RANK"
  | "DIM"
  | "OFFSETS"
  | "OVERFLOW"
  | "SIZE_MISMATCH"
  | "HOLE_OVERLAP"
  | "COVERAGE"
  | "NO_TENSOR"
  | "TENSOR_TOO_LARGE"
  | "INDEX"
  | "TOTAL_SIZE"
  | "SHARD_PATH_ESCAPE"
  | "SHARD_MISSING"
  | "TENSOR_NOT_IN_SHARD"
  | "NO_SPACE"
  | "WRITE";

/** A file that cannot be read or written. `path` and `tensor` name the place where they are known. */
export class SafetensorsError extends Error {
  override name = "SafetensorsError";
  readonly code: SafetensorsErrorCode;
  readonly path: string | undefined;
  readonly tensor: string | undefined;

  constructor(
    code: SafetensorsErrorCode,
    message: string,
    where: { path?: string | undefined; tensor?: string | undefined; cause?: unknown } = {},
  ) {
    const tensor = where.tensor === undefined ? "" : `tensor ${quote(where.tensor)}: `;
    const path = where.path === undefined ? "" : `${printable(where.path)}: `;
    super(`${path}${tensor}${message}`, where.cause === undefined ? undefined : { cause: where.cause });
    this.code = code;
    this.path = where.path;
    this.tensor = where.tensor;
  }
}

/** A name out of a file, fit for a terminal: quoted, at most 120 characters, control and direction characters escaped. */
export function quote(name: string): string {
  return printable(JSON.stringify(name.length > 120 ? `${name.slice(0, 117)}...` : name));
}

function printable(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The system's error code (`ENOENT`, `ENOSPC`, …) of a thrown value, or "". */
export function systemCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
