// The HTML report: one self-contained page with tables and inline SVG, no scripts, nothing fetched.
import type { ChoiceResult } from "../choice/evaluate.js";
import type { PerplexityResult } from "../perplexity.js";
import type { Claim } from "../ratings/claims.js";
import type { EloReport } from "../ratings/elo-report.js";
import type { RelativeReport } from "../ratings/relative-report.js";
import { choiceSection, claimsSection, perplexitySection } from "./model-sections.js";
import { eloSection, relativeSection } from "./rating-sections.js";
import { STYLE } from "./style.js";
import { escapeText } from "./svg.js";

/** What a report may hold; sections without results are left out. */
export interface ReportResults {
  title?: string;
  /** A line under the title, e.g. command and date. */
  subtitle?: string;
  claims?: readonly Claim[];
  relative?: RelativeReport;
  elo?: EloReport;
  choices?: readonly { name: string; result: ChoiceResult }[];
  perplexity?: readonly { name: string; result: PerplexityResult }[];
}

/** The page as a string; all names in the results are escaped. */
export function renderReport(results: ReportResults): string {
  const { title = "Evaluation", subtitle, claims, relative, elo, choices, perplexity } = results;
  const sections = [
    relative ? relativeSection(relative) : "",
    elo ? eloSection(elo) : "",
    choices?.length ? choiceSection(choices) : "",
    perplexity?.length ? perplexitySection(perplexity) : "",
    claims?.length ? claimsSection(claims) : "",
  ];
  return renderPage(
    { title, ...(subtitle === undefined ? {} : { subtitle }) },
    sections.filter((s) => s !== ""),
  );
}

/** A page of finished sections (markup, escaped by whoever made them) under a title, in the look of the report. */
export function renderPage(
  { title, subtitle }: { title: string; subtitle?: string },
  sections: readonly string[],
): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeText(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeText(title)}</h1>
${subtitle === undefined ? "" : `<p class="soft">${escapeText(subtitle)}</p>`}
${sections.join("\n")}
</main>
</body>
</html>
`;
}
