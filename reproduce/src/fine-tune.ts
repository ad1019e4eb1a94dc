// One training run in a process of its own: `node fine-tune.js '{"options": …, "ask": 100}'` prints its result as JSON.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keepHeapSmall } from "@qlora/cli";
import { type Example, encodeExamplePrompt, loadTokenizer, type Tokenizer } from "@qlora/data";
import { Trainer, type TrainOptions } from "@qlora/trainer";
import { generate } from "@qlora/transformer";

export interface FineTuneSettings {
  options: Omit<TrainOptions, "output">;
  /** Held-out questions to ask the trained model, from the first on. */
  ask: number;
}

export interface FineTuneResult {
  /** Mean nll of the held-out answers, nats a token. */
  before: number;
  after: number;
  /** Of the questions asked: answered in exactly the expected words. */
  right: number;
  asked: number;
  trainable: number;
  peakBytes: number;
  expectedBytes: number;
}

async function fineTune({ options, ask }: FineTuneSettings): Promise<FineTuneResult> {
  const output = mkdtempSync(join(tmpdir(), "qlora-reproduce-"));
  try {
    const trainer = new Trainer({ ...options, output: join(output, "run") });
    let trainable = 0;
    for await (const event of trainer.run()) {
      if (event.type === "model") trainable = event.trainable;
      if (event.type !== "done") continue;
      const { heldOut, peakBytes, expectedBytes } = event;
      const questions = trainer.data!.heldOutExamples.slice(0, ask);
      const tokenizer = loadTokenizer(options.model);
      const right = questions.filter((question) => answers(trainer, tokenizer, question)).length;
      const result = { before: heldOut.before!, after: heldOut.after!, right, asked: questions.length };
      return { ...result, trainable, peakBytes, expectedBytes };
    }
    throw new Error("the run ended without a result");
  } finally {
    rmSync(output, { recursive: true, force: true });
  }
}

/** Whether the most likely answer is the expected one, word for word. */
function answers({ model, data }: Trainer, tokenizer: Tokenizer, question: Example): boolean {
  if (question.kind !== "completion") return false;
  const prompt = encodeExamplePrompt(question, tokenizer, { template: data!.template });
  const ids = [...generate(model!, prompt, { maxNewTokens: 24 })];
  return tokenizer.decode(ids).trim() === question.completion.trim();
}

keepHeapSmall();
const result = await fineTune(JSON.parse(process.argv[2]!) as FineTuneSettings);
process.stdout.write(JSON.stringify(result));
