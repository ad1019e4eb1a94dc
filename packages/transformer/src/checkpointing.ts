// Activation checkpointing: which blocks keep their activations from the forward pass to the backward pass, and which are recomputed
// (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost").
import type { ModelConfig } from "./config.js";

/** Bytes on the CPU of what the backward pass of one block needs, for `tokens` tokens and adapters whose ranks sum to `ranks` (see block.ts). */
export function activationBytes(config: ModelConfig, tokens: number, ranks: number): number {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim } = config;
  const widths = 3 * hiddenSize + 2 * heads * headDim + 2 * kvHeads * headDim + 3 * intermediateSize;
  return tokens * (widths + heads + 2 + ranks) * 4;
}

/** Bytes for activations beside those of one block, where nothing else is said. */
export const defaultActivationMemory = 256 * 2 ** 20;

/**
 * How many blocks keep their activations: one always does, the last one, and as many more as fit `memory` bytes. A block that keeps them
 * is not recomputed, which is up to a quarter of a step's work; the bits are the same.
 */
export function keptBlocks(config: ModelConfig, tokens: number, ranks: number, memory: number): number {
  return Math.min(config.layers, 1 + Math.floor(memory / activationBytes(config, tokens, ranks)));
}
