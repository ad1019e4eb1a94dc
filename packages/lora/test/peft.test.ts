// PEFT's files: golden adapters read, written again byte for byte, refused where they would compute something else.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openSafetensors, type TensorData, writeSafetensors } from "@qlora/safetensors";
import { expect, test } from "vitest";
import {
  type Adapters,
  createAdapter,
  type LoraConfig,
  mergeInto,
  parsePeftConfig,
  peftConfigText,
  readPeftAdapter,
  resolveTargets,
  writePeftAdapter,
} from "../src/index.js";
import { difference, failureOf, golden, random, temporaryFolder, tinyModules } from "./shared.js";

const WEIGHTS = "adapter_model.safetensors";
const CONFIG = "adapter_config.json";
const expected: Record<string, { scaling: Record<string, number>; deltas: Record<string, number[]> }> = JSON.parse(
  readFileSync(golden("expected.json"), "utf8"),
);

/** scaling·B·A of every adapter. */
function deltas(adapters: Adapters): Record<string, Float32Array> {
  return Object.fromEntries(
    [...adapters].map(([path, adapter]) => {
      const weight = new Float32Array(adapter.outFeatures * adapter.inFeatures);
      mergeInto(weight, adapter);
      return [path, weight];
    }),
  );
}

for (const [name, { scaling, deltas: goldenDeltas }] of Object.entries(expected)) {
  test(`${name}: modules, scalings and products as PEFT has them`, () => {
    const { adapters, config, warnings } = readPeftAdapter(golden(name), { modules: tinyModules });
    expect(warnings).toEqual([]);
    expect(Object.fromEntries([...adapters].map(([path, adapter]) => [path, adapter.scaling]))).toEqual(scaling);
    const found = deltas(adapters);
    for (const [path, delta] of Object.entries(goldenDeltas))
      expect(difference(found[path]!, delta)).toBeLessThan(1e-6);
    // the same modules as our own resolution of PEFT's target_modules, exclude_modules and layers_to_transform
    expect(resolveTargets([...tinyModules.keys(), "lm_head"], config).sort()).toEqual([...adapters.keys()].sort());
  });

  test(`${name}: written again byte for byte`, () => {
    const { adapters, config } = readPeftAdapter(golden(name));
    const dir = join(temporaryFolder(), "new", "folder");
    writePeftAdapter(dir, adapters, config);
    expect(readdirSync(dir).sort()).toEqual([CONFIG, WEIGHTS]);
    expect(readFileSync(join(dir, CONFIG), "utf8")).toBe(readFileSync(join(golden(name), CONFIG), "utf8"));
    if (name === "bfloat16") {
      // bfloat16 is read, float32 is written: the values are the same
      const again = readPeftAdapter(dir);
      expect(again.adapters).toEqual(adapters);
    } else expect(readFileSync(join(dir, WEIGHTS)).equals(readFileSync(join(golden(name), WEIGHTS)))).toBe(true);
  });
}

const refused = { dora: "use_dora", bias: "bias", "lora-bias": "lora_bias", "modules-to-save": "modules_to_save" };
const alsoRefused = { tokens: "trainable_token_indices", pissa: "init_lora_weights", olora: "init_lora_weights" };
for (const [name, key] of Object.entries({ ...refused, ...alsoRefused }))
  test(`refused, naming ${key}: ${name}`, () => {
    const path = join(golden(`refused-${name}`), CONFIG);
    const error = failureOf(() => readPeftAdapter(golden(`refused-${name}`)));
    expect(error).toMatchObject({ code: "UNSUPPORTED", key, path });
    expect(error.message.startsWith(`${path}: ${key} is `)).toBe(true);
  });

test("refused by its tensors, where the configuration is silent: embeddings", () => {
  const error = failureOf(() => readPeftAdapter(golden("refused-embedding")));
  expect(error).toMatchObject({ code: "UNKNOWN_TENSOR", key: expect.stringContaining("lora_embedding_A") });
});

/** A copy of the plain adapter with some fields or tensors changed. */
function bent(
  fields: Record<string, unknown>,
  change: (tensors: TensorData[]) => TensorData[] = (tensors) => tensors,
): string {
  const dir = join(temporaryFolder(), "bent");
  cpSync(golden("plain"), dir, { recursive: true });
  const json = { ...JSON.parse(readFileSync(join(dir, CONFIG), "utf8")), ...fields };
  for (const [key, value] of Object.entries(json)) if (value === undefined) delete json[key];
  writeFileSync(join(dir, CONFIG), JSON.stringify(json));
  using source = openSafetensors(join(golden("plain"), WEIGHTS));
  const tensors = [...source.tensors.values()].map((info) => ({ ...info, data: source.read(info.name) }));
  writeSafetensors(join(dir, WEIGHTS), change(tensors));
  return dir;
}

