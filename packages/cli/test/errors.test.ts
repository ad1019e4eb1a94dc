// What is wrong, in one line that names file, tensor, line or flag; the exit code; nothing written.
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { devices } from "@qlora/cuda-runtime";
import { expect, test } from "vitest";
import {
  baseModel,
  editJson,
  folder,
  fresh,
  model,
  qlora,
  scratch,
  shard,
  trainData,
  underFile,
  write,
} from "./qlora.js";

const weights = "model.safetensors";

/** Runs a command that must fail with one line on stderr that matches all of `says`. */
async function fails(code: 1 | 2, argv: string[], ...says: RegExp[]): Promise<void> {
  const run = await qlora(argv);
  expect(run.code, run.stderr).toBe(code);
  expect(run.stdout).toBe("");
  // Training says what it is about to do first; the error is the last line.
  const lines = run.stderr.trimEnd().split("\n");
  const problem = lines.at(-1)!;
  expect(problem).toMatch(/^qlora[ a-z]*: /);
  for (const pattern of says) expect(problem).toMatch(pattern);
  expect(problem).not.toMatch(/\(unexpected;/);
  expect(run.stderr).not.toMatch(/^\s+at /m);
  if (argv[0] !== "train") expect(lines).toHaveLength(1);
}

/** Commands that read a model; each must refuse it. */
const readers = (dir: string): string[][] => [
  ["generate", "--model", dir, "--prompt", "x"],
  ["eval", "perplexity", "--model", dir, "--data", trainData],
  ["quantize", "--model", dir, "--output", fresh("out")],
  ["train", "--model", dir, "--data", trainData, "--output", fresh("out"), "--max-steps", "1"],
];

/** Every reader refuses the model, and leaves nothing behind. */
async function refused(dir: string, ...says: RegExp[]): Promise<void> {
  for (const argv of readers(dir)) {
    await fails(1, argv, ...says);
    const output = argv[argv.indexOf("--output") + 1]!;
    if (argv.includes("--output"))
      expect(
        readdirSync(scratch).filter((name) => join(scratch, name).startsWith(output)),
        argv.join(" "),
      ).toEqual([]);
  }
}

test("missing shard", async () => {
  const dir = model((dir) => {
    shard(dir, 3);
    rmSync(join(dir, "model-00002-of-00003.safetensors"));
  });
  await refused(dir, /model-00002-of-00003\.safetensors/, /not there/);
});

test("truncated weights", async () => {
  const dir = model((dir) => truncateSync(join(dir, weights), 1_000_000));
  await refused(dir, /model\.safetensors/);
});

test("a header that lies about a tensor's place", async () => {
  const dir = model((dir) => {
    const bytes = readFileSync(join(dir, weights));
    const length = Number(bytes.readBigUInt64LE(0));
    const header = bytes.toString("utf8", 8, 8 + length);
    const lie = header.replace(/"data_offsets":\[0,(\d)/, (_, digit) => `"data_offsets":[0,${(Number(digit) % 9) + 1}`);
    expect(lie).not.toBe(header);
    bytes.write(lie, 8, "utf8");
    writeFileSync(join(dir, weights), bytes);
  });
  await refused(dir, /model\.safetensors/, /model\.(embed|layers)|norm/);
});

test("a header longer than the file", async () => {
  const dir = model((dir) => {
    const bytes = readFileSync(join(dir, weights));
    bytes.writeBigUInt64LE(2n ** 40n, 0);
    writeFileSync(join(dir, weights), bytes);
  });
  await refused(dir, /model\.safetensors/, /1099511627776/);
});

test("a shape that disagrees with config.json", async () => {
  const dir = model((dir) =>
    editJson(join(dir, "config.json"), (json) => {
      json.intermediate_size = 500;
    }),
  );
  await refused(dir, /model\.layers\.0\.mlp\.gate_proj\.weight/, /\[512,192\]/, /\[500,192\]/, /config\.json/);
});

test("a tensor that is not there", async () => {
  const dir = model((dir) =>
    editJson(join(dir, "config.json"), (json) => {
      json.num_hidden_layers = 6;
    }),
  );
  await refused(dir, /model\.layers\.5\./, /missing/);
});

test("an architecture that is not known", async () => {
  const dir = model((dir) =>
    editJson(join(dir, "config.json"), (json) => {
      json.architectures = ["GPT2LMHeadModel"];
    }),
  );
  await refused(dir, /config\.json/, /GPT2LMHeadModel/, /LlamaForCausalLM/);
});

test("config.json that is no JSON, and none at all", async () => {
  await refused(
    model((dir) => writeFileSync(join(dir, "config.json"), "{")),
    /config\.json/,
    /JSON/,
  );
  await refused(
    model((dir) => rmSync(join(dir, "config.json"))),
    /config\.json does not exist/,
  );
  await refused(fresh("nothing"), /config\.json does not exist/);
});

test("a model without its tokenizer", async () => {
  const dir = model((dir) => rmSync(join(dir, "tokenizer.json")));
  for (const argv of readers(dir).filter(([name]) => name !== "quantize"))
    await fails(1, argv, /tokenizer\.json/, /no such file/);
});

test("a vocabulary larger than the embedding", async () => {
  const dir = model((dir) =>
    editJson(join(dir, "tokenizer.json"), (json) => {
      (json.added_tokens as unknown[]).push({
        id: 1024,
        content: "<extra>",
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      });
    }),
  );
  for (const argv of readers(dir).filter(([name]) => name !== "quantize"))
    await fails(1, argv, /tokenizer\.json/, /1024/, /<extra>/);
});

const train = (...rest: string[]) => ["train", "--model", baseModel, "--max-steps", "1", ...rest];
const withData = (text: string, name = "data.jsonl") => train("--output", fresh("out"), "--data", write(name, text));

test("an empty dataset, one without records, one that is not there", async () => {
  await fails(1, withData(""), /data\.jsonl-\d+: the file is empty/);
  await fails(1, withData("[]"), /data\.jsonl-\d+: the file holds no records/);
  await fails(1, train("--output", fresh("out"), "--data", "nowhere.jsonl"), /nowhere\.jsonl: no such file/);
});

test("a dataset in which nothing is learned", async () => {
  const turns = JSON.stringify({ messages: [{ role: "user", content: "Hello?" }] });
  await fails(1, withData(`${turns}\n${turns}\n`), /data\.jsonl-\d+: none of the 2 examples/, /no assistant turn/);
});

test("a line that is not JSON, with its number", async () => {
  const good = JSON.stringify({ prompt: "a", completion: "b" });
  await fails(1, withData(`${good}\n${good}\n{"prompt": "a", \n${good}\n`), /data\.jsonl-\d+:3: not valid JSON/);
  await fails(1, withData(`${good}\n{"prompt": "a"}\n`), /data\.jsonl-\d+:2: "completion" is missing/);
});

test("an output that cannot be written", async () => {
  for (const argv of [
    ["train", "--model", baseModel, "--data", trainData],
    ["quantize", "--model", baseModel],
    ["merge", "--model", baseModel, "--adapter", baseModel],
  ]) {
    const output = underFile();
    if (argv[0] !== "merge") await fails(1, [...argv, "--output", output], /run/, /is a file|not a directory/i);
    expect(existsSync(output)).toBe(false);
    expect(readFileSync(dirname(output), "utf8")).toBe("x");
  }
  await fails(
    1,
    ["eval", "perplexity", "--model", baseModel, "--data", trainData, "--html", "no/such/folder.html"],
    /no\/such\/folder\.html cannot be written/,
  );
});

test("a folder that holds something already", async () => {
  for (const argv of [
    ["train", "--model", baseModel, "--data", trainData],
    ["quantize", "--model", baseModel],
  ]) {
    const output = folder({ precious: "data" });
    await fails(
      1,
      [...argv, "--output", output],
      /folder-\d+ (already holds files|exists and is not empty)/,
      /another output/,
    );
    expect(readdirSync(output)).toEqual(["precious"]);
    await fails(1, [...argv, "--output", join(output, "precious")], /precious is a file; name a folder/);
  }
});

test("adapters that do not fit", async () => {
  await fails(
    1,
    ["generate", "--model", baseModel, "--adapter", folder(), "--prompt", "x"],
    /folder-\d+: no adapter_config\.json/,
  );
});

test("configuration files", async () => {
  const config = (text: string) => ["train", "--config", write("recipe.yaml", text)];
  await fails(2, config("model: ["), /recipe\.yaml-\d+: .*line 1/);
  await fails(2, config("modle: x"), /recipe\.yaml-\d+: unknown key modle; did you mean model\?/);
  await fails(2, config("- a"), /recipe\.yaml-\d+: must hold keys and values/);
  await fails(2, config("lora_r: many\nmodel: a\ndata: b\noutput: c"), /recipe\.yaml-\d+: lora_r: .*number/);
  await fails(2, config("model: a\ndata: b"), /--output is missing/);
  await fails(2, ["train", "--config", "nowhere.yaml"], /nowhere\.yaml: cannot be read/);
  await fails(
    2,
    train("--data", trainData, "--output", "x", "--method", "full", "--precision", "nf4"),
    /precision nf4/,
  );
});

test("wrong usage", async () => {
  await fails(2, ["trian"], /unknown command trian; did you mean train\?; see qlora --help$/);
  await fails(2, ["eval"], /eval needs one of perplexity, mmlu, answers, judge, elo, relative/);
  await fails(2, ["eval", "mmul"], /did you mean mmlu\?/);
  await fails(2, ["--nonsense"], /unknown option --nonsense/);
  await fails(
    2,
    ["generate", "--promt", "x"],
    /unknown option --promt; did you mean --prompt\?; see qlora generate --help$/,
  );
  await fails(2, ["generate", "-x"], /unknown option -x/);
  await fails(2, ["generate", "--model", baseModel], /--prompt is missing: the text to continue/);
  await fails(2, ["generate", "--prompt", "--model", baseModel], /--prompt needs a value/);
  await fails(2, ["generate", "--seed", "soon"], /--seed must be a number, got "soon"/);
  await fails(2, ["generate", "--temperature", "-1"], /--temperature must be at least 0, got -1/);
  await fails(2, ["generate", "--top-p", "0"], /--top-p must be above 0, got 0/);
  await fails(2, ["generate", "--max-new-tokens", "1.5"], /--max-new-tokens must be a whole number, got 1\.5/);
  await fails(2, ["generate", "--precision", "nf5"], /--precision must be one of nf4, .*; did you mean nf4\?/);
  await fails(2, ["quantize", "--block-size", "63"], /--block-size must be one of 32, 64, .*, got 63/);
  await fails(2, ["generate", "--model", ""], /--model must not be empty/);
  await fails(2, ["generate", "stray"], /unexpected argument stray/);
  await fails(2, ["generate", "--json=perhaps"], /--json is true or false, got "perhaps"/);
  await fails(2, ["train", "--no-model"], /unknown option --no-model/);
  await fails(2, ["estimate"], /--model DIR or --shape NAME/);
  await fails(2, ["estimate", "--shape", "9b"], /--shape must be one of llama-7b/);
  await fails(2, ["inspect"], /give a path, or --data FILE/);
  await fails(2, ["inspect", "a", "b"], /unexpected argument b/);
  await fails(
    2,
    ["eval", "perplexity", "--model", baseModel, "--data", write("text.txt", "A text."), "--window", "300"],
    /--window must be at most the model's context of 256, got 300/,
  );
});

test("no command at all is wrong usage and shows them", async () => {
  const run = await qlora([]);
  expect(run).toMatchObject({ code: 2, stdout: "" });
  expect(run.stderr).toMatch(/^ {2}train {3}/m);
});

test.skipIf(devices().devices.length > 0)("a GPU that is not there", async () => {
  const said = /device cuda cannot be used: .*; leave --device out, or use cpu/;
  await fails(1, ["generate", "--model", baseModel, "--prompt", "x", "--device", "cuda"], said);
  const output = fresh("out");
  await fails(1, train("--data", trainData, "--output", output, "--device", "cuda"), said);
  expect(existsSync(output)).toBe(false);
});

test("--debug shows where an error comes from", async () => {
  const run = await qlora(["generate", "--model", fresh("nothing"), "--prompt", "x", "--debug"]);
  expect(run.code).toBe(1);
  expect(run.stderr).toMatch(/ModelError: .*config\.json does not exist/);
  expect(run.stderr).toMatch(/^\s+at readModelConfig/m);
});

test("names in files cannot drive the terminal", async () => {
  const path = write("data.jsonl", '{"\\u001b[2Jprompt": "a"}\n');
  const run = await qlora(train("--output", fresh("out"), "--data", path));
  expect(run.code).toBe(1);
  expect(run.stderr).not.toContain("\x1b");
});

test("what people ask for a path of", async () => {
  await fails(1, ["inspect", "nowhere"], /nowhere does not exist/);
  await fails(1, ["inspect", trainData], /no \.safetensors file; a dataset is shown with --data/);
  await fails(1, ["inspect", folder()], /model\.safetensors/);
  await fails(1, ["eval", "elo", "--ratings", folder()], /folder-\d+/);
  await fails(1, ["eval", "mmlu", "--model", baseModel, "--data", "nowhere.json"], /nowhere\.json/);
  await fails(1, ["eval", "perplexity", "--model", baseModel, "--data", "nowhere.txt"], /nowhere\.txt/);
});
