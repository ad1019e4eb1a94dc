// What concerns the whole process: handles that are dropped unfreed, and addons in several threads.

import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { alloc, leaks, memoryStats } from "../src/index.js";
import { withEnvironment } from "./mock/mock.js";

const device = "cuda-emu";
const addon = fileURLToPath(
  new URL(`../${process.env.QLORA_BUILD ?? "build"}/Release/cuda-runtime.node`, import.meta.url),
);
const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

test("memory dropped unfreed is released by the garbage collector, and stays in the leak report", async () => {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  withEnvironment({ QLORA_CUDA_TRACE: "1" }, () => {
    alloc(12345, { device, label: "dropped" });
  });
  expect(leaks()).toMatchObject([
    { label: "dropped", collected: false, stack: expect.stringContaining("process.test.ts") },
  ]);
  for (let i = 0; i < 100 && memoryStats(device).allocated > 0; i++) {
    gc();
    await turn();
  }
  expect(memoryStats(device).allocated).toBe(0);
  expect(leaks()).toMatchObject([{ label: "dropped", bytes: 12345, collected: true }]);
});

test("a thread that is terminated gives its memory back", async () => {
  const code = `
    const { parentPort } = require("node:worker_threads");
    const addon = require(${JSON.stringify(addon)});
    addon.freeAtEnd();
    for (const kind of [0, 1, 2]) addon.allocate(-1, kind, 500);
    parentPort.postMessage("held");
    setInterval(() => {}, 1000);`;
  const before = memoryStats(device);
  const worker = new Worker(code, { eval: true });
  await new Promise((resolve) => worker.once("message", resolve));
  expect(memoryStats(device)).toMatchObject({ allocated: before.allocated + 1000, pinned: before.pinned + 500 });
  await worker.terminate();
  expect(memoryStats(device)).toMatchObject({ allocated: before.allocated, pinned: before.pinned });
});

test("threads of one process share the device's counters", async () => {
  const code = `
    const { parentPort } = require("node:worker_threads");
    const addon = require(${JSON.stringify(addon)});
    for (let i = 0; i < 1000; i++) addon.release(-1, 0, addon.allocate(-1, 0, 64).pointer, 64);
    const { pointer } = addon.allocate(-1, 0, 1000);
    parentPort.postMessage(pointer);
    parentPort.once("message", () => addon.release(-1, 0, pointer, 1000));`;
  const workers = Array.from({ length: 4 }, () => new Worker(code, { eval: true }));
  const pointers = await Promise.all(workers.map((w) => new Promise((resolve) => w.once("message", resolve))));
  expect(new Set(pointers).size).toBe(4);
  expect(memoryStats(device).allocated).toBe(4000);
  await Promise.all(
    workers.map((worker) => {
      worker.postMessage("free");
      return new Promise((resolve) => worker.once("exit", resolve));
    }),
  );
  expect(memoryStats(device).allocated).toBe(0);
});
