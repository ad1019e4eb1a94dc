// The curve as SVG, and the page: well-formed, self-contained, whatever the numbers.
import fc from "fast-check";
import { expect, test } from "vitest";
import { lossSvg, reportHtml } from "../src/index.js";

const curves = (n: number) => ({
  title: 'a <b> & "c"\u0001',
  training: Array.from({ length: n }, (_, i) => ({ step: i + 1, loss: 3 * Math.exp(-i / 20) + 0.2 * Math.sin(i) })),
  heldOut: [0, n >> 1, n].map((step) => ({ step, loss: 3 / (1 + step) })),
});

/** Throws unless every tag is closed in order and every attribute quoted; text holds no bare < or &. */
function checkXml(text: string): void {
  const open: string[] = [];
  const rest = text.replace(
    /<(\/?)([\w:]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g,
    (_, close: string, name: string, __, empty: string) => {
      if (close) expect(open.pop()).toBe(name);
      else if (!empty) open.push(name);
      return "";
    },
  );
  expect(open).toEqual([]);
  expect(rest).not.toMatch(/[<>]|&(?!#\d+;)/);
  expect(rest).not.toMatch(/[\u0000-\u0008]/);
}

test("the picture is well-formed and holds every point", () => {
  const svg = lossSvg(curves(100));
  checkXml(svg);
  expect(svg.match(/<path class="training" d="([^"]*)"/)?.[1]?.match(/[ML]/g)).toHaveLength(100);
  expect(svg.match(/<circle/g)).toHaveLength(3);
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
});

test("a curve of a million steps stays a small picture", () =>
  expect(lossSvg(curves(1e6)).length).toBeLessThan(200_000));

test("so it is for any numbers, or none", () => {
  const point = fc.record({ step: fc.nat(), loss: fc.double() });
  fc.assert(
    fc.property(fc.string(), fc.array(point), fc.array(point), (title, training, heldOut) => {
      const svg = lossSvg({ title, training, heldOut });
      checkXml(svg);
      for (const [, path] of svg.matchAll(/ d="([^"]*)"/g)) expect(path).not.toMatch(/NaN|Infinity|undefined/);
    }),
    { numRuns: 300 },
  );
});

test("the page names no other address and runs no script", () => {
  const html = reportHtml(curves(10), [
    { heading: "<script>alert(1)</script>", rows: [["key", "<img src=x onerror=y>"]] },
  ]);
  expect(html).not.toMatch(/<script|<img|https?:(?!\/\/www\.w3\.org\/2000\/svg)/);
  expect(html).toContain("default-src 'none'");
  expect(html).toContain("<svg");
});
