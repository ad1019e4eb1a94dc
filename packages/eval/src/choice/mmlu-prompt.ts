// Prompts of multiple-choice questions: writing them in the form of the MMLU script (hendrycks/test), and taking apart finished
// ones as artidoro/qlora distributes them.
import type { Question } from "./question.js";

/** "A", "B", … for choice 0, 1, … */
export function letter(index: number): string {
  return String.fromCharCode(65 + index);
}

/**
 * The prompt up to and including "Answer:", nothing after the colon.
 * - `letters`: the heading of the MMLU script, then each worked example and the question with lettered choices. MMLU scores the
 *   letter that follows.
 * - `cloze`: questions and answers as plain text, the choices not listed. For scoring the likelihood of each choice's text.
 */
export function buildPrompt(
  question: Question,
  examples: readonly Question[] = [],
  style: "letters" | "cloze" = "letters",
): string {
  const block = (q: Question) =>
    style === "letters"
      ? `${q.question}\n${q.choices.map((choice, i) => `${letter(i)}. ${choice}\n`).join("")}Answer:`
      : `Question: ${q.question}\nAnswer:`;
  const worked = examples.map((q) => `${block(q)} ${style === "letters" ? letter(q.answer) : q.choices[q.answer]}\n\n`);
  return (style === "letters" ? heading(question.subject) : "") + worked.join("") + block(question);
}

function heading(subject: string): string {
  // The script's format_subject leaves a second space before the subject, and published scores were measured with it.
  return `The following are multiple choice questions (with answers)${subject === "" ? "" : ` about  ${subject.replaceAll("_", " ")}`}.\n\n`;
}

/** Question and choices of the last block of a finished prompt; undefined when it has none. */
export function parsePrompt(input: string): { question: string; choices: string[] } | undefined {
  const body = input.replace(/\nAnswer:\s*$/, "");
  // Worked examples end in "Answer: X" and a blank line; the heading ends in a blank line.
  const examples = /^[\s\S]*\nAnswer: ?[A-Z]\n\n/.exec(body);
  const title = /^The following are multiple choice questions[^\n]*\n\n/.exec(body);
  const last = body.slice(examples?.[0].length ?? title?.[0].length ?? 0);
  // Choices run from the last "A. " at the start of a line, each letter in turn.
  let end = last.length;
  let start = last.lastIndexOf("\nA. ");
  if (start < 0) return undefined;
  const question = last.slice(0, start);
  const choices: string[] = [];
  for (let i = 0; start >= 0 && i < 26; i++) {
    const next = last.indexOf(`\n${letter(i + 1)}. `, start + 1);
    end = next < 0 ? last.length : next;
    choices.push(last.slice(start + 4, end));
    start = next;
  }
  return choices.length < 2 ? undefined : { question, choices };
}
