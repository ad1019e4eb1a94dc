// The bar on a terminal of any width, and where there is none; columns, units, wrapping.
import { expect, test, vi } from "vitest";
import { progress } from "../src/progress.js";
import { bold, hasColor, table, toJson, wrap } from "../src/terminal.js";
import { byteSize, duration } from "../src/units.js";

function stream(isTTY: boolean, columns = 80) {
  const written: string[] = [];
  const fake = { isTTY, columns, write: (text: string) => written.push(text) };
  return { stream: fake as unknown as NodeJS.WriteStream, written };
}

test.each([20, 40, 60, 80, 200])(
  "on a terminal of %d columns a state fits one line and replaces the one before",
  (columns) => {
    const { stream: out, written } = stream(true, columns);
    const bar = progress(out);
    bar.update(1, 3, "step 1/3  loss 2.3456  12345 tokens/s  ETA 1:00:00");
    bar.print("Step 1: held-out loss 3.2");
    bar.end();
    expect(written).toHaveLength(4);
    expect(written[0]).toMatch(/^\r\x1b\[2K/);
    expect(written[0]!.slice(5).length).toBeLessThan(columns);
    expect(written[0]!.includes("█")).toBe(columns >= 62); // 8 cells, their frame, a space and the text
    expect(written.slice(1)).toEqual(["\r\x1b[2KStep 1: held-out loss 3.2\n", written[0], "\n"]);
  },
);

test("states that come too fast are skipped, the last one is kept", () => {
  const { stream: out, written } = stream(true);
  const bar = progress(out);
  for (let i = 1; i <= 100; i++) bar.update(i, 100, `step ${i}`);
  bar.end();
  expect(written.length).toBeLessThan(10);
  expect(written.at(-2)).toContain("▕████████████████████████▏ step 100");
  bar.end();
  bar.clear();
  expect(written.at(-1)).toBe("\n");
});

test("clear takes the bar away", () => {
  const { stream: out, written } = stream(true);
  const bar = progress(out);
  bar.update(1, 2, "loading");
  bar.clear();
  bar.print("Model");
  expect(written.slice(1)).toEqual(["\r\x1b[2K", "Model\n"]);
});

test("elsewhere: a plain line every ten seconds and at the end of what took that long", () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  try {
    const { stream: out, written } = stream(false);
    const bar = progress(out);
    for (let second = 0; second < 25; second++) {
      vi.advanceTimersByTime(1000);
      bar.update(second, 25, `step ${second}`);
    }
    bar.end();
    expect(written.map((line) => line.replace(/^▕.*▏ /, ""))).toEqual(["step 9\n", "step 19\n", "step 24\n"]);
    bar.update(1, 2, "short");
    bar.end();
    expect(written).toHaveLength(3);
  } finally {
    vi.useRealTimers();
  }
});

test("styles only on a terminal, never with NO_COLOR", () => {
  const { stream: terminal } = stream(true);
  const { stream: file } = stream(false);
  vi.stubEnv("NO_COLOR", "").stubEnv("TERM", "xterm");
  expect(bold("a", terminal)).toBe("\x1b[1ma\x1b[22m");
  expect(bold("a", file)).toBe("a");
  vi.stubEnv("TERM", "dumb");
  expect(hasColor(terminal)).toBe(false);
  vi.stubEnv("TERM", "xterm").stubEnv("NO_COLOR", "1");
  expect(bold("a", terminal)).toBe("a");
  vi.unstubAllEnvs();
});

test("numbers, columns, lines", () => {
  expect([0, 59.6, 3723, Number.POSITIVE_INFINITY].map(duration)).toEqual(["0:00", "1:00", "1:02:03", "?"]);
  expect([0, 999, 1000, 1023, 2 ** 20, 3.2e9].map(byteSize)).toEqual([
    "0 B",
    "999 B",
    "0.977 KiB",
    "0.999 KiB",
    "1.00 MiB",
    "2.98 GiB",
  ]);
  expect(
    table([
      ["a", 1],
      ["bcd", 23],
    ]),
  ).toBe("a     1\nbcd  23");
  expect(wrap("one two three", 7)).toEqual(["one two", "three"]);
  expect(toJson({ a: Number.NaN, b: Number.POSITIVE_INFINITY, c: 1 })).toBe('{"a":"NaN","b":"Infinity","c":1}');
});
