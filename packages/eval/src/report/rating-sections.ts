// The report's sections on judged comparison: relative scores, Elo, order bias.
import type { EloReport } from "../ratings/elo-report.js";
import type { OrderBias } from "../ratings/order-bias.js";
import type { RelativeReport } from "../ratings/relative-report.js";
import { fixed, percent, signed } from "../table.js";
import { stackedBar } from "./bar-plot.js";
import { dotPlot } from "./dot-plot.js";
import { htmlTable, key } from "./html-table.js";
import { linePlot } from "./line-plot.js";
import { matrixPlot } from "./matrix-plot.js";
import { escapeText } from "./svg.js";

/** Table 6: relative scores in both orders. */
export function relativeSection(report: RelativeReport): string {
  const { reference } = report;
  const plot = dotPlot(
    report.systems.map((s) => ({
      label: s.system,
      value: s.mean,
      low: s.low,
      high: s.high,
      span: s.referenceFirst === null || s.systemFirst === null ? null : [s.referenceFirst, s.systemFirst],
      printed: s.paper?.mean ?? null,
      title: `${s.system}: ${reference} first ${fixed(s.referenceFirst, 1)}, system first ${fixed(s.systemFirst, 1)}, mean ${fixed(s.mean, 1)} (${fixed(s.low, 1)} to ${fixed(s.high, 1)})`,
    })),
    { label: `Score as a percentage of ${reference}`, axis: `% of ${reference}'s score`, rule: 100 },
  );
  const rows = report.systems.map((s) => [
    s.system,
    fixed(s.referenceFirst, 1),
    fixed(s.systemFirst, 1),
    fixed(s.mean, 1),
    `${fixed(s.low, 1)} – ${fixed(s.high, 1)}`,
    s.paper
      ? `${fixed(s.paper.referenceFirst, 1)} / ${fixed(s.paper.systemFirst, 1)} / ${fixed(s.paper.mean, 1)} ± ${fixed(s.paper.interval, 1)}`
      : "",
    s.reproduced === null ? "" : { text: s.reproduced ? "to 0.1" : "no", cls: s.reproduced ? "yes" : "no" },
  ]);
  const notes = report.systems
    .filter((s) => s.note)
    .map((s) => `<li>${escapeText(s.system)}: ${escapeText(s.note!)}.</li>`);
  return `<h2>Relative scores</h2>
<p>Both answers judged from 1 to 10; ratio of the sums. ${report.judgments} judgments in ${report.files} files, ${report.unparseable} unreadable. ${report.invertedFiles} files name the two systems in the opposite order of their scores; whose score is whose was read from the answer ids.</p>
${key([
  ["dot", "mean of both orders"],
  ["interval", "95 %, questions resampled"],
  ["span", "the two orders"],
  ["printed", "printed in the paper"],
])}
${plot}
${htmlTable(["system", `${reference} first`, "system first", "mean", "95 %", "paper", "reproduced"], rows, [1, 2, 3, 4])}
${notes.length > 0 ? `<ul>${notes.join("")}</ul>` : ""}`;
}

