// Inline SVG by hand: escaping, elements, a linear scale, round tick values.

/** Text made safe for HTML and attributes. */
export function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

type Attributes = Record<string, string | number | undefined>;

/** One element; numbers are written with two decimals. `children` is markup, not text. */
export function element(name: string, attributes: Attributes, children = ""): string {
  const list = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === "number" ? Number(value.toFixed(2)) : escapeText(value!)}"`)
    .join("");
  return children === "" ? `<${name}${list}/>` : `<${name}${list}>${children}</${name}>`;
}

export function line(x1: number, y1: number, x2: number, y2: number, cls: string): string {
  return element("line", { x1, y1, x2, y2, class: cls });
}

export function text(x: number, y: number, content: string, attributes: Attributes = {}): string {
  return element("text", { x, y, ...attributes }, escapeText(content));
}

/** A mark with a tooltip. */
export function withTitle(markup: string, title: string): string {
  return `<g><title>${escapeText(title)}</title>${markup}</g>`;
}

/** A whole figure. `label` is read out in place of the picture. */
export function figure(width: number, height: number, label: string, children: string): string {
  return element(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label },
    children,
  );
}

/** Maps [from, to] to [start, end]. */
export function linear(from: number, to: number, start: number, end: number): (value: number) => number {
  const slope = to === from ? 0 : (end - start) / (to - from);
  return (value) => start + (value - from) * slope;
}

/** About `count` round values within [low, high]. */
export function ticks(low: number, high: number, count = 6): number[] {
  const raw = (high - low) / count;
  if (!(raw > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw)!;
  const values: number[] = [];
  for (let i = Math.ceil(low / step); i * step <= high + step * 1e-9; i++)
    values.push(Number((i * step).toPrecision(12)));
  return values;
}
