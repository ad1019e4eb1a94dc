// Choosing the next token from logits.

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

/** The next token id. `logits` [vocab] is changed in place by the penalty; `random` returns uniforms in [0, 1). */
export function sample(
  logits: Float32Array,
  seen: Iterable<number>,
  random: () => number,
  options: SamplingOptions = {},
): number {
  const { temperature = 0, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1 } = options;
  if (repetitionPenalty !== 1)
    for (const id of new Set(seen))
      logits[id] = logits[id]! > 0 ? logits[id]! / repetitionPenalty : logits[id]! * repetitionPenalty;
  if (temperature === 0) return argmax(logits);

  const order = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]! || a - b);
  const best = logits[order[0]!]!;
  const kept: { id: number; weight: number }[] = [];
  for (const id of topK > 0 ? order.slice(0, topK) : order) {
    const weight = Math.exp((logits[id]! - best) / temperature);
    if (kept.length > 0 && weight < minP) break;
    kept.push({ id, weight });
  }
  const total = kept.reduce((sum, { weight }) => sum + weight, 0);
  let nucleus = 0;
  let count = 0;
  while (count < kept.length && (count === 0 || nucleus < topP * total)) nucleus += kept[count++]!.weight;
  let point = random() * nucleus;
  for (const { id, weight } of kept.slice(0, count)) {
    point -= weight;
    if (point < 0) return id;
  }
  return kept[count - 1]!.id;
}

function argmax(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  return best;
}
