// Our training step in a process of its own, for its peak memory. See child.ts for the protocol.
import { createInterface } from "node:readline";
import * as kernels from "@qlora/kernels";
import * as nf4 from "@qlora/nf4";
import * as optim from "@qlora/paged-optim";
import { trainingStep } from "./step.js";

let run: (() => number) | undefined;
for await (const line of createInterface({ input: process.stdin })) {
  if (!run) {
    const { threads, ...shape } = JSON.parse(line);
    for (const { setThreads } of [kernels, nf4, optim]) setThreads(threads);
    run = trainingStep(shape).run;
    console.log(JSON.stringify({ ready: true, loss: run() }));
    continue;
  }
  const began = performance.now();
  run();
  console.log((performance.now() - began) / 1000);
}
