// The files that a path stands for: itself, or those of a folder.
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { EvaluationError } from "./errors.js";

/**
 * The file itself, or in order the files of the folder whose names match, and of folders in it down to `depth` levels.
 * @throws {EvaluationError} NOT_FOUND
 */
export function filesOf(path: string, pattern: RegExp, depth = 1): string[] {
  let folder: boolean;
  try {
    folder = statSync(path).isDirectory();
  } catch (error) {
    throw new EvaluationError("NOT_FOUND", `cannot be read (${(error as NodeJS.ErrnoException).code})`, { path });
  }
  if (!folder) return [path];
  const found: string[] = [];
  const walk = (folder: string, level: number) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const full = join(folder, entry.name);
      if (entry.isDirectory() && level < depth) walk(full, level + 1);
      else if (entry.isFile() && pattern.test(entry.name)) found.push(full);
    }
  };
  walk(path, 1);
  return found.sort();
}
