// node-llama-cpp doing what src/cases/decode.ts does: one token with a KV cache, or a whole prompt. See src/child.ts for the protocol.
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { peers, path, threads, prompt, contextSize } = JSON.parse((await lines.next()).value);
const entry = join(peers, "node_modules/node-llama-cpp/dist/index.js");
const { getLlama } = await import(pathToFileURL(entry).href);
const llama = await getLlama({
  gpu: false,
  build: "never",
  skipDownload: true,
  maxThreads: threads,
  logLevel: "error",
});
const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
const context = await model.createContext({ contextSize, batchSize: Math.max(prompt, 8), threads });
const sequence = context.getSequence();
const ids = (count) => Array.from({ length: count }, (_, i) => 3 + ((i * 7919) % 1000));

let tokens;
async function decode() {
  if (!tokens || sequence.nextTokenIndex >= contextSize - 2) {
    await tokens?.return();
    await sequence.clearHistory();
    tokens = sequence.evaluate(ids(3), { temperature: 0, yieldEogToken: true });
    await tokens.next();
  }
  const began = performance.now();
  await tokens.next();
  return performance.now() - began;
}

async function prefill() {
  await sequence.clearHistory();
  const began = performance.now();
  await sequence.evaluateWithoutGeneratingNewTokens(ids(prompt));
  return performance.now() - began;
}

const run = prompt ? prefill : decode;
await run();
console.log(JSON.stringify({ ready: true }));
for await (const _ of lines) console.log((await run()) / 1000);
process.exit();
