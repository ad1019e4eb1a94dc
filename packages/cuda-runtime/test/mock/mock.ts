// Builds the mock driver and steers it; see libcuda.c for what it does. One version per process: import it before the runtime.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("./libcuda.c", import.meta.url));
const folder = fileURLToPath(new URL("../../build/mock/", import.meta.url));

/** Compiles the mock for a CUDA version (12010, 13000) unless it is there, and returns its path. */
export function buildMock(version: number): string {
  const library = join(folder, `libcuda-${version}.so`);
  if (existsSync(library) && statSync(library).mtimeMs > statSync(source).mtimeMs) return library;
  mkdirSync(folder, { recursive: true });
  const fresh = `${library}.${process.pid}`;
  const flags = ["-shared", "-fPIC", "-O1", "-fvisibility=hidden", `-DVERSION=${version}`];
  execFileSync(process.env.CC ?? "cc", [...flags, source, "-o", fresh], { stdio: "inherit" });
  renameSync(fresh, library);
  return library;
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
