// The transcript form of Guanaco's OASST1 data: "### Human: … ### Assistant: …" (qlora, Appendix B).
import type { Message } from "./example.js";

const MARK = /(?:^|\s*)### (Human|Assistant):/g;

/** Whether a text is such a transcript: it begins with a human turn and has an assistant's. */
export function isTranscript(text: string): boolean {
  return /^\s*### Human:/.test(text) && /### Assistant:/.test(text);
}

/** Splits a transcript into turns. White space around a turn's text is not part of it. A last, empty turn is left out. */
export function splitTranscript(text: string): Message[] {
  const marks = [...text.matchAll(MARK)];
  return marks
    .map((mark, i): Message => {
      const content = text.slice(mark.index + mark[0].length, marks[i + 1]?.index ?? text.length).trim();
      return { role: mark[1] === "Human" ? "user" : "assistant", content };
    })
    .filter((turn, i) => turn.content !== "" || i < marks.length - 1);
}
