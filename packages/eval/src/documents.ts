// Texts to measure perplexity on: a plain file is one document, a JSON Lines file one document a record.
import { EvaluationError } from "./errors.js";
import { readRecords, readTextFile } from "./records.js";

export interface Document {
  text: string;
}

/**
 * The documents of a file. `.jsonl` and `.json`: the text of each record in `field`, by default the first of `text`, `content`,
 * `document` that is there. Any other extension: the whole file, unchanged.
 * @throws EvaluationError NOT_FOUND, BAD_TEXT, BAD_JSON, BAD_DOCUMENT (a record without text, with its line)
 */
export function readDocuments(path: string, { field }: { field?: string } = {}): Document[] {
  if (!/\.jsonl?$/.test(path)) return [{ text: readTextFile(path) }];
  const names = field === undefined ? ["text", "content", "document"] : [field];
  return readRecords(path).map(({ value, line }) => {
    const name = names.find((n) => typeof value[n] === "string");
    if (name === undefined) {
      throw new EvaluationError("BAD_DOCUMENT", `has no text in ${names.map((n) => `"${n}"`).join(", ")}`, {
        path,
        line,
      });
    }
    return { text: value[name] as string };
  });
}
