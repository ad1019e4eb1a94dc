// pnpm bench: every kernel and whole steps, beside the machine's ceilings and the peers that are installed.
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import * as kernels from "@qlora/kernels";
import * as nf4 from "@qlora/nf4";
import * as optim from "@qlora/paged-optim";
import { bigStepNames, bigSteps } from "./big-steps.js";
import type { CaseGroup } from "./case.js";
import { codec } from "./cases/codec.js";
import { decoding } from "./cases/decode.js";
import { dense } from "./cases/dense.js";
import { memory } from "./cases/memory.js";
import { optimiser } from "./cases/optimiser.js";
import { products } from "./cases/products.js";
import { scaling } from "./cases/scaling.js";
import { steps } from "./cases/steps.js";
import { useProcessorTime } from "./clock.js";
import { native } from "./native.js";
import { page } from "./page.js";
import { figureResult, machineName, measureCase, profileResult, type Result } from "./result.js";
import { compare, profileRows, row } from "./table.js";

const groups: CaseGroup[] = [codec, products, dense, optimiser, steps, decoding, memory, scaling];
const usage = `pnpm bench [--filter RE] [--shape RE] [--quick] [--profile] [--json FILE] [--html FILE] [--compare OLD.json] [--threads N] [--clock wall|processor]
Cases: ${[...groups.flatMap(({ names }) => names), ...bigStepNames].join(", ")}
Peers are looked for, never installed: QLORA_PYTHON=PYTHON with torch and peft; QLORA_PEERS=FOLDER with node-llama-cpp and
@qvac/llm-llamacpp (npm install --prefix FOLDER node-llama-cpp @qvac/llm-llamacpp@0.53.0 bare); libopenblas from the system.
On a busy machine --clock processor --threads 1 keeps the shares of the ceilings true; it leaves out peers in other processes.`;

const { values } = parseArgs({
  options: {
    filter: { type: "string", default: "" },
    shape: { type: "string", default: "" },
    quick: { type: "boolean", default: false },
    json: { type: "string" },
    html: { type: "string" },
    compare: { type: "string" },
    profile: { type: "boolean", default: false },
    threads: { type: "string" },
    clock: { type: "string", default: "wall" },
    help: { type: "boolean", default: false },
  },
});

const readResults = (path: string) =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Result);

async function main(): Promise<void> {
  if (values.help) return console.log(usage);
  const earlier = values.compare ? readResults(values.compare) : undefined;
  const [filter, shape] = [new RegExp(values.filter), new RegExp(values.shape)];
  if (values.threads) for (const { setThreads } of [native, kernels, nf4, optim]) setThreads(Number(values.threads));
  if (values.clock === "processor") useProcessorTime();
  else if (values.clock !== "wall") throw new Error(`--clock must be wall or processor, got "${values.clock}"`);
  const threads = kernels.threads();
  const options = values.quick ? { rounds: 3, batchMs: 20 } : { rounds: 9, batchMs: 100 };
  const apart = native.handover();
  console.log(
    `${machineName()}; ${threads} threads, ${kernels.simd()}${apart ? `; ${apart.toFixed(0)} ns from core to core` : ""}`,
  );
  if (values.json) writeFileSync(values.json, "");
  const results: Result[] = [];
  for (const { names, profiled = false, make } of groups) {
    if (!names.some((name) => filter.test(name)) || (values.profile && !profiled)) continue;
    for (const item of make({ quick: values.quick, threads, shape })) {
      if (!filter.test(item.name) || !shape.test(item.shape) || (values.quick && item.slow)) continue;
      if (values.profile && !("profile" in item)) continue;
      const result =
        "measure" in item
          ? await figureResult(item, threads, kernels.simd())
          : values.profile
            ? profileResult(item, threads, kernels.simd(), options)
            : await measureCase(item, threads, kernels.simd(), options);
      results.push(result);
      if (values.json) appendFileSync(values.json, `${JSON.stringify(result)}\n`);
      console.log(row(result));
      if (result.profile) console.log(profileRows(result.profile).join("\n"));
    }
  }
  if (values.filter && !values.quick)
    await bigSteps(filter, shape, threads, kernels.simd(), (result, notes) => {
      results.push(result);
      if (values.json) appendFileSync(values.json, `${JSON.stringify(result)}\n`);
      console.log([row(result), ...notes].join("\n  "));
    });
  if (results.length === 0) throw new Error(`--filter ${values.filter} matches no case\n${usage}`);
  if (values.html) writeFileSync(values.html, page(results, machineName()));
  if (earlier)
    console.log(`\nSince ${earlier[0]?.commit}, ${earlier[0]?.date}:\n${compare(earlier, results).join("\n")}`);
}

main().catch((error: Error) => {
  console.error(`bench: ${error.message}`);
  process.exitCode = 1;
});
