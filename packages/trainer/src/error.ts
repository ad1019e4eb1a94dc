// Why a run cannot start or go on, in one line.

export type TrainErrorCode =
  | "OUTPUT_EXISTS"
  | "OUTPUT_LOCKED"
  | "NOT_WRITABLE"
  | "WRITE"
  | "NO_MEMORY"
  | "NO_SPACE"
  | "NO_CHECKPOINT"
  | "CHECKPOINT_DAMAGED"
  | "CHECKPOINT_MISMATCH"
  | "CHECKPOINT_WRITE"
  | "NON_FINITE"
  | "DEVICE_FAILED"
  | "NO_DATA";

/** A file's own words may be long. */
const maxMessage = 900;

/** A run that cannot start or go on; `code` is stable, `message` says what to do. */
export class TrainError extends Error {
  override name = "TrainError";
  constructor(
    readonly code: TrainErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message.length > maxMessage ? `${message.slice(0, maxMessage)}…` : message, options);
  }
}
