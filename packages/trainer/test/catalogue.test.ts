// The catalogue of bad files: each ends in exactly its error, which names the file, in little time and memory.
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { memoryFolder } from "../../../vitest.fuzz.js";
import { writeFiles } from "./catalogue/bad-file.js";
import { bombs, grow } from "./catalogue/bombs.js";
import { formats } from "./catalogue/formats.js";
import { bundled } from "./shared.js";

const folder = memoryFolder();
/** Processor time, as the machine may have other things to do. */
const mostSeconds = 2;
const mostBytes = 512 * 2 ** 20;

let number = 0;
function fresh(): string {
  const dir = join(folder, `${number++}`);
  mkdirSync(dir);
  return dir;
}

describe.each(formats)("$name", ({ read, causes }) => {
  test.each(causes.map((cause) => [`${cause.code}, ${cause.count} files`, cause] as const))("%s", (_, cause) => {
    for (let i = 0; i < cause.count; i++) {
      const dir = fresh();
      writeFiles(dir, cause.make(i));
      const before = process.cpuUsage();
      let error: (Error & { code?: string }) | undefined;
      try {
        read(dir);
      } catch (thrown) {
        error = thrown as Error;
      }
      const { user, system } = process.cpuUsage(before);
      expect(error?.code ?? error?.name, `file ${i}: ${error?.stack}`).toBe(cause.code);
      const { message } = error!;
      expect(message.includes(dir) || /template|pattern/.test(message), `file ${i}: ${message}`).toBe(true);
      expect(message.length, message).toBeLessThan(dir.length + 1000);
      expect((user + system) / 1e6, `file ${i}: seconds`).toBeLessThan(mostSeconds);
      rmSync(dir, { recursive: true });
    }
  });
});

test("the catalogue is as large as it says", () => {
  const total = formats.flatMap(({ causes }) => causes).reduce((sum, { count }) => sum + count, 0);
  console.log(`${total} files in ${formats.length} formats`);
  expect(total).toBeGreaterThan(9000);
});

/** Bombs, and of each format the last file of one cause: in a process of its own. */
const alone = [...bombs, ...formats.map((format) => ({ format, cause: format.causes.at(-1)!, grow: undefined }))].map(
  (bomb) => [`${bomb.format.name}: ${bomb.cause.code}`, bomb] as const,
);

test.each(alone)("in 512 MB: %s", (_, { format, cause, grow: longer }) => {
  const dir = fresh();
  writeFiles(dir, cause.make(cause.count - 1));
  if (longer) grow(dir, longer);
  const { stdout, stderr, signal } = spawnSync(process.execPath, [bundled("read"), format.name, dir], {
    encoding: "utf8",
  });
  expect(signal, stderr).toBe(null);
  const { code, message, seconds, bytes } = JSON.parse(stdout);
  expect(code, message).toBe(cause.code);
  expect(message.length, message).toBeLessThan(dir.length + 1000);
  expect(seconds).toBeLessThan(mostSeconds);
  expect(bytes).toBeLessThan(mostBytes);
  rmSync(dir, { recursive: true });
});
