// The loss curve as a picture: loss.svg for documents, report.html for a browser without a network.

export interface CurvePoint {
  step: number;
  loss: number;
}

export interface Curves {
  title: string;
  /** Loss of each step on its own batch. */
  training: readonly CurvePoint[];
  /** Loss on held-out data. */
  heldOut: readonly CurvePoint[];
}

const width = 720;
const height = 400;
/** Losses beyond this are left out of the picture, as those that are not finite. */
const most = 1e30;
const visible = ({ loss }: CurvePoint) => Math.abs(loss) < most;
const margin = { left: 64, right: 24, top: 44, bottom: 48 };

/** An SVG document of the curves; colours follow the reader's light or dark theme. */
export function lossSvg({ title, training, heldOut }: Curves): string {
  const points = [...training, ...heldOut].filter(visible);
  const lastStep = points.reduce((last, { step }) => Math.max(last, step), 1);
  const [low, high] = range(points.map(({ loss }) => loss));
  const x = (step: number) => margin.left + (step / lastStep) * (width - margin.left - margin.right);
  const y = (loss: number) => margin.top + (1 - (loss - low) / (high - low)) * (height - margin.top - margin.bottom);
  const path = (curve: readonly CurvePoint[]) =>
    curve
      .filter(visible)
      .filter((_, i, { length }) => i % Math.ceil(length / 2000) === 0) // more would not be seen
      .map(({ step, loss }, i) => `${i ? "L" : "M"}${x(step).toFixed(1)} ${y(loss).toFixed(1)}`)
      .join("");
  const grid = ticks(low, high).map(
    (value) =>
      `<path class="grid" d="M${margin.left} ${y(value).toFixed(1)}H${width - margin.right}"/>` +
      `<text x="${margin.left - 8}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end">${value.toPrecision(3)}</text>`,
  );
  const steps = ticks(0, lastStep).filter(Number.isInteger);
  const axis = steps.map(
    (step) => `<text x="${x(step).toFixed(1)}" y="${height - margin.bottom + 20}" text-anchor="middle">${step}</text>`,
  );
  const dots = heldOut
    .filter(visible)
    .map(
      ({ step, loss }) =>
        `<circle cx="${x(step).toFixed(1)}" cy="${y(loss).toFixed(1)}" r="4"><title>step ${step}: held-out loss ${loss.toFixed(4)}</title></circle>`,
    );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(title)}">
<style>
svg{font:13px system-ui,sans-serif;background:#fff}text{fill:#555}.title{fill:#111;font-weight:600;font-size:15px}
.grid{stroke:#ddd;fill:none}.training{stroke:#9db7d9;fill:none;stroke-width:1}.smooth{stroke:#2563b0;fill:none;stroke-width:2}
.held{stroke:#d9622b;fill:none;stroke-width:2}circle{fill:#d9622b}
@media(prefers-color-scheme:dark){svg{background:#161616}text{fill:#aaa}.title{fill:#eee}.grid{stroke:#333}.training{stroke:#3b5578}.smooth{stroke:#79aef2}.held{stroke:#f08a55}circle{fill:#f08a55}}
</style>
<text class="title" x="${margin.left}" y="24">${escapeXml(title)}</text>
<text x="${width - margin.right}" y="24" text-anchor="end"><tspan fill="#2563b0">— training</tspan>  <tspan fill="#d9622b">● held out</tspan></text>
${grid.join("\n")}
${axis.join("\n")}
<text x="${(margin.left + width - margin.right) / 2}" y="${height - 8}" text-anchor="middle">step</text>
<text x="16" y="${(margin.top + height - margin.bottom) / 2}" text-anchor="middle" transform="rotate(-90 16 ${(margin.top + height - margin.bottom) / 2})">loss (nats per target token)</text>
<path class="training" d="${path(training)}"/>
<path class="smooth" d="${path(smooth(training))}"/>
<path class="held" d="${path(heldOut)}"/>
${dots.join("\n")}
</svg>
`;
}

/** A page that opens without a network: the picture, then tables of facts. */
export function reportHtml(
  curves: Curves,
  tables: { heading: string; rows: readonly (readonly [string, string])[] }[],
): string {
  const sections = tables.map(
    ({ heading, rows }) =>
      `<h2>${escapeXml(heading)}</h2>\n<table>\n${rows.map(([key, value]) => `<tr><th>${escapeXml(key)}</th><td>${escapeXml(value)}</td></tr>`).join("\n")}\n</table>`,
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeXml(curves.title)}</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;max-width:760px;margin:2rem auto;padding:0 1rem;color-scheme:light dark}
svg{width:100%;height:auto;border-radius:6px}table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #8884}th{font-weight:500;width:14rem}
td{white-space:pre-wrap;overflow-wrap:anywhere}
</style>
<h1>${escapeXml(curves.title)}</h1>
${lossSvg(curves)}
${sections.join("\n")}
</html>
`;
}

/** Exponential mean over about a twenty-fifth of the curve, ten steps at most. */
function smooth(curve: readonly CurvePoint[]): CurvePoint[] {
  const decay = 1 - 1 / Math.max(1, Math.min(10, curve.length / 25));
  let mean = Number.NaN;
  return curve.map(({ step, loss }) => {
    if (Number.isFinite(loss)) mean = Number.isNaN(mean) ? loss : decay * mean + (1 - decay) * loss;
    return { step, loss: mean };
  });
}

/** A little more than the values span, and never so little that numbers on the axis would be the same. */
function range(values: number[]): [number, number] {
  if (values.length === 0) return [0, 1];
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  const least = 1e-6 * Math.max(1, Math.abs(low), Math.abs(high));
  if (high - low < least) return [low - least, high + least];
  const space = (high - low) * 0.05;
  return [low >= 0 ? Math.max(0, low - space) : low - space, high + space];
}

/** Four to eight round numbers between low and high. */
function ticks(low: number, high: number): number[] {
  const rough = (high - low) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => power * factor >= rough) ?? 10);
  const first = Math.ceil(low / step);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: Math.min(count, 10) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

function escapeXml(text: string): string {
  return text
    .replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "�");
}
