// Reading a judge's reply: a three-class verdict, or two scores. A reply that cannot be read is null, and is counted and kept.
//
// Tried on the 10,240 released GPT-4 replies: every reply with a published score is read as that score, and so are all 60
// relative and 3 of the 13 pairwise replies that were published as unreadable (of the other ten, eight are the word "error").

/** Longer lines are prose, not verdicts; the limit also bounds the work on a hostile reply. */
const LONGEST_LINE = 1000;

const NUMBER = String.raw`(\d+(?:\.\d+)?)(?:\s*/\s*10)?`;
const LABEL = String.raw`(?:(?:final )?(?:scores?|output|ratings?)\W*)?`;
const TWO_NUMBERS = new RegExp(String.raw`^\W*${LABEL}${NUMBER}(?:[\s,;&|]+|\W*and\W*)${NUMBER}\W*$`, "i");
const TUPLE = new RegExp(String.raw`(?:score|tuple|output|rating).*\(\s*${NUMBER}\s*,\s*${NUMBER}\s*\)`, "i");
const NAMED = (n: 1 | 2) =>
  new RegExp(
    String.raw`Assistant ${n}(?:'s)?(?: (?:final )?(?:score|rating))?(?:\W*[:=]\W*| (?:a |receives a |gets a )?(?:score|rating) of )${NUMBER}(?![\w^*]|\.\d)(?=\W*(?:points?|out of 10)?\W*(?:$|[(,.;]|and\b))`,
    "i",
  );
const NAMED_1 = NAMED(1);
const NAMED_2 = NAMED(2);

/**
 * Scores of the first and the second answer, each from 0 to 10, or null. In this order of trust: the last line that holds two
 * numbers and nothing else ("8 9.5", "Scores: 8, 9.5"); a tuple in a line about scores; "Assistant 1: 8 … Assistant 2: 9.5".
 */
export function parseScores(reply: string): [number, number] | null {
  const lines = shortLines(reply);
  for (const pattern of [TWO_NUMBERS, TUPLE]) {
    for (const line of lines.toReversed()) {
      const match = pattern.exec(line);
      const scores = match && inRange(match[1], match[2]);
      if (scores) return scores;
    }
  }
  const named = ([NAMED_1, NAMED_2] as const).map((pattern) => {
    const line = lines.findLast((line) => pattern.test(line));
    return line === undefined ? undefined : pattern.exec(line)?.[1];
  });
  return inRange(named[0], named[1]);
}

function inRange(a: string | undefined, b: string | undefined): [number, number] | null {
  const pair: [number, number] = [Number(a ?? Number.NaN), Number(b ?? Number.NaN)];
  return pair.every((x) => x >= 0 && x <= 10) ? pair : null;
}

/** 1 = first better, 2 = second better, 3 = equal, or null: the last line as a digit ("2", "Verdict: 2"), or "I choose 2". */
export function parseVerdict(reply: string): 1 | 2 | 3 | null {
  const last = shortLines(reply.trimEnd()).at(-1)!;
  const match =
    /^\W*(?:(?:final )?(?:verdict|answer|choice)\W*)?([123])\W*$/i.exec(last) ??
    /\bI (?:choose|select) (?:option )?([123])\b/.exec(last);
  return match ? (Number(match[1]) as 1 | 2 | 3) : null;
}

function shortLines(reply: string): string[] {
  return reply.split("\n").map((line) => (line.length > LONGEST_LINE ? "" : line.trim()));
}
