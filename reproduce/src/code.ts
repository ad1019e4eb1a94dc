// The built code that a measurement runs: files whose contents are part of its key.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.js";

const packages = ["cli", "cuda-runtime", "data", "eval", "kernels", "lora", "nf4", "paged-optim", "safetensors"];

/** Packages that compute a training run. */
const training = ["data", "kernels", "lora", "nf4", "paged-optim", "safetensors", "trainer", "transformer"];

/** This program and everything under it. */
export function allCode(): string[] {
  return [join(root, "reproduce/dist/main.js"), ...built([...packages, "trainer", "transformer"])];
}

/** The program of one training run and everything under it. */
export function trainingCode(): string[] {
  return [join(root, "reproduce/dist/fine-tune.js"), ...built(training)];
}

function built(names: string[]): string[] {
  return names
    .flatMap((name) => [`packages/${name}/dist/index.js`, `packages/${name}/build/Release/${name}.node`])
    .map((path) => join(root, path))
    .filter((path) => existsSync(path));
}
