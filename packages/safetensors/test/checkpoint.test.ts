// Sharded checkpoints: found, read through one map, and every way an index can lie.
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openCheckpoint, type SafetensorsErrorCode, writeSafetensors } from "../src/index.js";
import { failureOf, temporaryFolder } from "./files.js";

const INDEX = "model.safetensors.index.json";
const tensor = (name: string, value: number) => ({
  name,
  dtype: "F32" as const,
  shape: [1],
  data: new Float32Array([value]),
});

/** Two shards with a and b, and an index (default: a right one). */
function shards(index: string = rightIndex): string {
  const folder = temporaryFolder();
  writeSafetensors(join(folder, "m-1.safetensors"), [tensor("a", 1)], { metadata: { format: "pt", from: "1" } });
  writeSafetensors(join(folder, "m-2.safetensors"), [tensor("b", 2)], { metadata: { from: "2" } });
  writeFileSync(join(folder, INDEX), index);
  return folder;
}
const rightIndex =
  '{"metadata": {"total_size": 8, "x": [{"y": null}, 1.5, true]}, "weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}}\n';

test("shards through one map, from the folder or the index", () => {
  const folder = shards();
  for (const path of [folder, join(folder, INDEX)]) {
    using checkpoint = openCheckpoint(path);
    expect([...checkpoint.tensors.values()]).toEqual([
      { name: "a", dtype: "F32", shape: [1], begin: 0, end: 4, file: join(folder, "m-1.safetensors") },
      { name: "b", dtype: "F32", shape: [1], begin: 0, end: 4, file: join(folder, "m-2.safetensors") },
    ]);
    expect(new Float32Array(checkpoint.read("b").buffer)[0]).toBe(2);
    const part = new Uint8Array(2);
    checkpoint.readInto("a", part, { begin: 2 });
    expect([...part]).toEqual([0x80, 0x3f]);
    expect(Object.fromEntries(checkpoint.metadata)).toEqual({ format: "pt", from: "1" });
    expect(checkpoint.warnings).toEqual([]);
    expect(failureOf(() => checkpoint.read("c"))).toMatchObject({ code: "NO_TENSOR", tensor: "c", path });
    checkpoint.close();
    expect(failureOf(() => checkpoint.read("a")).code).toBe("CLOSED");
  }
});

test("one file: by its folder or its own path, with links as a download cache makes them", () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "blobs"));
  mkdirSync(join(folder, "model"));
  writeSafetensors(join(folder, "blobs", "0123"), [tensor("a", 1)], { metadata: { format: "pt" } });
  symlinkSync("../blobs/0123", join(folder, "model", "model.safetensors"));
  for (const path of [join(folder, "model"), join(folder, "model", "model.safetensors")]) {
    using checkpoint = openCheckpoint(path);
    expect(checkpoint.tensors.get("a")?.file).toBe(join(folder, "model", "model.safetensors"));
    expect(checkpoint.read("a").length).toBe(4);
    expect([...checkpoint.metadata]).toEqual([["format", "pt"]]);
  }
});

test("a wrong total_size is a warning: the tensors were checked one by one", () => {
  using checkpoint = openCheckpoint(shards(rightIndex.replace(": 8,", ": 9,")));
  expect(checkpoint.warnings).toEqual([expect.stringMatching(/total_size is 9, .* take 8 bytes/)]);
});

const bad: [code: SafetensorsErrorCode, what: string, index: string, tensor?: string][] = [
  ["SHARD_MISSING", "a shard that is not there", rightIndex.replace("m-2", "m-3")],
  ["SHARD_PATH_ESCAPE", "a parent folder", rightIndex.replace("m-2", "../m-2"), "b"],
  ["SHARD_PATH_ESCAPE", "an absolute path", rightIndex.replace("m-2", "/etc/m-2"), "b"],
  ["SHARD_PATH_ESCAPE", "a backslash", rightIndex.replace("m-2", "..\\\\m-2"), "b"],
  ["SHARD_PATH_ESCAPE", "a drive", rightIndex.replace("m-2", "C:m-2"), "b"],
  ["SHARD_PATH_ESCAPE", "U+0000", rightIndex.replace("m-2", "m-2\\u0000"), "b"],
  ["SHARD_PATH_ESCAPE", "nothing", rightIndex.replace("m-2.safetensors", ""), "b"],
  ["SHARD_PATH_ESCAPE", "the folder above", rightIndex.replace("m-2.safetensors", ".."), "b"],
  ["TENSOR_NOT_IN_SHARD", "a tensor in the other shard", rightIndex.replace("m-2", "m-1"), "b"],
  ["TENSOR_NOT_IN_SHARD", "a tensor in none", rightIndex.replace('"b"', '"c"'), "c"],
  ["TOTAL_SIZE", "a negative total_size", rightIndex.replace(": 8,", ": -8,")],
  ["TOTAL_SIZE", "a total_size that is text", rightIndex.replace(": 8,", ': "8",')],
  ["TOTAL_SIZE", "a total_size of 1e300", rightIndex.replace(": 8,", ": 1e300,")],
  ["INDEX", "no weight_map", '{"metadata": {}}'],
  ["INDEX", "a weight_map that is a list", '{"weight_map": []}'],
  ["INDEX", "a list", "[]"],
  ["INDEX", "a number for a shard", rightIndex.replace('"m-2.safetensors"', "2"), "b"],
  ["INDEX", "a pickle for a shard", rightIndex.replace("m-2.safetensors", "m-2.bin"), "b"],
  ["DUP_KEY", "a tensor listed twice", rightIndex.replace('"b"', '"a"')],
  ["JSON", "an index cut short", rightIndex.slice(0, -10)],
  ["JSON", "something after the object", `${rightIndex}x`],
  ["JSON", "a million open lists", `{"x":${"[".repeat(1e6)}`],
];

for (const [code, what, index, name] of bad)
  test(`${code}: ${what}`, () => {
    const folder = shards(index);
    const error = failureOf(() => openCheckpoint(folder));
    expect(error).toMatchObject({ code, path: join(folder, INDEX), tensor: name });
    expect(error.message.startsWith(join(folder, INDEX))).toBe(true);
  });

test("an index that is not UTF-8; a damaged shard keeps its own path and code", () => {
  const folder = shards();
  writeFileSync(join(folder, "m-2.safetensors"), "short");
  expect(failureOf(() => openCheckpoint(folder))).toMatchObject({
    code: "HEADER_TOO_SMALL",
    path: join(folder, "m-2.safetensors"),
  });
  writeFileSync(join(folder, INDEX), new Uint8Array([0x7b, 0xff]));
  expect(failureOf(() => openCheckpoint(folder)).code).toBe("UTF8");
});

test("nothing to open: the message says what is there", () => {
  const folder = shards();
  expect(failureOf(() => openCheckpoint(join(folder, "none"))).code).toBe("NOT_FOUND");
  renameSync(join(folder, INDEX), join(folder, "old.json"));
  const error = failureOf(() => openCheckpoint(folder));
  expect(error.code).toBe("NOT_FOUND");
  expect(error.message).toContain("m-1.safetensors, m-2.safetensors");
});
