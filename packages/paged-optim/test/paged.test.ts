// State in a file: the same bits as in memory for any budget, and counters that say what happened.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  Adam,
  AdamW,
  AdEMAMix,
  Lion,
  PagedState,
  type PagedStateError,
  type Parameter,
  Sgd,
  setThreads,
  threads,
} from "../src/index.js";
import { native } from "../src/native.js";
import { half, parameter, sameBits, setGradients } from "./inputs.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "qlora-paged-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (name = "state") => join(folder, name);

const classes = { AdamW, Adam, Lion, AdEMAMix, Sgd };
const page = 4096;

describe.each(["native", "synchronous"])("%s file", (kind) => {
  const { PageFile } = native;
  beforeAll(() => {
    if (kind === "synchronous") native.PageFile = undefined as never;
  });
  afterAll(() => {
    native.PageFile = PageFile as never;
  });

  test("the same bits as in memory: any rule, formats, parameters, page size, budget, export and import in between", () => {
    const sizes = fc.array(fc.tuple(fc.oneof(fc.nat(300), fc.integer({ min: 3000, max: 40_000 })), fc.boolean()), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(
        fc.record({
          name: fc.constantFrom(...(Object.keys(classes) as (keyof typeof classes)[])),
          bits: fc.constantFrom(32 as const, 8 as const),
          bf16: fc.constantFrom("master" as const, "stochastic" as const),
          sizes,
          pages: fc.integer({ min: 1, max: 16 }),
          budget: fc.double({ min: 2, max: 40, noNaN: true }),
          steps: fc.integer({ min: 1, max: 4 }),
          look: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
          count: fc.constantFrom(1, 2, 3),
        }),
        ({ name, bits, bf16, sizes, pages, budget, steps, look, count }) => {
          const make = () => sizes.map(([n, isHalf], i) => (isHalf ? half : parameter)(`p${i}`, n, i));
          const [p, q] = [make(), make()];
          const options = { bits, bf16, lr: 0.01, weightDecay: 0.1 };
          setThreads(count);
          using memory = new classes[name](p, options);
          const pageBytes = pages * page;
          const store = new PagedState({ path: path(), budget: budget * pageBytes, pageBytes });
          using paged = new classes[name](q, { ...options, store });
          for (let step = 1; step <= steps; ++step) {
            setGradients(p, step);
            setGradients(q, step);
            memory.step();
            paged.step();
            if (look.includes(step)) {
              const state = paged.stateDict();
              expect(sameBits(state, memory.stateDict())).toBe(true);
              paged.loadStateDict(state);
            }
          }
          expect(sameBits(q, p)).toBe(true);
          expect(sameBits(paged.stateDict(), memory.stateDict())).toBe(true);
          expect(store.residentBytes).toBeLessThanOrEqual(budget * pageBytes);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("pages in any order", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 9 }),
        fc.integer({ min: 1, max: 12 }),
        fc.array(fc.tuple(fc.nat(100), fc.boolean()), { maxLength: 60 }),
        (frames, pages, uses) => {
          using store = new PagedState({ path: path(), budget: frames * page, pageBytes: page });
          store.open(Array.from({ length: pages }, (_, i) => page - i));
          const model = new Map<number, number>();
          for (const [i, [choice, write]] of uses.entries()) {
            const at = choice % pages;
            const { memory, fresh } = store.acquire(at);
            expect(memory.length).toBe(page - at);
            expect(fresh).toBe(!model.has(at));
            const expected = model.get(at) ?? 0;
            expect([memory[0], memory.at(-1)]).toEqual([expected, expected]);
            if (write) memory.fill((i % 255) + 1);
            model.set(at, write ? (i % 255) + 1 : expected);
            store.release(at, write || fresh);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  test("the file has its full size from the start and is gone at the end", () => {
    const p = parameter("w", 100_000);
    const paged = new AdamW([p], { paging: { path: path(), budget: 16 * page, pageBytes: 2 * page } });
    const { size, blocks, mode } = statSync(path());
    expect(size).toBe(4096 + Math.ceil(800_000 / (2 * page)) * 2 * page);
    expect(blocks * 512).toBeGreaterThanOrEqual(size);
    expect(mode & 0o077).toBe(0);
    paged[Symbol.dispose]();
    expect(existsSync(path())).toBe(false);
  });

  test("a file left by a killed process is used again; any other file is left alone", () => {
    const p = parameter("w", 10_000);
    const options = { path: path("left"), budget: 4 * page, pageBytes: page };
    const first = new AdamW([p], { paging: options });
    setGradients([p], 1);
    first.step();
    // What remains of a process that did not get to delete it: the same bytes under the name.
    const bytes = readFileSync(options.path);
    first[Symbol.dispose]();
    writeFileSync(options.path, bytes);
    using second = new AdamW([parameter("w", 10_000)], { paging: options });
    expect(second.stateDict().tensors.get("w.m")).toEqual(new Float32Array(10_000));

    writeFileSync(path("other"), "my only copy\n".repeat(1000));
    const refused = fails(() => new AdamW([p], { paging: { ...options, path: path("other") } }));
    expect(refused.code).toBe("NOT_OURS");
    expect(readFileSync(path("other"), "utf8")).toBe("my only copy\n".repeat(1000));
    rmSync(path("other"));
  });

  test("counters: a quarter in memory", () => {
    const n = (32 * page) / 8;
    const p = parameter("w", n);
    const store = new PagedState({ path: path(), budget: 8 * page, pageBytes: page });
    using optimizer = new AdamW([p], { store });
    setGradients([p], 1);
    optimizer.step();
    expect(store.counters).toMatchObject({ hits: 0, reads: 2, writes: 26 }); // two read ahead, for the next step
    const before = { ...store.counters };
    optimizer.step();
    // 8 frames: 6 pages stay, 26 stream through 2.
    expect(store.counters.hits - before.hits).toBe(6);
    expect(store.counters.reads - before.reads).toBe(26);
    expect(store.counters.writes - before.writes).toBe(26);
    expect(store.counters.readBytes).toBe(store.counters.reads * page);
    expect(store.counters.writtenBytes).toBe(store.counters.writes * page);
    expect(store.counters.stallMs).toBeGreaterThanOrEqual(0);
    expect(store.residentBytes).toBe(8 * page);
  });

  test("a budget for everything: nothing is read or written", () => {
    const p = parameter("w", 100_000);
    const store = new PagedState({ path: path(), budget: 2 ** 30 });
    using optimizer = new AdamW([p], { store });
    for (let step = 1; step <= 3; ++step) optimizer.step();
    expect(optimizer.paging).toMatchObject({ hits: 2, reads: 0, writes: 0 });
  });
});

function fails(action: () => unknown): PagedStateError {
  try {
    action();
  } catch (error) {
    return error as PagedStateError;
  }
  throw new Error("did not fail");
}

test("bits do not depend on the number of threads with paging either", () => {
  const before = threads();
  const results = [1, 2, 3, 4, 8].map((count) => {
    setThreads(count);
    const p = [parameter("a", 60_000), parameter("b", 5000)];
    using optimizer = new AdamW(p, { bits: 8, paging: { path: path(), budget: 64 * page, pageBytes: 16 * page } });
    for (let step = 1; step <= 20; ++step) {
      setGradients(p, step);
      optimizer.step({ maxNorm: 1 });
    }
    return { p, state: optimizer.stateDict() };
  });
  setThreads(before);
  for (const result of results) expect(sameBits(result, results[0])).toBe(true);
});

test.each([
  ["no budget", { budget: Number.NaN }, "budget must be a number of bytes, got NaN"],
  ["less than two pages", { budget: 8191, pageBytes: 4096 }, "budget must be two pages (8192 bytes) or more, got 8191"],
  ["less than two of the smallest", { budget: 8000 }, "budget must be two pages (8192 bytes) or more, got 8000"],
  ["odd pages", { budget: 1e6, pageBytes: 5000 }, "pageBytes must be a multiple of 4096, got 5000"],
  ["no path", { budget: 1e6, path: "" }, "path must name a file"],
])("bad input: %s", (_, options, message) => {
  expect(() => new PagedState({ path: path(), ...options })).toThrow(message);
});

test("the default page is 1 MiB, or half of a smaller budget", () => {
  expect(new PagedState({ path: path(), budget: 2 ** 30 }).pageBytes).toBe(2 ** 20);
  expect(new PagedState({ path: path(), budget: 100_000 }).pageBytes).toBe(49_152);
});

test("misuse of a store is an error", () => {
  using store = new PagedState({ path: path(), budget: 2 * page, pageBytes: page });
  expect(() => store.acquire(0)).toThrow("not open");
  store.open([page, page, page]);
  expect(() => store.open([page])).toThrow("serves one optimiser");
  expect(() => store.acquire(3)).toThrow("no page 3 of 3");
  store.acquire(0);
  expect(() => store.acquire(1)).toThrow("page 0 is still in use");
  expect(() => store.release(1, true)).toThrow("page 1 is not in use");
  store.release(0, true);
});

test.runIf(native.PageFile)("direct transfers give the same bits, where the file system has them", (context) => {
  const [p, q] = [[parameter("w", 50_000)], [parameter("w", 50_000)]] as Parameter[][] as [Parameter[], Parameter[]];
  let paged: AdamW;
  try {
    paged = new AdamW(q, { paging: { path: path(), budget: 16 * page, pageBytes: 4 * page, direct: true } });
  } catch (error) {
    if ((error as PagedStateError).code !== "OPEN") throw error;
    return context.skip(`no direct transfers here: ${(error as Error).message}`);
  }
  using memory = new AdamW(p);
  for (let step = 1; step <= 3; ++step) {
    setGradients(p, step);
    setGradients(q, step);
    memory.step();
    paged.step();
  }
  expect(sameBits(q, p)).toBe(true);
  paged[Symbol.dispose]();
});
