// Rows of systems with dots, ranges and the printed value: the relative scores, the Elo table, accuracies.
import { element, figure, line, linear, text, ticks, withTitle } from "./svg.js";

export interface DotRow {
  label: string;
  /** The main dot. */
  value: number;
  /** Interval drawn as a thick line. */
  low?: number | null;
  high?: number | null;
  /** Two lesser marks joined by a thin line, e.g. the two orders. */
  span?: readonly [number, number] | null;
  /** A hollow diamond: the printed value. */
  printed?: number | null;
  /** Shown on hovering. */
  title: string;
}

export interface DotPlotOptions {
  label: string;
  axis: string;
  /** A vertical rule. */
  rule?: number;
  digits?: number;
}

/** A horizontal dot plot, one row per item in the order given. */
export function dotPlot(rows: readonly DotRow[], { label, axis, rule, digits = 1 }: DotPlotOptions): string {
  const values = rows.flatMap((r) => [
    r.value,
    r.low ?? r.value,
    r.high ?? r.value,
    r.printed ?? r.value,
    ...(r.span ?? []),
  ]);
  if (rule !== undefined) values.push(rule);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const pad = (high - low) * 0.03 || 1;
  const left = 16 + 7.2 * Math.max(...rows.map((r) => r.label.length));
  const [width, rowHeight, top] = [760, 22, 8];
  const right = width - 64;
  const bottom = top + rows.length * rowHeight;
  const x = linear(low - pad, high + pad, left, right);
  const parts: string[] = [];
  for (const tick of ticks(low - pad, high + pad, 8)) {
    parts.push(
      line(x(tick), top, x(tick), bottom, "grid"),
      text(x(tick), bottom + 16, `${tick}`, { class: "tick", "text-anchor": "middle" }),
    );
  }
  if (rule !== undefined) parts.push(line(x(rule), top, x(rule), bottom, "rule"));
  rows.forEach((row, i) => {
    const y = top + (i + 0.5) * rowHeight;
    const marks: string[] = [];
    if (row.low != null && row.high != null) marks.push(line(x(row.low), y, x(row.high), y, "interval"));
    if (row.span) {
      marks.push(line(x(row.span[0]), y, x(row.span[1]), y, "span"));
      for (const v of row.span) marks.push(line(x(v), y - 4, x(v), y + 4, "span"));
    }
    marks.push(element("circle", { cx: x(row.value), cy: y, r: 4, class: "dot" }));
    if (row.printed != null) {
      const [cx, d] = [x(row.printed), 6.5];
      marks.push(
        element("path", {
          d: `M${(cx - d).toFixed(2)} ${y}L${cx.toFixed(2)} ${y - d}L${(cx + d).toFixed(2)} ${y}L${cx.toFixed(2)} ${y + d}Z`,
          class: "printed",
        }),
      );
    }
    parts.push(
      text(left - 10, y + 4, row.label, { class: "label", "text-anchor": "end" }),
      withTitle(
        element("rect", { x: left, y: y - rowHeight / 2, width: right - left, height: rowHeight, class: "hover" }) +
          marks.join(""),
        row.title,
      ),
      text(width - 8, y + 4, row.value.toFixed(digits), { class: "value", "text-anchor": "end" }),
    );
  });
  parts.push(text((left + right) / 2, bottom + 34, axis, { class: "axis", "text-anchor": "middle" }));
  return figure(width, bottom + 42, label, parts.join(""));
}
