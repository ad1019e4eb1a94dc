// Structure-aware fuzzing: adapter folders bent in a few places are read, or refused with a code.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SafetensorsError } from "@qlora/safetensors";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Bend, bends, bentJson, expectCodes, fuzzRuns, memoryFolder, typedError } from "../../../vitest.fuzz.js";
import { LoraError, parsePeftConfig, readPeftAdapter, resolveTargets } from "../src/index.js";
import { golden, tinyModules } from "./shared.js";

const runs = fuzzRuns(3000);
const config = {
  ...(JSON.parse(readFileSync(join(golden("plain"), "adapter_config.json"), "utf8")) as object),
  rank_pattern: { "layers.0.self_attn.q_proj": 4, ".*k_proj": 8 },
  alpha_pattern: { "(?P<name>v_proj)\\Z": 2.5 },
  exclude_modules: ["lm_head"],
  layers_to_transform: [0, 1],
  layers_pattern: "layers",
};

test(`${runs} bent adapter_config.json: a LoraError, or a configuration that can be resolved`, {
  timeout: 3_600_000,
}, () => {
  const codes = new Set<string>();
  let used = 0;
  const property = (list: Bend[]) => {
    const error = typedError([LoraError], () => {
      const { config: read } = parsePeftConfig(new TextDecoder().decode(bentJson(config, list)), "adapter_config.json");
      used++;
      expect(read.r).toBeGreaterThanOrEqual(1);
      resolveTargets([...tinyModules.keys(), "lm_head"], read);
    });
    if (error !== undefined) codes.add(error.code);
    if (list.length === 0) expect(error).toBeUndefined();
  };
  fc.assert(fc.property(bends, property), { numRuns: runs });
  expect(used).toBeGreaterThan(runs / 20);
  expectCodes(codes, "JSON", "FIELD_MISSING", "FIELD_TYPE", "UNSUPPORTED", "TARGET_UNMATCHED");
});

/** A safetensors file from its header's document: the length in front, `data` behind. */
function weights(header: Uint8Array, data: Uint8Array): Uint8Array {
  const length = new BigUint64Array([BigInt(header.length)]);
  return Buffer.concat([new Uint8Array(length.buffer), header, data]);
}

test(`${runs} bent adapters: a code, or adapters that fit the model`, { timeout: 3_600_000 }, () => {
  const dir = memoryFolder();
  const codes = new Set<string>();
  let used = 0;
  const modules = { r: 2, in: 4, out: 3 };
  const values = new Float32Array([0.5, -1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
  const name = (half: string) => `base_model.model.model.layers.0.self_attn.q_proj.lora_${half}.weight`;
  const header = {
    __metadata__: { format: "pt" },
    [name("A")]: { dtype: "F32", shape: [modules.r, modules.in], data_offsets: [0, 32] },
    [name("B")]: { dtype: "F32", shape: [modules.out, modules.r], data_offsets: [32, 56] },
  };
  const small = { peft_type: "LORA", r: 2, lora_alpha: 4, rank_pattern: { q_proj: 2 }, target_modules: ["q_proj"] };
  const base = new Map([["model.layers.0.self_attn.q_proj", { inFeatures: modules.in, outFeatures: modules.out }]]);
  const property = (first: Bend[], second: Bend[], bad: number) => {
    const data = values.slice();
    if (bad < 14) data[bad] = Number.NaN;
    writeFileSync(join(dir, "adapter_config.json"), bentJson(small, first));
    writeFileSync(
      join(dir, "adapter_model.safetensors"),
      weights(bentJson(header, second), new Uint8Array(data.buffer)),
    );
    const error = typedError<LoraError | SafetensorsError>([LoraError, SafetensorsError], () => {
      const { adapters } = readPeftAdapter(dir, { modules: base });
      used++;
      for (const [path, { a, b, r, scaling }] of adapters) {
        expect(base.has(path)).toBe(true);
        expect([a.length, b.length]).toEqual([r * modules.in, r * modules.out]);
        expect(Number.isFinite(scaling)).toBe(true);
      }
    });
    if (error !== undefined) codes.add(error.code);
    if (bad >= 14 && first.length + second.length === 0) expect(error).toBeUndefined();
  };
  fc.assert(fc.property(bends, bends, fc.nat(60), property), { numRuns: runs });
  expect(used).toBeGreaterThan(runs / 20);
  expectCodes(codes, "JSON", "UNKNOWN_TENSOR", "HALF_MISSING", "RANK_MISMATCH", "NON_FINITE", "SIZE_MISMATCH");
});
