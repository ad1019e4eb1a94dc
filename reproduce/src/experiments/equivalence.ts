// QLoRA equals 16 bits (Tables 3 and 4; App. A): full fine-tuning, 16-bit LoRA and QLoRA on one task and budget, over seeds that
// fix initialisation, order and dropout. Equality is tested (two one-sided t tests on pairs of one seed), not read off a plot.
import { dotPlot, type Equivalence, linePlot, meanInterval, pairedTost } from "@qlora/eval";
import { type Claim, type Context, type Detail, type Experiment, type Outcome, verdictOf } from "../experiment.js";
import type { FineTuneResult } from "../fine-tune.js";
import type { Training } from "../training.js";
import { type Budget, budget, type Options, recipe } from "./recipe.js";

/** Share of what fine-tuning gains (held-out loss before − after, 16-bit LoRA) that may be lost without counting; set beforehand. */
const margins = { full: 0.01, quick: 0.03 };
/** Learning rates tried for full fine-tuning and for LoRA, with a seed that is not used again. */
const rates = { full: [3e-4, 1e-3, 3e-3], lora: [1e-3, 2e-3, 4e-3, 8e-3] };
const searchSeed = 100;

const bits16 = "16-bit LoRA";
const nf4 = "QLoRA NF4 + DQ";
const attention = "attention only";
const quantised: Record<string, Options> = {
  "QLoRA Int8": { precision: "int8" },
  "QLoRA FP4": { precision: "fp4", doubleQuant: false },
  "QLoRA NF4": { precision: "nf4", doubleQuant: false },
  [nf4]: { precision: "nf4" },
};
const targets: Record<string, Options> = {
  [attention]: { loraTargetModules: "q_proj,k_proj,v_proj,o_proj" },
  "k and q only": { loraTargetModules: "q_proj,k_proj" },
};
const ranks = [8, 16, 32, 64, 128, 256];

/** Claims that twelve seeds of the full form do not show; the report has what they do show. */
const undecided = ["16-bit LoRA equals full fine-tuning", "FP4 trails NF4", "Rank 256 equals rank 64 on all layers"];

/** How the number of seeds of the full form came about: who tests twice says so. */
const extension =
  " The study was extended to 12 seeds after the first 5, which are among them, had left 8 of the claims above open.";

type Arm = FineTuneResult[];
const losses = (arm: Arm) => arm.map(({ after }) => after);

export const equivalence: Experiment = {
  name: "equivalence",
  title: "QLoRA equals 16 bits",
  async run(context) {
    const limits = budget(context.quick);
    const arms = await (context.quick ? shortArms : allArms)(context, limits);
    const reference = arms.get(bits16)!;
    const before = reference[0]!.before;
    const gain = before - meanInterval(losses(reference)).mean;
    const share = context.quick ? margins.quick : margins.full;
    const scale = { margin: share * gain, share, gain, before, quick: context.quick };
    return describe(arms, scale, limits);
  },
};

async function shortArms(context: Context, limits: Budget): Promise<Map<string, Arm>> {
  return together(context.training, limits, {
    [bits16]: { method: "lora" },
    [nf4]: quantised[nf4]!,
    [attention]: targets[attention]!,
  });
}

async function allArms({ training, say }: Context, limits: Budget): Promise<Map<string, Arm>> {
  const [full, lora] = await Promise.all([
    bestRate(training, { method: "full" }, rates.full, limits),
    bestRate(training, { method: "lora" }, rates.lora, limits),
  ]);
  say(`  learning rates by search: full fine-tuning ${full}, LoRA ${lora}`);
  const adapted = { ...quantised, ...targets };
  for (const r of ranks) if (r !== 64) Object.assign(adapted, { [`rank ${r}`]: { loraR: r } });
  return together(training, limits, {
    "full fine-tuning": { method: "full", learningRate: full },
    [bits16]: { method: "lora", learningRate: lora },
    ...Object.fromEntries(Object.entries(adapted).map(([name, options]) => [name, { ...options, learningRate: lora }])),
  });
}

async function bestRate(training: Training, options: Options, list: number[], limits: Budget): Promise<number> {
  const runs = await Promise.all(
    list.map((learningRate) => training.run(recipe({ ...options, learningRate }, limits, searchSeed))),
  );
  return list[runs.map(({ after }) => after).reduce((best, loss, i, all) => (loss < all[best]! ? i : best), 0)]!;
}

/** Every arm over every seed, side by side. */
async function together(training: Training, limits: Budget, arms: Record<string, Options>): Promise<Map<string, Arm>> {
  const runs = Object.entries(arms).map(
    async ([name, options]): Promise<[string, Arm]> => [
      name,
      await Promise.all(limits.seeds.map((seed) => training.run(recipe(options, limits, seed)))),
    ],
  );
  return new Map(await Promise.all(runs));
}

interface Scale {
  margin: number;
  share: number;
  gain: number;
  before: number;
  quick: boolean;
}

