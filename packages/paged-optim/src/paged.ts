// Optimiser state in a file, within a budget of memory.
//
// Every step uses all pages in the same order. As many pages as fit stay in memory for good, spread evenly over that order;
// the others stream through a few frames: while one page is used, the next are read and the last are written, by the thread
// of the page file. (Keeping the most recently used pages instead would keep none: by the time one is due again, all others
// have passed.)
import { native } from "./native.js";
import { type PageFile, type PageFileOptions, pagedStateError, SynchronousPageFile } from "./page-file.js";
import type { StateStore } from "./store.js";

export interface PagedStateOptions {
  /** Bytes of state in memory at most: two pages or more. */
  budget: number;
  /** File for the pages. Made with its full size when the optimiser is, deleted with it; not a checkpoint. */
  path: string;
  /** Bytes of a page, a multiple of 4096. Default 1 MiB, or what fits the budget twice when that is less. */
  pageBytes?: number;
  /** Bypasses the system's page cache (O_DIRECT), so that no copies of pages stay there. Default false. */
  direct?: boolean;
}

/** Since the store was opened; bytes and counts of pages, milliseconds. */
export interface PagingCounters {
  /** Uses of a page that was still in memory from its last use. */
  hits: number;
  /** Pages read from the file, and written to it. */
  reads: number;
  writes: number;
  readBytes: number;
  writtenBytes: number;
  /** Time spent waiting for the file. */
  stallMs: number;
}

interface Frame {
  index: number;
  page: number;
  /** Not yet used since it was given this page. */
  ahead: boolean;
}

const defaultPageBytes = 2 ** 20;

export class PagedState implements StateStore<Uint8Array> {
  readonly pageBytes: number;
  readonly counters: PagingCounters = { hits: 0, reads: 0, writes: 0, readBytes: 0, writtenBytes: 0, stallMs: 0 };
  readonly #options: PagedStateOptions;
  #file: PageFile | undefined;
  #fileOptions: PageFileOptions | undefined;
  #memory: ArrayBufferLike = new ArrayBuffer(0);
  #sizes: readonly number[] = [];
  #used: boolean[] = [];
  #resident = new Map<number, Frame>();
  /** Pages that are not resident, in order; and for every page the place in there of itself or of the next. */
  #streamed: number[] = [];
  #next: number[] = [];
  #frames: Frame[] = [];
  #held: number | undefined;

  /** @throws {RangeError} for a budget below two pages. */
  constructor(options: PagedStateOptions) {
    const { budget, path, pageBytes = defaultPage(budget) } = options;
    if (typeof path !== "string" || path === "") throw new TypeError("path must name a file");
    if (!(Number.isSafeInteger(pageBytes) && pageBytes >= 4096 && pageBytes % 4096 === 0))
      throw new RangeError(`pageBytes must be a multiple of 4096, got ${pageBytes}`);
    if (!(budget >= 2 * pageBytes))
      throw new RangeError(`budget must be two pages (${2 * pageBytes} bytes) or more, got ${budget}`);
    this.pageBytes = pageBytes;
    this.#options = options;
  }

  /** Bytes of memory for pages: the budget or less. */
  get residentBytes(): number {
    return this.#memory.byteLength;
  }

