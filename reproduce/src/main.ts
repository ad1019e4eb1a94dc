// pnpm reproduce: every claim of the paper that can be measured here, measured; the full form writes the report in docs/.
import { parseArgs } from "node:util";
import { bold, progress, say } from "@qlora/cli";
import { type Claim, changedVerdicts, type Experiment } from "./experiment.js";
import { dataQuality } from "./experiments/data-quality.js";
import { dataTypes } from "./experiments/data-types.js";
import { equivalence } from "./experiments/equivalence.js";
import { memory } from "./experiments/memory.js";
import { vicuna } from "./experiments/vicuna.js";
import { verdictText } from "./markdown.js";
import { notMeasured } from "./not-measured.js";
import { cache } from "./paths.js";
import { type Chapter, writeReport } from "./report.js";
import { Results } from "./results.js";
import { Stopped, Training } from "./training.js";

const experiments: Experiment[] = [vicuna, dataTypes, equivalence, memory, dataQuality];
const names = experiments.map(({ name }) => name).join(", ");
const usage = `pnpm reproduce [--quick] [--only NAME]
  --quick  the short form, without a report; fails where a verdict has changed
  --only   one of ${names}
A run that was stopped goes on where it was; the first Ctrl-C lets the training runs under way end, the second does not.`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return print(usage);
  const chosen = experiments.filter(({ name }) => (values.only ?? name) === name);
  if (chosen.length === 0) throw new Error(`there is no experiment ${values.only}; --only takes one of ${names}`);
  const results = new Results(cache);
  const bar = progress();
  const training = new Training(results, (done, planned) =>
    bar.update(done, planned, `training run ${done} of ${planned}`),
  );
  stopOnSignal(training);

  const chapters: Chapter[] = [];
  for (const { name, title, run } of chosen) {
    bar.print(bold(`${title} (${name})`));
    const started = performance.now();
    const outcome = await run({ quick: values.quick, results, training, say: (line) => bar.print(line) });
    bar.clear();
    for (const claim of outcome.claims) print(line(claim));
    say(`  ${((performance.now() - started) / 1000).toFixed(0)} s`);
    chapters.push({ title, ...outcome });
  }
  if (!values.quick && values.only === undefined)
    say(
      `Report: ${writeReport([...chapters, { title: "Not measured", claims: notMeasured, details: [] }]).join(", ")}`,
    );
  const changed = changedVerdicts(chapters.flatMap(({ claims }) => claims));
  for (const { claim, verdict, expected = "reproduces" } of changed)
    say(`CHANGED: ${claim}: ${verdict}, was: ${expected}`);
  return changed.length > 0 ? 1 : 0;
}

const print = (text: string) => {
  process.stdout.write(`${text}\n`);
  return 0;
};

const line = (claim: Claim) => `  ${claim.claim}: paper ${claim.paper}; ours ${claim.ours}; ${verdictText(claim)}`;

function stopOnSignal(training: Training): void {
  const codes = { SIGINT: 130, SIGTERM: 143 };
  for (const [signal, code] of Object.entries(codes))
    process.on(signal, () => {
      if (training.stopped) process.exit(code);
      say(`${signal}: the training runs under way end and are kept; again to stop at once`);
      training.stopped = true;
      process.exitCode = code;
    });
}

main().then(
  (code) => {
    process.exitCode ??= code;
  },
  (error: Error) => {
    if (error instanceof Stopped) return;
    console.error(`reproduce: ${error.message}`);
    process.exitCode = 1;
  },
);
