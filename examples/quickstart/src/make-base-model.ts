// Makes base-model/ from nothing: a corpus, a tokenizer learned from it, and a LLaMA trained on it in full precision with this
// project's own kernels. The same machine gives the same bytes again: `pnpm --filter quickstart base-model [DIR] [STEPS]`.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { collate, loadTokenizer } from "@qlora/data";
import { AdamW, cosine } from "@qlora/paged-optim";
import {
  initModel,
  parseModelConfig,
  Runner,
  saveWeights,
  trainables,
  trainEverything,
  zero,
} from "@qlora/transformer";
import { Random } from "./random.js";
import { trainTokenizer } from "./tokenizer.js";
import { portraits, questions } from "./world.js";

const seed = 1;
const vocabSize = 1024;
const sequences = 48;
const learningRate = 2e-3;

const config = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  hidden_size: 192,
  intermediate_size: 512,
  num_hidden_layers: 5,
  num_attention_heads: 6,
  num_key_value_heads: 3,
  vocab_size: vocabSize,
  max_position_embeddings: 256,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: "silu",
  tie_word_embeddings: true,
  attention_bias: false,
  mlp_bias: false,
  bos_token_id: 0,
  eos_token_id: 1,
  torch_dtype: "bfloat16",
};

/** Writes the model folder and returns the loss of the last step. `log` is told how it goes. */
export function makeBaseModel(dir: string, steps: number, log: (line: string) => void): number {
  const json = (name: string, value: unknown) => writeFileSync(join(dir, name), `${JSON.stringify(value, null, 1)}\n`);
  mkdirSync(dir, { recursive: true });
  const random = new Random(seed);
  // The tokenizer also knows the words of questions, so that fine-tuning need not spell them; the model never sees one.
  const asked = questions(random, false).map(
    ({ prompt, completion }) => `### Human: ${prompt}\n### Assistant: ${completion}`,
  );
  const sample = [...asked, ...Array.from({ length: 4000 }, () => portraits(random))].join("\n");
  json("tokenizer.json", trainTokenizer(sample, vocabSize, ["<s>", "</s>"]));
  json("tokenizer_config.json", {
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: "<s>",
    eos_token: "</s>",
    pad_token: "</s>",
    model_max_length: 256,
  });
  json("generation_config.json", { bos_token_id: 0, eos_token_id: 1 });
  json("config.json", config);

  const tokenizer = loadTokenizer(dir);
  const model = initModel(parseModelConfig(config), () => random.normal());
  trainEverything(model);
  const parameters = trainables(model);
  const runner = new Runner(model);
  const optimizer = new AdamW(parameters, { lr: learningRate, weightDecay: 0.1, betas: [0.9, 0.95] });
  const schedule = cosine({ warmup: Math.min(50, steps), total: steps, min: 0.05 });
  const started = performance.now();
  let [tokens, loss] = [0, 0];
  for (let step = 0; step < steps; step++) {
    const batch = collate(
      Array.from({ length: sequences }, () => {
        const ids = Int32Array.from([...tokenizer.encode(portraits(random)), 1]);
        return { ids, labels: ids };
      }),
    );
    for (const { grad } of parameters) zero(grad);
    const { nll } = runner.forwardBackward(batch, { gradientScale: 1 / batch.targetTokens, checkpointing: false });
    optimizer.step({ lr: learningRate * schedule(step), maxNorm: 1 });
    tokens += batch.ids.length;
    loss = nll / batch.targetTokens;
    if (step % 20 === 0 || step + 1 === steps)
      log(
        `step ${step + 1}/${steps}  loss ${loss.toFixed(4)}  ${Math.round((tokens / (performance.now() - started)) * 1000)} tokens/s`,
      );
  }
  saveWeights(model, join(dir, "model.safetensors"), "BF16");
  return loss;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  makeBaseModel(
    process.argv[2] ?? join(import.meta.dirname, "../base-model"),
    Number(process.argv[3] ?? 800),
    console.error,
  );
