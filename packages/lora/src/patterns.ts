// Python's regular expressions over module paths. They come out of files, so each runs under a time limit.
import { createContext, Script } from "node:vm";
import { LoraError } from "./errors.js";

const TIME_LIMIT_MS = 1000;
const script = new Script("names.map((name) => expression.test(name))");

/**
 * Which of `names` the whole of `pattern` matches, as Python's `re.fullmatch`.
 * @throws {LoraError} PATTERN: no expression that JavaScript knows too, or one that takes too long
 */
export function fullMatches(pattern: string, names: readonly string[]): boolean[] {
  return test(`^(?:${translate(pattern)})$`, pattern, names, performance.now() + TIME_LIMIT_MS);
}

/**
 * As PEFT's rank_pattern and alpha_pattern: `^(.*\.)?(KEY)$`, the first key that matches gives the value; else undefined. All keys
 * share one time limit.
 */
export function patternValues(
  patterns: Readonly<Record<string, number>>,
  names: readonly string[],
): (number | undefined)[] {
  const values: (number | undefined)[] = names.map(() => undefined);
  const deadline = performance.now() + TIME_LIMIT_MS;
  for (const [key, value] of Object.entries(patterns).reverse())
    for (const [i, matches] of test(`^(.*\\.)?(${translate(key)})$`, key, names, deadline).entries())
      if (matches) values[i] = value;
  return values;
}

/** Python's spelling of named groups and of the ends of the text. */
function translate(pattern: string): string {
  return pattern
    .replace(/\(\?P<([A-Za-z_]\w*)>/g, "(?<$1>")
    .replace(/\(\?P=([A-Za-z_]\w*)\)/g, "\\k<$1>")
    .replace(/(?<!\\)((?:\\\\)*)\\A/g, "$1^")
    .replace(/(?<!\\)((?:\\\\)*)\\Z/g, "$1$");
}

function test(source: string, pattern: string, names: readonly string[], deadline: number): boolean[] {
  let expression: RegExp;
  try {
    expression = new RegExp(source, "s");
  } catch (cause) {
    throw new LoraError("PATTERN", `the pattern "${pattern}" cannot be used: ${(cause as Error).message}`, {
      key: pattern,
      cause,
    });
  }
  if (/^[\w.\\$^()?:|]*$/.test(pattern) && !/[+*{]/.test(pattern)) return names.map((name) => expression.test(name)); // nothing repeats
  const timeout = Math.max(1, Math.floor(deadline - performance.now()));
  try {
    // the array is made in the context; a plain copy leaves it
    return [...script.runInContext(createContext({ expression, names }), { timeout })];
  } catch (cause) {
    throw new LoraError("PATTERN", `the pattern "${pattern}" took more than ${TIME_LIMIT_MS} ms to match`, {
      key: pattern,
      cause,
    });
  }
}
