// Several JS threads in the addon at once: each gets its own results, whoever holds the pool.
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { swiglu } from "../src/index.js";
import { random } from "./compare.js";

const addon = fileURLToPath(new URL("../build/Release/kernels.node", import.meta.url));
const n = 200_000;

/** Runs in a worker: the same product many times over, and what came out when it last differed. */
const source = `
  const { parentPort, workerData } = require("node:worker_threads");
  const kernels = require(workerData.addon);
  const { gate, up, expected } = workerData;
  let wrong = 0;
  const y = new Float32Array(expected.length);
  for (let round = 0; round < 60; round++) {
    y.fill(0);
    kernels.swiglu(y.length, gate, up, y);
    if (Buffer.compare(Buffer.from(y.buffer), Buffer.from(expected.buffer)) !== 0) wrong++;
  }
  parentPort.postMessage(wrong);
`;

test("workers do not disturb one another, nor do they when they end", async () => {
  expect(createRequire(import.meta.url)(addon).threads()).toBeGreaterThan(0);
  const results = await Promise.all(
    [1, 2, 3, 4].map((seed) => {
      const [gate, up, expected] = [random(n, seed), random(n, seed + 10), new Float32Array(n)];
      swiglu(gate, up, expected, { n });
      return new Promise((resolve, reject) => {
        const worker = new Worker(source, { eval: true, workerData: { addon, gate, up, expected } });
        worker.once("message", resolve);
        worker.once("error", reject);
      });
    }),
  );
  expect(results).toEqual([0, 0, 0, 0]);
});
