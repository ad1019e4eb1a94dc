// The errors of this package: one class, a stable `code`, and where in which file.

export type EvaluationErrorCode =
  | "NOT_FOUND" // a file or folder does not exist or cannot be read
  | "TOO_LARGE" // a file, line or response is above its stated limit
  | "BAD_TEXT" // not UTF-8
  | "BAD_JSON" // a line or file is not JSON, or not an object
  | "BAD_RATING" // a rating record without usable question or score
  | "BAD_NAMES" // file names and answer ids contradict each other
  | "NO_RATINGS" // nothing of the kind asked for in the folder
  | "NOT_CONNECTED" // Bradley–Terry has no finite maximum on these games
  | "BAD_QUESTION" // a multiple-choice or judged question that cannot be read
  | "BAD_DOCUMENT" // no text, or no token to score
  | "BAD_SCORER" // a model returned something other than its contract
  | "BAD_JOURNAL" // a results file written with other settings, or damaged in the middle
  | "KEY_MISSING" // the environment variable for the API key is not set
  | "ENDPOINT"; // an HTTP endpoint refused, or failed after every retry

/** An unusable file, response or model answer. `path` and `line` (1-based) say where, when they are known. */
export class EvaluationError extends Error {
  readonly code: EvaluationErrorCode;
  readonly path: string | undefined;
  readonly line: number | undefined;

  constructor(
    code: EvaluationErrorCode,
    message: string,
    where: { path?: string; line?: number; cause?: unknown } = {},
  ) {
    const place = where.path === undefined ? "" : `${where.path}${where.line === undefined ? "" : `:${where.line}`}: `;
    super(place + message, where.cause === undefined ? undefined : { cause: where.cause });
    this.name = "EvaluationError";
    this.code = code;
    this.path = where.path;
    this.line = where.line;
  }
}
