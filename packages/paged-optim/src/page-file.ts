// A file of pages behind frames of memory: by the addon's I/O thread, or with synchronous calls where there is no addon.
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, rmSync, statfsSync, writeSync } from "node:fs";
import { dirname } from "node:path";

export interface PageFileOptions {
  path: string;
  pageBytes: number;
  pages: number;
  frames: number;
  direct: boolean;
}

export interface PageFile {
  /** All frames, one after another, `pageBytes` each. */
  memory(): ArrayBufferLike;
  /** Starts to move the first bytes of a page into or out of a frame. Done in the order of the calls. */
  read(frame: number, page: number, bytes: number): void;
  write(frame: number, page: number, bytes: number): void;
  /** Returns when nothing is left to do on the frame: milliseconds waited. Throws when anything so far has failed. */
  wait(frame: number): number;
  /** Deletes the file. */
  close(): void;
}

export type PagedStateErrorCode =
  | "NO_SPACE"
  | "OPEN"
  | "IN_USE"
  | "NOT_OURS"
  | "READ"
  | "WRITE"
  | "SHORT_READ"
  | "CORRUPT"
  | "MEMORY";

/** The file of paged state could not be made, read or written. */
export class PagedStateError extends Error {
  override name = "PagedStateError";
  constructor(
    readonly code: PagedStateErrorCode,
    readonly path: string,
    detail: string,
    options?: ErrorOptions,
  ) {
    super(`${path}: ${detail}`, options);
  }
}

/** What the addon throws, and the synchronous file too. */
interface Failure extends Error {
  call: string;
  offset: number;
  noSpace: boolean;
  locked: boolean;
}

/** A failure in terms of the user: what was attempted, and for a full disk the bytes needed and free. */
export function pagedStateError(error: unknown, { path, pageBytes, pages }: PageFileOptions): PagedStateError {
  const { call, offset, noSpace, locked, message } = error as Failure;
  const make = (code: PagedStateErrorCode, detail: string) => new PagedStateError(code, path, detail, { cause: error });
  if (noSpace) {
    const needed = header + pages * pageBytes;
    return make(
      "NO_SPACE",
      `no room for ${needed} bytes of optimiser state, ${free(path)} bytes are free (${message})`,
    );
  }
  switch (call) {
    case "magic":
      return make("NOT_OURS", "exists and is not a file of optimiser state; it was left as it is");
    case "regular":
      return make("OPEN", "is not a regular file");
    case "flock":
      return make(locked ? "IN_USE" : "OPEN", locked ? "in use by another optimiser" : `cannot be locked: ${message}`);
    case "mmap":
      return make("MEMORY", `no memory for its pages (${message})`);
    case "checksum":
      return make("CORRUPT", `the page at byte ${offset} is not what was written there`);
    case "read":
      if ((error as { errno?: number }).errno === 0)
        return make("SHORT_READ", `ends at byte ${offset}, within its pages`);
      return make("READ", `reading at byte ${offset} failed: ${message}`);
    case "write":
      return make("WRITE", `writing at byte ${offset} failed: ${message}`);
    default:
      return make("OPEN", `cannot be opened: ${message}`);
  }
}

function free(path: string): string {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return String(bavail * bsize);
  } catch {
    return "an unknown number of";
  }
}

const header = 4096;
const magic = "qlora optimiser state pages, version 1\n\0";

/** The same without a thread: every call is done when it returns. No lock, no checksums. */
export class SynchronousPageFile implements PageFile {
  readonly #options: PageFileOptions;
  readonly #memory: ArrayBuffer;
  readonly #file: number;

  constructor(options: PageFileOptions) {
    const { path, pageBytes, pages, frames } = options;
    this.#options = options;
    this.#memory = new ArrayBuffer(frames * pageBytes);
    this.#file = attempt("open", 0, () => openSync(path, "a+", 0o600));
    closeSync(this.#file);
    this.#file = attempt("open", 0, () => openSync(path, "r+"));
    let ours = false;
    try {
      const status = fstatSync(this.#file);
      if (!status.isFile()) throw failure("regular", 0, new Error("not a regular file"));
      const line = Buffer.alloc(header);
      if (
        status.size > 0 &&
        (readSync(this.#file, line, 0, header, 0) < header || !line.toString("latin1").startsWith(magic))
      )
        throw failure("magic", 0, new Error("another file"));
      ours = true;
      ftruncateSync(this.#file);
      line.fill(0).write(magic, "latin1");
      this.#all("write", line, 0);
      // Only written bytes are sure to have their place on the disk.
      const page = new Uint8Array(pageBytes);
      for (let i = 0; i < pages; ++i) this.#all("write", page, header + i * pageBytes);
    } catch (error) {
      closeSync(this.#file);
      if (ours) rmSync(path, { force: true });
      throw error;
    }
  }

  memory(): ArrayBuffer {
    return this.#memory;
  }
  read(frame: number, page: number, bytes: number): void {
    this.#all("read", this.#frame(frame, bytes), header + page * this.#options.pageBytes);
  }
  write(frame: number, page: number, bytes: number): void {
    this.#all("write", this.#frame(frame, bytes), header + page * this.#options.pageBytes);
  }
  wait(): number {
    return 0;
  }
  close(): void {
    closeSync(this.#file);
    rmSync(this.#options.path, { force: true });
  }

  #frame(frame: number, bytes: number): Uint8Array {
    return new Uint8Array(this.#memory, frame * this.#options.pageBytes, bytes);
  }
  #all(call: "read" | "write", bytes: Uint8Array, offset: number): void {
    for (let done = 0; done < bytes.length; ) {
      const rest = bytes.subarray(done);
      const n = attempt(call, offset + done, () =>
        call === "read"
          ? readSync(this.#file, rest, 0, rest.length, offset + done)
          : writeSync(this.#file, rest, 0, rest.length, offset + done),
      );
      if (n === 0) throw failure(call, offset + done, Object.assign(new Error("unexpected end"), { errno: 0 }));
      done += n;
    }
  }
}

function failure(call: string, offset: number, error: Error): Failure {
  const noSpace = ["ENOSPC", "EDQUOT", "EFBIG"].includes((error as NodeJS.ErrnoException).code ?? "");
  return Object.assign(error, { call, offset, noSpace, locked: false });
}

function attempt<T>(call: string, offset: number, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw failure(call, offset, error as Error);
  }
}
