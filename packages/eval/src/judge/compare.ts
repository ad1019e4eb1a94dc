// Judged comparison of systems: every pair, every question, both orders, into a resumable results file that `readRatings` reads.
import { EvaluationError } from "../errors.js";
import { fingerprint, type JudgeQuestion } from "./answers.js";
import { chat, type Endpoint, type Sampling, type Usage } from "./endpoint.js";
import { Journal, type JournalRecord } from "./journal.js";
import { type JudgeMode, judgeMessages } from "./prompts.js";
import { parseScores, parseVerdict } from "./verdict.js";
import { type Cost, costOf, type FailedRequest, runAll, type WorkOptions } from "./work.js";

export interface JudgmentRecord extends JournalRecord {
  question_id: number;
  mode: JudgeMode;
  /** In the order shown. */
  system1: string;
  system2: string;
  /** Hash of the question and the two answers, so that a judgment is never taken for one of other answers. */
  judged: string;
  /** 1, 2 or 3; or two scores; null when the reply could not be read. */
  score: 1 | 2 | 3 | [number, number] | null;
  /** The judge's reply, whole. */
  text: string;
  usage: Usage | null;
  attempts: number;
}

export interface CompareOptions extends Sampling, WorkOptions {
  mode: JudgeMode;
  judge: Endpoint;
  /** Results file; comparisons in it are not made again. */
  out: string;
  /** Compare every system with this one only. Default: all pairs. */
  reference?: string;
  /** `"both"` shows each pair in both orders (the paper's way); `"one"` only as listed, which leaves the order bias in. */
  orders?: "both" | "one";
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
}

export interface CompareResult {
  comparisons: number;
  resumed: number;
  added: number;
  /** Comparisons whose reply could not be read; they are in the file with its text. */
  unparseable: number;
  failed: FailedRequest[];
  cost: Cost;
}

interface Comparison {
  question: JudgeQuestion;
  first: string;
  second: string;
}

/**
 * Has `judge` compare the answers of each pair of systems. `answers` maps system → question id → answer.
 * @throws RangeError on fewer than two systems; EvaluationError BAD_QUESTION when an answer is missing, BAD_JOURNAL, KEY_MISSING, and
 * ENDPOINT after `maxFailures` failed requests (what is done stays in the file)
 */
export async function compareAnswers(
  questions: readonly JudgeQuestion[],
  answers: ReadonlyMap<string, ReadonlyMap<number, string>>,
  options: CompareOptions,
): Promise<CompareResult> {
  const { mode, judge, out, signal, onProgress, concurrency, maxFailures } = options;
  // The paper's judge: temperature 0.2, at most 1,024 tokens.
  const sampling: Sampling = {
    temperature: options.temperature ?? 0.2,
    maxTokens: options.maxTokens ?? 1024,
    ...(options.topP === undefined ? {} : { topP: options.topP }),
  };
  const comparisons = listComparisons(questions, answers, options);
  const prompts = [undefined, "coding", "math"].map((category) =>
    judgeMessages(mode, { question: "", category, first: "", second: "" }),
  );
  const journal = new Journal<JudgmentRecord>(
    out,
    fingerprint({ kind: "judgments", mode, baseUrl: judge.baseUrl, model: judge.model, sampling, prompts }),
  );
  try {
    const key = (c: Comparison) => JSON.stringify([c.question.id, c.first, c.second]);
    const judgedBy = (c: Comparison) =>
      fingerprint([c.question, ...[c.first, c.second].map((s) => answers.get(s)!.get(c.question.id))]);
    const todo = comparisons.filter((c) => {
      const done = journal.records.get(key(c));
      if (done && done.judged !== judgedBy(c)) {
        throw new EvaluationError("BAD_JOURNAL", `${key(c)} was judged on other answers; use another file`, {
          path: out,
        });
      }
      return done === undefined;
    });
    const resumed = comparisons.length - todo.length;
    let added = 0;
    const failed = await runAll(
      todo,
      async (c) => {
        const messages = judgeMessages(mode, {
          question: c.question.text,
          category: c.question.category,
          first: answers.get(c.first)!.get(c.question.id)!,
          second: answers.get(c.second)!.get(c.question.id)!,
        });
        const reply = await chat(judge, messages, { ...sampling, ...(signal ? { signal } : {}) });
        journal.append({
          key: key(c),
          question_id: c.question.id,
          mode,
          system1: c.first,
          system2: c.second,
          judged: judgedBy(c),
          score: mode === "pairwise" ? parseVerdict(reply.text) : parseScores(reply.text),
          text: reply.text,
          usage: reply.usage,
          attempts: reply.attempts,
        });
        added++;
        onProgress?.(resumed + added, comparisons.length);
      },
      { key, concurrency, maxFailures },
    );
    const records = [...journal.records.values()];
    const asked = new Set(comparisons.map(key));
    const unparseable = records.filter((r) => asked.has(r.key) && r.score === null).length;
    const cost = costOf(
      records.map((r) => r.usage),
      judge.price,
    );
    return { comparisons: comparisons.length, resumed, added, unparseable, failed, cost };
  } finally {
    journal.close();
  }
}

function listComparisons(
  questions: readonly JudgeQuestion[],
  answers: ReadonlyMap<string, ReadonlyMap<number, string>>,
  { reference, orders = "both" }: CompareOptions,
): Comparison[] {
  const systems = [...answers.keys()];
  if (systems.length < 2) throw new RangeError(`compareAnswers: needs two systems, got ${systems.length}`);
  if (reference !== undefined && !answers.has(reference))
    throw new RangeError(`compareAnswers: no answers of "${reference}"`);
  for (const [system, own] of answers) {
    const missing = questions.find((q) => !own.has(q.id));
    if (missing) throw new EvaluationError("BAD_QUESTION", `${system} has no answer to question ${missing.id}`);
  }
  const pairs = systems.flatMap((first, i) =>
    systems.slice(i + 1).flatMap((second) => {
      if (reference !== undefined && first !== reference && second !== reference) return [];
      return orders === "both"
        ? [
            [first, second],
            [second, first],
          ]
        : [[first, second]];
    }),
  );
  return pairs.flatMap(([first, second]) =>
    questions.map((question) => ({ question, first: first!, second: second! })),
  );
}
