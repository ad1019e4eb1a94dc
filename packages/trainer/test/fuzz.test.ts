// Structure-aware fuzzing: configurations and checkpoints bent in a few places are read, or refused with a typed error.
import { createHash } from "node:crypto";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AdamW } from "@qlora/paged-optim";
import fc from "fast-check";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import {
  type Bend,
  bends,
  bentJson,
  bentText,
  expectCodes,
  fuzzRuns,
  memoryFolder,
  typedError,
} from "../../../vitest.fuzz.js";
import {
  ConfigError,
  formatConfig,
  parseConfig,
  readCheckpoint,
  readConfigFile,
  TrainError,
  writeCheckpoint,
} from "../src/index.js";

const runs = fuzzRuns(2000);
const folder = memoryFolder();

const configuration = {
  model: "base",
  data: "data.jsonl",
  output: "run",
  method: "qlora",
  lora_r: 16,
  lora_alpha: 32.5,
  lora_target_modules: "q_proj,v_proj",
  optimizer: "paged-adamw-8bit",
  learning_rate: 1e-4,
  double_quant: true,
  max_steps: 10,
  held_out: 0.1,
};

const documents = Math.ceil(runs / 4); // these take longer

test(`${documents} bent YAML configurations: a ConfigError, or a configuration`, { timeout: 3_600_000 }, () => {
  const path = join(folder, "config.yaml");
  let used = 0;
  const property = (flow: boolean, list: Bend[]) => {
    writeFileSync(path, flow ? bentJson(configuration, list) : bentText(stringify(configuration), list));
    const error = typedError([ConfigError], () => {
      const config = parseConfig(readConfigFile(path), path);
      used++;
      writeFileSync(path, formatConfig(config));
      expect(parseConfig(readConfigFile(path))).toEqual(config);
    });
    if (list.length === 0) expect(error).toBeUndefined();
    if (error !== undefined) expect(error.message.startsWith(path)).toBe(true);
  };
  fc.assert(fc.property(fc.boolean(), bends, property), { numRuns: documents });
  expect(used).toBeGreaterThan(documents / 20);
});

test("YAML whose aliases multiply", () => {
  const path = join(folder, "aliases.yaml");
  const level = (i: number) =>
    `a${i}: &a${i} [${Array(10)
      .fill(`*a${i - 1}`)
      .join(", ")}]`;
  writeFileSync(path, ["a0: &a0 x", ...Array.from({ length: 9 }, (_, i) => level(i + 1))].join("\n"));
  const began = performance.now();
  expect(typedError([ConfigError], () => void readConfigFile(path))?.message).toMatch(/alias/);
  expect(performance.now() - began).toBeLessThan(2000);
});

const parameter = () => ({ name: "w", data: new Float32Array(8).fill(0.5), grad: new Float32Array(8).fill(0.1) });

test(`${runs} bent checkpoints: a TrainError, or one that can be continued`, { timeout: 3_600_000 }, () => {
  const dir = join(folder, "checkpoints");
  using optimizer = new AdamW([parameter()]);
  optimizer.step();
  const fingerprint = { configuration: { seed: 1 }, baseModel: "", data: "" };
  const state = { version: 1 as const, step: 1, optimizerSteps: 1, logBytes: 0, tokens: 9, simd: "", fingerprint };
  const weights = [{ name: "w", dtype: "F32" as const, shape: [8], data: parameter().data }];
  const states = [...optimizer.stateTensors()].map((tensor) => ({ ...tensor, data: tensor.data() }));
  const good = writeCheckpoint(dir, { weights, optimizer: states, state }, 2);
  const path = join(folder, "step-1");
  cpSync(good, path, { recursive: true });
  const read = (name: string) => readFileSync(join(good, name));
  const json = (name: string) => JSON.parse(read(name).toString()) as Record<string, unknown>;
  const [manifest, stateJson] = [json("manifest.json"), json("state.json")];
  const tensors = read("optimizer.safetensors");
  const header = JSON.parse(tensors.subarray(8, 8 + Number(tensors.readBigUInt64LE(0))).toString()) as object;
  const values = tensors.subarray(8 + Number(tensors.readBigUInt64LE(0)));
  const codes = new Set<string>();
  let used = 0;
  const property = (which: "manifest" | "state" | "tensors", list: Bend[]) => {
    const bent = bentJson({ manifest, state: stateJson, tensors: header }[which], list);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(bent.length));
    const files = {
      "state.json": which === "state" ? bent : read("state.json"),
      "optimizer.safetensors": which === "tensors" ? Buffer.concat([length, bent, values]) : tensors,
    };
    // The hashes are right, so that what is behind them is reached.
    const listed = { ...(manifest.files as object) } as Record<string, object>;
    for (const [name, bytes] of Object.entries(files)) {
      writeFileSync(join(path, name), bytes);
      listed[name] = { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
    }
    writeFileSync(
      join(path, "manifest.json"),
      which === "manifest" ? bent : JSON.stringify({ ...manifest, files: listed }),
    );
    const error = typedError([TrainError], () => {
      const checkpoint = readCheckpoint(path);
      expect(checkpoint.weights.get("w")).toHaveLength(8);
      expect(checkpoint.optimizer.size).toBeGreaterThanOrEqual(0);
      expect(checkpoint.state.step).toBeGreaterThanOrEqual(0);
      used++;
    });
    if (error !== undefined) codes.add(error.code);
    if (list.length === 0) expect(error).toBeUndefined();
  };
  fc.assert(fc.property(fc.constantFrom("manifest", "state", "tensors"), bends, property), { numRuns: runs });
  expect(used).toBeGreaterThan(runs / 20);
  expectCodes(codes, "CHECKPOINT_DAMAGED");
});
