// Attainable operations per second over operations per byte of weights: the roofs are the measured peaks, the slope the measured
// read bandwidth; a dot is a product.
import { colours, escapeHtml } from "./picture.js";
import type { Result } from "./result.js";
import { number } from "./table.js";

const [width, height, left, right, top, bottom] = [1060, 400, 70, 20, 20, 48];
const bytesPerWeight = { nf4: 4.127 / 8, f32: 4 };

export function roofline(results: readonly Result[]): string {
  const best = (name: string) =>
    Math.max(0, ...results.filter(({ ceiling }) => ceiling?.name === name).map(({ ceiling }) => ceiling!.value));
  const [fma, int8] = [best("fma"), best("int8")];
  const bandwidth = best("read") || best("copy");
  const products = results.flatMap((result) => {
    const m = Number(/^m (\d+),/.exec(result.shape)?.[1] ?? 0);
    const kind = /^(nf4|f32) (matmul|gemv)/.exec(result.name)?.[1] as keyof typeof bytesPerWeight | undefined;
    return m && kind && result.unit === "GFLOP/s" ? [{ result, intensity: (2 * m) / bytesPerWeight[kind] }] : [];
  });
  if (!fma || !bandwidth || products.length === 0) return "";
  const peak = Math.max(fma, int8);
  const values = products.map(({ result }) => result.value);
  const intensities = products.map(({ intensity }) => intensity);
  const [lowX, highX] = [Math.min(...intensities) / 2, Math.max(...intensities) * 2];
  const [lowY, highY] = [Math.min(...values, bandwidth * lowX) / 2, peak * 1.6];
  const place = (value: number, low: number, high: number) => Math.log(value / low) / Math.log(high / low);
  const x = (value: number) => left + place(value, lowX, highX) * (width - left - right);
  const y = (value: number) => height - bottom - place(value, lowY, highY) * (height - top - bottom);
  const grid = [
    ...decades(lowX, highX).map(
      (value) =>
        `<path class="grid" d="M${x(value)} ${top}V${height - bottom}"/><text x="${x(value)}" y="${height - bottom + 18}" text-anchor="middle">${value}</text>`,
    ),
    ...decades(lowY, highY).map(
      (value) =>
        `<path class="grid" d="M${left} ${y(value)}H${width - right}"/><text x="${left - 6}" y="${y(value) + 4}" text-anchor="end">${value}</text>`,
    ),
  ];
  const roof = (limit: number, name: string) =>
    limit
      ? `<path class="roof" d="M${x(lowX)} ${y(bandwidth * lowX)}L${x(limit / bandwidth)} ${y(limit)}H${width - right}"/><text x="${width - right - 4}" y="${y(limit) - 6}" text-anchor="end">${name} ${number(limit)}</text>`
      : "";
  const names = [...new Set(products.map(({ result }) => result.name.replace("gemv", "matmul")))];
  const colour = (name: string) => colours[names.indexOf(name.replace("gemv", "matmul")) % colours.length]!;
  const dots = products.map(
    ({ result, intensity }) =>
      `<circle cx="${x(intensity).toFixed(1)}" cy="${y(result.value).toFixed(1)}" r="5" fill="${colour(result.name)}"><title>${escapeHtml(`${result.name}, ${result.shape}: ${number(result.value)} ${result.unit}, ${result.percentOfCeiling?.toFixed(0)} % of ${result.ceiling?.name}`)}</title></circle>`,
  );
  return `<h2>Roofline of the products</h2>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="roofline">${grid.join("")}${roof(fma, "FMA peak, GFLOP/s:")}${roof(int8, "int8 peak, GOP/s:")}
<text x="${x(lowX * 1.3)}" y="${y(bandwidth * lowX) + 16}">read ${number(bandwidth)} GB/s</text>
${dots.join("")}<text x="${(width + left) / 2}" y="${height - 6}" text-anchor="middle">operations per byte of weights</text><text x="14" y="${height / 2}" text-anchor="middle" transform="rotate(-90 14 ${height / 2})">GFLOP/s</text></svg>
<p>${names.map((name) => `<i class="key" style="background:${colour(name)}"></i>${escapeHtml(name)}`).join(" &nbsp; ")}</p>`;
}

function decades(low: number, high: number): number[] {
  const powers = [];
  for (let power = Math.ceil(Math.log10(low)); power <= Math.log10(high); power++) powers.push(10 ** power);
  return powers;
}
