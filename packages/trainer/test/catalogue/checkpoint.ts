// 200 bad checkpoints of a run, and 500 bad configurations in YAML.
import { createHash } from "node:crypto";
import { parseConfig, readCheckpoint, readConfigFile } from "../../src/index.js";
import { cause, type Files, type Format, nth, otherThan, round, safetensors } from "./bad-file.js";

const tensors = safetensors('{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8);
const fingerprint = { configuration: {}, baseModel: "", data: "" };
const state = { version: 1, step: 1, optimizerSteps: 1, logBytes: 0, tokens: 9, simd: "", fingerprint };

/** A checkpoint with some files changed; its manifest is right about them unless `manifest` says otherwise. */
function checkpoint(change: Files, manifest: object = {}, after: Files = {}): Files {
  const files: Files = {
    "weights.safetensors": tensors,
    "optimizer.safetensors": tensors,
    "state.json": JSON.stringify(state),
    ...change,
  };
  const listed = Object.fromEntries(
    Object.entries(files).map(([name, content]) => [
      name,
      { bytes: Buffer.byteLength(content), sha256: createHash("sha256").update(content).digest("hex") },
    ]),
  );
  const text = JSON.stringify({ version: 1, step: 1, files: listed, ...manifest });
  const all: Files = { ...files, "manifest.json": text, ...after };
  return Object.fromEntries(Object.entries(all).map(([name, content]) => [`step-1/${name}`, content]));
}
function without(name: string): Files {
  const files = checkpoint({});
  delete files[`step-1/${name}`];
  return files;
}
const names = ["weights.safetensors", "optimizer.safetensors", "state.json"];
const wrong = (i: number, ...right: Parameters<typeof otherThan>) => nth(otherThan(...right), i);
const hash = { bytes: 1, sha256: "0".repeat(64) };

export const checkpoints: Format = {
  name: "checkpoint",
  read(dir) {
    const { weights, optimizer } = readCheckpoint(`${dir}/step-1`);
    return void [weights, optimizer];
  },
  causes: [
    cause("NO_CHECKPOINT", 10, (i) => ({ [`step-${2 + i}/x`]: "" })),
    cause("CHECKPOINT_DAMAGED", 20, (i) => without(nth([...names, "manifest.json"], i))),
    cause("CHECKPOINT_DAMAGED", 30, (i) =>
      checkpoint({}, {}, { [nth(names, i)]: nth(["", "x", "{}", safetensors("{}")], round(names, i)) }),
    ),
    cause("CHECKPOINT_DAMAGED", 40, (i) =>
      checkpoint({}, {}, { "manifest.json": nth(["", "{", "[]", "null", `${i}`, "{}"], i) }),
    ),
    cause("CHECKPOINT_DAMAGED", 40, (i) =>
      checkpoint(
        {},
        nth<object>(
          [
            { version: 2 + i },
            { step: -1 - i },
            { files: wrong(i, "object") },
            { files: { "../x": hash } },
            { files: { "..": hash } },
          ],
          i,
        ),
      ),
    ),
    cause("CHECKPOINT_DAMAGED", 40, (i) =>
      checkpoint({
        "state.json": JSON.stringify({
          ...state,
          [nth(Object.keys(state), i)]: nth([undefined, -1, [], {}], round(Object.keys(state), i)),
        }),
      }),
    ),
    cause("CHECKPOINT_DAMAGED", 20, (i) =>
      checkpoint({
        [nth(names.slice(0, 2), i)]: nth([safetensors("{}", 1 + i), "", safetensors("[]"), safetensors('{"w":')], i),
      }),
    ),
  ],
};

const right = { model: "m", data: "d", output: "o" };
const yaml = (change: object): Files => ({ "config.yaml": JSON.stringify({ ...right, ...change }) });
const ranges: Record<string, unknown[]> = {
  lora_r: [0, -1, 1.5, "x", null, []],
  learning_rate: [0, -1, "fast", null],
  lora_dropout: [-0.1, 1.5, "x"],
  method: ["qlora2", 7, null],
  optimizer: ["adam", 7, "paged-adamw-16bit"],
  batch_size: [0, 0.5, "x"],
  beta1: [1, -1, 2],
  double_quant: ["yes", 1],
  keep_checkpoints: [1, 0, -2],
  schedule: ["step", 1],
  seed: [-1, 0.5, "x"],
  max_steps: [0, -1, 1.5],
};
const misspelt = [
  "lora_rank",
  "learn_rate",
  "batchsize",
  "max_step",
  "__proto__",
  "constructor",
  "lora-r",
  "loraR",
  "Model",
];
const broken = [
  "a: [",
  "a: b: c",
  "\ta: 1",
  "a: 'x",
  "- a\nb: c",
  "a: *x",
  "a: &x [*x",
  "{",
  "a: 1\na: 2",
  "%YAML x\n---\n{",
];

export const configurations: Format = {
  name: "configuration",
  read(dir) {
    const path = `${dir}/config.yaml`;
    parseConfig(readConfigFile(path), path);
  },
  causes: [
    cause("ConfigError", 120, (i) => ({ "config.yaml": `${"# a comment\n".repeat(i)}${nth(broken, i)}` })),
    cause("ConfigError", 150, (i) =>
      yaml({ [nth(Object.keys(ranges), i)]: nth(nth(Object.values(ranges), i), round(Object.keys(ranges), i)) }),
    ),
    cause("ConfigError", 100, (i) => ({ "config.yaml": `model: m\ndata: d\noutput: o\n${nth(misspelt, i)}: ${i}\n` })),
    cause("ConfigError", 60, (i) =>
      yaml({ [nth(Object.keys(right), i)]: nth([undefined, "", 7, null, []], round(Object.keys(right), i)) }),
    ),
    cause("ConfigError", 50, (i) => ({ "config.yaml": nth(["[]", "7", "text", "- a", "true"], i) + "\n".repeat(i) })),
    cause("ConfigError", 16, (i) =>
      yaml(
        nth(
          [
            { method: "full", precision: "nf4" },
            { precision: "bf16" },
            { early_stopping: 2 + i },
            { pack_tokens: 10 + i },
          ],
          i,
        ),
      ),
    ),
    cause("ConfigError", 4, (i) => ({ [nth(["other.yaml", "config.yaml/x"], i)]: "" })),
  ],
};