test.each([
  ["use_qalora", true],
  ["use_bdlora", { x: 1 }],
  ["fan_in_fan_out", true],
  ["target_parameters", ["experts.w1"]],
  ["layer_replication", [[0, 2]]],
  ["alora_invocation_tokens", [1, 2]],
  ["arrow_config", { top_k: 1 }],
  ["kasa_config", { beta: 1 }],
  ["monteclora_config", { n: 1 }],
  ["velora_config", { n: 1 }],
  ["megatron_config", { n: 1 }],
  ["init_lora_weights", "loftq"],
  ["init_lora_weights", "pissa_niter_4"],
  ["init_lora_weights", "corda"],
  ["init_lora_weights", "lora_ga"],
  ["init_lora_weights", "mica"],
  ["bias", "lora_only"],
  ["peft_type", "LOHA"],
])("UNSUPPORTED: %s %j", (key, value) => {
  expect(failureOf(() => readPeftAdapter(bent({ [key]: value })))).toMatchObject({ code: "UNSUPPORTED", key });
});

test.each([
  ["r", 0],
  ["r", "8"],
  ["r", 2.5],
  ["lora_alpha", "16"],
  ["lora_dropout", 1],
  ["lora_dropout", -0.1],
  ["use_rslora", 1],
  ["rank_pattern", { q_proj: 0 }],
  ["rank_pattern", ["q_proj"]],
  ["alpha_pattern", { q_proj: "1" }],
  ["target_modules", [1]],
  ["exclude_modules", 3],
  ["layers_to_transform", "1"],
  ["layers_pattern", 1],
  ["base_model_name_or_path", 1],
  ["task_type", {}],
  ["init_lora_weights", 1],
])("FIELD_TYPE: %s %j", (key, value) => {
  expect(failureOf(() => readPeftAdapter(bent({ [key]: value })))).toMatchObject({ code: "FIELD_TYPE", key });
});

test("fields that are absent have PEFT's defaults; unknown ones are named in a warning when they ask for something", () => {
  const drop = {
    lora_dropout: undefined,
    target_modules: null,
    task_type: undefined,
    new_off: false,
    new_on: { a: 1 },
  };
  const dir = bent({ ...drop, lora_alpha: undefined, r: 4, init_lora_weights: "eva" });
  const { config, adapters, warnings } = readPeftAdapter(dir);
  expect(config).toMatchObject({ alpha: 8, dropout: 0, targetModules: ["q_proj", "v_proj"], init: "eva" });
  expect([...adapters.values()].map(({ scaling }) => scaling)).toEqual([2, 2, 2, 2]);
  expect(warnings).toEqual([`${join(dir, CONFIG)}: ignored the unknown field "new_on"`]);
  expect(failureOf(() => readPeftAdapter(bent({ peft_type: undefined }))).code).toBe("FIELD_MISSING");
  expect(failureOf(() => readPeftAdapter(bent({ r: undefined })))).toMatchObject({ code: "RANK_MISMATCH" });
});

test("tensors that do not fit", () => {
  const only = (change: (tensors: TensorData[]) => TensorData[]) => failureOf(() => readPeftAdapter(bent({}, change)));
  const edit = (suffix: string, over: Partial<TensorData>) => (tensors: TensorData[]) =>
    tensors.map((tensor) => (tensor.name.endsWith(suffix) ? { ...tensor, ...over } : tensor));
  const q0 = "layers.0.self_attn.q_proj";
  expect(only((tensors) => tensors.filter(({ name }) => !name.endsWith(`${q0}.lora_B.weight`)))).toMatchObject({
    code: "HALF_MISSING",
    key: `model.${q0}`,
    message: expect.stringContaining("has no lora_B"),
  });
  expect(only(() => []).code).toBe("HALF_MISSING");
  expect(only(edit(`${q0}.lora_A.weight`, { name: "q.lora_A.weight" })).code).toBe("UNKNOWN_TENSOR");
  expect(only(edit(`${q0}.lora_A.weight`, { name: "base_model.model.q.lora_magnitude_vector" })).message).toContain(
    "DoRA",
  );
  expect(only(edit(`${q0}.lora_A.weight`, { shape: [2, 16] })).code).toBe("SHAPE");
  expect(only(edit(`${q0}.lora_A.weight`, { shape: [32] })).code).toBe("SHAPE");
  const integers = { dtype: "I32" as const };
  expect(only(edit(`${q0}.lora_A.weight`, integers)).code).toBe("UNSUPPORTED");
  const bad = random(32, 1);
  bad[5] = Number.NaN;
  const error = only(edit(`${q0}.lora_B.weight`, { data: bad }));
  expect(error).toMatchObject({ code: "NON_FINITE", key: expect.stringContaining(`${q0}.lora_B.weight`) });
  expect(error.message).toContain("[5] is NaN");
  expect(failureOf(() => readPeftAdapter(bent({ rank_pattern: { q_proj: 3 } })))).toMatchObject({
    code: "RANK_MISMATCH",
  });
});

