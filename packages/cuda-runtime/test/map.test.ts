// A file as memory: the same bytes, no way to write them back, unmapped in the end.
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { mapFile } from "../src/index.js";

const path = join(mkdtempSync(join(tmpdir(), "map-")), "file");
const content = Uint8Array.from({ length: 20_000 }, (_, i) => (i * 31) & 255);

/** Maps the file as it is written, and closes it. */
function map(offset: number, bytes: number): Uint8Array<ArrayBuffer> {
  writeFileSync(path, content);
  const file = openSync(path, "r");
  try {
    return mapFile(file, offset, bytes);
  } finally {
    closeSync(file);
  }
}

test.each([
  [0, 20_000],
  [1, 19_999],
  [4095, 2],
  [4096, 4096],
  [8200, 11_800],
  [20_000, 0],
])("bytes from %i, %i of them", (offset, bytes) =>
  expect(map(offset, bytes)).toEqual(content.subarray(offset, offset + bytes)),
);

test("writes stay in the process", () => {
  const bytes = map(100, 5000);
  bytes.fill(7);
  expect(bytes[4999]).toBe(7);
  expect(new Uint8Array(readFileSync(path))).toEqual(content);
});

test("a file that is replaced or deleted stays mapped", () => {
  const bytes = map(0, 20_000);
  writeFileSync(`${path}.new`, new Uint8Array(20_000));
  renameSync(`${path}.new`, path);
  expect(bytes).toEqual(content);
  rmSync(path);
  expect(bytes).toEqual(content);
});

test("what is not within the file is refused, also when it has become shorter since", () => {
  expect(() => map(0, 20_001)).toThrow(/bytes 0 to 20001 are not within the file of 20000/);
  writeFileSync(path, content);
  const file = openSync(path, "r");
  truncateSync(path, 5000);
  expect(() => mapFile(file, 4096, 4096)).toThrow(RangeError);
  closeSync(file);
  expect(() => mapFile(file, 0, 1)).toThrow(/fstat: Bad file descriptor/);
  expect(() => mapFile(-1, 0, 1)).toThrow(RangeError);
  expect(() => mapFile(0, 0.5, 1)).toThrow(RangeError);
});

test.skipIf(process.platform !== "linux")("it is unmapped when it is collected", async () => {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  const own = `${path}.collected`;
  const mapped = () => readFileSync("/proc/self/maps", "utf8").includes(own);
  const touch = () => {
    writeFileSync(own, content);
    const file = openSync(own, "r");
    const last = mapFile(file, 0, 20_000)[19_999];
    closeSync(file);
    return last;
  };
  expect(touch()).toBe(content[19_999]);
  expect(mapped()).toBe(true);
  for (let i = 0; i < 200 && mapped(); i++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(mapped()).toBe(false);
});
