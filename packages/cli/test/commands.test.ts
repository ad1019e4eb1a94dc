// Every command on real files: what it prints, and that stdout holds nothing but the result.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openCheckpoint } from "@qlora/safetensors";
import { beforeAll, expect, test } from "vitest";
import { baseModel, fresh, hasShared, heldOutData, json, qlora, shared, trainData, write } from "./qlora.js";

const run = fresh("run");
let events: { type: string; [key: string]: unknown }[] = [];
let trainLog = "";

beforeAll(async () => {
  const { code, stdout, stderr } = await qlora(
    `train --model ${baseModel} --data ${trainData} --held-out-data ${heldOutData} --output ${run} --max-steps 40 --json
     --template guanaco --batch-size 16 --gradient-accumulation 1 --learning-rate 2e-3 --lora-r 16`.split(/\s+/),
  );
  expect(code, stderr).toBe(0);
  trainLog = stderr;
  events = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
});

const last = <T>(type: string) => events.filter((event) => event.type === type).at(-1) as unknown as T;

test("train --json: one event a line, from the configuration to what was written", () => {
  expect(events[0]).toMatchObject({ type: "configuration", configuration: { loraR: 16, blockSize: 64, beta2: 0.999 } });
  const steps = events.filter(({ type }) => type === "step");
  expect(steps).toHaveLength(40);
  for (const key of ["loss", "gradNorm", "lr", "tokens", "tokensPerSecond"])
    expect(steps[0]![key], key).toBeTypeOf("number");
  const done = last<{ heldOut: { before: number; after: number }; files: Record<string, string> }>("done");
  expect(done.heldOut.after).toBeLessThan(done.heldOut.before / 3);
  for (const path of Object.values(done.files)) expect(existsSync(path), path).toBe(true);
});

