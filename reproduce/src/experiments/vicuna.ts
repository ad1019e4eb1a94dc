// The Vicuna benchmark (Tables 1, 6 and 7) from the released GPT-4 ratings: percentages of ChatGPT's score, and Elo.
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  type EloReport,
  eloFromRatings,
  eloSection,
  type RelativeReport,
  type RelativeReportRow,
  relativeFromRatings,
  relativeSection,
} from "@qlora/eval";
import { packageCode } from "../code.js";
import { type Claim, type Experiment, verdictOf } from "../experiment.js";
import { vicunaRatings, vicunaRelease } from "../paths.js";
import { keyOf } from "../results.js";

/** Points of Elo within which a rating counts as the printed one. */
const tolerance = 3;

export const vicuna: Experiment = {
  name: "vicuna",
  title: "The Vicuna benchmark",
  async run({ results, say }) {
    const released = existsSync(vicunaRelease);
    if (!released)
      say(
        `  the release is not in ${vicunaRelease} (QLORA_SHARED): its scores alone, as kept in @qlora/eval, are read`,
      );
    const path = (name: string) => (released ? join(vicunaRelease, name) : vicunaRatings);
    const options = { orderings: 10_000, resamples: 1000, seed: 0 };
    const relative = relativeFromRatings(path("relative-gpt-3.5"), { resamples: options.resamples });
    const key = keyOf("elo", { ...options, released }, [...packageCode("eval"), vicunaRatings]);
    const elo = await results.once(key, () => eloFromRatings(path("pairwise"), options));
    const claims = [...relative.systems.flatMap(relativeClaim), ...eloClaims(elo), ...sampling(elo), ...agreement(elo)];
    return { claims, details: details(relative, elo) };
  },
};

/** One row of Table 6: all its printed numbers at once. */
function relativeClaim(row: RelativeReportRow): Claim[] {
  const { system, paper, note } = row;
  if (!paper) return [];
  const [left, right] = row.columnsSwapped
    ? [row.systemFirst, row.referenceFirst]
    : [row.referenceFirst, row.systemFirst];
  return [
    {
      claim: `Table 6, ${system}, % of ChatGPT`,
      paper: numbers(paper.referenceFirst, paper.systemFirst, paper.mean, paper.interval),
      ours: numbers(left!, right!, row.mean, row.paperInterval),
      how: "ChatGPT first / system first / mean ± as printed, to 0.1, from the released scores",
      verdict: verdictOf(row.reproduced === true),
      ...(note ? { note } : {}),
      ...(system === "Open Assistant 33B" ? { expected: "does not reproduce" as const } : {}),
    },
  ];
}

const numbers = (a: number, b: number, mean: number, half: number) =>
  `${a.toFixed(1)} / ${b.toFixed(1)} / ${mean.toFixed(1)} ± ${half.toFixed(1)}`;

function eloClaims({ systems, orderings, sample }: EloReport): Claim[] {
  return systems.flatMap(({ system, paper, elo, monteCarlo95 }) => {
    if (!paper) return [];
    const both = paper.table1 === paper.table7 ? `${paper.table1}` : `${paper.table1} (Table 7: ${paper.table7})`;
    const holds = [paper.table1, paper.table7].every((printed) => Math.abs(elo - printed) <= tolerance);
    return [
      {
        claim: `Tables 1 and 7, Elo of ${system}`,
        paper: both,
        ours: `${elo.toFixed(1)} ± ${monteCarlo95.toFixed(1)}`,
        how: `mean of ${orderings} orderings of ${sample} games; within ${tolerance} points of each print`,
        verdict: verdictOf(holds),
      },
    ];
  });
}

/** The number of games per ordering is not in the paper; what it does to the ratings is a finding of its own. */
function sampling({ sampling: study, games, systems }: EloReport): Claim[] {
  if (!study) return [];
  const { within, allGames } = study;
  const best = systems[0]!;
  return [
    {
      claim: "Elo of 10,000 orderings, every game replayed",
      paper: `${best.system} ${best.paper?.table1}`,
      ours: `${best.system} ${best.eloAllGames.toFixed(1)}`,
      how: `all ${games} games in every ordering`,
      verdict: verdictOf(allGames <= tolerance),
      expected: "does not reproduce",
      note: `off by up to ${allGames.toFixed(1)} points; ${within ? `${within.from} to ${within.to} games per ordering come within ${tolerance} for every system` : "no number of games fits every system"}. The paper does not say how many it took: 500 is inferred from the numbers`,
    },
  ];
}

/** §5.4: agreement of GPT-4's ranking with the human one, as printed in Table 7. */
function agreement({ human }: EloReport): Claim[] {
  if (!human) return [];
  const { tau, tauWithoutGpt4, rho, rhoWithoutGpt4 } = human;
  const how = "ranks by our Elo against the human Elo printed in Table 7";
  return [
    {
      claim: "Kendall τ of GPT-4's and people's ranking",
      paper: "0.43 (§5.4)",
      ours: `${tauWithoutGpt4.toFixed(2)} without GPT-4, ${tau.toFixed(2)} with it`,
      how,
      verdict: verdictOf(tauWithoutGpt4.toFixed(2) === "0.43"),
      note: "it is that of the seven systems without GPT-4",
    },
    {
      claim: "Spearman ρ of the same",
      paper: "0.55 (§5.4)",
      ours: `${rhoWithoutGpt4.toFixed(2)} without GPT-4, ${rho.toFixed(2)} with it`,
      how,
      verdict: verdictOf([rho, rhoWithoutGpt4].some((value) => value.toFixed(2) === "0.55")),
      expected: "does not reproduce",
      note: "neither is printed",
    },
  ];
}

function details(relative: RelativeReport, elo: EloReport) {
  const { firstWins, secondWins, ties } = elo.orderBias;
  const percent = (share: { value: number }) => `${(100 * share.value).toFixed(1)} %`;
  return [
    {
      heading: "Elo by games per ordering",
      text: `Elo climbs from 1000 towards its equilibrium, so the number of games in an ordering matters as much as their results. Bradley–Terry needs no order and no such number. The judge prefers the answer shown first (${percent(firstWins)}, against ${percent(secondWins)} for the second, ${percent(ties)} ties); both orders are in every rating. The interval of Bradley–Terry draws the 80 questions anew: how far they fix the ratings, which the paper's ±1 does not say.`,
      table: {
        head: [
          "system",
          "paper",
          `${elo.sample} games`,
          `all ${elo.games} games`,
          "Bradley–Terry",
          "95 % over questions",
        ],
        rows: elo.systems.map((s) => [
          s.system,
          `${s.paper?.table1 ?? ""}`,
          s.elo.toFixed(1),
          s.eloAllGames.toFixed(1),
          s.bradleyTerry.toFixed(1),
          s.low === null ? "" : `${s.low.toFixed(0)} to ${s.high!.toFixed(0)}`,
        ]),
      },
      html: `${relativeSection(relative)}\n${eloSection(elo)}`,
    },
  ];
}
