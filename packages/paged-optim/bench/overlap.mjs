// Which way of reading and writing pages really runs beside the kernels: none (synchronous calls), libuv's thread pool with
// an event-loop turn per page, or the page file's own thread. AdamW, 32-bit, all state streamed through four pages.
//
//   node bench/overlap.mjs [--elements N] [--page BYTES] [--threads N] [--rounds N] [--direct] [--work K]
//
// --direct: past the system's page cache, to the disk itself. --work: the kernel K times a page, to make it as long as the file's part.
import { constants, mkdtempSync, openSync, read, readSync, rmSync, write, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: {
    elements: { type: "string", default: String(2 ** 24) },
    page: { type: "string", default: String(2 ** 20) },
    threads: { type: "string", default: String(availableParallelism()) },
    rounds: { type: "string", default: "9" },
    direct: { type: "boolean", default: false },
    work: { type: "string", default: "1" },
  },
});
const [n, pageBytes] = [Number(options.elements), Number(options.page)];
const addon = createRequire(import.meta.url)("../build/Release/paged-optim.node");
addon.setThreads(Number(options.threads));
const folder = mkdtempSync(join(process.env.QLORA_BENCH_DIR ?? tmpdir(), "qlora-bench-"));
const each = pageBytes / 8; // elements a page
const pages = n / each;
const frames = 4;
const weights = new Float32Array(n).fill(0.5);
const gradient = new Float32Array(n).fill(0.01);
const hyper = Float32Array.of(1, 0, 1, 1e-3, 0.9, 0.1, 0.999, 0.001, 0, 0, 0, 1e-8, 1, 1, 0);

function compute(page, memory, frame) {
  const m = new Float32Array(memory, frame * pageBytes, each);
  const v = new Float32Array(memory, frame * pageBytes + each * 4, each);
  const [w, g] = [weights, gradient].map((x) => x.subarray(page * each, (page + 1) * each));
  for (let i = 0; i < Number(options.work); ++i)
    addon.step(0, each, w, g, hyper, m, v, null, null, null, null, null, null, 0);
}

/** Direct transfers need memory at a page's boundary, which the addon's is. */
function alignedMemory(bytes) {
  return new addon.PageFile(join(folder, `memory-${Math.random()}`), bytes, 1, 1, false).memory();
}

/** Every way starts from a file of the full size, as large a step later. */
function file(name) {
  const fd = openSync(
    join(folder, name),
    constants.O_RDWR | constants.O_CREAT | (options.direct ? constants.O_DIRECT : 0),
    0o600,
  );
  const page = new Uint8Array(alignedMemory(pageBytes));
  for (let i = 0; i < pages; ++i) writeSync(fd, page, 0, pageBytes, i * pageBytes);
  return fd;
}

function synchronous() {
  const fd = file("synchronous");
  const memory = alignedMemory(pageBytes);
  const bytes = new Uint8Array(memory);
  return () => {
    for (let page = 0; page < pages; ++page) {
      readSync(fd, bytes, 0, pageBytes, page * pageBytes);
      compute(page, memory, 0);
      writeSync(fd, bytes, 0, pageBytes, page * pageBytes);
    }
  };
}

function libuv() {
  const fd = file("libuv");
  const memory = alignedMemory(frames * pageBytes);
  const move = (call, page) =>
    new Promise((resolve, reject) => {
      const bytes = new Uint8Array(memory, (page % frames) * pageBytes, pageBytes);
      call(fd, bytes, 0, pageBytes, page * pageBytes, (error) => (error ? reject(error) : resolve()));
    });
  return async () => {
    const ready = Array.from({ length: frames }, (_, page) => move(read, page));
    for (let page = 0; page < pages; ++page) {
      await ready[page % frames];
      compute(page, memory, page % frames);
      const next = page + frames;
      ready[page % frames] = move(write, page).then(() => (next < pages ? move(read, next) : undefined));
    }
    await Promise.all(ready);
  };
}

function thread() {
  const pagesFile = new addon.PageFile(join(folder, "thread"), pageBytes, pages, frames, options.direct);
  const memory = pagesFile.memory();
  for (let page = 0; page < pages; ++page) {
    pagesFile.write(0, page, pageBytes);
    pagesFile.wait(0);
  }
  return () => {
    for (let page = 0; page < frames; ++page) pagesFile.read(page, page, pageBytes);
    for (let page = 0; page < pages; ++page) {
      const frame = page % frames;
      pagesFile.wait(frame);
      compute(page, memory, frame);
      pagesFile.write(frame, page, pageBytes);
      if (page + frames < pages) pagesFile.read(frame, page + frames, pageBytes);
    }
    for (let frame = 0; frame < frames; ++frame) pagesFile.wait(frame);
  };
}

function resident() {
  const memory = new ArrayBuffer(n * 8);
  return () => {
    for (let page = 0; page < pages; ++page) compute(page, memory, page);
  };
}

const contenders = Object.entries({ resident, synchronous, libuv, thread }).map(([label, make]) => ({
  label,
  run: make(),
  ms: [],
}));
for (let round = -1; round < Number(options.rounds); ++round)
  for (const { run, ms } of contenders) {
    const start = performance.now();
    await run();
    if (round >= 0) ms.push(performance.now() - start);
  }
const median = (x) => [...x].sort((a, b) => a - b)[x.length >> 1];
for (const { label, ms } of contenders)
  console.log(
    `${label.padEnd(12)} ${median(ms).toFixed(1).padStart(8)} ms median ${Math.min(...ms)
      .toFixed(1)
      .padStart(8)} best  ` + `${median(ms.map((t, i) => t / contenders[1].ms[i])).toFixed(2)}× synchronous`,
  );
rmSync(folder, { recursive: true, force: true });
process.exit(0);
