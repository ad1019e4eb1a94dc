// How cost grows: nothing slower with two threads than with one, time linear in tokens, memory linear in the length of a sequence.
import * as kernels from "@qlora/kernels";
import * as nf4 from "@qlora/nf4";
import * as optim from "@qlora/paged-optim";
import { Runner, sequenceBatch } from "@qlora/transformer";
import { type CaseGroup, type Figure, normals } from "../case.js";
import { measure, ratio } from "../measure.js";
import { modelConfig, randomModel, type Shape } from "../random-model.js";
import { packedBatch, rank, stepShapes } from "../step.js";

/** What two runs of the same may differ by. */
const NOISE = 0.05;
const LINEAR = 0.15;
const small: Shape = { hidden: 256, layers: 2, ffn: 704, heads: 4, vocab: 1024 };
const sequence = 128;

export const scaling: CaseGroup = {
  names: ["two threads", "time linear in tokens", "memory linear in sequence"],
  *make({ quick, threads }) {
    yield* twoThreads(threads);
    yield timeInTokens(quick ? [128, 512, 2048] : [128, 256, 512, 1024, 2048, 4096, 8192]);
    yield memoryInSequence(quick ? [512, 1024, 2048] : [512, 1024, 2048, 4096, 8192]);
  },
};

/** Small work too: there the cost of waking a thread shows first. */
function* twoThreads(threads: number): Generator<Figure> {
  const [n, k] = [1024, 1024];
  const w = nf4.tile(nf4.quantize(normals(n * k, 0.03), { shape: [n, k] }));
  const product = (m: number) => {
    const [x, out] = [normals(m * k), new Float32Array(m * n)];
    return () => void nf4.matmul(x, w, { out });
  };
  const elements = (length: number) => {
    const [x, y] = [normals(length), new Float32Array(length)];
    return () => kernels.add(x, y, { n: length });
  };
  const work: [shape: string, run: () => void][] = [
    ["nf4 matmul, m 1", product(1)],
    ["nf4 matmul, m 16", product(16)],
    ["nf4 matmul, m 128", product(128)],
    ["add, 1 Ki", elements(1024)],
    ["add, 64 Ki", elements(65536)],
  ];
  const setThreads = (count: number) => {
    for (const { setThreads } of [kernels, nf4, optim]) setThreads(count);
  };
  for (const [shape, run] of work)
    yield {
      name: "two threads",
      shape,
      async measure() {
        const contender = (count: number) => ({ name: `${count}`, run, before: () => setThreads(count) });
        const [one, two] = await measure([contender(1), contender(2)], { rounds: 9, batchMs: 50 });
        setThreads(threads);
        const value = ratio(one!, two!);
        return {
          value,
          unit: "×",
          verdict: { claim: "not slower with 2 threads than with 1", holds: value >= 1 - NOISE },
        };
      },
    };
}

/** Forward and backward over packed sequences of 128: attention grows with their length, not with their number. */
function timeInTokens(counts: number[]): Figure {
  const shape = stepShapes[0]!;
  return {
    name: "time linear in tokens",
    shape: `${shape.hidden} × ${shape.layers}, ${counts[0]} … ${counts.at(-1)} tokens, packed by ${sequence}`,
    async measure() {
      const runner = new Runner(randomModel(modelConfig(shape), rank));
      const passes = counts.map((tokens) => {
        const batch = packedBatch({ vocab: shape.vocab, batch: tokens / sequence, seq: sequence });
        return { name: `${tokens}`, run: () => void runner.forwardBackward(batch, { gradientScale: 1 }) };
      });
      const times = await measure(passes, { rounds: 3, batchMs: 500 });
      return off(
        times.map(({ seconds }, i) => seconds / counts[i]!),
        LINEAR,
      );
    },
  };
}

/** Bytes that a pass over one sequence holds. */
function memoryInSequence(lengths: number[]): Figure {
  return {
    name: "memory linear in sequence",
    shape: `one sequence of ${lengths[0]} … ${lengths.at(-1)} tokens`,
    measure() {
      const model = randomModel(modelConfig(small), 8);
      const perToken = lengths.map((length) => {
        const runner = new Runner(model);
        runner.forwardBackward(sequenceBatch(Int32Array.from({ length }, (_, i) => i % small.vocab)), {
          gradientScale: 1,
        });
        return runner.bytes / length;
      });
      return off(perToken, LINEAR);
    },
  };
}

/** How much dearer the dearest token is than the cheapest. */
function off(perToken: number[], most: number) {
  const value = 100 * (Math.max(...perToken) / Math.min(...perToken) - 1);
  return {
    value,
    unit: "%" as const,
    verdict: { claim: `a token costs the same within ${100 * most} %`, holds: value <= 100 * most },
  };
}
