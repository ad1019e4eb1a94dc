// A results file that survives being interrupted: JSON Lines, one record written whole and synced, a torn last line dropped on
// restart. One process writes a journal at a time.
import { closeSync, fstatSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { EvaluationError } from "../errors.js";

/** What every record carries: its key, and a fingerprint of the settings it was made with. */
export interface JournalRecord {
  key: string;
  settings: string;
}

export class Journal<R extends JournalRecord> {
  readonly path: string;
  readonly settings: string;
  #file: number | undefined;
  #records = new Map<string, R>();

  /**
   * Opens `path`, making it and its folder when absent, and reads what is done.
   * @throws EvaluationError BAD_JOURNAL when records were made with other settings, occur twice, or a line other than the last is damaged
   */
  constructor(path: string, settings: string) {
    this.path = path;
    this.settings = settings;
    mkdirSync(dirname(path), { recursive: true });
    const file = openSync(path, "a+");
    try {
      syncFolder(dirname(path)); // the file's name is as safe as its records
      this.#load(file);
    } catch (error) {
      closeSync(file);
      throw error;
    }
    this.#file = file;
  }

  /** Records by key, in file order. */
  get records(): ReadonlyMap<string, R> {
    return this.#records;
  }

  has(key: string): boolean {
    return this.#records.has(key);
  }

  /** Appends one record: on return it is on disk. A write that fails half-way is taken back. */
  append(record: Omit<R, "settings">): R {
    if (this.#file === undefined) throw new EvaluationError("BAD_JOURNAL", "is closed", { path: this.path });
    const full = { ...record, settings: this.settings } as R;
    if (this.#records.has(full.key))
      throw new EvaluationError("BAD_JOURNAL", `"${full.key}" is already there`, { path: this.path });
    const bytes = Buffer.from(`${JSON.stringify(full)}\n`);
    const before = fstatSync(this.#file).size;
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at);
      fsyncSync(this.#file);
    } catch (error) {
      ftruncateSync(this.#file, before);
      throw error;
    }
    this.#records.set(full.key, full);
    return full;
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #load(file: number): void {
    const bytes = readFileSync(this.path);
    const end = bytes.lastIndexOf(0x0a) + 1;
    if (end < bytes.length) ftruncateSync(file, end); // written by an interrupted append
    const lines = bytes.subarray(0, end).toString("utf8").split("\n").slice(0, -1);
    lines.forEach((text, i) => {
      const where = { path: this.path, line: i + 1 };
      let record: R;
      try {
        record = JSON.parse(text);
      } catch {
        throw new EvaluationError("BAD_JOURNAL", "is damaged; remove the line to have it done again", where);
      }
      if (typeof record?.key !== "string" || typeof record.settings !== "string") {
        throw new EvaluationError("BAD_JOURNAL", "is not a record of this package", where);
      }
      if (record.settings !== this.settings) {
        throw new EvaluationError(
          "BAD_JOURNAL",
          "was made with other settings (model, prompts or sampling); use another file",
          where,
        );
      }
      if (this.#records.has(record.key)) throw new EvaluationError("BAD_JOURNAL", `repeats "${record.key}"`, where);
      this.#records.set(record.key, record);
    });
  }
}

function syncFolder(path: string): void {
  if (process.platform === "win32") return; // folders cannot be opened there
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
