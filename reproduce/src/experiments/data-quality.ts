// Data quality over quantity (§5.3, App. B.4): a small clean set beats a large noisy one on the quickstart's task, at the same number
// of steps. Noise is wrong answers: the answer to the same question about somebody else.
import { dotPlot, meanInterval, pairedTost } from "@qlora/eval";
import { type Claim, type Experiment, verdictOf } from "../experiment.js";
import type { FineTuneResult } from "../fine-tune.js";
import { questionSet } from "./question-set.js";
import { budget, recipe } from "./recipe.js";

const sets = [
  { name: "small, clean", size: 200, noise: 0 },
  { name: "large, noisy", size: 1600, noise: 0.5 },
  { name: "large, clean", size: 1600, noise: 0 },
];

export const dataQuality: Experiment = {
  name: "data-quality",
  title: "Data quality over quantity",
  async run({ training, quick }) {
    const limits = budget(quick);
    const used = quick ? sets.slice(0, 2) : sets;
    const arms = await Promise.all(
      used.map(({ size, noise }) => {
        const data = questionSet(size, noise);
        return Promise.all(limits.seeds.map((seed) => training.run(recipe({ data }, limits, seed))));
      }),
    );
    const losses = arms.map((arm) => arm.map(({ after }) => after));
    const right = arms.map((arm) => arm.map(accuracy));
    const [clean, noisy] = right.map((values) => meanInterval(values));
    const loss = pairedTost(losses[0]!, losses[1]!, { margin: 1 });
    const holds = loss.difference < 0 && loss.pDifferent < 0.05 && clean!.mean > noisy!.mean;
    const claims: Claim[] = [
      {
        claim: "A small clean set beats a large noisy one",
        paper: "9k of OASST1 beat 450k of FLAN v2 at chat (§5.3)",
        ours: `${clean!.mean.toFixed(1)} % right against ${noisy!.mean.toFixed(1)} %; loss ${loss.difference.toFixed(3).replace("-", "−")}, p ${loss.pDifferent.toPrecision(2)}`,
        how: `200 clean questions against 1,600 of which half are answered wrongly; ${limits.steps} steps, ${limits.seeds.length} seeds; paired t on the loss, and more right answers`,
        verdict: verdictOf(holds),
      },
    ];
    if (!quick) {
      const quality = meanInterval(right[2]!).mean - noisy!.mean;
      const quantity = meanInterval(right[2]!).mean - clean!.mean;
      claims.push({
        claim: "Quality matters more than size",
        paper: "more examples add 0.0–0.9 MMLU points, another set up to 9.6 (Table 11)",
        ours: `eight times the data: ${quantity.toFixed(1).replace("-", "−")} points; no wrong answers: ${quality.toFixed(1)} points`,
        how: "right answers, large clean − small clean against large clean − large noisy",
        verdict: verdictOf(quality > quantity),
      });
    }
    const rows = used.map(({ name, size, noise }, i) => {
      const [l, a] = [meanInterval(losses[i]!), meanInterval(right[i]!)];
      const numbers = [l.mean.toFixed(4), l.half.toFixed(4), a.mean.toFixed(1), a.half.toFixed(1)];
      return [name, `${size}`, `${100 * noise} %`, ...numbers];
    });
    const plot = dotPlot(
      used.map(({ name }, i) => {
        const { mean, low, high } = meanInterval(right[i]!);
        return { label: name, value: mean, low, high, title: `${name}: ${mean.toFixed(1)} %` };
      }),
      { label: "Right answers by data set", axis: "held-out questions answered word for word, %" },
    );
    const head = ["data", "questions", "wrong answers", "held-out loss", "± 95 %", "right answers %", "± 95 %"];
    const text =
      "Held-out questions are about people whom no training question mentions. A wrong answer is that of the same question about another person: its form is right, its fact is not.";
    return { claims, details: [{ heading: "Data sets of one budget", text, table: { head, rows }, plot }] };
  },
};

const accuracy = ({ right, asked }: FineTuneResult) => (100 * right) / asked;
