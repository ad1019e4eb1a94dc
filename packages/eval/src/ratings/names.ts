// What the names in the released GPT-4 rating files mean (artidoro/qlora, eval/ratings-gpt4).

/** The two systems a rating file name lists, left to right, as written. */
export interface NamedPair {
  left: string;
  right: string;
}

/** `gpt-3.5-vs-65b-guanaco-vicuna-generations-topp0.9-temp0.7-gpt4-reviewer.jsonl` → its two systems, cleaned. */
export function parseRatingFileName(fileName: string): NamedPair | undefined {
  const stem = fileName.replace(/\.jsonl$/, "").replace(/-gpt-?4-reviewer(-threeclass)?$/, "");
  const parts = stem.split("-vs-");
  if (parts.length !== 2 || !parts[0] || !parts[1]) return undefined;
  return { left: systemName(parts[0]), right: systemName(parts[1]) };
}

/** Whether a name is that of a generation file of a trained model (only those are inverted in the relative ratings). */
export function isGenerationFile(part: string): boolean {
  return /-generations-/.test(part);
}

const KNOWN: Record<string, string> = {
  gpt4: "GPT-4",
  gpt35: "ChatGPT",
  "gpt-3.5": "ChatGPT",
  bard: "Bard",
  "vicuna-13b": "Vicuna 13B",
};

const TRAINED_ON: Record<string, string> = {
  guanaco: "Guanaco",
  alpaca: "Alpaca",
  flan: "FLAN v2",
  "hh-rlhf": "HH-RLHF",
  "unnatural-instructions": "Unnatural Instructions",
  chip2: "Chip2",
  longform: "Longform",
  "self-instruct": "Self-Instruct",
  huggingchat: "Open Assistant",
};

/**
 * The name the paper's tables use for a part of a file name: `answer-gpt35` and `gpt-3.5` are both ChatGPT, and LLaMA's
 * "30b" is the paper's 33B. A name that is not known is returned as it is, without the sampling suffix.
 */
export function systemName(part: string): string {
  const name = part.replace(/-vicuna-generations-.*$/, "").replace(/^answer-/, "");
  if (Object.hasOwn(KNOWN, name)) return KNOWN[name]!;
  const match = /^(\d+)b-(.+)$/.exec(name);
  if (!match || !Object.hasOwn(TRAINED_ON, match[2]!)) return name;
  return `${TRAINED_ON[match[2]!]} ${match[1] === "30" ? "33" : match[1]}B`;
}
