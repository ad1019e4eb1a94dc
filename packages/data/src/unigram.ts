// Unigram segmentation as the Rust tokenizers library does it (models/unigram/model.rs, encode_optimized): the path of
// highest total score, in its order of additions and with its ties. The JavaScript library's lattice breaks ties otherwise.
import type { Component } from "./tokenizer-json.js";

const UNKNOWN_PENALTY = 10;

/** A function from normalised text to tokens. A run of unknown characters is one piece, which no token is equal to. */
export function unigram(model: Component): (text: string) => string[] {
  const vocabulary = model.vocab as [string, number][];
  const scores = new Map(vocabulary);
  const longest = Math.max(...tokenLengths(vocabulary));
  const lowest = vocabulary.reduce((min, [, score]) => Math.min(min, score), Number.POSITIVE_INFINITY);
  const bytes = model.byte_fallback === true;

  return (text) => {
    // best[i]: score of the best path to i, starts[i]: where its last token starts, unknown[i]: that token is unknown.
    const best = new Float64Array(text.length + 1);
    const starts = new Int32Array(text.length + 1).fill(-1);
    const unknown = new Uint8Array(text.length + 1);
    const offer = (from: number, to: number, score: number, isUnknown: boolean): void => {
      const total = score + best[from]!;
      if (starts[to]! >= 0 && total <= best[to]!) return;
      best[to] = total;
      starts[to] = from;
      unknown[to] = isUnknown ? 1 : 0;
    };
    for (let from = 0; from < text.length; ) {
      const width = text.codePointAt(from)! > 0xffff ? 2 : 1;
      let single = false;
      for (let to = from + width; to <= Math.min(text.length, from + longest); to++) {
        const score = scores.get(text.slice(from, to));
        if (score === undefined) continue;
        offer(from, to, score, false);
        if (to === from + width) single = true;
      }
      if (!single) offer(from, from + width, lowest - UNKNOWN_PENALTY, true);
      from += width;
    }
    const pieces: string[] = [];
    for (let to = text.length; to > 0; ) {
      let from = starts[to]!;
      const isUnknown = unknown[to] === 1;
      while (isUnknown && from > 0 && unknown[from] === 1) from = starts[from]!;
      const piece = text.slice(from, to);
      pieces.push(...(isUnknown && bytes ? byteTokens(piece, scores).reverse() : [piece]));
      to = from;
    }
    return pieces.reverse();
  };
}

function tokenLengths(vocabulary: readonly [string, number][]): Set<number> {
  return new Set(vocabulary.map(([token]) => token.length));
}

function byteTokens(piece: string, scores: ReadonlyMap<string, number>): string[] {
  const tokens = Array.from(
    new TextEncoder().encode(piece),
    (x) => `<0x${x.toString(16).toUpperCase().padStart(2, "0")}>`,
  );
  return tokens.every((x) => scores.has(x)) ? tokens : [piece];
}
