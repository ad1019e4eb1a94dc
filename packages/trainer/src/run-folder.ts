// A run's folder: config.yaml, log.jsonl, the adapter, the pictures and the checkpoints of one run, and of no other.
import { createHash } from "node:crypto";
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  statSync,
  writeSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { dirname, join, resolve } from "node:path";
import { TrainError } from "./error.js";
import { freeBytes } from "./resources.js";

export class RunFolder {
  readonly path: string;
  /** Length of log.jsonl. */
  logBytes = 0;
  private log: number | undefined;
  private lock: Server | undefined;
  /** The first folder that had to be made. */
  private made: string | undefined;

  constructor(path: string) {
    this.path = resolve(path);
  }

  file(name: string): string {
    return join(this.path, name);
  }
  get checkpoints(): string {
    return this.file("checkpoints");
  }
  /** Holds one checkpoint: that of the lowest held-out loss. */
  get best(): string {
    return this.file("best");
  }

  /** Fails early where nothing could be written later. @throws {TrainError} OUTPUT_EXISTS or NOT_WRITABLE */
  check(resuming: boolean): void {
    if (existsSync(this.path)) {
      if (!statSync(this.path).isDirectory())
        throw new TrainError("OUTPUT_EXISTS", `${this.path} is a file; name a folder as output`);
      if (!resuming && readdirSync(this.path).length > 0)
        throw new TrainError(
          "OUTPUT_EXISTS",
          `${this.path} already holds files; name another output, or continue that run with --resume auto`,
        );
    }
    let existing = this.path;
    while (!existsSync(existing)) existing = dirname(existing);
    if (!statSync(existing).isDirectory())
      throw new TrainError("NOT_WRITABLE", `${this.path} cannot be made: ${existing} is a file`);
    try {
      accessSync(existing, constants.W_OK);
    } catch {
      throw new TrainError("NOT_WRITABLE", `${this.path} cannot be written (no permission in ${existing})`);
    }
  }

  /**
   * Makes the folder and takes its lock, which the operating system releases when the process dies, however it dies
   * (an abstract socket on Linux; elsewhere there is no lock).
   */
  async open(): Promise<void> {
    try {
      this.made = mkdirSync(this.path, { recursive: true });
    } catch (error) {
      throw new TrainError("NOT_WRITABLE", `${this.path} cannot be made: ${(error as Error).message}`);
    }
    if (process.platform !== "linux") return;
    const id = createHash("sha256").update(realpathSync(this.path)).digest("hex").slice(0, 40);
    const server = createServer();
    await new Promise<void>((done, fail) => {
      server.once("error", () =>
        fail(
          new TrainError(
            "OUTPUT_LOCKED",
            `${this.path} is being written by another run; wait for it or name another output`,
          ),
        ),
      );
      server.listen(`\0qlora-run-${id}`, done);
    });
    server.unref();
    this.lock = server;
  }

  /**
   * Opens log.jsonl with the first `bytes` of it (0 for a new run) or, of another run that this one continues, of `from`.
   * Returns them; fewer where the log has been cut.
   */
  openLog(bytes: number, from?: string): string {
    const path = this.file("log.jsonl");
    try {
      const source = from ?? path;
      const kept = existsSync(source) ? readFileSync(source).subarray(0, bytes) : Buffer.alloc(0);
      this.log = openSync(path, existsSync(path) ? "r+" : "w+");
      if (source !== path) this.write(kept, 0);
      ftruncateSync(this.log, kept.length);
      this.logBytes = kept.length;
      return kept.toString();
    } catch (error) {
      throw this.writeError(path, error);
    }
  }

  /** Appends one line to log.jsonl. JSON has no NaN or infinity: they are written as the strings "NaN", "Infinity". */
  append(entry: object): void {
    const line = `${JSON.stringify(entry, (_, value) => (typeof value === "number" && !Number.isFinite(value) ? String(value) : value))}\n`;
    try {
      this.logBytes += this.write(Buffer.from(line), this.logBytes);
    } catch (error) {
      throw this.writeError(this.file("log.jsonl"), error);
    }
  }

  syncLog(): void {
    try {
      if (this.log !== undefined) fsyncSync(this.log);
    } catch (error) {
      throw this.writeError(this.file("log.jsonl"), error);
    }
  }

  /** Leaves no folder behind where nothing came of the run. */
  close(): void {
    if (this.log !== undefined) closeSync(this.log);
    else this.removeEmpty();
    this.made = undefined;
    this.log = undefined;
    this.lock?.close();
    this.lock = undefined;
  }

  private removeEmpty(): void {
    if (this.made === undefined) return;
    const last = dirname(resolve(this.made));
    try {
      for (let dir = this.path; dir !== last; dir = dirname(dir)) rmdirSync(dir);
    } catch {
      // not empty: somebody else has begun to use it
    }
  }

  private write(data: Buffer, at: number): number {
    for (let done = 0; done < data.length; ) done += writeSync(this.log!, data, done, data.length - done, at + done);
    return data.length;
  }

  private writeError(path: string, error: unknown): TrainError {
    return new TrainError(
      "WRITE",
      `${path} could not be written: ${(error as Error).message} (${freeBytes(this.path)} bytes are free); continue with --resume auto`,
      { cause: error },
    );
  }
}
