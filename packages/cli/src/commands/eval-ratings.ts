// qlora eval elo and eval relative: systems compared by a judge's ratings, as in the paper's Tables 1, 6 and 7.
import { eloFromRatings, formatEloTable, formatRelativeTable, relativeFromRatings } from "@qlora/eval";
import { z } from "zod";
import { command } from "../command.js";
import { checkHtml, htmlOption, writeHtml } from "../html.js";
import { result } from "../terminal.js";

const shared = {
  ratings: z.string().min(1).describe("folder of rating files"),
  seed: z.number().int().nonnegative().default(0).describe("seed of orderings and bootstrap"),
  html: htmlOption,
  json: z.boolean().default(false).describe("one JSON object on stdout"),
};

export const eloCommand = command({
  name: "eval elo",
  summary: "Elo from pairwise judgements, over seeded random orderings",
  schema: z.strictObject({
    ...shared,
    orderings: z.number().int().positive().default(10_000).describe("random orders of the games to average over"),
  }),
  examples: ["qlora eval elo --ratings vicuna/pairwise --json"],
  run({ ratings, seed, orderings, html, json }) {
    checkHtml(html);
    const report = eloFromRatings(ratings, { seed, orderings });
    writeHtml(html, { title: "Elo", subtitle: ratings, elo: report });
    result(json, report, formatEloTable(report));
  },
});

export const relativeCommand = command({
  name: "eval relative",
  summary: "scores relative to a reference system, both orders",
  schema: z.strictObject({
    ...shared,
    reference: z
      .string()
      .min(1)
      .optional()
      .describe("the system that is 100 %; default ChatGPT, or what all files share"),
  }),
  examples: ["qlora eval relative --ratings vicuna/relative-gpt-3.5 --json"],
  run({ ratings, seed, reference, html, json }) {
    checkHtml(html);
    const report = relativeFromRatings(ratings, { seed, ...(reference === undefined ? {} : { reference }) });
    writeHtml(html, { title: "Relative scores", subtitle: ratings, relative: report });
    result(json, report, formatRelativeTable(report));
  },
});
