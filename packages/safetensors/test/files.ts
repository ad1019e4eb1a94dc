// What the tests of this package share: a folder for each test, files made from a header's text, the typed error of a call.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { SafetensorsError } from "../src/index.js";

export const golden = (name: string) => new URL(`golden/${name}`, import.meta.url).pathname;

/** An empty folder that goes when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "safetensors-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A file's bytes: length, header as given, `dataBytes` zeros. */
export function file(header: string | Uint8Array, dataBytes = 0, length?: number | bigint): Uint8Array {
  const json = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length ?? json.length), true);
  bytes.set(json, 8);
  return bytes;
}

export function writeTemporary(bytes: Uint8Array | string, name = "model.safetensors"): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, bytes);
  return path;
}

/** The SafetensorsError that `action` ends in; any other end fails the test. */
export function failureOf(action: () => unknown): SafetensorsError {
  try {
    action();
  } catch (error) {
    if (error instanceof SafetensorsError) return error;
    throw error;
  }
  throw new Error("expected a SafetensorsError, nothing was thrown");
}
