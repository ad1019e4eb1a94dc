// Choosing the next token from logits: penalty, temperature, then what top-k, top-p and min-p leave, in that order, each seeing
// what the one before it left. The order and the rules are those of transformers' generation.

export interface SamplingOptions {
  /** 0 (default) takes the most likely token. */
  temperature?: number;
  /** Keep the k most likely tokens; 0 keeps all. */
  topK?: number;
  /** Keep the most likely tokens whose probabilities add up to p. */
  topP?: number;
  /** Keep tokens with at least this share of the most likely one's probability. */
  minP?: number;
  /** Divides positive and multiplies negative logits of tokens already seen (Keskar et al. 2019). 1 changes nothing. */
  repetitionPenalty?: number;
}

/** A token that may come next; weights are proportional to probabilities. */
export interface Candidate {
  id: number;
  weight: number;
}

/** The next token id. `logits` [vocab] is changed in place by the penalty; `random` returns uniforms in [0, 1). */
export function sample(
  logits: Float32Array,
  seen: Iterable<number>,
  random: () => number,
  options: SamplingOptions = {},
): number {
  const kept = candidates(logits, seen, options);
  let point = random() * sum(kept);
  for (const { id, weight } of kept) {
    point -= weight;
    if (point < 0) return id;
  }
  return kept.at(-1)!.id;
}

/** What `sample` draws from, most likely first; only the most likely token at temperature 0. Changes `logits` as `sample` does. */
export function candidates(
  logits: Float32Array,
  seen: Iterable<number>,
  { temperature = 0, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1 }: SamplingOptions = {},
): Candidate[] {
  if (repetitionPenalty !== 1)
    for (const id of new Set(seen))
      logits[id] = logits[id]! > 0 ? logits[id]! / repetitionPenalty : logits[id]! * repetitionPenalty;
  if (temperature === 0) return [{ id: argmax(logits), weight: 1 }];

  const order = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]! || a - b);
  const best = logits[order[0]!]!;
  const likely = (topK > 0 ? order.slice(0, topK) : order).map((id) => ({
    id,
    weight: Math.exp((logits[id]! - best) / temperature),
  }));
  const most = topP * sum(likely);
  let nucleus = 0;
  const kept: Candidate[] = [];
  for (const candidate of likely) {
    if (kept.length > 0 && (nucleus >= most || candidate.weight < minP)) break;
    nucleus += candidate.weight;
    kept.push(candidate);
  }
  return kept;
}

const sum = (list: readonly Candidate[]) => list.reduce((total, { weight }) => total + weight, 0);

function argmax(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  return best;
}
