// The report as a page with plots, which opens without a network.
import { type Cell, escapeText, htmlTable, renderPage } from "@qlora/eval";
import type { Claim, Detail } from "./experiment.js";
import { verdictText } from "./markdown.js";
import type { Chapter, Facts } from "./report.js";

export function page(chapters: readonly Chapter[], { title, text, measured, counts }: Facts): string {
  const summary = Object.entries(counts).map(([verdict, count]) => [verdict, `${count}`]);
  const sections = chapters.map(({ title, claims, details }) =>
    [`<h2>${escapeText(title)}</h2>`, claimTable(claims), ...details.map(section)].join("\n"),
  );
  const opening = `<p>${escapeText(text)}</p>\n${htmlTable(["verdict", "claims"], summary, [1])}`;
  return renderPage({ title, subtitle: measured }, [opening, ...sections]);
}

function claimTable(claims: readonly Claim[]): string {
  const wrap = (text: string): Cell => ({ text, cls: "text" });
  const colour = { reproduces: "yes", "does not reproduce": "no", "not measurable here": "soft" };
  const rows = claims.map((claim) => {
    const verdict = { text: verdictText(claim), cls: `text ${colour[claim.verdict]}` };
    return [wrap(claim.claim), wrap(claim.paper), wrap(claim.ours), wrap(claim.how), verdict];
  });
  return htmlTable(["claim", "paper", "ours", "how measured", "verdict"], rows, []);
}

function section({ heading, text, table, plot, html }: Detail): string {
  if (html) return html;
  const numeric = table?.head.map((_, column) => column).slice(1) ?? [];
  return [
    `<h3>${escapeText(heading)}</h3>`,
    text ? `<p>${escapeText(text)}</p>` : "",
    plot ?? "",
    table ? htmlTable(table.head, table.rows, numeric) : "",
  ].join("\n");
}