test("another base model is noticed", () => {
  const modules = new Map(tinyModules);
  modules.set("model.layers.1.self_attn.v_proj", { inFeatures: 8, outFeatures: 5 });
  const error = failureOf(() => readPeftAdapter(golden("plain"), { modules }));
  expect(error).toMatchObject({ code: "BASE_MISMATCH", key: "model.layers.1.self_attn.v_proj" });
  expect(error.message).toContain("takes 8 inputs to 4, the base model's takes 8 to 5");
  modules.delete("model.layers.1.self_attn.v_proj");
  expect(failureOf(() => readPeftAdapter(golden("plain"), { modules })).message).toContain(
    "is no linear layer of the base",
  );
});

test("missing and damaged files", () => {
  const dir = temporaryFolder();
  expect(failureOf(() => readPeftAdapter(dir)).message).toContain("no adapter_config.json in this folder");
  writeFileSync(join(dir, CONFIG), "{");
  expect(failureOf(() => readPeftAdapter(dir)).code).toBe("JSON");
  writeFileSync(join(dir, CONFIG), "[]");
  expect(failureOf(() => readPeftAdapter(dir)).code).toBe("JSON");
  writeFileSync(join(dir, CONFIG), " ".repeat(4 * 2 ** 20 + 1));
  expect(failureOf(() => readPeftAdapter(dir)).code).toBe("JSON");
  cpSync(join(golden("plain"), CONFIG), join(dir, CONFIG));
  expect(failureOf(() => readPeftAdapter(dir)).code).toBe("NOT_FOUND");
  writeFileSync(join(dir, "adapter_model.bin"), "");
  expect(failureOf(() => readPeftAdapter(dir)).message).toContain("pickle");
  writeFileSync(join(dir, WEIGHTS), "short");
  expect(() => readPeftAdapter(dir)).toThrow(expect.objectContaining({ code: "HEADER_TOO_SMALL" }));
});

/** New adapters with random B for some of the tiny model's modules. */
function made(
  targets: string[],
  config: LoraConfig,
  odd: Record<string, { r?: number; alpha?: number }> = {},
): Adapters {
  return new Map(
    resolveTargets(tinyModules.keys(), { targetModules: targets }).map((path, i) => {
      const { r = config.r, alpha = config.alpha } = odd[path.slice(path.lastIndexOf(".") + 1)] ?? {};
      const adapter = createAdapter({
        ...tinyModules.get(path)!,
        r,
        alpha,
        rslora: config.rslora ?? false,
        seed: 1,
        name: path,
      });
      adapter.b.set(random(adapter.b.length, i));
      return [path, adapter];
    }),
  );
}

test("written and read back: odd ranks and alphas get patterns, all-linear becomes a list, trainable gives gradients", () => {
  const config: LoraConfig = { r: 4, alpha: 8, rslora: true, targetModules: "all-linear", baseModel: "x" };
  const odd = { q_proj: { r: 2 }, up_proj: { alpha: 3.5 }, down_proj: { r: 7, alpha: 1 } };
  const adapters = made(["q_proj", "up_proj", "down_proj", "gate_proj"], config, odd);
  const dir = temporaryFolder();
  writePeftAdapter(dir, adapters, config);
  const back = readPeftAdapter(dir, { trainable: true, modules: tinyModules });
  expect([...back.adapters.keys()].sort()).toEqual([...adapters.keys()].sort());
  for (const [path, adapter] of adapters) expect(back.adapters.get(path)).toEqual(adapter);
  expect(back.config.targetModules).toEqual(["down_proj", "gate_proj", "q_proj", "up_proj"]);
  expect(Object.entries(back.config.rankPattern!)).toEqual([
    ["model.layers.0.mlp.down_proj", 7],
    ["model.layers.0.self_attn.q_proj", 2],
    ["model.layers.1.mlp.down_proj", 7],
    ["model.layers.1.self_attn.q_proj", 2],
  ]);
  expect(back.config).toMatchObject({ baseModel: "x", taskType: "CAUSAL_LM", rslora: true, init: true });
});

