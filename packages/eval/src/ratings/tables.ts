// The Elo and relative reports as text for people.
import { fixed, formatTable, percent, signed } from "../table.js";
import type { EloReport } from "./elo-report.js";
import type { RelativeReport } from "./relative-report.js";

/** The report of `eloFromRatings` as text. */
export function formatEloTable(report: EloReport): string {
  const rows = report.systems.map((s) => [
    s.system,
    fixed(s.elo, 1),
    `±${fixed(s.monteCarlo95, 1)}`,
    fixed(s.paper?.table1, 0),
    signed(s.difference, 1),
    fixed(s.eloAllGames, 1),
    fixed(s.bradleyTerry, 1),
    s.low === null ? "–" : `${fixed(s.low, 0)} to ${fixed(s.high, 0)}`,
    percent(s.points),
  ]);
  const head = [
    "system",
    "Elo",
    "MC 95 %",
    "paper",
    "diff",
    "Elo, all games",
    "Bradley–Terry",
    "95 % (questions)",
    "points %",
  ];
  const bias = report.orderBias;
  const lines = [
    formatTable(head, rows),
    "",
    `${report.games} games (${report.ties} ties, ${report.unparseable} unreadable left out), ${report.orderings} orderings of ${report.sample} games, seed ${report.seed}.`,
    "MC 95 % is the noise of the simulated mean (the paper's ±1); the Bradley–Terry interval resamples questions.",
  ];
  const { sampling } = report;
  if (sampling) {
    const { within, best } = sampling;
    lines.push(
      `Paper: ${within ? `every system within ${within.tolerance} points at ${within.from} to ${within.to} games per ordering` : "no sample size fits every system"} (best ${best.sample}: ${fixed(best.worst, 1)}); all games: off by up to ${fixed(sampling.allGames, 1)}.`,
    );
  }
  lines.push(
    "",
    `First answer wins ${percent(bias.firstWins.value)} %, second ${percent(bias.secondWins.value)} %, ties ${percent(bias.ties.value)} %; being first is worth ${fixed(report.firstAdvantage, 0)} Elo.`,
  );
  if (bias.swapped) {
    const { pairs, consistent, firstBoth, secondBoth, kappa } = bias.swapped;
    lines.push(
      `Judged in both orders: ${pairs} pairs, same verdict ${percent(consistent.value)} %, first both times ${percent(firstBoth / pairs)} %, second both times ${percent(secondBoth / pairs)} %, Fleiss κ ${fixed(kappa, 2)}.`,
    );
  }
  if (report.human) {
    const h = report.human;
    lines.push(
      `Against the human Elo of Table 7: Kendall τ ${fixed(h.tau, 2)}, Spearman ρ ${fixed(h.rho, 2)} (without GPT-4: ${fixed(h.tauWithoutGpt4, 2)}, ${fixed(h.rhoWithoutGpt4, 2)}).`,
    );
  }
  return `${lines.join("\n")}\n`;
}

/** The report of `relativeFromRatings` as text. */
export function formatRelativeTable(report: RelativeReport): string {
  const rows = report.systems.map((s) => [
    s.system,
    fixed(s.referenceFirst, 1),
    fixed(s.systemFirst, 1),
    fixed(s.mean, 1),
    `${fixed(s.low, 1)} to ${fixed(s.high, 1)}`,
    s.paper ? `${fixed(s.paper.referenceFirst, 1)}/${fixed(s.paper.systemFirst, 1)}/${fixed(s.paper.mean, 1)}` : "–",
    s.reproduced === null ? "" : s.note ? (s.reproduced ? "yes*" : "no*") : s.reproduced ? "yes" : "no",
  ]);
  const head = ["system", `${report.reference} first`, "system first", "mean", "95 % (questions)", "paper", "to 0.1"];
  const notes = report.systems.flatMap((s) => (s.note ? [`* ${s.system}: ${s.note}.`] : []));
  const lines = [
    formatTable(head, rows),
    "",
    `Percent of ${report.reference}'s score. ${report.judgments} judgments in ${report.files} files, ${report.unparseable} unreadable; ${report.invertedFiles} files name the systems in the opposite order of the scores.`,
    ...notes,
  ];
  return `${lines.join("\n")}\n`;
}
