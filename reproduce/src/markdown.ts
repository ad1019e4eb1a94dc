// The report as Markdown: a row per claim, then what stands behind them.
import type { Claim, Detail } from "./experiment.js";
import type { Chapter, Facts } from "./report.js";

export function markdown(chapters: readonly Chapter[], facts: Facts): string {
  const parts = chapters.map(({ title, claims, details }) =>
    [`## ${title}`, claimTable(claims), ...details.map(section)].filter(Boolean).join("\n\n"),
  );
  return `${[`# ${facts.title}`, facts.text, facts.measured, summary(facts), ...parts].join("\n\n")}\n`;
}

function summary({ counts }: Facts): string {
  return Object.entries(counts)
    .map(([verdict, count]) => `**${count}** ${verdict}`)
    .join(", ");
}

function claimTable(claims: readonly Claim[]): string {
  const rows = claims.map((c) => [c.claim, c.paper, c.ours, c.how, verdictText(c)]);
  return table(["claim", "paper", "ours", "how measured", "verdict"], rows);
}

/** "does not reproduce: what was seen". */
export function verdictText({ verdict, note }: Claim): string {
  return note ? `${verdict}: ${note}` : verdict;
}

function section({ heading, text, table: data }: Detail): string {
  if (!text && !data) return "";
  return [`### ${heading}`, text, data && table(data.head, data.rows)].filter(Boolean).join("\n\n");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