test("given patterns are kept where they are right in the order they are written, else replaced", () => {
  const config: LoraConfig = { r: 4, alpha: 8, targetModules: ["q_proj"] };
  const dir = temporaryFolder();
  writePeftAdapter(dir, made(["q_proj"], config, { q_proj: { r: 2 } }), { ...config, rankPattern: { "x|q_proj": 2 } });
  expect(readPeftAdapter(dir).config.rankPattern).toEqual({ "x|q_proj": 2 });
  writePeftAdapter(dir, made(["q_proj"], config), { ...config, rankPattern: { q_proj: 2 } });
  expect(readPeftAdapter(dir).config.rankPattern).toEqual({});
});

test("an adapter whose scaling the configuration does not explain is not written", () => {
  const config: LoraConfig = { r: 4, alpha: 8, targetModules: ["q_proj"] };
  const dir = join(temporaryFolder(), "none");
  expect(() => writePeftAdapter(dir, made(["q_proj"], config), { ...config, rslora: true })).toThrow(
    /q_proj has scaling 2; r 4, alpha 8, rslora true give 4/,
  );
  expect(() => writePeftAdapter(dir, new Map(), config)).toThrow("adapters is empty");
  expect(() => readdirSync(dir)).toThrow("ENOENT");
});

test("numbers and letters as Python writes them", () => {
  const text = peftConfigText({
    r: 8,
    alpha: 0.00005,
    dropout: 1e-7,
    alphaPattern: { a: 2.5, b: 1e16 + 2 },
    targetModules: [],
    baseModel: 'é模😀\u2028\u007f"\\',
  });
  expect(text).toContain('"lora_alpha": 5e-05,');
  expect(text).toContain('"lora_dropout": 1e-07,');
  expect(text).toContain('"a": 2.5,\n    "b": 10000000000000002\n');
  expect(text).toContain(`"base_model_name_or_path": "\\u00e9\\u6a21\\ud83d\\ude00\\u2028\u007f\\"\\\\",`);
  expect(text).toContain('"target_modules": [],');
  expect(peftConfigText({ r: 1, alpha: 1, targetModules: "x" })).toContain('"lora_dropout": 0.0,');
});

test("__proto__ in a configuration is a field like others", () => {
  const { config, warnings } = parsePeftConfig('{"peft_type":"LORA","__proto__":{"use_dora":true,"r":3}}', "x");
  expect([config.r, warnings]).toEqual([8, ['x: ignored the unknown field "__proto__"']]);
});

const python = process.env.QLORA_PYTHON;
if (!python) console.warn("SKIPPED: PEFT itself loading and saving these files; set QLORA_PYTHON to run it");
const script = new URL("../../../conformance/peft_golden.py", import.meta.url).pathname;
const run = (...args: string[]) =>
  execFileSync(python!, ["-W", "ignore", script, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });

test.skipIf(!python)("PEFT loads what is written here, with the same products, and saves the same weights", () => {
  const config: LoraConfig = {
    r: 4,
    alpha: 8,
    dropout: 0.1,
    rslora: true,
    targetModules: "all-linear",
    baseModel: "é",
  };
  const adapters = made(["q_proj", "k_proj", "o_proj", "down_proj"], config, {
    k_proj: { r: 1 },
    o_proj: { alpha: 3 },
  });
  const dir = join(temporaryFolder(), "ours");
  writePeftAdapter(dir, adapters, config);
  const theirs: Record<string, number[]> = JSON.parse(run("deltas", dir));
  const ours = deltas(adapters);
  expect(Object.keys(theirs).sort()).toEqual(Object.keys(ours).sort());
  for (const [path, delta] of Object.entries(theirs)) expect(difference(ours[path]!, delta)).toBeLessThan(1e-6);

  const again = join(temporaryFolder(), "theirs");
  mkdirSync(again);
  run("resave", dir, again);
  expect(readFileSync(join(again, WEIGHTS)).equals(readFileSync(join(dir, WEIGHTS)))).toBe(true);
  const normal = (folder: string) => {
    const json = JSON.parse(readFileSync(join(folder, CONFIG), "utf8"));
    return { ...json, target_modules: json.target_modules.sort() }; // a set in PEFT
  };
  expect(normal(again)).toEqual(normal(dir));
  rmSync(again, { recursive: true });
});
