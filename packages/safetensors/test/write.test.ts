// Writing: the reference writer's bytes, and a file that is whole or untouched whatever fails underneath.
import type * as fs from "node:fs";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { dtypes, openSafetensors, type TensorData, writeFileAtomic, writeSafetensors } from "../src/index.js";
import { failureOf, golden, temporaryFolder } from "./files.js";

// Every call the writer makes to the system passes through `guard`, which a test may make fail.
let guard: (call: string, ...args: unknown[]) => void = () => {};
vi.mock("node:fs", async (original) => {
  const real = await original<typeof fs>();
  const guarded = (name: "openSync" | "writeSync" | "fsyncSync" | "closeSync" | "renameSync") => {
    const call = real[name] as (...args: unknown[]) => unknown;
    return [
      name,
      (...args: unknown[]) => {
        guard(name, ...args);
        return call(...args);
      },
    ];
  };
  const names = ["openSync", "fsyncSync", "closeSync", "renameSync"] as const;
  // a short write of at most 7 bytes at a time, so that the loop is used
  const writeSync = (fd: number, bytes: Uint8Array) => {
    guard("writeSync", fd, bytes);
    return real.writeSync(fd, bytes.subarray(0, shortWrites ? 7 : bytes.length));
  };
  return { ...real, ...Object.fromEntries(names.map(guarded)), writeSync };
});
let shortWrites = false;
afterEach(() => {
  guard = () => {};
  shortWrites = false;
});

const f32 = (name: string, ...values: number[]): TensorData => ({
  name,
  dtype: "F32",
  shape: [values.length],
  data: new Float32Array(values),
});

test.each(["dtypes", "torch"])("the bytes of the reference writer: %s", (name) => {
  using source = openSafetensors(golden(`${name}.safetensors`));
  const path = join(temporaryFolder(), "a.safetensors");
  const tensors = [...source.tensors.values()].reverse();
  for (shortWrites of [false, true]) {
    writeSafetensors(
      path,
      tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape, data: () => source.read(name) })),
      { metadata: source.metadata },
    );
    expect(readFileSync(path).equals(readFileSync(source.path))).toBe(true);
  }
});

test("what is written is read again, whatever the tensors", () => {
  const path = join(temporaryFolder(), "a.safetensors");
  const name = fc
    .oneof(fc.string({ maxLength: 12 }), fc.string({ unit: "binary", maxLength: 12 }))
    .filter(
      (name) =>
        !name.includes("\0") && name !== "__proto__" && name !== "__metadata__" && !/[\ud800-\udfff]/u.test(name),
    );
  const tensor = fc.record({
    name,
    dtype: fc.constantFrom(...dtypes.filter((dtype) => !dtype.startsWith("F4") && !dtype.startsWith("F6"))),
    shape: fc.array(fc.nat(4), { maxLength: 4 }),
  });
  const elementBytes = (dtype: string) => Number(/[0-9]+/.exec(dtype.replace(/^(BF|F|C|I|U)8?_.*/, "8"))?.[0] ?? 8) / 8;
  fc.assert(
    fc.property(
      fc.uniqueArray(tensor, { selector: (t) => t.name, maxLength: 8 }),
      fc.dictionary(
        name,
        fc.string().filter((s) => !/[\ud800-\udfff]/u.test(s)),
      ),
      (list, metadata) => {
        const data = new Map(
          list.map(({ name, dtype, shape }, i) => [
            name,
            new Uint8Array(shape.reduce((a, b) => a * b, elementBytes(dtype))).fill(i + 1),
          ]),
        );
        writeSafetensors(
          path,
          list.map((t) => ({ ...t, data: data.get(t.name)! })),
          { metadata },
        );
        using file = openSafetensors(path);
        expect([...file.tensors.keys()].sort()).toEqual([...data.keys()].sort());
        for (const { name, dtype, shape } of list) {
          expect(file.tensors.get(name)).toMatchObject({ dtype, shape });
          expect(Buffer.compare(file.read(name), data.get(name)!)).toBe(0);
        }
        expect(new Map([...file.metadata])).toEqual(new Map(Object.entries(metadata)));
        expect(file.dataOffset % 8).toBe(0);
      },
    ),
    { numRuns: 300 },
  );
});

test("thunks are called one by one, in file order, after the one before was written", () => {
  const path = join(temporaryFolder(), "a.safetensors");
  const events: string[] = [];
  guard = (call, _, bytes) => {
    if (call === "writeSync") events.push(`write ${(bytes as Uint8Array).length}`);
  };
  const tensor = (name: string, n: number): TensorData => ({
    name,
    dtype: "U8",
    shape: [n],
    data: () => {
      events.push(name);
      return new Uint8Array(n);
    },
  });
  writeSafetensors(path, [tensor("b", 2), tensor("a", 1), tensor("c", 3)]);
  expect(events.slice(1)).toEqual(["a", "write 1", "b", "write 2", "c", "write 3"]);
});

