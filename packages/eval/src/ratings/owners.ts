// Whose answer was shown first: read from the answer ids, not from the file name.
//
// The relative ratings of the trained models carry the two systems in the file name in the opposite order of the scores, those
// of Bard, GPT-4 and Vicuna in the same order. Nothing in the name tells. But every record holds the ids of the two answers in
// the order of the scores, and ChatGPT's answer to question 1 is the one id that occurs in every file that names ChatGPT.
//
// Only systems met by two opponents or more are settled this way. With one opponent the common id may be the opponent's: FLAN
// v2 13B and HH-RLHF 13B had their answers generated anew between the two orders. Nor does an id name its system: it stands for
// a text, and nine texts were given by more than one system.

/** One comparison as the file states it: question, and the ids of the answers in the order of the scores. */
export interface ShownPair {
  question: number;
  answer1: string | undefined;
  answer2: string | undefined;
}

export interface NamedFile {
  left: string;
  right: string;
  rows: readonly ShownPair[];
}

/** Whether the scores follow the file name, its inverse, or the ids do not say. */
export type Order = "as named" | "inverted" | "unknown" | "contradictory";

/** The order of scores in each file, from the answer ids of all files together. */
export function orderOfScores(files: readonly NamedFile[]): Order[] {
  const answers = answersOf(files);
  return files.map(({ left, right, rows }) => {
    let named = 0;
    let inverted = 0;
    for (const { question, answer1, answer2 } of rows) {
      if (answer1 === undefined || answer2 === undefined || answer1 === answer2) continue;
      const leftAnswer = answers.get(key(left, question));
      const rightAnswer = answers.get(key(right, question));
      if (answer1 === leftAnswer || answer2 === rightAnswer) named++;
      if (answer2 === leftAnswer || answer1 === rightAnswer) inverted++;
    }
    if (named > 0 && inverted > 0) return "contradictory";
    return named > 0 ? "as named" : inverted > 0 ? "inverted" : "unknown";
  });
}

/** System and question → its answer id, where the files that name the system share exactly one and name two opponents. */
function answersOf(files: readonly NamedFile[]): Map<string, string> {
  const candidates = new Map<string, { ids: string[]; opponents: Set<string> }>();
  for (const { left, right, rows } of files) {
    for (const { question, answer1, answer2 } of rows) {
      if (answer1 === undefined || answer2 === undefined) continue;
      for (const [system, opponent] of [
        [left, right],
        [right, left],
      ] as const) {
        const at = key(system, question);
        const before = candidates.get(at) ?? { ids: [answer1, answer2], opponents: new Set<string>() };
        const ids = before.ids.filter((id) => id === answer1 || id === answer2);
        candidates.set(at, { ids, opponents: before.opponents.add(opponent) });
      }
    }
  }
  const settled = [...candidates].filter(([, { ids, opponents }]) => opponents.size > 1 && new Set(ids).size === 1);
  return new Map(settled.map(([at, { ids }]) => [at, ids[0]!]));
}

function key(system: string, question: number): string {
  return `${question} ${system}`;
}
