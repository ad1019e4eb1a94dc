// Training steps of models that do not fit the heap, as results: 7B, 13B and 33B shapes whose weights stay in their file.
import { llama, trainBigModel } from "./big-model.js";
import { commitName, machineName, type Result } from "./result.js";

/** Tokens of the step. */
const tokens = { "7B": 512, "13B": 128, "33B": 128 };
const sizes = Object.keys(tokens) as (keyof typeof tokens)[];
const computes = ["f32", "int8"] as const;
const nameOf = (size: string, compute: "f32" | "int8") => `${size} step${compute === "int8" ? " int8" : ""}`;
export const bigStepNames = sizes.flatMap((size) => computes.map((compute) => nameOf(size, compute)));

/** Guanaco (Dettmers et al. 2023, Table 9): 1875 steps of 16 sequences of at most 512 tokens. */
const guanacoTokens = 1875 * 16 * 512;

/** The steps whose names and shapes are asked for, one after another; each result is given to `onResult`, with lines about it. */
export async function bigSteps(
  filter: RegExp,
  wantedShape: RegExp,
  threads: number,
  simd: string,
  onResult: (result: Result, notes: string[]) => void,
): Promise<void> {
  for (const size of sizes) {
    const wanted = computes.filter((compute) => filter.test(nameOf(size, compute)));
    const shape = llama[size];
    const title = `${shape.hidden} × ${shape.layers}, ffn ${shape.ffn}, vocab ${shape.vocab}, 1 × ${tokens[size]} tokens`;
    if (wanted.length === 0 || !wantedShape.test(title)) continue;
    for await (const { compute, seconds, expected, loss, peak } of trainBigModel(
      shape,
      tokens[size],
      threads,
      wanted,
    )) {
      const tokensPerSecond = tokens[size] / (seconds.passes + seconds.optimizer);
      const gb = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;
      const notes = [
        `loss ${loss.toFixed(3)}; loading ${seconds.load.toFixed(1)} s, passes ${seconds.passes.toFixed(1)} s, optimiser ${seconds.optimizer.toFixed(1)} s`,
        `peak memory of its own ${gb(peak.own)} (expected ${gb(expected.own)}), of files ${gb(peak.mapped)} (mapped ${gb(expected.mapped)})`,
        `Guanaco's recipe, 1875 steps of 16 sequences of at most 512 tokens: at most ${(guanacoTokens / tokensPerSecond / 86400).toFixed(1)} days`,
      ];
      onResult(
        {
          name: nameOf(size, compute),
          device: `cpu ${simd}`,
          threads,
          shape: title,
          value: tokensPerSecond,
          unit: "tokens/s",
          spread: 0,
          ceiling: null,
          percentOfCeiling: null,
          peers: [],
          machine: machineName(),
          commit: commitName(),
          date: new Date().toISOString(),
        },
        notes,
      );
    }
  }
}
