// Reading files of the reference library, partial reads, and offsets beyond 4 GiB.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  copyFileSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openSafetensors, parseHeader, toFloat32 } from "../src/index.js";
import { failureOf, file, golden, temporaryFolder } from "./files.js";

const expected = JSON.parse(readFileSync(golden("expected.json"), "utf8"));

test("every dtype, an empty tensor, a scalar and odd names of the reference writer", () => {
  using file = openSafetensors(golden("dtypes.safetensors"));
  const found = Object.fromEntries(
    [...file.tensors.values()].map(({ name, dtype, shape }) => [
      name,
      { dtype, shape, sha256: createHash("sha256").update(file.read(name)).digest("hex") },
    ]),
  );
  expect(found).toEqual(expected.dtypes);
  expect(Object.fromEntries(file.metadata)).toEqual({ 'quote " é': "line\nfeed" });
});

test("a file of PyTorch: special values in three float types", () => {
  using file = openSafetensors(golden("torch.safetensors"));
  const x = toFloat32(file.read("f32"), "F32");
  expect([...x.slice(0, 8)]).toEqual([0, -0, 1, -1, Infinity, -Infinity, NaN, 65504]);
  expect([...toFloat32(file.read("f16"), "F16").slice(4, 12)]).toEqual([
    Infinity,
    -Infinity,
    NaN,
    65504,
    65504,
    Infinity,
    Infinity,
    2 ** -14,
  ]);
  expect(toFloat32(file.read("bf16"), "BF16")[18]).toBe(1 + 2 ** -6); // 1 + 3·2^-8 is a tie and goes to even
  expect([...toFloat32(file.read("i64"), "I64")]).toEqual([-3, -2, -1, 0, 1, 2, 3, 4]);
  expect([...toFloat32(file.read("f64"), "F64")]).toEqual([...x]);
});

test("read gives each caller a buffer of its own, aligned for any typed array", () => {
  using file = openSafetensors(golden("dtypes.safetensors"));
  const a = file.read("float64.weight");
  const b = file.read("float64.weight");
  expect([a.byteOffset, a.buffer.byteLength]).toEqual([0, 48]);
  a.fill(0);
  expect(b.some((byte) => byte !== 0)).toBe(true);
});

test("readInto reads a part of a tensor into any view, and refuses ranges outside it", () => {
  using file = openSafetensors(golden("torch.safetensors"));
  const all = toFloat32(file.read("f32"), "F32");
  const part = new Float32Array(10);
  file.readInto("f32", part.subarray(3, 6), { begin: 4 * 40, end: 4 * 43 });
  expect([...part]).toEqual([0, 0, 0, ...all.slice(40, 43), 0, 0, 0, 0]);
  for (const range of [{ begin: -1 }, { begin: 257 }, { end: 257 }, { begin: 8, end: 4 }, { begin: 0.5 }, { end: NaN }])
    expect(() => file.readInto("f32", new Uint8Array(4), range)).toThrow(
      /range .* is not within the 256 bytes of tensor f32/,
    );
  expect(() => file.readInto("f32", new Uint8Array(255))).toThrow("target must have 256 bytes for tensor f32, got 255");
});

test("unknown tensors, closed files and missing files have their codes", () => {
  const file = openSafetensors(golden("torch.safetensors"));
  expect(failureOf(() => file.read("f33"))).toMatchObject({ code: "NO_TENSOR", tensor: "f33", path: file.path });
  file.close();
  file.close();
  expect(failureOf(() => file.read("f32")).code).toBe("CLOSED");
  expect(failureOf(() => openSafetensors(golden("none.safetensors"))).code).toBe("NOT_FOUND");
  const folder = join(temporaryFolder(), "folder");
  mkdirSync(folder);
  expect(failureOf(() => openSafetensors(folder)).code).toBe("IO");
  if (process.platform === "win32") return;
  execFileSync("mkfifo", [`${folder}/pipe`]);
  expect(failureOf(() => openSafetensors(`${folder}/pipe`)).message).toContain("not a regular file");
});

test("a file that becomes shorter after it was opened is an error, not zeros", () => {
  const path = join(temporaryFolder(), "a.safetensors");
  copyFileSync(golden("torch.safetensors"), path);
  using file = openSafetensors(path);
  truncateSync(path, file.dataOffset + 10);
  const [last] = [...file.tensors.values()].sort((a, b) => b.begin - a.begin);
  expect(failureOf(() => file.read(last!.name))).toMatchObject({ code: "COVERAGE", tensor: last!.name });
});

test("tensors beyond 4 GiB are read at the right place", () => {
  const size = 5 * 2 ** 30;
  const header = `{"a":{"dtype":"U8","shape":[${size}],"data_offsets":[0,${size}]},"b":{"dtype":"F32","shape":[2],"data_offsets":[${size},${size + 8}]}}`;
  const path = join(temporaryFolder(), "large.safetensors");
  const fd = openSync(path, "w"); // sparse: it takes a few blocks on the disk
  const head = file(header);
  writeSync(fd, head);
  ftruncateSync(fd, head.length + size + 8);
  writeSync(fd, new Uint8Array([1, 2, 3]), 0, 3, head.length + 2 ** 32 + 1);
  writeSync(fd, new Float32Array([0.5, -2]), 0, 8, head.length + size);
  closeSync(fd);
  using large = openSafetensors(path);
  expect([...new Float32Array(large.read("b").buffer)]).toEqual([0.5, -2]);
  const part = new Uint8Array(5);
  large.readInto("a", part, { begin: 2 ** 32, end: 2 ** 32 + 5 });
  expect([...part]).toEqual([0, 1, 2, 3, 0]);
  // Node 20 cannot hold 5 GiB in one buffer; later versions can, and there the limit is memory.
  if (process.version.startsWith("v20.")) expect(failureOf(() => large.read("a")).code).toBe("TENSOR_TOO_LARGE");
});

test.skipIf(process.env.QLORA_LARGE !== "1")(
  "a tensor of more than 2 GiB in one read (QLORA_LARGE=1: takes 2.1 GiB)",
  () => {
    const size = 2 ** 31 + 5;
    const head = file(`{"a":{"dtype":"U8","shape":[${size}],"data_offsets":[0,${size}]}}`);
    const path = join(temporaryFolder(), "large.safetensors");
    const fd = openSync(path, "w");
    writeSync(fd, head);
    ftruncateSync(fd, head.length + size);
    for (const at of [0, 2 ** 30, size - 1]) writeSync(fd, new Uint8Array([7]), 0, 1, head.length + at);
    closeSync(fd);
    using large = openSafetensors(path);
    const bytes = large.read("a");
    expect([bytes[0], bytes[1], bytes[2 ** 30], bytes[2 ** 31], bytes[size - 1]]).toEqual([7, 0, 7, 0, 7]);
  },
);

test("the header may be parsed from bytes alone", () => {
  const bytes = readFileSync(golden("torch.safetensors"));
  const { tensors, metadata, dataOffset } = parseHeader(bytes, bytes.length);
  expect([...tensors.keys()].sort()).toEqual(["bf16", "f16", "f32", "f64", "i64"]);
  expect([...metadata]).toEqual([["format", "pt"]]);
  expect(dataOffset % 8).toBe(0);
  expect(() => parseHeader(bytes.subarray(0, 20), bytes.length)).toThrow(RangeError);
});
