// The code that a measurement runs: files whose contents are part of its key.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.js";

/** What measures data types: this folder's sources for it, and every package under them. */
export function measureCode(): string[] {
  const own = join(root, "reproduce/src/measure");
  const under = ["data", "eval", "kernels", "lora", "nf4", "safetensors", "transformer"];
  return [...readdirSync(own).map((name) => join(own, name)), ...packageCode(...under)];
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
