// Running text → sequences of at most maxLength tokens. Every token is learnt, once.
import type { TextExample } from "./example.js";
import { countTargets, IGNORE } from "./segments.js";
import type { Tokenizer } from "./tokenizer.js";

/**
 * What the tokenizer puts in front (BOS) starts each window; where it puts nothing, a window starts with the last token of
 * the one before. EOS ends the document. Labels as in `encodeExample`.
 */
export function textWindows(
  { text, part }: TextExample,
  tokenizer: Tokenizer,
  maxLength: number,
): { ids: Int32Array; labels: Int32Array }[] {
  const continues = part === "middle" || part === "last";
  const body = [...tokenizer.encode(text, { addSpecial: false, continues })];
  if (body.length === 0) return [];
  if (tokenizer.eos !== undefined && part !== "first" && part !== "middle") body.push(tokenizer.eos);
  const { prefix } = tokenizer;
  const windows: { ids: Int32Array; labels: Int32Array }[] = [];
  for (let from = 0; from < body.length; ) {
    const context = prefix.length > 0 ? prefix : from > 0 ? [body[from - 1]!] : [];
    const room = maxLength - context.length;
    if (room < 1) throw new RangeError(`maxLength ${maxLength} leaves no room beside ${context.length} special tokens`);
    const ids = Int32Array.from([...context, ...body.slice(from, from + room)]);
    const labels = ids.slice().fill(IGNORE, 0, context.length);
    from += room;
    if (countTargets(labels) > 0) windows.push({ ids, labels });
  }
  return windows;
}
