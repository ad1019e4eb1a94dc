// How every package is bundled: ESM and CJS with types, workspace devDependencies (the addon loader) folded in.
import type { Options } from "tsup";

export function library(entry: string[] = ["src/index.ts"]): Options {
  return {
    entry,
    format: ["esm", "cjs"],
    dts: true,
    shims: true,
    sourcemap: true,
    clean: true,
    target: "node20",
    esbuildOptions(options) {
      options.conditions = ["@qlora/source", ...(options.conditions ?? [])];
    },
  };
}
