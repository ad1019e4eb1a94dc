// What the tests of this package share: folders, golden files, the released data when it is there, errors.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished } from "vitest";
import { EvaluationError, type EvaluationErrorCode } from "../src/index.js";

export const golden = (name: string): string => fileURLToPath(new URL(`golden/${name}`, import.meta.url));

// biome-ignore lint/suspicious/noExplicitAny: golden files are read as they are
export const goldenJson = (name: string): any => JSON.parse(readFileSync(golden(name), "utf8"));

export const SHARED = process.env.QLORA_SHARED ?? fileURLToPath(new URL("../../../../shared", import.meta.url));

/** `describe`, skipped with a message when the shared folder lacks one of the files. */
export function describeShared(name: string, files: readonly string[], body: () => void): void {
  const missing = files.filter((file) => !existsSync(join(SHARED, file)));
  if (missing.length > 0) console.warn(`SKIPPED "${name}": ${missing.join(", ")} not in ${SHARED} (QLORA_SHARED)`);
  describe.skipIf(missing.length > 0)(name, body);
}

/** A folder with the given files (path → text), removed when the test ends. */
export function folder(files: Record<string, string> = {}): string {
  const path = mkdtempSync(join(tmpdir(), "qlora-eval-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return path;
}

/** Records as JSON Lines. */
export const jsonl = (records: readonly unknown[]): string => records.map((r) => `${JSON.stringify(r)}\n`).join("");

/** The EvaluationError of this code in which `action` ends; any other end fails the test. */
export async function failure(code: EvaluationErrorCode, action: () => unknown): Promise<EvaluationError> {
  let thrown: unknown;
  try {
    await action();
  } catch (error) {
    thrown = error;
  }
  expect(thrown, `expected EvaluationError ${code}`).toBeInstanceOf(EvaluationError);
  expect((thrown as EvaluationError).code, (thrown as EvaluationError).message).toBe(code);
  expect((thrown as EvaluationError).message).not.toMatch(/\n/);
  return thrown as EvaluationError;
}

/** The records of a JSON Lines file. */
// biome-ignore lint/suspicious/noExplicitAny: records are read as they are
export const lines = (path: string): any[] =>
  readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

/** One record of a released rating file. */
export const record = (question: number, answer1: string, answer2: string, score: unknown, text = "") => ({
  question_id: question,
  answer1_id: answer1,
  answer2_id: answer2,
  score,
  text,
});
