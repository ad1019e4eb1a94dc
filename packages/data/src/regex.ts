// Which patterns of a tokenizer.json are refused. JavaScript's engine backtracks: (a+)+ or (a|a)* on 30 characters takes
// seconds and each further character doubles it. Such patterns repeat a group that can match in more than one way; none
// of the pre-tokenizers in use (GPT-2, Llama 3, Qwen 2, DeepSeek, o200k, …) does. Patterns that take polynomial time
// are not recognised.

const MAX_PATTERN = 8192;
const MAX_GROUPS = 64;

interface Quantifier {
  length: number;
  min: number;
  max: number;
}

/** Why a pattern may take exponential time, or `undefined` when no repeated group can match in more than one way. */
export function exponential(source: string): string | undefined {
  if (source.length > MAX_PATTERN) return `is longer than ${MAX_PATTERN} characters`;
  const groups = [false]; // per open group: can what it holds match in more than one way?
  let atom = false; // can the atom just read?
  let i = 0;
  while (i < source.length) {
    const c = source[i]!;
    const quantifier = quantifierAt(source, i);
    if (quantifier !== undefined) {
      const { length, min, max } = quantifier;
      if (atom && max > 3) return "repeats a group that can match in more than one way";
      atom = min !== max;
      if (atom) groups[groups.length - 1] = true;
      i += length;
      continue;
    }
    atom = false;
    if (c === "\\") {
      if (/[1-9k]/.test(source[i + 1] ?? "")) return "uses a back-reference";
      i++;
    } else if (c === "[") {
      i = endOfClass(source, i);
    } else if (c === "(") {
      if (groups.length > MAX_GROUPS) return `nests more than ${MAX_GROUPS} groups`;
      groups.push(false);
      const head = /^\((\?(<?[=!]|[:>]|[a-z-]*:|<\w+>))?/.exec(source.slice(i, i + 40))!;
      i += head[0].length - 1;
    } else if (c === ")" && groups.length > 1) {
      atom = groups.pop()!;
      if (atom) groups[groups.length - 1] = true;
    } else if (c === "|") {
      groups[groups.length - 1] = true;
    }
    i++;
  }
  return undefined;
}

// "*", "+", "?", "{n}", "{n,}", "{n,m}", "{,m}", with the sign that makes it lazy or possessive.
function quantifierAt(source: string, at: number): Quantifier | undefined {
  const match = /^(?:[*+?]|\{(\d*)(,?)(\d*)\})[+?]?/.exec(source.slice(at, at + 24));
  if (match === null) return undefined;
  const [whole, low, comma, high] = match;
  const length = whole.length;
  if (whole[0] === "*") return { length, min: 0, max: Number.POSITIVE_INFINITY };
  if (whole[0] === "+") return { length, min: 1, max: Number.POSITIVE_INFINITY };
  if (whole[0] === "?") return { length, min: 0, max: 1 };
  if (low === "" && high === "") return undefined;
  const min = Number(low);
  return { length, min, max: comma === "" ? min : high === "" ? Number.POSITIVE_INFINITY : Number(high) };
}

// The index of the "]" that ends the class opened at `start`; classes nest (Oniguruma) and "]" may come first.
function endOfClass(source: string, start: number, depth = 0): number {
  let i = start + 1;
  if (source[i] === "^") i++;
  if (source[i] === "]") i++;
  for (; i < source.length; i++) {
    if (source[i] === "\\") i++;
    else if (source[i] === "[" && depth < MAX_GROUPS) i = endOfClass(source, i, depth + 1);
    else if (source[i] === "]") return i;
  }
  return source.length;
}
