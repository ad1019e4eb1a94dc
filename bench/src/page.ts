// The results as a page that opens without a network: a roofline of what is limited by arithmetic or memory, and bars.

import type { Result } from "./result.js";
import { number } from "./table.js";

const escapeHtml = (text: string) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

export function page(results: readonly Result[], machine: string): string {
  const bars = results.map((result) => {
    const share = Math.min(100, result.percentOfCeiling ?? 0);
    const peers = result.peers
      .filter(({ ratio }) => ratio !== null)
      .map(({ name, ratio }) => `${ratio!.toFixed(2)}× ${name}`)
      .join("; ");
    return `<tr><th>${escapeHtml(result.name)}</th><td>${escapeHtml(result.shape)}</td><td class="n">${number(result.value)} ${escapeHtml(result.unit)}</td>
<td class="bar"><i style="width:${share.toFixed(1)}%"></i><b>${result.percentOfCeiling?.toFixed(0) ?? "–"} % of ${escapeHtml(result.ceiling?.name ?? "–")}</b></td><td>${escapeHtml(peers)}</td></tr>`;
  });
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>qlora bench</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;color-scheme:light dark}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .6rem .25rem 0;border-bottom:1px solid #8884;font-weight:400}
.n{text-align:right;white-space:nowrap}.bar{position:relative;width:16rem;background:#8882;border-radius:3px}.bar i{position:absolute;inset:2px auto 2px 0;background:#5b9bd5;border-radius:3px}
.bar b{position:relative;font-weight:500;padding-left:.4rem}svg{width:100%;height:auto}svg text{font:12px system-ui;fill:currentColor}.roof{fill:none;stroke:#d9622b;stroke-width:2}.grid{stroke:#8883}circle{fill:#5b9bd5}
</style>
<h1>qlora bench</h1>
<p>${escapeHtml(machine)}; ${escapeHtml(results[0]?.device ?? "")}, ${results[0]?.threads ?? 0} threads; ${escapeHtml(results[0]?.commit ?? "")}, ${escapeHtml(results[0]?.date.slice(0, 10) ?? "")}.
Every figure is a median over rounds in which the case, its ceiling and its peers took turns.</p>
${roofline(results)}
<table>${bars.join("\n")}</table>
</html>
`;
}

/** Attainable GFLOP/s over operations per byte: the roof is the measured peak and the measured read bandwidth. */
function roofline(results: readonly Result[]): string {
  const best = (name: string) =>
    Math.max(0, ...results.filter(({ ceiling }) => ceiling?.name === name).map(({ ceiling }) => ceiling!.value));
  const [peak, bandwidth] = [best("fma"), Math.max(best("read"), best("copy"))];
  if (!peak || !bandwidth) return "";
  const [width, height, left, bottom] = [900, 340, 60, 40];
  const [lowX, highX, lowY, highY] = [0.1, 10000, peak / 1000, peak * 2];
  const x = (value: number) =>
    left + ((Math.log10(value) - Math.log10(lowX)) / (Math.log10(highX) - Math.log10(lowX))) * (width - left - 20);
  const y = (value: number) =>
    height -
    bottom -
    ((Math.log10(value) - Math.log10(lowY)) / (Math.log10(highY) - Math.log10(lowY))) * (height - bottom - 20);
  const decades = [0.1, 1, 10, 100, 1000, 10000].map(
    (value) =>
      `<path class="grid" d="M${x(value)} 20V${height - bottom}"/><text x="${x(value)}" y="${height - bottom + 18}" text-anchor="middle">${value}</text>`,
  );
  const knee = peak / bandwidth;
  const dots = results.flatMap((result) => {
    if (result.ceiling?.name !== "fma" || result.unit !== "GFLOP/s") return [];
    const m = Number(/^m (\d+)/.exec(result.shape)?.[1] ?? 0);
    if (!m) return [];
    const intensity = (2 * m) / 0.516; // operations per weight over bytes per weight in 4 bits with double-quantised scales
    return [
      `<circle cx="${x(intensity).toFixed(1)}" cy="${y(result.value).toFixed(1)}" r="4"><title>${escapeHtml(`${result.name} ${result.shape}: ${number(result.value)} GFLOP/s`)}</title></circle>`,
    ];
  });
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="roofline">
${decades.join("")}<path class="roof" d="M${x(lowX)} ${y(Math.max(lowY, bandwidth * lowX))}L${x(knee)} ${y(peak)}H${width - 20}"/>
<text x="${width - 24}" y="${y(peak) - 8}" text-anchor="end">${number(peak)} GFLOP/s</text><text x="${x(0.12)}" y="${y(Math.max(lowY, bandwidth * 0.12)) - 10}">${number(bandwidth)} GB/s</text>
${dots.join("")}<text x="${width / 2}" y="${height - 4}" text-anchor="middle">operations per byte of weights</text></svg>`;
}
