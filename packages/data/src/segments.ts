// Segments of a conversation → ids and labels.
//
// Tokenisation is per segment (see Tokenizer.encodeSegments): neighbouring pieces of prompt are joined and tokenised
// together, an assistant turn on its own. The ids of a prompt are therefore the same with and without its answer, which
// tokenising the whole text does not guarantee (a tokenizer may merge the prompt's last characters with the answer's
// first). Where it would not merge across that place the ids equal those of the whole text. The built-in templates cut
// before a space, after ":" or a line end, and at special tokens, which are such places in the tokenizers in use unless
// an answer itself begins with white space or punctuation; plain cuts where the data does.
import type { Segment, Tokenizer } from "./tokenizer.js";

/** The label of a position that is not learnt (PyTorch's ignore_index). */
export const IGNORE = -100;

/** Segments as ids and labels; neighbouring text of the same kind is tokenised as one. */
export function encodeSegments(
  segments: readonly Segment[],
  tokenizer: Tokenizer,
  trainOnSource: boolean,
): { ids: Int32Array; labels: Int32Array } {
  const joined: Segment[] = [];
  for (const segment of segments) {
    const last = joined.at(-1);
    if ("text" in segment && last !== undefined && "text" in last && last.target === segment.target) {
      joined[joined.length - 1] = { text: last.text + segment.text, target: last.target };
    } else joined.push(segment);
  }
  const pieces = tokenizer.encodeSegments(joined);
  const length = pieces.reduce((sum, x) => sum + x.length, 0);
  const ids = new Int32Array(length);
  const labels = new Int32Array(length).fill(IGNORE);
  let at = 0;
  pieces.forEach((piece, i) => {
    ids.set(piece, at);
    const bos = at === 0 && piece[0] === tokenizer.bos && "id" in joined[i]!;
    if (joined[i]!.target || (trainOnSource && !bos)) labels.set(piece, at);
    at += piece.length;
  });
  return { ids, labels };
}

/** Labelled positions that a model predicts: the first of a sequence has nothing before it. */
export function countTargets(labels: Int32Array): number {
  let n = 0;
  for (let i = 1; i < labels.length; i++) if (labels[i] !== IGNORE) n++;
  return n;
}
