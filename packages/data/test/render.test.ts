// What `qlora inspect --data` shows.
import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import { type Example, encodeDataset, encodeExample, renderReport, renderSequence } from "../src/index.js";
import { tokenizer } from "./shared.js";

const t = tokenizer("stories260K");
const talk = (content: string, answer: string): Example => ({
  kind: "messages",
  messages: [
    { role: "user", content },
    { role: "assistant", content: answer },
  ],
});

test("masked tokens stand between ⟦ and ⟧, line ends are shown", () => {
  const sequence = encodeExample(talk("Two\nlines", "Yes.\n😊"), t, { template: "guanaco" });
  expect(renderSequence(sequence, t, { color: false })).toBe(
    "⟦<s> ### Human: Two⏎\nlines ### Assistant:⟧ Yes.⏎\n😊</s>",
  );
});

test("on a terminal they are dim, what is learnt is bold, and no style crosses a line end", () => {
  const sequence = encodeExample(talk("Two\nlines", "Yes."), t, { template: "guanaco" });
  const shown = renderSequence(sequence, t, { color: true });
  expect(shown).toBe("\x1b[2m<s> ### Human: Two⏎\x1b[22m\n\x1b[2mlines ### Assistant:\x1b[22m\x1b[1m Yes.</s>\x1b[22m");
  expect(stripVTControlCharacters(shown)).toBe("<s> ### Human: Two⏎\nlines ### Assistant: Yes.</s>");
});

test("data cannot drive the terminal", () => {
  const nasty = "\x1b[2J\x07\r\b\u009b31m\u202eabc\ttab\x7f";
  const shown = renderSequence(encodeExample(talk(nasty, nasty), t), t, { color: false });
  expect(shown).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
  expect(shown).toContain("\\x1b[2J\\x07\\r\\x08\\x9b31m\\u202eabc\\ttab\\x7f");
});

test("boundaries between tokens", () => {
  const sequence = encodeExample(talk("a", "b"), t, { template: "plain" });
  expect(renderSequence(sequence, t, { color: false, boundaries: true })).toBe("⟦<s>│ a⟧b│</s>");
});

test("every sequence can be shown, with everything it says", () => {
  for (const name of ["stories260K", "byte-level", "llama3", "metaspace"]) {
    const k = tokenizer(name);
    const sequence = encodeExample(talk("Où? 北京 😊", "Là — ½"), k, { template: "guanaco" });
    const text = renderSequence(sequence, k, { color: false }).replaceAll(/[⟦⟧]/g, "");
    expect(text).toBe(k.decode(sequence.ids, { skipSpecial: false }));
  }
});

test("the report", () => {
  const examples: Example[] = [
    talk("a", "b"),
    { kind: "messages", messages: [{ role: "user", content: "?" }], origin: { path: "d", line: 9 } },
    talk("a", "a long answer that does not fit"),
    { kind: "text", text: "text that needs more than one window ".repeat(9) },
  ];
  const { report } = encodeDataset(examples, t, { maxLength: 30 });
  const shown = renderReport(report);
  expect(shown).toMatch(
    /^template guanaco, plain: 3 of 4 examples kept \(1 truncated\), as \d+ sequences; \d+ tokens, \d+ learnt \(\d+\.\d %\)\n/,
  );
  expect(shown).toMatch(/\nleft out: 0 too long, 1 with nothing to learn \(lines 9\)$/);
  expect(renderReport(encodeDataset([talk("a", "b")], t).report)).not.toMatch(/left out|truncated|sequences/);
});