  /** @throws {PagedStateError} when the file cannot be made with its full size. */
  open(sizes: readonly number[]): void {
    if (this.#fileOptions) throw new TypeError("a state store serves one optimiser");
    const pages = sizes.length;
    const frames = Math.max(1, Math.min(pages, Math.floor(this.#options.budget / this.pageBytes)));
    // A quarter of the frames to stream through, up to what keeps the file's threads busy; no fewer than two.
    const most = this.#options.direct ? 8 : 4;
    const streaming = frames >= pages ? 0 : Math.min(frames, Math.max(2, Math.min(most, frames >> 2)));
    const residents = frames - streaming;
    this.#fileOptions = {
      path: this.#options.path,
      pageBytes: this.pageBytes,
      pages,
      frames,
      direct: this.#options.direct ?? false,
    };
    try {
      this.#file = openFile(this.#fileOptions);
    } catch (error) {
      throw "call" in (error as object) ? pagedStateError(error, this.#fileOptions) : error;
    }
    this.#memory = this.#file.memory();
    this.#sizes = sizes;
    this.#used = sizes.map(() => false);
    for (let page = 0; page < pages; ++page) {
      this.#next.push(this.#streamed.length);
      const isResident =
        streaming === 0 || Math.floor(((page + 1) * residents) / pages) > Math.floor((page * residents) / pages);
      if (isResident) this.#resident.set(page, { index: this.#resident.size, page, ahead: true });
      else this.#streamed.push(page);
    }
    for (let i = 0; i < streaming; ++i) this.#frames.push({ index: residents + i, page: -1, ahead: true });
  }

  acquire(page: number): { memory: Uint8Array; fresh: boolean } {
    const file = this.#opened();
    if (this.#held !== undefined) throw new TypeError(`page ${this.#held} is still in use`);
    const size = this.#sizes[page];
    if (size === undefined) throw new RangeError(`no page ${page} of ${this.#sizes.length}`);
    this.#readAhead(file, this.#next[page]!);
    const frame = this.#resident.get(page) ?? this.#frames.find((frame) => frame.page === page)!;
    const fresh = !this.#used[page];
    this.counters.stallMs += this.#attempt(() => file.wait(frame.index));
    if (!frame.ahead) ++this.counters.hits;
    frame.ahead = false;
    const memory = new Uint8Array(this.#memory, frame.index * this.pageBytes, size);
    if (fresh) memory.fill(0);
    this.#used[page] = true;
    this.#held = page;
    return { memory, fresh };
  }

  release(page: number, changed: boolean): void {
    const file = this.#opened();
    if (this.#held !== page) throw new TypeError(`page ${page} is not in use`);
    this.#held = undefined;
    const frame = this.#frames.find((frame) => frame.page === page);
    if (!changed || !frame) return;
    this.#attempt(() => file.write(frame.index, page, this.#sizes[page]!));
    ++this.counters.writes;
    this.counters.writtenBytes += this.#sizes[page]!;
  }

  /** Gives the frames the streamed pages from `next` on, in a circle; what they held is written or being written. */
  #readAhead(file: PageFile, next: number): void {
    const wanted = this.#frames.map((_, i) => this.#streamed[(next + i) % this.#streamed.length]!);
    const free = this.#frames.filter(({ page }) => !wanted.includes(page));
    for (const page of wanted) {
      if (this.#frames.some((frame) => frame.page === page)) continue;
      const frame = free.shift()!;
      frame.page = page;
      frame.ahead = true;
      if (!this.#used[page]) continue;
      this.#attempt(() => file.read(frame.index, page, this.#sizes[page]!));
      ++this.counters.reads;
      this.counters.readBytes += this.#sizes[page]!;
    }
  }

  #opened(): PageFile {
    if (!this.#file) throw new TypeError("the state store is not open");
    return this.#file;
  }

  #attempt<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw "call" in (error as object) ? pagedStateError(error, this.#fileOptions!) : error;
    }
  }

  /** Frees the memory and deletes the file. */
  [Symbol.dispose](): void {
    this.#file?.close();
    this.#file = undefined;
    this.#memory = new ArrayBuffer(0);
  }
}

function defaultPage(budget: number): number {
  if (!(Number.isFinite(budget) && budget > 0)) throw new RangeError(`budget must be a number of bytes, got ${budget}`);
  return Math.min(defaultPageBytes, Math.max(4096, Math.floor(budget / 2 / 4096) * 4096));
}

function openFile(options: PageFileOptions): PageFile {
  if (!native.PageFile) return new SynchronousPageFile(options);
  return new native.PageFile(options.path, options.pageBytes, options.pages, options.frames, options.direct);
}
