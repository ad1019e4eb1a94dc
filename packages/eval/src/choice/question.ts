// Multiple-choice questions and the layouts they come in.
import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { EvaluationError } from "../errors.js";
import { readRecords, readTextFile } from "../records.js";
import { parseCsv } from "./csv.js";
import { parsePrompt } from "./mmlu-prompt.js";

export interface Question {
  /** File name and position: "zero_shot_mmlu_val.json:17". */
  id: string;
  /** Subject, in the spelling of the file ("abstract_algebra"); "" where the layout has none. */
  subject: string;
  question: string;
  /** Two to 26 choices. */
  choices: string[];
  /** Index of the right choice. */
  answer: number;
  /** The whole prompt as the file prints it, worked examples included, for layouts that hold prompts. */
  prompt?: string;
}

/**
 * Multiple-choice questions of a file, or of every `.csv`, `.json` and `.jsonl` file of a folder (sorted by name). Layouts, told
 * by extension and keys:
 * - artidoro/qlora MMLU: `{subject, input, output}` a line, `input` a finished zero- or few-shot prompt;
 * - MMLU CSV: `question,A,B,C,D,answer` without a header (a header line is skipped), subject from the file name
 *   (`abstract_algebra_test.csv`);
 * - generic: `{question, choices, answer, subject?}`, `answer` an index from 0, a letter, or the text of a choice; as JSON Lines
 *   or one array (this is also the layout of the MMLU on the Hugging Face hub).
 * @throws EvaluationError BAD_QUESTION, BAD_JSON, NOT_FOUND
 */
export function readQuestions(path: string): Question[] {
  let folder: boolean;
  try {
    folder = statSync(path).isDirectory();
  } catch (error) {
    throw new EvaluationError("NOT_FOUND", `cannot be read (${(error as NodeJS.ErrnoException).code})`, { path });
  }
  const files = folder
    ? readdirSync(path)
        .filter((name) => /\.(csv|jsonl?)$/.test(name))
        .sort()
        .map((name) => join(path, name))
    : [path];
  const questions = files.flatMap((file) => (file.endsWith(".csv") ? fromCsv(file) : fromRecords(file)));
  if (questions.length === 0) throw new EvaluationError("BAD_QUESTION", "holds no questions", { path });
  return questions;
}

function fromCsv(path: string): Question[] {
  const subject = basename(path, ".csv").replace(/_(dev|val|test)$/, "");
  const rows = parseCsv(readTextFile(path), path);
  const header = rows[0]?.cells.at(-1)?.trim().toLowerCase() === "answer";
  return rows.slice(header ? 1 : 0).map(({ cells, line }) => {
    if (cells.length < 4) {
      throw new EvaluationError(
        "BAD_QUESTION",
        `a row is question, choices, answer; this one has ${cells.length} cells`,
        {
          path,
          line,
        },
      );
    }
    const choices = cells.slice(1, -1);
    const answer = answerIndex(cells.at(-1)!.trim(), choices);
    return checked({ id: `${basename(path)}:${line}`, subject, question: cells[0]!, choices, answer }, path, line);
  });
}

function fromRecords(path: string): Question[] {
  return readRecords(path).map(({ value, line }) => {
    const id = `${basename(path)}:${line}`;
    const subject = typeof value.subject === "string" ? value.subject : "";
    if (typeof value.input === "string") {
      const parsed = parsePrompt(value.input);
      if (!parsed)
        throw new EvaluationError("BAD_QUESTION", "input has no choices A., B., … before the last Answer:", {
          path,
          line,
        });
      const answer = typeof value.output === "string" ? answerIndex(value.output.trim(), parsed.choices) : -1;
      return checked({ id, subject, ...parsed, answer, prompt: value.input }, path, line);
    }
    if (typeof value.question !== "string" || !Array.isArray(value.choices)) {
      throw new EvaluationError("BAD_QUESTION", "needs question and choices, or input and output", { path, line });
    }
    const choices = value.choices.map((choice: unknown) => String(choice));
    const answer = answerIndex(value.answer, choices);
    return checked({ id, subject, question: value.question, choices, answer }, path, line);
  });
}

/** Index, letter or text of a choice → index; −1 when it is none of them. */
function answerIndex(answer: unknown, choices: readonly string[]): number {
  if (typeof answer === "number")
    return Number.isInteger(answer) && answer >= 0 && answer < choices.length ? answer : -1;
  if (typeof answer !== "string") return -1;
  const letter = /^[A-Za-z]$/.test(answer) ? answer.toUpperCase().charCodeAt(0) - 65 : -1;
  if (letter >= 0 && letter < choices.length) return letter;
  return choices.indexOf(answer);
}

function checked(question: Question, path: string, line: number): Question {
  const { choices, answer } = question;
  if (choices.length < 2 || choices.length > 26) {
    throw new EvaluationError("BAD_QUESTION", `needs 2 to 26 choices, has ${choices.length}`, { path, line });
  }
  if (answer < 0) throw new EvaluationError("BAD_QUESTION", "the answer is none of the choices", { path, line });
  return question;
}