/** Tables 1 and 7: Elo, its dependence on the sample, Bradley–Terry, order bias. */
export function eloSection(report: EloReport): string {
  const { sampling, curve } = report;
  const ratings = dotPlot(
    report.systems.map((s) => ({
      label: s.system,
      value: s.elo,
      low: s.low,
      high: s.high,
      span: [s.bradleyTerry, s.eloAllGames] as const,
      printed: s.paper?.table1 ?? null,
      title: `${s.system}: Elo ${fixed(s.elo, 1)} ± ${fixed(s.monteCarlo95, 1)}, all games ${fixed(s.eloAllGames, 1)}, Bradley–Terry ${fixed(s.bradleyTerry, 1)}`,
    })),
    { label: "Elo ratings", axis: "rating", rule: 1000, digits: 0 },
  );
  const rows = report.systems.map((s) => [
    s.system,
    fixed(s.elo, 1),
    `±${fixed(s.monteCarlo95, 1)}`,
    fixed(s.paper?.table1, 0),
    signed(s.difference, 1),
    fixed(s.eloAllGames, 1),
    fixed(s.bradleyTerry, 1),
    s.low === null ? "–" : `${fixed(s.low, 0)} – ${fixed(s.high, 0)}`,
    percent(s.points),
  ]);
  const lines = linePlot(
    curve.samples,
    report.systems.map((s) => ({
      name: s.system,
      values: curve.elo[curve.systems.indexOf(s.system)]!,
      printed: s.paper?.table1 ?? null,
    })),
    {
      label: "Mean Elo by games per ordering",
      xAxis: "games played per ordering (logarithmic)",
      yAxis: "mean Elo",
      band: sampling?.within
        ? {
            ...sampling.within,
            title: `every system within ${sampling.within.tolerance} points: ${sampling.within.from} to ${sampling.within.to} games`,
          }
        : null,
      printedAt: sampling?.best.sample ?? report.sample,
    },
  );
  const discussion = sampling
    ? `<p>The paper states 10,000 random orderings but not how many games each holds, and no Elo code was released. Elo climbs from 1000 towards an equilibrium, so the number matters: replaying all ${report.games} games misses the printed values by up to ${fixed(sampling.allGames, 1)} points, while ${sampling.within ? `orderings of ${sampling.within.from} to ${sampling.within.to} games (shaded) come within ${sampling.within.tolerance} points for every system` : "no sample size fits every system"}. The sample of ${report.sample} used above is inferred from that, not stated. Bradley–Terry needs no such choice.</p>`
    : "";
  return `<h2>Elo</h2>
<p>${report.games} games (${report.ties} ties; ${report.unparseable} unreadable verdicts left out), K = 32, start 1000, a tie is half a win; mean of ${report.orderings} random orderings of ${report.sample} games.</p>
${key([
  ["dot", `Elo, ${report.sample} games per ordering`],
  ["interval", "95 % of Bradley–Terry, questions resampled"],
  ["span", "Bradley–Terry and Elo on all games"],
  ["printed", "printed in the paper"],
])}
${ratings}
${htmlTable(["system", "Elo", "simulation 95 %", "paper", "difference", "all games", "Bradley–Terry", "95 %", "points %"], rows, [1, 2, 3, 4, 5, 6, 7, 8])}
<p class="soft">The simulation interval is the noise of the mean over orderings, which is what the ±1 of the paper is. How well the questions asked fix the ratings is another matter: see the intervals of the plot.</p>
<h3>How many games per ordering?</h3>
${discussion}
${lines}
<h3>Points, row against column (%)</h3>
<div class="scroll">${matrixPlot(
    report.systems.map((s) => s.system),
    report.matrix,
    "Points row takes off column",
  )}</div>
${orderSection(report.orderBias, report.firstAdvantage)}`;
}

function orderSection(bias: OrderBias, firstAdvantage: number): string {
  const { swapped } = bias;
  const bar = stackedBar(
    [
      { name: "first", value: bias.firstWins.value, cls: "first" },
      { name: "tie", value: bias.ties.value, cls: "tie" },
      { name: "second", value: bias.secondWins.value, cls: "second" },
    ],
    "Verdicts by position",
  );
  const rows = bias.systems.map((s) => [
    s.system,
    percent(s.first),
    percent(s.second),
    signed(s.advantage === null ? null : 100 * s.advantage, 1),
  ]);
  return `<h3>Order bias</h3>
<p>The answer shown first wins ${percent(bias.firstWins.value)} % (${percent(bias.firstWins.low)} to ${percent(bias.firstWins.high)}), the second ${percent(bias.secondWins.value)} %. In a Bradley–Terry model with an order effect, being first is worth ${fixed(firstAdvantage, 0)} Elo points.${
    swapped
      ? ` Of ${swapped.pairs} pairs judged in both orders, ${percent(swapped.consistent.value)} % got the same verdict twice; in ${percent(swapped.firstBoth / swapped.pairs)} % the first answer won both times, in ${percent(swapped.secondBoth / swapped.pairs)} % the second (Fleiss κ between the two orders ${fixed(swapped.kappa, 2)}).`
      : ""
  }</p>
${bar}
${htmlTable(["system", "points shown first %", "points shown second %", "advantage"], rows, [1, 2, 3])}`;
}
