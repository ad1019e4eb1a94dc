// Results that outlive the process: a measurement is kept under everything it depends on, so that a run that was stopped goes on
// where it was, and changed code, data or settings measure anew.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "@qlora/safetensors";

export class Results {
  constructor(readonly folder: string) {
    mkdirSync(folder, { recursive: true });
  }

  /** The kept result, or undefined. One that cannot be read is measured again. */
  find<T>(key: string): T | undefined {
    const path = this.#path(key);
    if (!existsSync(path)) return undefined;
    try {
      return JSON.parse(readFileSync(path, "utf8")) as T;
    } catch {
      rmSync(path);
      return undefined;
    }
  }

  keep<T>(key: string, value: T): T {
    writeFileAtomic(this.#path(key), JSON.stringify(value));
    return value;
  }

  /** The kept result of `key`, or `measure`'s, which is then kept. */
  async once<T>(key: string, measure: () => T | Promise<T>): Promise<T> {
    return this.find<T>(key) ?? this.keep(key, await measure());
  }

  #path(key: string): string {
    return join(this.folder, `${key}.json`);
  }
}

/** Name and hash of a measurement: its settings, and the contents of the files it reads or runs. */
export function keyOf(name: string, settings: unknown, files: readonly string[]): string {
  const hash = createHash("sha256").update(JSON.stringify(settings));
  for (const file of files) hash.update(fileHash(file));
  return `${name}-${hash.digest("hex").slice(0, 16)}`;
}

const hashes = new Map<string, Buffer>();

function fileHash(path: string): Buffer {
  const known = hashes.get(path);
  if (known) return known;
  const hash = createHash("sha256").update(readFileSync(path)).digest();
  hashes.set(path, hash);
  return hash;
}
