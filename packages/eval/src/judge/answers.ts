// Answers to a question file, from an endpoint or from any function, kept in a resumable results file.
import { createHash } from "node:crypto";
import { EvaluationError } from "../errors.js";
import { readRecords } from "../records.js";
import { chat, type Endpoint, type Sampling, type Usage } from "./endpoint.js";
import { Journal, type JournalRecord } from "./journal.js";
import { type Cost, costOf, type FailedRequest, runAll, type WorkOptions } from "./work.js";

export interface JudgeQuestion {
  id: number;
  text: string;
  category?: string;
}

/** A question file: `{question_id, text, category?}` a line (the layout of the Vicuna questions). @throws EvaluationError BAD_QUESTION */
export function readJudgeQuestions(path: string): JudgeQuestion[] {
  const seen = new Set<number>();
  return readRecords(path).map(({ value, line }) => {
    const { question_id: id, text, category } = value;
    if (!Number.isInteger(id) || typeof text !== "string" || text.trim() === "") {
      throw new EvaluationError("BAD_QUESTION", "needs an integer question_id and a text", { path, line });
    }
    if (seen.has(id as number)) throw new EvaluationError("BAD_QUESTION", `repeats question_id ${id}`, { path, line });
    seen.add(id as number);
    return { id: id as number, text, ...(typeof category === "string" ? { category } : {}) };
  });
}

/** Gives an answer: a model of this project, an endpoint, anything. */
export type Answerer = (question: JudgeQuestion) => Promise<{ text: string; usage?: Usage | null }>;

export interface AnswerRecord extends JournalRecord {
  question_id: number;
  system: string;
  text: string;
  usage: Usage | null;
}

export interface AnswersResult {
  /** Answer text by question id. */
  answers: Map<number, string>;
  /** Answers that were already in the file, and new ones. */
  resumed: number;
  added: number;
  failed: FailedRequest[];
  cost: Cost;
}

export interface AnswersOptions extends WorkOptions {
  /** Name of the answering system, written into each record. */
  system: string;
  /** Results file; done questions in it are not asked again. */
  out: string;
  /** Anything that changes the answers (sampling, prompt, adapter); a file made with another value is refused. */
  settings?: unknown;
  price?: { input: number; output: number };
  onProgress?: (done: number, total: number) => void;
}

/** Collects an answer to every question. @throws EvaluationError BAD_JOURNAL; what `answer` throws other than ENDPOINT */
export async function collectAnswers(
  questions: readonly JudgeQuestion[],
  answer: Answerer,
  options: AnswersOptions,
): Promise<AnswersResult> {
  const { system, out, settings, price, onProgress, ...work } = options;
  const journal = new Journal<AnswerRecord>(out, fingerprint({ kind: "answers", system, settings }));
  try {
    const key = (q: JudgeQuestion) => `${q.id}`;
    const todo = questions.filter((q) => !journal.has(key(q)));
    const resumed = questions.length - todo.length;
    let added = 0;
    const failed = await runAll(
      todo,
      async (q) => {
        const { text, usage = null } = await answer(q);
        journal.append({ key: key(q), question_id: q.id, system, text, usage });
        added++;
        onProgress?.(resumed + added, questions.length);
      },
      { key, ...work },
    );
    const records = [...journal.records.values()];
    const answers = new Map(records.map((r) => [r.question_id, r.text]));
    return {
      answers,
      resumed,
      added,
      failed,
      cost: costOf(
        records.map((r) => r.usage),
        price,
      ),
    };
  } finally {
    journal.close();
  }
}

/** Answers from an endpoint. The paper sampled with p = 0.9 and temperature 0.7. */
export function endpointAnswerer(
  endpoint: Endpoint,
  { system, signal, ...sampling }: Sampling & { system?: string; signal?: AbortSignal } = {},
): Answerer {
  const settings = { temperature: 0.7, topP: 0.9, maxTokens: 1024, ...sampling, ...(signal ? { signal } : {}) };
  return (question) =>
    chat(
      endpoint,
      [
        ...(system === undefined ? [] : [{ role: "system" as const, content: system }]),
        { role: "user", content: question.text },
      ],
      settings,
    );
}

/** A short hash of settings. */
export function fingerprint(settings: unknown): string {
  return createHash("sha256").update(JSON.stringify(settings)).digest("hex").slice(0, 16);
}
