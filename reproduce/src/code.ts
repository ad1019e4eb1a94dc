// The built code that a measurement runs: files whose contents are part of its key.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.js";

/** This program and every package under it. */
export function allCode(): string[] {
  const under = ["data", "eval", "kernels", "lora", "nf4", "safetensors", "transformer"];
  return [join(root, "reproduce/dist/main.js"), ...packageCode(...under)];
}

/** The program of one training run and every package under it. */
export function trainingCode(): string[] {
  const under = ["data", "kernels", "lora", "nf4", "paged-optim", "safetensors", "trainer", "transformer"];
  return [join(root, "reproduce/dist/fine-tune.js"), ...packageCode(...under)];
}

/** Packages as built: their JavaScript, and their addon where they have one. */
export function packageCode(...names: string[]): string[] {
  return names
    .flatMap((name) => [`packages/${name}/dist/index.js`, `packages/${name}/build/Release/${name}.node`])
    .map((path) => join(root, path))
    .filter((path) => existsSync(path));
}
