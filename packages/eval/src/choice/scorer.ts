// What multiple choice needs of a language model, and the two ways of scoring a choice with it.
import { EvaluationError } from "../errors.js";
import { letter } from "./mmlu-prompt.js";

/** A language model, as far as multiple choice is concerned. Everything may also be returned as a promise. */
export interface Scorer {
  /** Token ids of a text, with whatever begins a sequence for this model (BOS), without an end token. */
  encode(text: string): number[];
  /** Natural-log probability of `continuation` after `prefix`, summed over its tokens. */
  logLikelihood(prefix: number[], continuation: number[]): Promise<number> | number;
  /** Logits (or log-probabilities) over the vocabulary for the token after `ids`. */
  nextTokenLogits(ids: number[]): Promise<Float32Array> | Float32Array;
  /** Longest sequence the model takes; no limit when left out. */
  contextLength?: number;
}

/** Score of each choice, higher is better; natural-log units. */
export interface ChoiceScores {
  scores: number[];
  /** Whether the beginning of the prompt was cut off to fit `contextLength`. */
  truncated: boolean;
}

/**
 * Logit of each letter after the prompt. How a letter is split into tokens depends on the tokenizer, so it is read off the
 * whole text: `prompt + " A"`, `prompt + " B"`, … are encoded, the tokens they share are the context, and the first token in
 * which they differ is the letter. Where that token is not the letter's own (a tokenizer that knows " A" but spells " D" as
 * space and D), each letter's log-likelihood over all of its tokens takes its place. Returns log-probabilities renormalised
 * over the letters.
 */
export async function letterScores(scorer: Scorer, prompt: string, choices: number): Promise<ChoiceScores> {
  const encoded = Array.from({ length: choices }, (_, i) => scorer.encode(`${prompt} ${letter(i)}`));
  const shared = commonPrefix(encoded);
  const ids = encoded.map((tokens) => tokens[shared]);
  const rests = encoded.map((tokens) => tokens.slice(shared));
  const inOneToken = !ids.includes(undefined) && new Set(ids).size === choices;
  if (!inOneToken && (rests.some((rest) => rest.length === 0) || new Set(rests.map(String)).size !== choices)) {
    throw new EvaluationError(
      "BAD_SCORER",
      `the tokenizer does not tell the letters A to ${letter(choices - 1)} apart`,
    );
  }
  const limit =
    (scorer.contextLength ?? Number.POSITIVE_INFINITY) -
    (inOneToken ? 0 : Math.max(...rests.map((rest) => rest.length)));
  const context = encoded[0]!.slice(Math.max(0, shared - limit), shared);
  const picked: number[] = [];
  if (inOneToken) {
    const logits = await scorer.nextTokenLogits(context);
    picked.push(...ids.map((id) => logits[id!] ?? Number.NaN));
  } else for (const rest of rests) picked.push(await scorer.logLikelihood(context, rest));
  checkScores(picked);
  const top = Math.max(...picked);
  const logSum = top + Math.log(picked.reduce((sum, x) => sum + Math.exp(x - top), 0));
  return { scores: picked.map((x) => x - logSum), truncated: context.length < shared };
}

/** What a choice's log-likelihood is divided by: its tokens, its UTF-8 bytes (does not depend on the tokenizer), or 1. */
export type Normalise = "bytes" | "tokens" | "none";

/** Length-normalised log-likelihood of each choice's text after the prompt and a space. */
export async function likelihoodScores(
  scorer: Scorer,
  prompt: string,
  choices: readonly string[],
  normalise: Normalise,
): Promise<ChoiceScores> {
  const scores: number[] = [];
  let truncated = false;
  for (const choice of choices) {
    const { prefix, continuation } = splitContinuation(scorer, prompt, ` ${choice}`);
    const room = (scorer.contextLength ?? prefix.length + continuation.length) - continuation.length;
    if (room < 1) {
      throw new EvaluationError(
        "BAD_QUESTION",
        `a choice of ${continuation.length} tokens does not fit ${scorer.contextLength}`,
      );
    }
    if (prefix.length > room) truncated = true;
    const sum = await scorer.logLikelihood(prefix.slice(-room), continuation);
    const length =
      normalise === "tokens" ? continuation.length : normalise === "bytes" ? Math.max(1, Buffer.byteLength(choice)) : 1;
    scores.push(sum / length);
  }
  checkScores(scores);
  return { scores, truncated };
}

/**
 * Splits the tokens of prompt + text where the text begins: the prompt's own tokens as far as the joined encoding keeps them.
 * Where the tokenizer merges across the border, the merged token belongs to the continuation.
 */
function splitContinuation(scorer: Scorer, prompt: string, text: string): { prefix: number[]; continuation: number[] } {
  const joined = scorer.encode(prompt + text);
  const at = Math.min(commonPrefix([scorer.encode(prompt), joined]), joined.length - 1);
  if (at < 1)
    throw new EvaluationError(
      "BAD_SCORER",
      "the tokenizer gives no token before the choice; a prompt must not be empty",
    );
  return { prefix: joined.slice(0, at), continuation: joined.slice(at) };
}

function commonPrefix(lists: readonly number[][]): number {
  let n = 0;
  while (lists.every((list) => n < list.length && list[n] === lists[0]![n])) n++;
  return n;
}

function checkScores(scores: readonly number[]): void {
  // −∞ is a possible log-probability of one choice; NaN, +∞, and −∞ throughout are not.
  const bad = scores.findIndex((x) => Number.isNaN(x) || x === Number.POSITIVE_INFINITY);
  if (bad >= 0) throw new EvaluationError("BAD_SCORER", `the model gave ${scores[bad]} for choice ${letter(bad)}`);
  if (scores.every((x) => x === Number.NEGATIVE_INFINITY))
    throw new EvaluationError("BAD_SCORER", "the model gave −∞ for every choice");
}
