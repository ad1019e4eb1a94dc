// @qvac/llm-llamacpp doing the training step of src/cases/steps.ts, run by Bare with the folder of the packages as its argument.
// See src/child.ts for the protocol, and src/qvac.ts for what differs. finetune() cannot be stepped: it works on after an answer, and
// who measures it stops the process until the next "run".
const { Bare, Buffer } = globalThis;
const packages = `${Bare.argv[2]}/node_modules`;
const fs = require(`${packages}/bare-fs`);
const os = require(`${packages}/bare-os`);
const Llm = require(`${packages}/@qvac/llm-llamacpp`);

const samples = 100; // one a step; a measurement takes fewer
const modules = ["attn_q", "attn_k", "attn_v", "attn_o", "ffn_gate", "ffn_up", "ffn_down"];

function readLine() {
  const byte = Buffer.alloc(1);
  let line = "";
  while (fs.readSync(0, byte) === 1 && byte[0] !== 10) line += String.fromCharCode(byte[0]);
  return line;
}

async function main() {
  const { path, scratch, threads, rank, seq, vocab } = JSON.parse(readLine());
  // A sample begins every seq/2 tokens and predicts the token after it. Of the tokens, four are <s> and a space in bytes.
  const length = (samples * seq) / 2 + seq + 1 - 4;
  const text = Array.from({ length }, (_, i) => String.fromCharCode(97 + ((i * i * 7919) % 26))).join("");
  fs.writeFileSync(`${scratch}/text.txt`, text);
  const config = { device: "cpu", gpu_layers: "0", ctx_size: String(seq), threads: String(threads) };
  const model = new Llm({ files: { model: [path] }, config, opts: { stats: true } });
  await model.load();
  const training = await model.finetune({
    trainDatasetDir: `${scratch}/text.txt`,
    outputParametersDir: `${scratch}/adapter.gguf`,
    checkpointSaveDir: scratch,
    validation: { type: "none" },
    contextLength: seq,
    batchSize: seq,
    microBatchSize: seq,
    loraModules: modules.join(","),
    loraRank: rank,
    learningRate: 1e-4,
    lrScheduler: "constant",
  });
  let began;
  training.on("stats", ({ loss, global_steps, total_batches }) => {
    if (began === undefined) {
      // Fewer or more batches would be steps of other lengths; random weights know nothing.
      if (total_batches !== samples || !(Math.abs(loss / Math.log(vocab) - 1) < 0.5))
        throw new Error(`qvac: ${total_batches} batches, not ${samples}, or loss ${loss}; not timed`);
      fs.writeSync(1, `${JSON.stringify({ ready: true, loss, batches: total_batches, step: global_steps })}\n`);
    } else fs.writeSync(1, `${(Date.now() - began) / 1000}\n`);
    if (readLine() !== "run") os.kill(os.pid(), "SIGKILL"); // it does not end in the midst of training otherwise
    began = Date.now();
  });
  await training.await();
}

main().catch((error) => {
  console.error(error.message);
  Bare.exit(1);
});
