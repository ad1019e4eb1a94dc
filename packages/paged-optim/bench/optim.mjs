// Optimiser steps beside memory's copy bandwidth, PyTorch's fused AdamW and paging; contenders take turns in one process.
//
//   node bench/optim.mjs [--quick] [--filter RE] [--elements N] [--threads N] [--page BYTES] [--rounds N] [--json FILE]
//
// QLORA_PYTHON=…/python adds PyTorch. Needs `pnpm build`. Times are medians over rounds; a ratio is the median of the rounds'
// own ratios. Rounds in which a contender's threads waited for a processor for more than 4 % of its time are left out when
// any others remain.
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { AdamW, AdEMAMix, gradNorm, Lion, PagedState, Sgd, setThreads, simd } from "../dist/index.js";

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    filter: { type: "string", default: "" },
    elements: { type: "string" },
    threads: { type: "string", default: String(availableParallelism()) },
    page: { type: "string" },
    json: { type: "string" },
    rounds: { type: "string" },
  },
});
const n = Number(options.elements ?? (options.quick ? 2 ** 22 : 2 ** 25));
const threads = Number(options.threads);
const rounds = Number(options.rounds ?? (options.quick ? 5 : 11));
const pageBytes = options.page ? { pageBytes: Number(options.page) } : {};
setThreads(threads);
const addon = createRequire(import.meta.url)("../build/Release/paged-optim.node");
const folder = mkdtempSync(join(process.env.QLORA_BENCH_DIR ?? tmpdir(), "qlora-bench-"));

const f32 = () => new Float32Array(n).map((_, i) => ((i * 2654435761) % 1000) / 1000 - 0.5);
const parameter = (data = f32()) => ({ name: "w", data, grad: f32() });
/** Known norm: the step alone, one pass, as PyTorch's. */
const step = (make, p = parameter()) => {
  const optimizer = make(p);
  return { run: () => optimizer.step({ gradNorm: 1 }), store: optimizer.store };
};
const paged = (share, more = {}) =>
  step((p) => {
    const budget = Math.max(n * 8 * share, 2 ** 18);
    return new AdamW([p], { paging: { budget, path: join(folder, `${Math.random()}`), ...pageBytes, ...more } });
  });

// Bytes: what the algorithm must read and write for an element.
const contenders = {
  "copy, small pieces": { bytes: 8, make: () => copy(2 ** 14) },
  "copy, large pieces": { bytes: 8, make: () => copy(2 ** 22) },
  "AdamW 32-bit": { bytes: 28, make: () => step((p) => new AdamW([p])) },
  "AdamW 32-bit, PyTorch fused": { bytes: 28, make: torch },
  "AdamW 32-bit, norm included": {
    bytes: 32,
    make: () => {
      const p = parameter();
      const optimizer = new AdamW([p]);
      return { run: () => optimizer.step({ maxNorm: 1 }) };
    },
  },
  "AdamW 8-bit": { bytes: 16 + 16 / 256, make: () => step((p) => new AdamW([p], { bits: 8 })) },
  "Lion 32-bit": { bytes: 20, make: () => step((p) => new Lion([p])) },
  "Lion 8-bit": { bytes: 14 + 8 / 256, make: () => step((p) => new Lion([p], { bits: 8 })) },
  "AdEMAMix 32-bit": { bytes: 36, make: () => step((p) => new AdEMAMix([p])) },
  "AdEMAMix 8-bit": { bytes: 18 + 24 / 256, make: () => step((p) => new AdEMAMix([p], { bits: 8 })) },
  "SGD 32-bit": { bytes: 20, make: () => step((p) => new Sgd([p])) },
  "AdamW 32-bit, bf16 and master": {
    bytes: 30,
    make: () => step((p) => new AdamW([p], { bf16: "master" }), parameter(new Uint16Array(n).fill(0x3f80))),
  },
  "AdamW 32-bit, bf16 stochastic": {
    bytes: 24,
    make: () => step((p) => new AdamW([p], { bf16: "stochastic" }), parameter(new Uint16Array(n).fill(0x3f80))),
  },
  "gradient norm": {
    bytes: 4,
    make: () => {
      const p = parameter();
      return { run: () => gradNorm([p]) };
    },
  },
  "AdamW 32-bit, paged, all resident": { bytes: 28, make: () => paged(2) },
  "AdamW 32-bit, paged, a quarter resident": { bytes: 28, make: () => paged(0.25) },
  "AdamW 32-bit, paged, a quarter resident, direct": { bytes: 28, make: () => paged(0.25, { direct: true }) },
};

function copy(piece) {
  const [x, y] = [f32(), new Float32Array(n).fill(1)];
  return { run: () => addon.copy(x, y, piece) };
}

