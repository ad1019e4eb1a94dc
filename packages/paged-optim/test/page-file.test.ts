// The addon's page file by itself: arguments, memory, workers that are ended.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { native } from "../src/native.js";

const addon = fileURLToPath(new URL("../build/Release/paged-optim.node", import.meta.url));
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "qlora-page-file-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (name = "state") => join(folder, name);

describe.runIf(native.PageFile)("the addon's page file", () => {
  const PageFile = native.PageFile!;
  const make = (...args: unknown[]) =>
    new (PageFile as unknown as new (...args: unknown[]) => InstanceType<typeof PageFile>)(...args);

  test("checks its arguments", () => {
    expect(() => make()).toThrow("path must be a string");
    expect(() => make(path(), 100, 1, 1, false)).toThrow("pageBytes must be a multiple of 4096, got 100");
    expect(() => make(path(), 4096, 2 ** 52, 1, false)).toThrow("pages is too large");
    expect(() => make(path(), 4096, 1, 0, false)).toThrow("frames must be 1 to 2^30, got 0");
    expect(() => make(path(), 4096, -1, 1, false)).toThrow("pages must be a whole number");
    expect(() => make(path(), 4096, 1, 1, "no")).toThrow("direct must be a boolean");
    const file = make(path(), 4096, 2, 2, false);
    expect(() => file.read(2, 0, 1)).toThrow("frame must be below 2, got 2");
    expect(() => file.read(0, 2, 1)).toThrow("page 2 or bytes 1 out of range");
    expect(() => file.write(0, 0, 4097)).toThrow("out of range");
    file.close();
    file.close();
    expect(() => file.wait(0)).toThrow("the page file is closed");
    expect(readdirSync(folder)).toEqual([]);
  });

  test("its memory outlives it, and a buffer that is transferred away does no harm", () => {
    const file = make(path(), 4096, 2, 2, false);
    const memory = file.memory() as ArrayBuffer;
    new Uint8Array(memory).fill(7);
    file.write(0, 0, 4096);
    const moved = structuredClone(memory, { transfer: [memory] });
    file.read(1, 0, 4096);
    file.wait(1);
    file.close();
    expect(new Uint8Array(moved).every((x) => x === 7)).toBe(true);
  });

  test.each(["", "process.exit(0)", "process.exitCode = 1", "throw 1"])("is gone with its process: %s", (end) => {
    const code = `
      const { PageFile } = require(${JSON.stringify(addon)});
      globalThis.file = new PageFile(${JSON.stringify(path("process"))}, 1 << 20, 16, 4, false);
      for (let i = 0; i < 16; ++i) file.write(i % 4, i, 1 << 20);
      console.log("open");
      ${end}`;
    expect(spawnSync(process.execPath, ["-e", code], { encoding: "utf8" }).stdout).toBe("open\n");
    expect(readdirSync(folder)).toEqual([]);
  });

  test("workers may be ended in the middle of it", async () => {
    const code = `
      const { workerData } = require("node:worker_threads");
      const { PageFile } = require(workerData.addon);
      const file = new PageFile(workerData.path, 1 << 20, 64, 4, false);
      file.memory();
      for (let i = 0; ; i = (i + 1) % 64) { file.write(i % 4, i, 1 << 20); file.read(i % 4, i, 1 << 20); if (i % 16 === 15) file.wait(i % 4); }`;
    for (let i = 0; i < 20; ++i) {
      const worker = new Worker(code, { eval: true, workerData: { addon, path: path(`worker-${i}`) } });
      await new Promise((resolve) => worker.once("online", resolve));
      await new Promise((resolve) => setTimeout(resolve, 5 * i));
      await worker.terminate();
    }
    expect(readdirSync(folder)).toEqual([]);
  });
});
