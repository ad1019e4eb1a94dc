// The error of everything that is read: a code, and the file, line and field it is about.

export type DataErrorCode =
  | "FILE_UNREADABLE" // missing, a folder, no permission
  | "FILE_TOO_LARGE"
  | "EMPTY_FILE"
  | "UTF8"
  | "LINE_TOO_LONG"
  | "JSON"
  | "NOT_OBJECT"
  | "FIELD_MISSING"
  | "FIELD_TYPE"
  | "ROLE" // a message's role is unknown or in the wrong place
  | "FORMAT_UNKNOWN"
  | "NO_TARGETS" // nothing in the dataset can be trained on
  | "TOKENIZER" // tokenizer.json is not what the tokenizers library writes
  | "TOKENIZER_COMPONENT" // a normalizer, model, … this package does not know
  | "TOKENIZER_REGEX" // a pattern that can take exponential time
  | "TOKENIZER_IDS" // duplicate or clashing ids, merges of unknown tokens
  | "TOKEN_MISSING" // a template needs a token that the tokenizer does not have
  | "VOCABULARY" // the tokenizer has ids that the model has no row for
  | "TEMPLATE_UNKNOWN"
  | "TEMPLATE_SYNTAX"
  | "TEMPLATE_TOO_LARGE"
  | "TEMPLATE_BUDGET" // too many steps, too much time
  | "TEMPLATE_OUTPUT" // renders too much text
  | "TEMPLATE_FAILED" // raised an error of its own
  | "TEMPLATE_UNSTABLE" // assistant turns cannot be located in what it renders
  | "TEMPLATE_MESSAGES"; // the conversation cannot be expressed in this template

const MAX_MESSAGE = 500;

export interface DataErrorWhere {
  /** The file. */
  path?: string | undefined;
  /** 1-based line. */
  line?: number | undefined;
  /** What was underneath. */
  cause?: unknown;
}

/** What every function of this package throws about files, datasets, tokenizers and templates. */
export class DataError extends Error {
  readonly code: DataErrorCode;
  readonly path: string | undefined;
  readonly line: number | undefined;

  /** The message is prefixed with `path:line: ` where they are known, and cut where a file's own words make it long. */
  constructor(code: DataErrorCode, message: string, where: DataErrorWhere = {}) {
    if (message.length > MAX_MESSAGE) message = `${message.slice(0, MAX_MESSAGE)}…`;
    const place = where.path === undefined ? "" : where.line === undefined ? where.path : `${where.path}:${where.line}`;
    super(place === "" ? message : `${place}: ${message}`, where.cause === undefined ? {} : { cause: where.cause });
    this.name = "DataError";
    this.code = code;
    this.path = where.path;
    this.line = where.line;
  }
}

/** A short, printable form of a value from a file, for error messages. */
export function show(value: unknown, max = 60): string {
  let text: string;
  try {
    text = JSON.stringify(value) ?? String(value);
  } catch {
    text = typeof value === "object" ? "a value nested too deeply to show" : String(value);
  }
  return escapeControls(text.length > max ? `${text.slice(0, max - 1)}…` : text);
}

/** Control characters and bidirectional overrides as `\xNN` / `\uNNNN`, so that data cannot drive a terminal. */
export function escapeControls(text: string, { keep = "" }: { keep?: string } = {}): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, (c) => {
    if (keep.includes(c)) return c;
    const code = c.charCodeAt(0);
    if (c === "\n") return "\\n";
    if (c === "\t") return "\\t";
    if (c === "\r") return "\\r";
    return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}
