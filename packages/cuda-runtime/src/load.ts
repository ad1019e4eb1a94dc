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
 * deep, so the same relative path serves both). QLORA_BUILD names a build folder to try before `build`. Threads, which the addons of a
 * process share on Linux, are set by the first of them from `QLORA_THREADS`, else all that are available.
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
      const addon = require(id) as T & { startThreads(threads: number): void };
      addon.startThreads(threads);
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

/** What an addon with kernels for devices exports: `cuda` has the functions that take arrays on one. */
export interface DeviceAddon<Kernels> {
  /** What its kernels were compiled for: nvcc, the emulator, or nothing because there was no nvcc. */
  cudaBackend: "cuda" | "emu" | "none";
  cuda: Kernels;
}

/**
 * Finds the kernels of a package's devices: a GPU's in its own addon, those of "cuda-emu" in `<name>.emu.node`, which is loaded when it
 * is first asked for.
 * @param NoCuda the package's error where this build has none
 * @returns device → its kernels
 */
export function deviceKernels<Kernels>(
  name: string,
  url: string,
  own: object | undefined,
  NoCuda: new (message: string) => Error,
): (device: number | "cuda-emu") => Kernels {
  let emulated: DeviceAddon<Kernels> | undefined;
  return (device) => {
    const { cuda, cudaBackend } = (own ?? {}) as Partial<DeviceAddon<Kernels>>;
    if (device !== "cuda-emu") {
      if (cuda && cudaBackend === "cuda") return cuda;
      throw new NoCuda(`@qlora/${name} was built without CUDA: build it where nvcc is, or use typed arrays`);
    }
    try {
      emulated ??= loadAddon<Addon & DeviceAddon<Kernels>>(`${name}.emu`, url);
    } catch (error) {
      if (!(error instanceof AddonError)) throw error;
      throw new NoCuda(`@qlora/${name} has no kernels for cuda-emu: ${error.message}`);
    }
    return emulated.cuda;
  };
}
