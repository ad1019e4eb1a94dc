// Builds the sample kernels (cuda-runtime/sample) before the tests: for the emulator, and with nvcc where there is a GPU to run them.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { devices } from "../../src/index.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Builds into build/<folder>/Release with cmake definitions. Takes half a second when nothing changed. */
export function buildSample(folder: string, definitions: Record<string, string> = {}): void {
  const cmakeJs = createRequire(import.meta.url).resolve("cmake-js/bin/cmake-js");
  const defines = Object.entries({ SAMPLE: "ON", CUDA: "OFF", ...definitions }).map(
    ([name, value]) => `--CD${name}=${value}`,
  );
  const built = spawnSync(
    process.execPath,
    [cmakeJs, "build", "--log-level", "error", "-O", `build/${folder}`, ...defines],
    {
      cwd: root,
      encoding: "utf8",
    },
  );
  if (built.status !== 0) throw new Error(`the sample kernels do not build:\n${built.stdout}${built.stderr}`);
}

export default function setup(): void {
  if (process.env.QLORA_BUILD) return; // built by scripts/test-sanitized.js
  buildSample("sample");
  if (devices().devices.length > 0) buildSample("sample-cuda", { CUDA: "ON" });
}
