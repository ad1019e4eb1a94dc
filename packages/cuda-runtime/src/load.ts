// Loads a package's native addon: a local build first, then the prebuilt package of this platform.
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";

export interface Addon {
  threads(): number;
  setThreads(threads: number): void;
}

/** No native addon could be loaded; `message` lists what was tried and what to do. */
export class AddonError extends Error {
  override name = "AddonError";
}

/**
 * Loads `<name>.node` for the package whose module is at `url` (its `import.meta.url`; `src` and `dist` are flat and equally
 * deep, so the same relative path serves both). QLORA_BUILD names a build folder to try before `build`. Threads are set from `QLORA_THREADS`, else all that are available.
 * @throws {RangeError} when QLORA_THREADS is no such number. @throws {AddonError} when neither a local build nor `@qlora/native-<platform>-<arch>` can be loaded.
 */
export function loadAddon<T extends Addon>(name: string, url: string): T {
  const require = createRequire(url);
  const target = `${process.platform}-${process.arch}`;
  const tried: string[] = [];
  const threads = threadsFromEnvironment();
  const builds = process.env.QLORA_BUILD ? [process.env.QLORA_BUILD, "build"] : ["build"];
  for (const id of [
    ...builds.map((build) => `../${build}/Release/${name}.node`),
    `@qlora/native-${target}/${name}.node`,
  ]) {
    try {
      const addon = require(id) as T;
      addon.setThreads(threads);
      return addon;
    } catch (error) {
      tried.push(`  ${id}: ${(error as Error).message.split("\n")[0]}`);
    }
  }
  throw new AddonError(
    `@qlora/${name} has no native addon for ${target}.\n${tried.join("\n")}\n` +
      "Build it with `pnpm build` (needs cmake ≥ 3.25 and a C++20 compiler).",
  );
}

function threadsFromEnvironment(): number {
  const value = process.env.QLORA_THREADS;
  if (value === undefined || value === "") return availableParallelism();
  const threads = Number(value);
  if (!Number.isInteger(threads) || threads < 1 || threads > 1024)
    throw new RangeError(`QLORA_THREADS must be a whole number from 1 to 1024, got "${value}"`);
  return threads;
}
