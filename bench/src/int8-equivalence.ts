// Does training with int8 products end where training in f32 ends? The same seeds, data and steps for both; the final held-out
// losses are compared by a paired TOST (Schuirmann 1987) whose margin is the standard deviation of the f32 runs over their seeds.
//
//   node bench/dist/int8-equivalence.js [--seeds 5] [--from 1] [--filter RE] [--json FILE]     QLORA_SHARED names the folder with stories260K and alpaca
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Equivalence, mean, pairedTost, standardDeviation } from "@qlora/eval";
import { simd } from "@qlora/nf4";
import { heldOutLoss, Trainer, type TrainOptions } from "@qlora/trainer";
import { Runner } from "@qlora/transformer";
import { scratchFolder } from "./leaving.js";
import { progress } from "./progress.js";

/** Everything but the seed, the arithmetic and the output. */
interface Task {
  name: string;
  options: Omit<TrainOptions, "output" | "seed" | "compute">;
}

/** Held-out loss at the end, scored in f32 and in the arithmetic of the run. */
interface Losses {
  exact: number;
  own: number;
}

const quickstart = join(import.meta.dirname, "../../examples/quickstart");
const shared = process.env.QLORA_SHARED ?? join(import.meta.dirname, "../../../shared");

/** Both stop while the loss still falls, where a difference would show. */
const quickstartTask: Task = {
  name: "quickstart, 24 steps of 8",
  options: {
    model: join(quickstart, "base-model"),
    data: join(quickstart, "data/train.jsonl"),
    heldOutData: join(quickstart, "data/held-out.jsonl"),
    template: "guanaco",
    batchSize: 8,
    gradientAccumulation: 1,
    learningRate: 2e-3,
    maxSteps: 24,
  },
};

/** The setting of the simulation that chose this arithmetic. The last tenth is held out, the same for every seed. */
function storiesTask(model: string, dir: string): Task {
  const examples = JSON.parse(readFileSync(join(shared, "data/alpaca_en_demo.json"), "utf8")) as unknown[];
  const [data, heldOutData] = [join(dir, "train.json"), join(dir, "held-out.json")];
  const begin = Math.floor(0.9 * examples.length);
  writeFileSync(data, JSON.stringify(examples.slice(0, begin)));
  writeFileSync(heldOutData, JSON.stringify(examples.slice(begin)));
  return {
    name: "stories260K on alpaca, 200 steps of 4",
    options: {
      model,
      data,
      heldOutData,
      loraR: 16,
      loraAlpha: 32,
      maxLength: 256,
      batchSize: 4,
      gradientAccumulation: 1,
      learningRate: 1e-3,
      maxGradNorm: 1,
      maxSteps: 200,
    },
  };
}

function tasks(dir: string): Task[] {
  const model = join(shared, "models/stories260K");
  if (existsSync(model)) return [storiesTask(model, dir), quickstartTask];
  console.warn(`SKIPPED: stories260K on alpaca: ${model} is not there; set QLORA_SHARED`);
  return [quickstartTask];
}

async function train({ options }: Task, seed: number, compute: "f32" | "int8", dir: string): Promise<Losses> {
  const output = join(dir, `${compute}-${seed}`);
  const trainer = new Trainer({ ...options, seed, compute, output, saveSteps: 0 });
  let own = Number.NaN;
  for await (const event of trainer.run()) {
    if (event.type === "step") progress(`  seed ${seed} ${compute}: step ${event.step}/${event.steps}`);
    if (event.type === "done") own = event.heldOut.after!;
  }
  rmSync(output, { recursive: true });
  const model = trainer.model!;
  model.compute = "f32";
  const steps = heldOutLoss(new Runner(model), trainer.data!.heldOut, 4096);
  let next = steps.next();
  while (!next.done) next = steps.next();
  return { exact: next.value, own };
}

async function study(task: Task, first: number, seeds: number, dir: string) {
  const pairs: { seed: number; f32: Losses; int8: Losses }[] = [];
  for (let seed = first; seed < first + seeds; seed++) {
    const [f32, int8] = [await train(task, seed, "f32", dir), await train(task, seed, "int8", dir)];
    pairs.push({ seed, f32, int8 });
    progress();
    console.log(
      `  seed ${seed}: f32 ${f32.exact.toFixed(5)}, int8 ${int8.exact.toFixed(5)} (own ${int8.own.toFixed(5)})`,
    );
  }
  const f32 = pairs.map((pair) => pair.f32.exact);
  const margin = standardDeviation(f32);
  const against = (score: keyof Losses) =>
    pairedTost(
      pairs.map((pair) => pair.int8[score]),
      f32,
      { margin },
    );
  return {
    task: task.name,
    simd: simd(),
    pairs,
    mean: mean(f32),
    margin,
    exact: against("exact"),
    own: against("own"),
  };
}

const signed = (x: number) => `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(5)}`;
const verdict = ({ difference, interval: { low, high }, p, equivalent }: Equivalence) =>
  `${signed(difference)} [${signed(low)}, ${signed(high)}], TOST p = ${p.toPrecision(2)}: ${equivalent ? "equivalent" : "NOT shown equivalent"}`;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "5" },
    from: { type: "string", default: "1" },
    filter: { type: "string", default: "" },
    json: { type: "string" },
  },
});
const [first, seeds] = [Number(values.from), Number(values.seeds)];
if (!Number.isInteger(first) || first < 0) throw new RangeError(`--from must be a whole number, got ${values.from}`);
if (!Number.isInteger(seeds) || seeds < 2)
  throw new RangeError(`--seeds must be a whole number from 2, got ${values.seeds}`);
const { path: dir, remove } = scratchFolder();
try {
  const results = [];
  for (const task of tasks(dir).filter(({ name }) => new RegExp(values.filter).test(name))) {
    console.log(`${task.name}, ${seeds} seeds, ${simd()}`);
    const result = await study(task, first, seeds, dir);
    results.push(result);
    console.log(
      `  f32 ${result.mean.toFixed(5)}; margin ± ${result.margin.toFixed(5)} (its standard deviation over seeds)`,
    );
    console.log(`  int8 − f32, scored in f32:      ${verdict(result.exact)}`);
    console.log(`  int8 − f32, scored in its own:  ${verdict(result.own)}`);
  }
  if (values.json) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
} finally {
  remove();
}
