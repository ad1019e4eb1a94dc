// The GGUF file that llama.cpp is measured with, read back: by hand, and by the `gguf` package where QLORA_PYTHON has it.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { writeGguf } from "../src/gguf.js";

const folder = mkdtempSync(join(tmpdir(), "qlora-gguf-"));
afterAll(() => rmSync(folder, { recursive: true }));

const shape = { hidden: 64, layers: 2, ffn: 96, heads: 4, vocab: 100 };
const path = join(folder, "model.gguf");
writeGguf(path, shape, 128, { architecture: "llama", type: "Q4_0", head: "BF16" });
const path8 = join(folder, "model8.gguf");
writeGguf(path8, shape, 128, { architecture: "qwen3", type: "Q8_0", head: "F32" });

test("the file begins as the format says and holds every tensor", () => {
  const head = readFileSync(path);
  expect(head.toString("latin1", 0, 4)).toBe("GGUF");
  expect(head.readUInt32LE(4)).toBe(3);
  expect(Number(head.readBigUInt64LE(8))).toBe(3 + 2 * 9);
  const q4 = ((100 * 64 + 2 * (4 * 64 * 64 + 3 * 64 * 96)) * 18) / 32;
  expect(statSync(path).size).toBeGreaterThan(q4 + 100 * 64 * 2);
});

const python = process.env.QLORA_PYTHON;
const readable = python !== undefined && spawnSync(python, ["-c", "import gguf"]).status === 0;

const read = (path: string) => {
  const program = `
import gguf, json, sys
reader = gguf.GGUFReader(sys.argv[1])
tensors = {t.name: t for t in reader.tensors}
down = tensors["blk.1.ffn_down.weight"]
w = gguf.dequantize(down.data, down.tensor_type)
print(json.dumps({"shape": list(w.shape), "variance": float(w.var()), "count": len(tensors), "type": down.tensor_type.name,
  "head": tensors["output.weight"].tensor_type.name, "first": float(w[0, 0]),
  "architecture": bytes(reader.fields["general.architecture"].parts[-1]).decode(), "fields": sorted(reader.fields),
  "at": down.data_offset, "norms": [list(map(int, t.shape)) for n, t in tensors.items() if "attn_q_norm" in n]}))`;
  return JSON.parse(execFileSync(python!, ["-c", program, path], { encoding: "utf8" }));
};

test.skipIf(!readable)("the gguf package reads it, and its weights have the variance meant", () => {
  const found = read(path);
  expect(found).toMatchObject({
    shape: [64, 96],
    count: 21,
    type: "Q4_0",
    head: "BF16",
    architecture: "llama",
    norms: [],
  });
  expect(found.variance * 96).toBeCloseTo(1, 0);
});

test.skipIf(!readable)("with Q8_0 too, where a weight is its block's scale times its code", () => {
  const found = read(path8);
  expect(found).toMatchObject({ shape: [64, 96], count: 25, type: "Q8_0", head: "F32", architecture: "qwen3" });
  expect(found.norms).toEqual([[16], [16]]);
  expect(found.fields).toContain("qwen3.attention.head_count");
  expect(found.variance * 96).toBeCloseTo(1, 1);
  const file = readFileSync(path8);
  const scale = 2 ** ((file.readUInt16LE(found.at) >> 10) - 15) * (1 + (file.readUInt16LE(found.at) & 1023) / 1024);
  expect(found.first).toBeCloseTo(scale * file.readInt8(found.at + 2), 9);
});
