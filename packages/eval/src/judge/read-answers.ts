// Answers to judge, read from files: those of `collectAnswers`, or any `{question_id, text}` a line.
import { basename } from "node:path";
import { EvaluationError } from "../errors.js";
import { filesOf } from "../files.js";
import { readRecords } from "../records.js";

/**
 * System → question id → answer, over all `paths`: files, or folders whose `.jsonl` files count. The system is a record's `system`,
 * else the file's name.
 * @throws EvaluationError NOT_FOUND, BAD_JSON, BAD_QUESTION (no id or text, a question answered twice by a system, a folder without files)
 */
export function readAnswers(paths: readonly string[]): Map<string, Map<number, string>> {
  const answers = new Map<string, Map<number, string>>();
  for (const path of paths.flatMap(answerFiles))
    for (const { value, line } of readRecords(path)) {
      const { question_id: id, text, system = basename(path).replace(/\.jsonl?$/, "") } = value;
      const where = { path, line };
      if (!Number.isInteger(id) || typeof text !== "string" || typeof system !== "string")
        throw new EvaluationError("BAD_QUESTION", "an answer needs an integer question_id and a text", where);
      const own = answers.get(system) ?? new Map<number, string>();
      if (own.has(id as number))
        throw new EvaluationError("BAD_QUESTION", `answers question ${id} of ${system} again`, where);
      answers.set(system, own.set(id as number, text));
    }
  return answers;
}

function answerFiles(path: string): string[] {
  const files = filesOf(path, /\.jsonl$/);
  if (files.length === 0) throw new EvaluationError("BAD_QUESTION", "holds no .jsonl files of answers", { path });
  return files;
}
