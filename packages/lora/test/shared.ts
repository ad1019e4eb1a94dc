// What the tests of this package share: folders, golden files, random numbers, errors.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { LoraError } from "../src/index.js";

export const golden = (name: string) => new URL(`golden/${name}`, import.meta.url).pathname;

/** An empty folder that goes when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "lora-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Numbers in (-1, 1), the same each time. */
export function random(n: number, seed: number): Float32Array {
  let state = seed * 2654435761 + 1;
  return Float32Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 31 - 1) * 0.999;
  });
}

/** Largest |x - y|, relative to the largest |y|. */
export function difference(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let worst = 0;
  let size = 0;
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    worst = Math.max(worst, Math.abs(x[i]! - y[i]!));
    size = Math.max(size, Math.abs(y[i]!));
    if (Number.isNaN(x[i]! - y[i]!)) return Number.NaN;
  }
  return worst / (size || 1);
}

/** The LoraError that `action` ends in; any other end fails the test. */
export function failureOf(action: () => unknown): LoraError {
  try {
    action();
  } catch (error) {
    if (error instanceof LoraError) return error;
    throw error;
  }
  throw new Error("expected a LoraError, nothing was thrown");
}

/** The linear layers of the golden files' model. */
export const tinyModules = new Map<string, { inFeatures: number; outFeatures: number }>(
  [0, 1].flatMap((layer) =>
    (
      [
        ["self_attn.q_proj", 8, 8],
        ["self_attn.k_proj", 8, 4],
        ["self_attn.v_proj", 8, 4],
        ["self_attn.o_proj", 8, 8],
        ["mlp.gate_proj", 8, 12],
        ["mlp.up_proj", 8, 12],
        ["mlp.down_proj", 12, 8],
      ] as const
    ).map(([name, inFeatures, outFeatures]) => [`model.layers.${layer}.${name}`, { inFeatures, outFeatures }] as const),
  ),
);