/** A child that takes one step for every line it is sent and answers with the seconds it took. */
function torch() {
  const python = process.env.QLORA_PYTHON;
  if (!python) throw new Error("set QLORA_PYTHON to a Python with PyTorch");
  const code = `
import sys, time, torch
torch.set_num_threads(${threads})
p = torch.nn.Parameter(torch.rand(${n}) - 0.5)
p.grad = torch.rand(${n}) - 0.5
optimiser = torch.optim.AdamW([p], lr=1e-3, weight_decay=0, fused=True)
optimiser.step()
for line in sys.stdin:
    start = time.perf_counter()
    optimiser.step()
    print(time.perf_counter() - start, flush=True)`;
  const child = spawn(python, ["-c", code], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    pid: child.pid,
    run: async () => {
      child.stdin.write("\n");
      return Number((await lines.next()).value) * 1e3;
    },
    close: () => child.stdin.end(),
  };
}

/** Nanoseconds that the threads of a process have been ready but without a processor. */
function waited(pid) {
  try {
    return readdirSync(`/proc/${pid}/task`).reduce(
      (sum, id) => sum + Number(readFileSync(`/proc/${pid}/task/${id}/schedstat`, "utf8").split(" ")[1]),
      0,
    );
  } catch {
    return 0;
  }
}

const median = (x) => [...x].sort((a, b) => a - b)[x.length >> 1];

const running = [];
for (const [label, { bytes, make }] of Object.entries(contenders)) {
  if (!new RegExp(options.filter, "i").test(label)) continue;
  try {
    running.push({ label, bytes, rounds: [], ...make() });
  } catch (error) {
    console.log(`${label}: left out, ${error.message}`);
  }
}
// Until every contender has enough clean rounds, or there have been three times as many.
const enough = () => running.every((c) => c.rounds.filter((r) => r.clean).length >= rounds);
for (let round = -2; round < rounds || (round < 3 * rounds && !enough()); ++round)
  for (const contender of running) {
    const before = waited(contender.pid ?? process.pid);
    const start = performance.now();
    const own = await contender.run();
    const ms = typeof own === "number" && contender.pid ? own : performance.now() - start;
    const share = (waited(contender.pid ?? process.pid) - before) / 1e6 / ms;
    if (round >= 0) contender.rounds.push({ ms, clean: share <= 0.04 });
  }

const base = running.find(({ label }) => label === "AdamW 32-bit");
const results = running.map(({ label, bytes, rounds, store }) => {
  const clean = rounds.some((r) => r.clean) ? rounds.filter((r) => r.clean) : rounds;
  const ms = median(clean.map((r) => r.ms));
  const ratios = base && rounds.flatMap((r, i) => (r.clean && base.rounds[i].clean ? [r.ms / base.rounds[i].ms] : []));
  const all = base && rounds.map((r, i) => r.ms / base.rounds[i].ms);
  return {
    label,
    ms,
    best: Math.min(...rounds.map((r) => r.ms)),
    gbPerSecond: (n * bytes) / ms / 1e6,
    gElementsPerSecond: n / ms / 1e6,
    timesAdamW: base && median(ratios.length > 0 ? ratios : all),
    cleanRounds: rounds.filter((r) => r.clean).length,
    ...(store instanceof PagedState ? { paging: store.counters } : {}),
  };
});
const copies = results.filter(({ label }) => label.startsWith("copy")).map(({ gbPerSecond }) => gbPerSecond);
const bandwidth = Math.max(...copies);
console.log(
  `${cpus()[0].model}, ${threads} threads, ${simd()}, ${n} elements, ${running[0]?.rounds.length} rounds, ${new Date().toISOString().slice(0, 10)}`,
);
for (const r of results)
  console.log(
    `${r.label.padEnd(48)} ${r.ms.toFixed(2).padStart(9)} ms (best ${r.best.toFixed(2).padStart(8)})  ${r.gbPerSecond.toFixed(1).padStart(6)} GB/s` +
      `${copies.length > 0 ? `  ${((r.gbPerSecond / bandwidth) * 100).toFixed(0).padStart(4)} % of copy` : ""}` +
      `  ${r.gElementsPerSecond.toFixed(3)} G/s${base ? `  ${r.timesAdamW.toFixed(2)}× AdamW 32-bit` : ""}  (${r.cleanRounds} clean)` +
      `${r.paging ? `\n    ${JSON.stringify(r.paging)}` : ""}`,
  );
if (options.json)
  writeFileSync(
    options.json,
    `${JSON.stringify({ machine: cpus()[0].model, threads, simd: simd(), elements: n, results }, null, 2)}\n`,
  );
for (const { close } of running) close?.();
rmSync(folder, { recursive: true, force: true });
