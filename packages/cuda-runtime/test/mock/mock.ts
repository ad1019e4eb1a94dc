// Builds the mock driver and steers it; see libcuda.c for what it does. One version per process: import it before the runtime.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildLibrary } from "./build.js";

/** The mock's path for a CUDA version (12010, 13000). */
export function buildMock(version: number): string {
  return buildLibrary("libcuda", `libcuda-${version}.so`, `-DVERSION=${version}`);
}

/** Makes this process find the mock as its driver. */
export function useMock(version: number): void {
  process.env.QLORA_LIBCUDA = buildMock(version);
  process.env.MOCK_LOG = join(tmpdir(), `libcuda-${version}-${process.pid}.log`);
  process.on("exit", () => rmSync(process.env.MOCK_LOG ?? "", { force: true }));
}

/** The calls made while `run` ran, as the driver saw them: "cuMemAlloc_v2 100 -> 0"; without the constant cuCtxSetCurrent. */
export function calls(run: () => void): string[] {
  return allCalls(run).filter((line) => !line.startsWith("cuCtxSetCurrent"));
}

export function allCalls(run: () => void): string[] {
  const log = process.env.MOCK_LOG!;
  rmSync(log, { force: true });
  run();
  return existsSync(log) ? readFileSync(log, "utf8").trimEnd().split("\n") : [];
}

/** Runs with variables set in the environment, and takes them back. */
export function withEnvironment<T>(variables: Record<string, string>, run: () => T): T {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  try {
    return run();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

/** Makes a call fail while `run` runs: failing("cuMemAlloc_v2", 1, 2, …) answers the first one with status 2. */
export function failing<T>(call: string, nth: number | "*", status: number, run: () => T): T {
  return withEnvironment({ MOCK_FAIL: `${call}:${nth}:${status}` }, run);
}
