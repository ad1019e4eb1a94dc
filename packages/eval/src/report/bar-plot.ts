// One stacked bar: how verdicts divide among first answer, tie and second answer.
import { element, figure, text, withTitle } from "./svg.js";

export interface Share {
  name: string;
  value: number;
  cls: string;
}

/** Shares that sum to 1, left to right. */
export function stackedBar(shares: readonly Share[], label: string): string {
  const [width, left, right] = [760, 8, 752];
  let at = left;
  const parts: string[] = [];
  for (const { name, value, cls } of shares) {
    const size = (right - left) * value;
    const caption = `${name} ${(100 * value).toFixed(1)} %`;
    parts.push(
      withTitle(element("rect", { x: at, y: 8, width: Math.max(0, size - 2), height: 34, class: cls }), caption),
    );
    if (size > 7 * caption.length)
      parts.push(text(at + size / 2, 30, caption, { class: "cell", "text-anchor": "middle" }));
    at += size;
  }
  return figure(width, 50, label, parts.join(""));
}
