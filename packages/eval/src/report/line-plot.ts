// Lines over a logarithmic axis with their names at the right end: mean Elo by games per ordering.
import { element, figure, line, linear, text, ticks, withTitle } from "./svg.js";

export interface Series {
  name: string;
  values: readonly number[];
  /** Printed value, drawn as a hollow diamond at `printedAt`. */
  printed?: number | null;
}

export interface LinePlotOptions {
  label: string;
  xAxis: string;
  yAxis: string;
  /** Shaded range of x. */
  band?: { from: number; to: number; title: string } | null;
  printedAt?: number;
}

/** `series[i].values[j]` at `xs[j]`, xs positive and ascending. */
export function linePlot(xs: readonly number[], series: readonly Series[], options: LinePlotOptions): string {
  const [width, height, left, top] = [760, 400, 56, 12];
  const right = width - 110;
  const bottom = height - 48;
  const all = series.flatMap((s) => [...s.values, ...(s.printed == null ? [] : [s.printed])]);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const pad = (high - low) * 0.04 || 1;
  const x = (v: number) => linear(Math.log(xs[0]!), Math.log(xs.at(-1)!), left, right)(Math.log(v));
  const y = linear(low - pad, high + pad, bottom, top);
  const parts: string[] = [];
  for (const tick of ticks(low - pad, high + pad)) {
    parts.push(
      line(left, y(tick), right, y(tick), "grid"),
      text(left - 8, y(tick) + 4, `${tick}`, { class: "tick", "text-anchor": "end" }),
    );
  }
  for (const tick of logTicks(xs[0]!, xs.at(-1)!)) {
    parts.push(
      line(x(tick), top, x(tick), bottom, "grid"),
      text(x(tick), bottom + 16, `${tick}`, { class: "tick", "text-anchor": "middle" }),
    );
  }
  const { band } = options;
  if (band) {
    const [from, to] = [x(band.from), Math.max(x(band.to), x(band.from) + 2)];
    parts.push(
      withTitle(
        element("rect", { x: from, y: top, width: to - from, height: bottom - top, class: "band" }),
        band.title,
      ),
    );
  }
  series.forEach((s, i) => {
    const points = s.values.map((v, j) => `${x(xs[j]!).toFixed(1)},${y(v).toFixed(1)}`).join(" ");
    parts.push(withTitle(element("polyline", { points, class: `series c${i % 8}` }), s.name));
    if (s.printed != null && options.printedAt !== undefined) {
      const [cx, cy, d] = [x(options.printedAt), y(s.printed), 5];
      parts.push(
        withTitle(
          element("path", { d: `M${cx - d} ${cy}L${cx} ${cy - d}L${cx + d} ${cy}L${cx} ${cy + d}Z`, class: "printed" }),
          `${s.name}, printed: ${s.printed}`,
        ),
      );
    }
  });
  const ends = spread(
    series.map((s) => y(s.values.at(-1)!)),
    14,
    top + 6,
    bottom,
  );
  series.forEach((s, i) => {
    parts.push(
      line(right + 2, y(s.values.at(-1)!), right + 10, ends[i]!, "leader"),
      text(right + 13, ends[i]! + 4, s.name, { class: `end c${i % 8}` }),
    );
  });
  parts.push(text((left + right) / 2, height - 8, options.xAxis, { class: "axis", "text-anchor": "middle" }));
  const middle = (top + bottom) / 2;
  parts.push(
    text(14, middle, options.yAxis, { class: "axis", "text-anchor": "middle", transform: `rotate(-90 14 ${middle})` }),
  );
  return figure(width, height, options.label, parts.join(""));
}

function logTicks(low: number, high: number): number[] {
  const values: number[] = [];
  for (let power = 10 ** Math.floor(Math.log10(low)); power <= high; power *= 10) {
    for (const m of [1, 2, 5]) if (m * power >= low && m * power <= high) values.push(m * power);
  }
  return values;
}

/** Moves positions apart to at least `gap`, keeping their order and staying within [low, high] as far as they fit. */
function spread(positions: readonly number[], gap: number, low: number, high: number): number[] {
  const order = positions.map((_, i) => i).sort((a, b) => positions[a]! - positions[b]!);
  const placed = [...positions];
  let floor = low;
  for (const i of order) {
    placed[i] = Math.max(placed[i]!, floor);
    floor = placed[i]! + gap;
  }
  let ceiling = high;
  for (const i of order.toReversed()) {
    placed[i] = Math.min(placed[i]!, ceiling);
    ceiling = placed[i]! - gap;
  }
  return placed;
}
