// The report's sections on a model's own scores: multiple choice, perplexity; and the list of claims.
import type { ChoiceResult } from "../choice/evaluate.js";
import type { PerplexityResult } from "../perplexity.js";
import type { Claim } from "../ratings/claims.js";
import { fixed, percent, signed } from "../table.js";
import { dotPlot } from "./dot-plot.js";
import { htmlTable } from "./html-table.js";
import { escapeText } from "./svg.js";

/** Multiple choice: one line per model, then the subjects of each. */
export function choiceSection(choices: readonly { name: string; result: ChoiceResult }[]): string {
  const rows = choices.map(({ name, result: r }) => [
    name,
    `${r.shots}-shot, ${r.method === "letter" ? "letter" : `likelihood/${r.normalise}`}`,
    `${percent(r.accuracy.value)} (${percent(r.accuracy.low)} – ${percent(r.accuracy.high)})`,
    `${percent(r.macro.value)} (${percent(r.macro.low)} – ${percent(r.macro.high)})`,
    `${r.accuracy.successes}/${r.accuracy.total}`,
    fixed(r.loss, 4),
  ]);
  const plots = choices.map(({ name, result }) => {
    const plot = dotPlot(
      result.subjects.map((s) => ({
        label: s.subject.replaceAll("_", " ") || "–",
        value: 100 * s.value,
        low: 100 * s.low,
        high: 100 * s.high,
        title: `${s.subject}: ${s.successes} of ${s.total}`,
      })),
      { label: `Accuracy of ${name} by subject`, axis: "accuracy %, Wilson 95 %", ...guessing(result) },
    );
    return `<h3>${escapeText(name)}, by subject</h3>\n${plot}`;
  });
  return `<h2>Multiple choice</h2>
${htmlTable(["model", "how", "all questions %", "mean of subjects %", "right", "loss"], rows, [2, 3, 4, 5])}
${plots.join("\n")}`;
}

/** A rule at the accuracy of guessing, where all questions have the same number of choices. */
function guessing({ predictions }: ChoiceResult): { rule?: number } {
  const counts = new Set(predictions.map((p) => p.scores.length));
  return counts.size === 1 ? { rule: 100 / [...counts][0]! } : {};
}

/** Perplexity: one line per text and model. */
export function perplexitySection(list: readonly { name: string; result: PerplexityResult }[]): string {
  const rows = list.map(({ name, result: r }) => [
    name,
    fixed(r.perplexity, 4),
    fixed(r.nll, 5),
    fixed(r.bitsPerByte, 4),
    `${r.tokens}`,
    `${r.window} / ${r.stride}`,
  ]);
  return `<h2>Perplexity</h2>
${htmlTable(["model and text", "perplexity", "nll per token", "bits per byte", "tokens", "window / stride"], rows, [1, 2, 3, 4, 5])}`;
}

/** Printed against measured. */
export function claimsSection(claims: readonly Claim[]): string {
  const held = claims.filter((c) => c.holds).length;
  const rows = claims.map((c) => [
    c.claim,
    fixed(c.paper, c.tolerance < 1 ? 1 : 0),
    fixed(c.ours, 2),
    signed(c.difference, 2),
    { text: c.holds ? "reproduced" : "not reproduced", cls: c.holds ? "yes" : "no" },
    { text: c.note ?? "", cls: "wrap" },
  ]);
  return `<h2>Claims</h2>
<p>${held} of ${claims.length} printed numbers reproduced.</p>
${htmlTable(["claim", "paper", "ours", "difference", "verdict", "note"], rows, [1, 2, 3])}`;
}
