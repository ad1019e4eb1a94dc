// 1500 bad datasets: the line that is wrong is never the same.
import { readDataset } from "@qlora/data";
import { cause, type Files, type Format, nth, otherThan, round } from "./bad-file.js";

const forms = [
  { prompt: "a", completion: "b" },
  { instruction: "a", input: "", output: "b" },
  {
    messages: [
      { role: "user", content: "a" },
      { role: "assistant", content: "b" },
    ],
  },
  { input: "a", output: "b" },
  { text: "a" },
];
type Record = { [key: string]: unknown };

/** Records of one form with one text in between, as lines or as an array. */
function data(i: number, bad: (good: Record) => string | Buffer, first = false): Files {
  const good = nth(forms, i) as Record;
  const before = first ? 0 : 1 + (i % 7);
  const lines = [...Array(before).fill(JSON.stringify(good)), bad(good), JSON.stringify(good)];
  const array = i % 3 === 0;
  const parts = lines.flatMap((line, n) => [
    Buffer.from(n ? (array ? ",\n" : nth(["\n", "\r\n"], i)) : ""),
    Buffer.from(line),
  ]);
  return { data: Buffer.concat(array ? [Buffer.from("["), ...parts, Buffer.from("]")] : parts) };
}
const field = (good: Record, i: number) =>
  nth(
    Object.keys(good).filter((key) => key !== "input" || !("instruction" in good)),
    i,
  );
const changed = (i: number, value: (key: string) => unknown) =>
  data(i, (good) => {
    const key = field(good, round(forms, i));
    return JSON.stringify({ ...good, [key]: value(key) });
  });
const chat = (i: number, list: unknown): Files => ({
  data: `${`${JSON.stringify(forms[2])}\n`.repeat(1 + (i % 9))}${JSON.stringify({ messages: list })}\n`,
});

export const datasets: Format = {
  name: "dataset",
  read: (dir) => void readDataset(`${dir}/data`, { maxLineBytes: 4096 }),
  causes: [
    cause("JSON", 300, (i) =>
      data(i, (good) =>
        nth(
          [JSON.stringify(good).slice(0, -2), "{'a':1}", "{a:1}", `{"a":${i}`, '{"a":01}', '{"a":"\\x"}', "{}{}"],
          round(forms, i),
        ),
      ),
    ),
    cause("NOT_OBJECT", 150, (i) => data(i, () => JSON.stringify(nth(otherThan("object"), round(forms, i))))),
    cause("FIELD_MISSING", 250, (i) => changed(i, () => undefined)),
    cause("FIELD_TYPE", 250, (i) =>
      changed(i, (key) => nth(otherThan("string", key === "messages" ? "array" : "string"), i)),
    ),
    cause("ROLE", 100, (i) =>
      chat(i, [{ role: nth(["", "human", "gpt", "User", "function", `r${i}`], i), content: "x" }]),
    ),
    cause("FIELD_MISSING", 60, (i) => chat(i, nth([[], [{ role: "user" }], [{ content: "x" }], [{}]], i))),
    cause("FIELD_TYPE", 60, (i) =>
      chat(i, nth([["x"], [null], [{ role: 7, content: "x" }], [{ role: "user", content: ["x"] }]], i)),
    ),
    cause("UTF8", 100, (i) => data(i, () => Buffer.from([0x7b, 0x22, 0x80 + (i % 64), 0x22, 0x3a, 0x31, 0x7d]))),
    cause("UTF8", 50, (i) =>
      changed(i, (key) => (key === "messages" ? [{ role: "user", content: "\ud800" }] : `a\udc00${i}`)),
    ),
    cause("LINE_TOO_LONG", 80, (i) => changed(i, () => "x".repeat(4097 + i))),
    cause("FORMAT_UNKNOWN", 60, (i) => data(i, () => JSON.stringify({ [`field${i}`]: "x" }), true)),
    cause("EMPTY_FILE", 40, (i) => ({
      data: nth(["", " \n", "[]", "\r\n\t", "[ ]", "\ufeff"], i) + (i % 6 < 2 ? "\n".repeat(i) : ""),
    })),
    cause("FILE_UNREADABLE", 4, (i) => ({ [nth(["other", "data/x"], i)]: "" })),
  ],
};