test("the run's folder is what the contract says", () => {
  for (const name of [
    "config.yaml",
    "log.jsonl",
    "adapter_model.safetensors",
    "adapter_config.json",
    "checkpoints/step-40",
    "loss.svg",
    "report.html",
  ])
    expect(existsSync(join(run, name)), name).toBe(true);
  const log = readFileSync(join(run, "log.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(log.find(({ step, loss }) => step === 40 && loss !== undefined)).toMatchObject({ lr: 0.002 });
});

test("train tells people on stderr: the configuration, the memory, the losses, the files", () => {
  expect(trainLog).toMatch(/^ {2}lora_r: 16$/m);
  expect(trainLog).toMatch(/^Memory expected at the peak: /m);
  expect(trainLog).toMatch(/^Step 40: held-out loss \d\.\d{4}$/m);
  expect(trainLog).toMatch(/^held-out loss +\d\.\d{4} → \d\.\d{4}$/m);
  expect(trainLog).toMatch(/^adapter +\S+adapter_model\.safetensors$/m);
  expect(trainLog).not.toContain("\x1b");
});

test("eval perplexity of a dataset is the run's held-out loss, in the run's precision and template", async () => {
  const argv = ["eval", "perplexity", "--model", baseModel, "--data", heldOutData];
  const measured = await json<{ nll: number; perplexity: number; tokens: number }>([...argv, "--adapter", run]);
  const { heldOut } = last<{ heldOut: { before: number; after: number } }>("done");
  expect(measured.nll).toBeCloseTo(heldOut.after, 5);
  expect(measured.perplexity).toBeCloseTo(Math.exp(measured.nll), 8);
  const before = await json<{ nll: number; tokens: number }>([...argv, "--precision", "nf4", "--template", "guanaco"]);
  expect(before.nll).toBeCloseTo(heldOut.before, 5);
  expect(before.tokens).toBe(measured.tokens);
  const text = await qlora([...argv, "--adapter", run]);
  expect(text.stdout).toMatch(/^perplexity +\d+\.\d{4}\nnll per token +\d\.\d{5} nats\ntokens +\d+ of the answers\n/);
  expect(text.stderr).toMatch(/^Base model in nf4, as .*config\.yaml says\n$/);
});

test("eval perplexity of a text", async () => {
  const data = write("text.txt", "She lives in Birchwood. She likes violet best. She is a fisher.");
  const measured = await json<Record<string, number>>(["eval", "perplexity", "--model", baseModel, "--data", data]);
  expect(measured.perplexity).toBeCloseTo(Math.exp(measured.nll!), 8);
  expect(measured.bitsPerByte).toBeCloseTo((measured.nll! * measured.tokens!) / Math.LN2 / measured.bytes!, 8);
  expect(measured).toMatchObject({ bytes: 63, documents: 1, window: 256, stride: 128 });
  const page = fresh("report.html");
  const shown = await qlora(["eval", "perplexity", "--model", baseModel, "--data", data, "--html", page]);
  expect(shown).toMatchObject({ code: 0, stderr: `Report: ${page}\n` });
  expect(readFileSync(page, "utf8")).toMatch(/^<!doctype html>[\s\S]*Perplexity/);
});

test("generate: what it prints is what --json says; a seed repeats; threads change nothing", async () => {
  const argv = ["generate", "--model", baseModel, "--prompt", "She lives in", "--max-new-tokens", "20"];
  const { text, ids, tokens, ended } = await json<{ text: string; ids: number[]; tokens: number; ended: string }>(argv);
  expect(tokens).toBe(ids.length);
  expect(ended === "stop" || tokens === 20).toBe(true);
  expect(text).toMatch(/^ [A-Z]/); // the text goes on after the prompt's last word
  const plain = await qlora(argv);
  expect(plain).toMatchObject({ code: 0, stdout: `${text}\n`, stderr: "" });
  expect((await json([...argv, "--threads", "1"])).ids).toEqual(ids);
  const sampled = await json([...argv, "--temperature", "2", "--seed", "7"]);
  expect(sampled.ids).not.toEqual(ids);
  expect((await json([...argv, "--temperature=2", "--seed=7"])).ids).toEqual(sampled.ids);
  expect((await json([...argv, "--temperature", "2", "--seed", "8"])).ids).not.toEqual(sampled.ids);
  expect((await json([...argv, "--temperature", "0", "--seed", "8"])).ids).toEqual(ids);
});

test("generate: a text that ends it, the cache's dtype, weights in their file", async () => {
  const argv = ["generate", "--model", baseModel, "--prompt", "She lives in", "--max-new-tokens", "20"];
  const { text, tokens } = await json<{ text: string; tokens: number }>(argv);
  const stop = text.slice(6, 9);
  const stopped = await json<{ text: string; tokens: number; ended: string }>([...argv, "--stop", stop]);
  expect(stopped).toMatchObject({ text: text.slice(0, text.indexOf(stop)), ended: "stop" });
  expect(stopped.tokens).toBeLessThan(tokens);
  for (const cache of ["bf16", "int8"])
    expect((await json<{ text: string }>([...argv, "--cache", cache])).text).toMatch(/^ [A-Z]/);
  expect((await json([...argv, "--precision", "bf16", "--map-weights"])).text).toBe(text);
  const refused = await qlora([...argv, "--precision", "nf4", "--map-weights"]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/^.*q_proj\.weight is not stored in nf4.*map_weights\n$/);
});

test("generate in every precision", async () => {
  const texts = new Map<string, unknown>();
  for (const precision of ["f32", "bf16", "int8", "nf4", "fp4"]) {
    const argv = ["generate", "--model", baseModel, "--prompt", "This is about", "--max-new-tokens", "6"];
    texts.set(precision, (await json([...argv, "--precision", precision])).text);
  }
  expect(texts.get("bf16")).toBe(texts.get("f32")); // the file is bf16
  for (const [precision, text] of texts) expect(text, precision).toMatch(/\w/);
});

test("eval mmlu: letters and likelihoods, the first N, worked examples", async () => {
  const questions = Array.from({ length: 6 }, (_, i) => ({
    subject: i % 2 ? "odd" : "even",
    question: `What is ${i} and 1?`,
    choices: ["a fisher", "a baker", String(i + 1), "a judge"],
    answer: 2,
  }));
  const data = write("questions.jsonl", questions.map((question) => JSON.stringify(question)).join("\n"));
  const argv = ["eval", "mmlu", "--model", baseModel, "--data", data];
  const letters = await json<{ accuracy: { total: number }; predictions: unknown[] }>(argv);
  expect(letters).toMatchObject({ method: "letter", shots: 0, accuracy: { total: 6 } });
  const some = await json<{ accuracy: { total: number } }>([
    ...argv,
    "--method",
    "likelihood",
    "--limit",
    "4",
    "--shots",
    "1",
    "--shots-data",
    data,
  ]);
  expect(some).toMatchObject({ method: "likelihood", shots: 1, accuracy: { total: 4 } });
  expect((await qlora(argv)).stdout).toMatch(/^subject +accuracy %[\s\S]*macro average/);
});

test.skipIf(!hasShared)("eval elo and eval relative: the released ratings", async () => {
  const ratings = join(shared, "data/vicuna");
  const elo = await json<{ systems: { system: string }[] }>([
    "eval",
    "elo",
    "--ratings",
    join(ratings, "pairwise"),
    "--orderings",
    "200",
  ]);
  expect(elo.systems[0]!.system).toBe("GPT-4");
  const page = fresh("elo.html");
  const table = await qlora([
    "eval",
    "elo",
    "--ratings",
    join(ratings, "pairwise"),
    "--orderings",
    "200",
    "--html",
    page,
  ]);
  expect(table.stdout).toMatch(/^system +Elo/);
  expect(readFileSync(page, "utf8")).toContain("GPT-4");
  const relative = await json<{ systems: { system: string; mean: number }[] }>([
    "eval",
    "relative",
    "--ratings",
    join(ratings, "relative-gpt-3.5"),
  ]);
  expect(relative.systems.find(({ system }) => system === "Guanaco 65B")!.mean).toBeCloseTo(99.3, 1);
});

test("quantize: bitsandbytes' keys; its options are seen in the files", async () => {
  const output = fresh("nf4");
  const made = await json<{ bytesBefore: number; bytesAfter: number }>([
    "quantize",
    "--model",
    baseModel,
    "--output",
    output,
  ]);
  expect(made).toMatchObject({ output, codebook: "nf4", blockSize: 64, doubleQuant: true });
  expect(made.bytesAfter).toBeLessThan(made.bytesBefore * 0.36);
  const q = "model.layers.0.self_attn.q_proj.weight";
  {
    using checkpoint = openCheckpoint(output);
    for (const key of [
      "",
      ".absmax",
      ".nested_absmax",
      ".quant_map",
      ".nested_quant_map",
      ".quant_state.bitsandbytes__nf4",
    ])
      expect(checkpoint.tensors.has(q + key), key).toBe(true);
  }
  const plain = fresh("fp4");
  await json([
    "quantize",
    "--model",
    baseModel,
    "--output",
    plain,
    "--codebook",
    "fp4",
    "--block-size",
    "128",
    "--no-double-quant",
  ]);
  using checkpoint = openCheckpoint(plain);
  expect(checkpoint.tensors.get(`${q}.absmax`)).toMatchObject({ dtype: "F32", shape: [(192 * 192) / 128] });
  expect(checkpoint.tensors.has(`${q}.nested_absmax`)).toBe(false);
  expect(checkpoint.tensors.has(`${q}.quant_state.bitsandbytes__fp4`)).toBe(true);
});

test("inspect: a model, a quantised one, an adapter, a run, a file", async () => {
  const model = await json<{ parameters: number; bytes: number; training: { total: number } }>(["inspect", baseModel]);
  expect(model).toMatchObject({ kind: "model", parameters: 2_226_240, dtypes: { BF16: 2 * 2_226_240 } });
  expect((await qlora(["inspect", baseModel])).stdout).toMatch(/^MLP +15 tensors +2\.81 MiB$/m);
  expect((await qlora(["inspect", baseModel, "--tensors"])).stdout).toMatch(/^model\.norm\.weight +BF16 +\[192\]$/m);
  expect(await json(["inspect", join(baseModel, "model.safetensors")])).toMatchObject({
    kind: "model",
    bytes: model.bytes,
  });
  expect(await json(["inspect", run])).toMatchObject({ kind: "run", steps: 40, checkpoints: [40] });
  expect((await qlora(["inspect", run])).stdout).toMatch(
    /^held-out loss +\d\.\d{4} \(step 0\) → \d\.\d{4} \(step 40\)$/m,
  );
});

test("inspect --data: with a model tokens, without one text; what is not learned is marked", async () => {
  const withModel = await qlora([
    "inspect",
    "--data",
    heldOutData,
    "--model",
    baseModel,
    "--examples",
    "1",
    "--template",
    "guanaco",
  ]);
  expect(withModel.stdout).toContain(
    "⟦<s>### Human: What is the job of Carl Reed? ### Assistant:⟧ He works as a doctor.</s>\n",
  );
  expect(withModel.stdout).toMatch(/200 of 200 examples kept; \d+ tokens, 1249 learnt/);
  const without = await qlora(["inspect", "--data", heldOutData, "--examples", "1", "--template", "guanaco"]);
  expect(without).toMatchObject({ code: 0, stderr: "" });
  expect(without.stdout).toMatch(
    /⟦### Human: What is the job of Carl Reed\? ### Assistant:⟧ He works as a doctor\.<\/s>\n/,
  );
  expect(without.stdout).toMatch(/^examples +200 completion$/m);
  const turns = [
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Ho" },
  ];
  const data = write("turns.jsonl", JSON.stringify({ messages: turns }));
  const found = await json<{ examples: string[] }>(["inspect", "--data", data, "--template", "chatml"]);
  expect(found.examples).toEqual(["⟦<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n⟧Ho<|im_end|>⟦\n⟧"]);
});

test("estimate: shapes by both names, a model, options that save memory", async () => {
  type Estimate = { total: number; parameters: number; parts: { name: string; bytes: number }[] };
  const estimate = (...argv: string[]) => json<Estimate>(["estimate", ...argv]);
  for (const [name, billions] of [
    ["7b", 6.7],
    ["13b", 13.0],
    ["33b", 32.5],
    ["65b", 65.3],
  ] as const) {
    const { total, parameters } = await estimate(
      "--shape",
      name,
      "--optimizer",
      "paged-adamw-32bit",
      "--device",
      "cpu",
    );
    expect(parameters / 1e9).toBeCloseTo(billions, 1);
    expect((await estimate("--shape", `llama-${name}`)).parameters).toBe(parameters);
    expect(total).toBeGreaterThan(parameters / 2);
  }
  const own = await estimate("--model", baseModel, "--rank", "8", "--seq", "128", "--batch", "2");
  expect((await estimate("--model", baseModel, "--rank", "64", "--seq", "128", "--batch", "2")).total).toBeGreaterThan(
    own.total,
  );
  expect((await estimate("--shape", "7b", "--method", "full")).total).toBeGreaterThan(2 * 4 * 6.7e9);
  const cuda = await qlora(["estimate", "--shape", "7b", "--device", "cuda"]);
  expect(cuda.stdout).toMatch(/^context +512 MiB/m);
  expect(cuda.stderr).toMatch(/no peak of a run on a GPU was measured yet/);
  const paged = await estimate("--shape", "33b", "--device", "cuda", "--gpu-memory", "22GiB");
  expect(paged.total).toBeLessThanOrEqual(22 * 2 ** 30);
  const words = (await qlora(["estimate", "--shape", "7b"])).stdout;
  expect(words).toMatch(/^base model +3\.60 GiB {2}linear layers in nf4/m);
  expect(words).toMatch(/^total +\d/m);
});

test("devices", async () => {
  const found = await json<{ devices: unknown[]; reason?: string }>(["devices"]);
  expect(found.devices.length > 0 || found.reason !== undefined).toBe(true);
  expect((await qlora(["devices"])).stdout).toMatch(/^processor +\S/m);
});

test("the peak of a run with the default recipe is within 25 % of what inspect says", async () => {
  const { training } = await json<{ training: { total: number } }>(["inspect", baseModel]);
  const { code, stdout } = await qlora([
    "train",
    "--model",
    baseModel,
    "--data",
    trainData,
    "--output",
    fresh("run"),
    "--json",
  ]);
  expect(code).toBe(0);
  const done = JSON.parse(stdout.trimEnd().split("\n").at(-1)!) as {
    type: string;
    peakBytes: number;
    expectedBytes: number;
  };
  expect(done.type).toBe("done");
  expect(Math.abs(training.total / done.peakBytes - 1), "inspect").toBeLessThan(0.25);
  expect(Math.abs(done.expectedBytes / done.peakBytes - 1), "train").toBeLessThan(0.25);
});

test("--version and --help", async () => {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  expect(await qlora(["--version"])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: "" });
  const all = await qlora(["--help"]);
  expect(all).toMatchObject({ code: 0, stderr: "" });
  expect((await qlora(["help"])).stdout).toBe(all.stdout);
  for (const [, name] of all.stdout.matchAll(/^ {2}(\w+(?: \w+)?) {2}/gm)) {
    const help = await qlora([...name!.split(" "), "--help"]);
    expect(help, name).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout).toMatch(new RegExp(`^qlora ${name} `));
    for (const line of help.stdout.split("\n"))
      if (!line.startsWith("  qlora ")) expect(line.length, line).toBeLessThanOrEqual(80);
  }
  expect((await qlora(["help", "eval", "mmlu"])).stdout).toMatch(/--shots N/);
});

test("every flag of the contract is known to its command", async () => {
  const contract: Record<string, string> = {
    train: "model data output config max-steps seed threads resume precision method compute device json",
    generate: "model adapter prompt max-new-tokens temperature precision seed json threads",
    chat: "model adapter",
    "eval perplexity": "model adapter data precision json",
    "eval mmlu": "model adapter data json",
    "eval answers": "model adapter endpoint questions results json",
    "eval judge": "endpoint model questions answers results mode json html",
    "eval elo": "ratings json",
    "eval relative": "ratings json",
    quantize: "model output codebook block-size no-double-quant",
    merge: "model adapter output",
    estimate: "model shape rank seq batch optimizer device json",
    inspect: "data",
    devices: "json",
  };
  for (const [name, flags] of Object.entries(contract)) {
    const { stdout } = await qlora([...name.split(" "), "--help"]);
    for (const flag of flags.split(" "))
      expect(stdout, `${name} --${flag}`).toMatch(new RegExp(`^ {2}--(\\[no-\\])?${flag.replace(/^no-/, "")}\\b`, "m"));
  }
});
