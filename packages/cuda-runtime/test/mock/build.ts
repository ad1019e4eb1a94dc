// Compiles the mock libraries of this folder.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../../build/mock/", import.meta.url));

/** Compiles `<source>.c` of this folder into a library of this file name, unless it is there, and returns its path. */
export function buildLibrary(source: string, file: string, ...flags: string[]): string {
  const code = fileURLToPath(new URL(`./${source}.c`, import.meta.url));
  const library = join(folder, file);
  if (existsSync(library) && statSync(library).mtimeMs > statSync(code).mtimeMs) return library;
  mkdirSync(folder, { recursive: true });
  const fresh = `${library}.${process.pid}`;
  const common = ["-shared", "-fPIC", "-O2", "-fvisibility=hidden"];
  execFileSync(process.env.CC ?? "cc", [...common, ...flags, code, "-o", fresh], { stdio: "inherit" });
  renameSync(fresh, library);
  return library;
}