test("refused before anything is touched: what the reader would refuse, and data of the wrong size", () => {
  const path = join(temporaryFolder(), "a.safetensors");
  writeFileSync(path, "old");
  const refuse = (tensor: Partial<TensorData>, metadata?: Record<string, string>) =>
    failureOf(() => writeSafetensors(path, [{ ...f32("a", 1), ...tensor }, f32("b", 1)], metadata && { metadata }))
      .code;
  expect(refuse({ name: "b" })).toBe("DUP_KEY");
  expect(refuse({ name: "x\0" })).toBe("NAME");
  expect(refuse({ name: "__metadata__" })).toBe("NAME");
  expect(refuse({ name: "__proto__" })).toBe("NAME");
  expect(refuse({ name: "\ud800" })).toBe("JSON");
  expect(refuse({ dtype: "F31" as "F32" })).toBe("DTYPE");
  expect(refuse({ shape: [2] })).toBe("SIZE_MISMATCH");
  expect(refuse({ shape: [-1, -1] })).toBe("DIM");
  expect(refuse({ shape: [0.5, 2] })).toBe("DIM");
  expect(refuse({ shape: [2 ** 30, 2 ** 30] })).toBe("OVERFLOW");
  expect(refuse({ shape: [1, 1, 1, 1, 1, 1, 1, 1, 1] })).toBe("SHAPE_RANK");
  expect(refuse({ dtype: "F4", shape: [1] })).toBe("SIZE_MISMATCH");
  expect(refuse({}, { a: 1 as unknown as string })).toBe("METADATA_TYPE");
  expect(readFileSync(path, "utf8")).toBe("old");
  expect(readdirSync(join(path, ".."))).toEqual(["a.safetensors"]);
});

test("a thunk that throws, or gives the wrong size, leaves the old file and nothing else", () => {
  const path = join(temporaryFolder(), "a.safetensors");
  writeFileSync(path, "old");
  const bad = (data: () => Float32Array) => () => writeSafetensors(path, [f32("a", 1), { ...f32("b", 1), data }]);
  expect(failureOf(bad(() => new Float32Array(2)))).toMatchObject({ code: "SIZE_MISMATCH", tensor: "b", path });
  expect(
    bad(() => {
      throw new Error("mine");
    }),
  ).toThrow("mine");
  expect(readFileSync(path, "utf8")).toBe("old");
  expect(readdirSync(join(path, ".."))).toEqual(["a.safetensors"]);
});

const systemError = (code: string) => Object.assign(new Error(`${code}: injected`), { code });

for (const code of ["ENOSPC", "EIO", "EDQUOT", "EACCES"])
  test(`${code} at every call of a write: the old file or the new one, no leftovers, a typed error`, () => {
    const path = join(temporaryFolder(), "a.safetensors");
    const write = (value: number) => writeSafetensors(path, [f32("a", value), f32("b", value)]);
    write(1);
    const old = readFileSync(path);
    let calls = 0;
    guard = () => void calls++;
    write(1);
    expect(calls).toBeGreaterThanOrEqual(9); // open, write ×3, fsync, close, rename, open, fsync, close
    for (let failing = 0; failing < calls; failing++) {
      let call = 0;
      let name = "";
      guard = (at, target) => {
        if (call++ === failing) {
          name = `${at} ${typeof target === "string" ? target : ""}`;
          throw systemError(code);
        }
      };
      const error = failureOf(() => write(2));
      guard = () => {};
      expect(error).toMatchObject({ path, code: code === "EIO" || code === "EACCES" ? "WRITE" : "NO_SPACE" });
      if (error.code === "NO_SPACE") expect(error.message).toMatch(/needs \d+ bytes, \d+ are free/);
      expect(readdirSync(join(path, ".."))).toEqual(["a.safetensors"]);
      const renamed = failing >= calls - 3; // only the folder's open, fsync and close come after the rename
      expect([name, readFileSync(path).equals(old)]).toEqual([name, !renamed]);
      write(1);
    }
  });

test("order of calls: data are synced before the rename, the folder after", () => {
  const path = join(temporaryFolder(), "a.json");
  const calls: string[] = [];
  guard = (call) => void calls.push(call);
  writeFileAtomic(path, "{}");
  expect(calls).toEqual([
    "openSync",
    "writeSync",
    "fsyncSync",
    "closeSync",
    "renameSync",
    "openSync",
    "fsyncSync",
    "closeSync",
  ]);
});

test("a folder that cannot be synced on this file system is no error", () => {
  const path = join(temporaryFolder(), "a.json");
  let syncs = 0;
  guard = (call) => {
    if (call === "fsyncSync" && ++syncs === 2) throw systemError("EINVAL");
  };
  writeFileAtomic(path, "{}");
  expect([syncs, readFileSync(path, "utf8")]).toEqual([2, "{}"]);
});

test("writeFileAtomic: text, bytes of a part of a buffer, a missing folder, a link", () => {
  const folder = temporaryFolder();
  const path = join(folder, "a");
  writeFileAtomic(path, "é");
  expect(readFileSync(path)).toEqual(Buffer.from([0xc3, 0xa9]));
  writeFileAtomic(path, new Uint16Array([1, 2, 3]).subarray(1, 2));
  expect(readFileSync(path)).toEqual(Buffer.from([2, 0]));
  expect(statSync(path).mode & 0o777).toBe(0o666 & ~process.umask());
  expect(failureOf(() => writeFileAtomic(join(folder, "none", "a"), ""))).toMatchObject({ code: "WRITE" });
  expect(failureOf(() => writeFileAtomic(join(folder, "none", "a"), "")).message).toContain("Make the folder first");
  mkdirSync(join(folder, "folder"));
  expect(failureOf(() => writeFileAtomic(join(folder, "folder"), "")).code).toBe("WRITE");
  symlinkSync(path, join(folder, "link"));
  writeFileAtomic(join(folder, "link"), "new"); // the link is replaced, what it pointed to stays
  expect([readFileSync(path).length, readFileSync(join(folder, "link"), "utf8")]).toEqual([2, "new"]);
  expect(existsSync(join(folder, "none"))).toBe(false);
  expect(readdirSync(folder).sort()).toEqual(["a", "folder", "link"]);
});
