// The quickstart: a model that cannot answer questions learns to, on this machine, in a few minutes.
import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { bold, keepHeapSmall, progress, say, showEvent, table } from "@qlora/cli";
import { type Example, encodeExamplePrompt, loadTokenizer, type Template, type Tokenizer } from "@qlora/data";
import { Trainer } from "@qlora/trainer";
import { generate, type Model } from "@qlora/transformer";

keepHeapSmall();
const here = join(import.meta.dirname, "..");
const home = join(here, "../..");
const shown = (path: string) => relative(process.cwd(), path);

/** A folder that is not there yet: qlora-runs/quickstart, -2, -3, … */
function freshFolder(): string {
  for (let i = 1; ; i++) {
    const path = join(home, "qlora-runs", i === 1 ? "quickstart" : `quickstart-${i}`);
    if (!existsSync(path)) return path;
  }
}

function answer(model: Model, tokenizer: Tokenizer, example: Example, template: Template): string {
  const prompt = encodeExamplePrompt(example, tokenizer, { template });
  return tokenizer.decode([...generate(model, prompt, { maxNewTokens: 24 })]).trim();
}

/** Share of held-out questions whose greedy answer is exactly the expected one. */
function accuracy(model: Model, tokenizer: Tokenizer, examples: readonly Example[], template: Template): number {
  const right = examples.filter(
    (example) =>
      example.kind === "completion" && answer(model, tokenizer, example, template) === example.completion.trim(),
  );
  return right.length / examples.length;
}

const baseModel = join(here, "base-model");
const trainer = new Trainer({
  model: baseModel,
  data: join(here, "data/train.jsonl"),
  heldOutData: join(here, "data/held-out.jsonl"),
  output: freshFolder(),
  template: "guanaco",
  batchSize: 16,
  gradientAccumulation: 1,
  learningRate: 2e-3,
  evalSteps: 50,
  maxSteps: Number(process.env.QUICKSTART_STEPS ?? 400),
});
const tokenizer = loadTokenizer(baseModel);
say(bold("Fine-tuning a small language model on 4-bit weights, on the CPU"));
say(`base model ${shown(baseModel)}, task ${shown(join(here, "data"))}\n`);

const results: { accuracy: number; answer: string }[] = [];
function ask(): void {
  const { heldOutExamples, template } = trainer.data!;
  const model = trainer.model!;
  results.push({
    accuracy: accuracy(model, tokenizer, heldOutExamples, template),
    answer: answer(model, tokenizer, heldOutExamples[0]!, template),
  });
}

const bar = progress();
for await (const event of trainer.run()) {
  if (event.type === "model") ask();
  if (event.type !== "done") showEvent(event, bar);
  else {
    bar.end();
    ask();
    const [before, after] = results as [(typeof results)[0], (typeof results)[0]];
    const example = trainer.data!.heldOutExamples[0]!;
    const question = example.kind === "completion" ? example.prompt : "";
    const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
    say();
    say(
      table([
        ["", "before", "after"],
        ["held-out loss", event.heldOut.before!.toFixed(4), event.heldOut.after!.toFixed(4)],
        ["held-out accuracy", percent(before.accuracy), percent(after.accuracy)],
      ]),
    );
    say(`\n${bold("Question")}  ${question}`);
    say(`${bold("Before")}    ${JSON.stringify(before.answer)}`);
    say(`${bold("After")}     ${JSON.stringify(after.answer)}`);
    say(
      `\n${Math.round(event.seconds)} s, peak memory ${Math.round(event.peakBytes / 2 ** 20)} MiB (expected ${Math.round(event.expectedBytes / 2 ** 20)} MiB)\n`,
    );
    say(table(Object.entries(event.files).map(([name, path]) => [name, shown(path)])));
  }
}
