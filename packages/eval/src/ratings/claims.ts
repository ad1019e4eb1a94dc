// The paper's claims that the released ratings can be held against, one row each: what `pnpm reproduce` prints.
import { fixed } from "../table.js";
import type { EloReport } from "./elo-report.js";
import type { RelativeReport } from "./relative-report.js";

export interface Claim {
  /** What is claimed, e.g. "Table 6, Guanaco 65B, mean". */
  claim: string;
  paper: number;
  ours: number;
  difference: number;
  /** Largest difference counted as reproduced. */
  tolerance: number;
  holds: boolean;
  note: string | null;
}

/** Every printed number of Table 6: three percentages and the interval of each row, to the printed decimal. */
export function relativeClaims(report: RelativeReport): Claim[] {
  return report.systems.flatMap((s) => {
    if (!s.paper) return [];
    const swapped = s.columnsSwapped;
    const numbers: [string, number, number | null][] = [
      ["ChatGPT first", s.paper.referenceFirst, swapped ? s.systemFirst : s.referenceFirst],
      ["system first", s.paper.systemFirst, swapped ? s.referenceFirst : s.systemFirst],
      ["mean", s.paper.mean, s.mean],
      ["± of the mean", s.paper.interval, s.paperInterval],
    ];
    return numbers.flatMap(([name, paper, value]) => {
      if (value === null) return [];
      const difference = value - paper;
      const holds = Math.abs(difference) <= 0.05 + 1e-9; // the paper prints one decimal
      return [
        {
          claim: `Table 6, ${s.system}, ${name}`,
          paper,
          ours: value,
          difference,
          tolerance: 0.05,
          holds,
          note: s.note,
        },
      ];
    });
  });
}

/** The Elo of Table 1, and of Table 7 where it prints another number, within `tolerance` points. */
export function eloClaims(report: EloReport, tolerance = 3): Claim[] {
  return report.systems.flatMap((s) => {
    if (!s.paper) return [];
    const tables: [string, number][] = [["Table 1", s.paper.table1]];
    if (s.paper.table7 !== s.paper.table1) tables.push(["Table 7", s.paper.table7] as const);
    return tables.map(([table, paper]) => {
      const difference = s.elo - paper;
      const holds = Math.abs(difference) <= tolerance;
      const note = `${report.sample} games per ordering; ${fixed(s.eloAllGames, 0)} with all ${report.games}`;
      return { claim: `${table}, Elo of ${s.system}`, paper, ours: s.elo, difference, tolerance, holds, note };
    });
  });
}
