// Perplexity over a text longer than the context: a window of `contextLength` tokens moves on by `stride`, and each token is
// scored once, by the window in which it has the most context behind it (the strided evaluation of the Hugging Face guide).
//   perplexity = exp(Σ nll / tokens)      bits per byte = Σ nll / ln 2 / UTF-8 bytes, which does not depend on the tokenizer

import type { Document } from "./documents.js";
import { EvaluationError } from "./errors.js";

/** A language model, as far as perplexity is concerned. */
export interface TokenScorer {
  /** Token ids of a text, without special tokens. */
  encode(text: string): ArrayLike<number>;
  /**
   * Negative log-likelihood in nats of each token given those before it, `[ids.length]`. The first has nothing before it; its
   * entry is not read. `ids` holds at most `contextLength` tokens.
   */
  scoreTokens(ids: Int32Array): Promise<Float32Array> | Float32Array;
  contextLength: number;
  /** Token put before each document; it makes the document's first token scoreable. */
  bos?: number;
}

export interface PerplexityOptions {
  /** Tokens the window moves on, 1 … contextLength. Smaller is more context per token and more work. Default: half the context. */
  stride?: number;
  /** Window length, at most the scorer's `contextLength` (the default). */
  window?: number;
  /** Stop after this many scored tokens, in the middle of a document if need be. */
  maxTokens?: number;
  onProgress?: (progress: { tokens: number; nll: number; document: number; documents: number }) => void;
}

export interface PerplexityResult {
  perplexity: number;
  /** Mean negative log-likelihood per token, nats. */
  nll: number;
  /** Tokens scored, exactly: each once. */
  tokens: number;
  /** Tokens that could not be scored: the first of each document, where there is no BOS token. */
  unscored: number;
  /** Null when `maxTokens` cut a document, of which the scored bytes are then not known. */
  bitsPerByte: number | null;
  /** UTF-8 bytes of the documents. Without BOS the bytes of the unscored first tokens are among them. */
  bytes: number;
  documents: number;
  windows: number;
  window: number;
  stride: number;
}

/** One forward pass: tokens [begin, end) go in, those from `from` on are counted. */
export interface Window {
  begin: number;
  from: number;
  end: number;
}

/** The windows over `length` tokens. Every token but the first is counted in exactly one of them. */
export function* windows(length: number, window: number, stride: number): Generator<Window> {
  let from = 1;
  for (let begin = 0; from < length; begin += stride) {
    const end = Math.min(begin + window, length);
    yield { begin, from, end };
    from = end;
  }
}

/**
 * Perplexity of `documents`, each scored on its own.
 * @throws RangeError on a stride or window out of range; EvaluationError BAD_DOCUMENT when there is no token to score, BAD_SCORER when
 * the scorer returns too few values or one that is not finite
 */
export async function perplexity(
  documents: Iterable<Document>,
  scorer: TokenScorer,
  options: PerplexityOptions = {},
): Promise<PerplexityResult> {
  const { contextLength, bos } = scorer;
  const window = options.window ?? contextLength;
  const stride = options.stride ?? Math.max(1, Math.floor(window / 2));
  if (!Number.isInteger(window) || window < 2 || window > contextLength) {
    throw new RangeError(`window must be an integer from 2 to ${contextLength}, got ${window}`);
  }
  // With stride = window the first token of each window would have no context and go uncounted.
  if (!Number.isInteger(stride) || stride < 1 || stride >= window) {
    throw new RangeError(`stride must be an integer from 1 to ${window - 1}, got ${stride}`);
  }
  const maxTokens = options.maxTokens ?? Number.POSITIVE_INFINITY;
  if (!(maxTokens >= 1)) throw new RangeError(`maxTokens must be at least 1, got ${maxTokens}`);
  const list = [...documents];
  const result = { tokens: 0, unscored: 0, bytes: 0, documents: 0, windows: 0 };
  let sum = 0;
  let cut = false;
  for (const { text } of list) {
    if (result.tokens >= maxTokens) break;
    const encoded = Int32Array.from(scorer.encode(text));
    const ids = bos === undefined ? encoded : Int32Array.from([bos, ...encoded]);
    if (encoded.length === 0) continue;
    result.documents++;
    result.bytes += Buffer.byteLength(text);
    if (bos === undefined) result.unscored++;
    for (const { begin, from, end } of windows(ids.length, window, stride)) {
      const nll = await scorer.scoreTokens(ids.slice(begin, end));
      if (nll.length < end - begin) {
        throw new EvaluationError("BAD_SCORER", `${end - begin} tokens were put in, ${nll.length} values came out`);
      }
      const stop = Math.min(end, from + maxTokens - result.tokens);
      for (let i = from; i < stop; i++) {
        const value = nll[i - begin]!;
        if (!Number.isFinite(value))
          throw new EvaluationError("BAD_SCORER", `token ${i} of document ${result.documents} has nll ${value}`);
        sum += value;
      }
      result.tokens += stop - from;
      result.windows++;
      options.onProgress?.({
        tokens: result.tokens,
        nll: sum / result.tokens,
        document: result.documents,
        documents: list.length,
      });
      if (stop < end || (result.tokens >= maxTokens && end < ids.length)) {
        cut = true;
        break;
      }
    }
  }
  if (result.tokens === 0) throw new EvaluationError("BAD_DOCUMENT", "the text has no token that can be scored");
  const nll = sum / result.tokens;
  const bitsPerByte = cut ? null : sum / Math.LN2 / result.bytes;
  return { perplexity: Math.exp(nll), nll, bitsPerByte, ...result, window, stride };
}

/** A result as text for people. */
export function formatPerplexity(r: PerplexityResult): string {
  const unscored = r.unscored === 0 ? "" : `, ${r.unscored} without a predecessor left out`;
  return [
    `perplexity     ${r.perplexity.toFixed(4)}`,
    `nll per token  ${r.nll.toFixed(5)} nats`,
    `bits per byte  ${r.bitsPerByte === null ? "–" : r.bitsPerByte.toFixed(4)}`,
    `tokens         ${r.tokens} in ${r.documents} document${r.documents === 1 ? "" : "s"} (${r.bytes} bytes${unscored})`,
    `windows        ${r.windows} of ${r.window} tokens, stride ${r.stride}`,
    "",
  ].join("\n");
}
