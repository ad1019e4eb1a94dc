// Where the tests' files are, and what to do when the shared folder is not there.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect } from "vitest";
import { DataError, type DataErrorCode, loadTokenizer, type Tokenizer } from "../src/index.js";

export const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

/** Files that conformance/*.py write. */
export const golden = (name: string): string => fileURLToPath(new URL(`golden/${name}`, import.meta.url));

export const SHARED = process.env.QLORA_SHARED ?? fileURLToPath(new URL("../../../../shared", import.meta.url));

/** `describe`, skipped with a message when the shared folder lacks one of the files. */
export function describeShared(name: string, files: readonly string[], body: () => void): void {
  const missing = files.filter((file) => !existsSync(join(SHARED, file)));
  if (missing.length > 0) console.warn(`SKIPPED "${name}": ${missing.join(", ")} not in ${SHARED} (QLORA_SHARED)`);
  describe.skipIf(missing.length > 0)(name, body);
}

const loaded = new Map<string, Tokenizer>();

/** A fixture's tokenizer, or gpt-neox from the shared folder. Loaded once. */
export function tokenizer(name: string): Tokenizer {
  let found = loaded.get(name);
  if (found === undefined) {
    found = loadTokenizer(name === "gpt-neox" ? join(SHARED, "tokenizers/gpt-neox") : golden(`tokenizers/${name}`));
    loaded.set(name, found);
  }
  return found;
}

/** A folder for a test file's own files, removed at its end. */
export function scratch(): (name: string, content: string | Uint8Array) => string {
  const dir = mkdtempSync(join(tmpdir(), "qlora-data-"));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  return (name, content) => {
    const path = join(dir, name);
    writeFileSync(path, content);
    return path;
  };
}

/** Runs something that must throw a DataError of this code, and returns the error. */
export function dataError(code: DataErrorCode, run: () => unknown): DataError {
  let thrown: unknown;
  try {
    run();
  } catch (error) {
    thrown = error;
  }
  expect(thrown, `expected DataError ${code}`).toBeInstanceOf(DataError);
  expect((thrown as DataError).code, (thrown as DataError).message).toBe(code);
  expect((thrown as DataError).message).not.toMatch(/\n/);
  return thrown as DataError;
}
