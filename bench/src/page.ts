// The results as a page that opens without a network: a roofline of the products, flame graphs of profiles, a bar for every case.
import { flame } from "./flame.js";
import { escapeHtml } from "./picture.js";
import type { Result } from "./result.js";
import { roofline } from "./roofline.js";
import { limit, number, peersText } from "./table.js";

export function page(results: readonly Result[], machine: string): string {
  const [first] = results;
  const profiles = results.flatMap(({ name, shape, profile }) =>
    profile ? [`<h2>${escapeHtml(name)}</h2><p>${escapeHtml(shape)}</p>${flame(profile)}`] : [],
  );
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>qlora bench</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;color-scheme:light dark}
h2{margin-top:2.5rem}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.25rem .6rem .25rem 0;border-bottom:1px solid #8884;font-weight:400;vertical-align:top}
.n{text-align:right;white-space:nowrap}.bar{min-width:15rem}.bar i{display:block;height:.5rem;background:#7fb2e5;border-radius:2px}.bar span{display:block;background:#8883;border-radius:2px}
svg{width:100%;height:auto}svg text{font:12px system-ui;fill:currentColor}.flame text{fill:#111;font-size:11px}.roof{fill:none;stroke:#d9622b;stroke-width:2}.grid{stroke:#8883}
.key{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.4em}
</style>
<h1>qlora bench</h1>
<p>${escapeHtml(machine)}; ${escapeHtml(first?.device ?? "")}, ${first?.threads ?? 0} threads; ${escapeHtml(first?.commit ?? "")}, ${escapeHtml(first?.date.slice(0, 10) ?? "")}.
Every figure is a median over rounds in which the case, its ceiling and its peers took turns; ± is half the distance of the quartiles.
A factor beside a peer is how many times as fast this is.</p>
${roofline(results)}
${profiles.join("\n")}
<h2>Cases</h2>
<table><tr><td>case</td><td>shape</td><td class="n">median</td><td class="n">±</td><td>share of what limits it</td><td>beside</td></tr>
${results.map(bar).join("\n")}</table>
</html>
`;
}

function bar(result: Result): string {
  const share = result.percentOfCeiling;
  const { verdict } = result;
  const shown = verdict && `${verdict.holds ? "holds" : "fails"}: ${verdict.claim}`;
  const meter =
    share === null
      ? ""
      : `<span><i style="width:${Math.min(100, share).toFixed(1)}%"></i></span>${escapeHtml(limit(result))}`;
  return `<tr><th>${escapeHtml(result.name)}</th><td>${escapeHtml(result.shape)}</td><td class="n">${number(result.value)} ${escapeHtml(result.unit)}</td><td class="n">${(100 * result.spread).toFixed(0)} %</td><td class="bar">${meter}${escapeHtml(shown ?? "")}</td><td>${escapeHtml(peersText(result))}</td></tr>`;
}