function describe(arms: Map<string, Arm>, scale: Scale, limits: Budget): Outcome {
  const how = `${limits.seeds.length} seeds, ${limits.steps} steps; paired TOST (90 % interval), margin ${scale.margin.toFixed(4)} nats`;
  const claims: Claim[] = [];
  const same = (claim: string, paper: string, a: string, b: string) => {
    const [first, second] = [arms.get(a), arms.get(b)];
    if (!first || !second) return;
    const test = pairedTost(losses(first), losses(second), { margin: scale.margin });
    const { difference, interval, p } = test;
    const ours = `${signed(difference)} nats [${signed(interval.low)}, ${signed(interval.high)}], p ${p.toPrecision(2)}`;
    claims.push({ claim, paper, ours, how, verdict: verdictOf(test.equivalent), note: unshown(test) });
  };
  const better = (claim: string, paper: string, a: string, b: string) => {
    const [first, second] = [arms.get(a), arms.get(b)];
    if (!first || !second) return;
    const { difference, pDifferent } = pairedTost(losses(first), losses(second), { margin: scale.margin });
    const holds = difference < 0 && pDifferent < 0.05;
    const ours = `${signed(difference)} nats, p ${pDifferent.toPrecision(2)}`;
    const note = holds ? "" : "no difference shown";
    claims.push({ claim, paper, ours, how: `${limits.seeds.length} seeds; paired t`, verdict: verdictOf(holds), note });
  };
  same("16-bit LoRA equals full fine-tuning", "88.8 vs 88.6, 40.5 vs 40.1, … (Table 3)", bits16, "full fine-tuning");
  same("QLoRA NF4 + DQ equals full fine-tuning", "40.4 vs 40.1, … (Table 3)", nf4, "full fine-tuning");
  for (const name of Object.keys(quantised))
    same(`${name} equals 16-bit LoRA`, name.includes("NF4") ? "53.1 vs 53.0 (Table 4)" : "Table 3", name, bits16);
  same("Double quantisation costs nothing", "no degradation (§3)", nf4, "QLoRA NF4");
  better("FP4 trails NF4", "52.2 vs 53.1 (Table 4)", nf4, "QLoRA FP4");
  better("Adapters on all layers beat attention only", "needed to match 16 bits (Fig. 2)", nf4, attention);
  for (const r of ranks)
    same(`Rank ${r} equals rank 64 on all layers`, "rank does not matter (App. A.1)", `rank ${r}`, nf4);
  const open = scale.quick ? [] : undecided;
  for (const claim of claims) if (open.includes(claim.claim)) claim.expected = "does not reproduce";
  return { claims, details: details(arms, scale, limits) };
}

/** What the two one-sided tests leave open; nothing where both are passed. Differences are losses: above 0 is worse. */
function unshown({ equivalent, pLower, pUpper, alpha, pDifferent }: Equivalence): string {
  if (equivalent) return "";
  const differs = pDifferent < alpha ? "" : ` (nor that they differ: p ${pDifferent.toPrecision(2)})`;
  if (pUpper < alpha) return `no worse by the margin (p ${pUpper.toPrecision(2)}), but equality is not shown${differs}`;
  if (pLower < alpha)
    return `no better by the margin (p ${pLower.toPrecision(2)}), but equality is not shown${differs}`;
  return `equality is not shown${differs}`;
}

function details(arms: Map<string, Arm>, { margin, share, gain, before, quick }: Scale, limits: Budget): Detail[] {
  const rows = [...arms].map(([name, arm]) => ({ name, arm, loss: meanInterval(losses(arm)) }));
  const right = (arm: Arm) => arm.map(({ right, asked }) => (100 * right) / asked);
  const table = {
    head: ["method", "trained parameters", "held-out loss", "± 95 %", "right answers %", "± 95 %"],
    rows: rows.map(({ name, arm, loss }) => {
      const accuracy = meanInterval(right(arm));
      const numbers = [loss.mean.toFixed(4), loss.half.toFixed(4), accuracy.mean.toFixed(1), accuracy.half.toFixed(1)];
      return [name, arm[0]!.trainable.toLocaleString("en"), ...numbers];
    }),
  };
  const text = `Held-out loss of ${limits.seeds.length} seeds after ${limits.steps} steps of 16 questions, from ${before.toFixed(3)} nats before. The margin, ${margin.toFixed(4)} nats, is ${100 * share} % of what 16-bit LoRA gains (${gain.toFixed(3)}), and was set before the runs. Same seed, same order of the data; adapters of rank 64, α 16, dropout 0.1, on every linear layer of NF4 + DQ unless the row says otherwise. Learning rates were searched with a seed that is not among these (full fine-tuning ${rates.full.join(", ")}; LoRA ${rates.lora.join(", ")}). α stays 16 at every rank, as in the paper, so an adapter of rank 256 is scaled by 1/16. An interval over seeds says nothing about other tasks or larger models.${quick ? "" : extension}`;
  const methods = dotPlot(
    rows.map(({ name, loss }) => {
      const title = `${name}: ${loss.mean.toFixed(4)} ± ${loss.half.toFixed(4)}`;
      return { label: name, value: loss.mean, low: loss.low, high: loss.high, title };
    }),
    { label: "Held-out loss by method", axis: "held-out loss, nats; bar: 95 % over seeds", digits: 4 },
  );
  const found = ranks.filter((r) => r === 64 || arms.has(`rank ${r}`));
  if (found.length === 1) return [{ heading: "Methods, seed by seed", text, table, plot: methods }];
  const byRank = found.map((r) => losses(arms.get(r === 64 ? nf4 : `rank ${r}`)!));
  const seeds = limits.seeds.map((seed, i) => ({ name: `seed ${seed}`, values: byRank.map((arm) => arm[i]!) }));
  const plot = linePlot(found, seeds, { label: "Held-out loss by rank", xAxis: "rank", yAxis: "held-out loss, nats" });
  return [
    { heading: "Methods", text, table, plot: methods },
    { heading: "Rank, seed by seed", plot },
  ];
}

const signed = (value: number) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;
