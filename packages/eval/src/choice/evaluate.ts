// Multiple-choice accuracy: prompts, scores, and accuracy per subject and over subjects with confidence intervals.
import { EvaluationError } from "../errors.js";
import { createRandom } from "../random.js";
import { quantile } from "../statistics/describe.js";
import { type Proportion, wilson } from "../statistics/intervals.js";
import { buildPrompt } from "./mmlu-prompt.js";
import type { Question } from "./question.js";
import { type ChoiceScores, letterScores, likelihoodScores, type Normalise, type Scorer } from "./scorer.js";

export interface ChoiceOptions {
  /** `"letter"`: logit of the letter (MMLU's way). `"likelihood"`: log-likelihood of the choice's text. */
  method?: "letter" | "likelihood";
  /** Length normalisation of `"likelihood"`. */
  normalise?: Normalise;
  /** Worked examples per prompt, taken in order from `examples` of the same subject. */
  shots?: number;
  examples?: readonly Question[];
  /** `"file"` uses the finished prompt of layouts that have one (`letter` and 0 `shots` only); `"build"` always builds it. */
  prompt?: "file" | "build";
  /** Resamples of the bootstrap interval of the macro average. */
  resamples?: number;
  seed?: number;
  onProgress?: (done: number, total: number) => void;
}

export interface ChoiceResult {
  method: "letter" | "likelihood";
  normalise: Normalise | null;
  shots: number;
  /** Share of all questions answered correctly, Wilson interval. */
  accuracy: Proportion;
  /** Mean of the subjects' accuracies, with a bootstrap interval (questions resampled within each subject). */
  macro: { value: number; low: number; high: number; level: number };
  /** By name. */
  subjects: ({ subject: string } & Proportion)[];
  /** Mean −ln p(right choice), p normalised over the choices: lower is better; ln(choices) is guessing. Null for `"likelihood"`. */
  loss: number | null;
  /** Questions whose prompt lost worked examples to fit the context, and questions of which even the beginning was cut off. */
  shortened: number;
  truncated: number;
  predictions: { id: string; subject: string; answer: number; predicted: number; scores: number[] }[];
}

/**
 * Accuracy of a model on `questions`. The choice with the highest score is the prediction, the first of equals.
 * @throws EvaluationError BAD_QUESTION when worked examples are missing or a choice exceeds the context, BAD_SCORER
 */
export async function evaluateChoices(
  questions: readonly Question[],
  scorer: Scorer,
  options: ChoiceOptions = {},
): Promise<ChoiceResult> {
  const { method = "letter", normalise = "bytes", shots = 0, examples = [], resamples = 2000, seed = 0 } = options;
  if (questions.length === 0) throw new EvaluationError("BAD_QUESTION", "no questions to evaluate");
  const predictions: ChoiceResult["predictions"] = [];
  let shortened = 0;
  let truncated = 0;
  let loss = 0;
  for (const question of questions) {
    const worked = workedExamples(question, examples, shots);
    const scored = await scoreOne(question, worked, scorer, { ...options, method, normalise, shots });
    if (scored.dropped) shortened++;
    if (scored.truncated) truncated++;
    const { scores } = scored;
    const predicted = scores.indexOf(Math.max(...scores));
    loss -= scores[question.answer]!;
    predictions.push({ id: question.id, subject: question.subject, answer: question.answer, predicted, scores });
    options.onProgress?.(predictions.length, questions.length);
  }
  return {
    method,
    normalise: method === "likelihood" ? normalise : null,
    shots,
    ...accuracies(predictions, { resamples, seed }),
    loss: method === "letter" ? loss / questions.length : null,
    shortened,
    truncated,
    predictions,
  };
}

/** Accuracy overall, per subject and macro-averaged, from predictions. */
export function accuracies(
  predictions: readonly { subject: string; answer: number; predicted: number }[],
  { resamples = 2000, seed = 0 }: { resamples?: number; seed?: number } = {},
): Pick<ChoiceResult, "accuracy" | "macro" | "subjects"> {
  const bySubject = new Map<string, number[]>();
  for (const { subject, answer, predicted } of predictions) {
    if (!bySubject.has(subject)) bySubject.set(subject, []);
    bySubject.get(subject)!.push(answer === predicted ? 1 : 0);
  }
  const sum = (hits: readonly number[]) => hits.reduce((a, b) => a + b, 0);
  const subjects = [...bySubject]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([subject, hits]) => ({ subject, ...wilson(sum(hits), hits.length) }));
  const random = createRandom(seed);
  const lists = [...bySubject.values()];
  const means = new Float64Array(resamples);
  for (let r = 0; r < resamples; r++) {
    let total = 0;
    for (const hits of lists) {
      let right = 0;
      for (let i = 0; i < hits.length; i++) right += hits[random.below(hits.length)]!;
      total += right / hits.length;
    }
    means[r] = total / lists.length;
  }
  means.sort();
  const value = subjects.reduce((a, s) => a + s.value, 0) / subjects.length;
  const right = predictions.filter((p) => p.answer === p.predicted).length;
  return {
    accuracy: wilson(right, predictions.length),
    macro: { value, low: quantile(means, 0.025), high: quantile(means, 0.975), level: 0.95 },
    subjects,
  };
}

function workedExamples(question: Question, examples: readonly Question[], shots: number): Question[] {
  if (shots === 0) return [];
  const own = examples.filter((e) => e.subject === question.subject && e.question !== question.question);
  if (own.length < shots) {
    throw new EvaluationError(
      "BAD_QUESTION",
      `${shots} worked examples asked, ${own.length} given for "${question.subject}"`,
    );
  }
  return own.slice(0, shots);
}

async function scoreOne(
  question: Question,
  worked: readonly Question[],
  scorer: Scorer,
  options: ChoiceOptions & { method: "letter" | "likelihood"; normalise: Normalise; shots: number },
): Promise<ChoiceScores & { dropped: boolean }> {
  const { method, normalise, shots } = options;
  const printed = method === "letter" && shots === 0 && options.prompt !== "build" ? question.prompt : undefined;
  const style = method === "letter" ? "letters" : "cloze";
  const endings = method === "letter" ? [" A"] : question.choices.map((choice) => ` ${choice}`);
  const fits = (prompt: string) =>
    scorer.contextLength === undefined ||
    endings.every((ending) => scorer.encode(prompt + ending).length <= scorer.contextLength!);
  // As the MMLU script does, worked examples are dropped from the end until the prompt fits.
  let kept = worked.length;
  let prompt = printed ?? buildPrompt(question, worked, style);
  while (kept > 0 && !fits(prompt)) prompt = buildPrompt(question, worked.slice(0, --kept), style);
  const scores =
    method === "letter"
      ? await letterScores(scorer, prompt, question.choices.length)
      : await likelihoodScores(scorer, prompt, question.choices, normalise);
  return { ...scores, dropped: kept < worked.length };
}
