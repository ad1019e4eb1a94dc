// A file as memory: read in by the system where it is touched, given up by it where memory is short.
import { native, wholeNumber } from "./native.js";

/**
 * The bytes [offset, offset + bytes) of an open file, without reading them: their memory is the page cache's, not the heap's.
 * They stay mapped until the array is garbage-collected, also when the file is closed, deleted or replaced. Writing to the
 * array changes a copy of the page that is the process's own, never the file. While it is mapped nobody may cut the
 * file short: touching a page that has gone ends the process (SIGBUS).
 * @param file a descriptor open for reading
 * @throws {RangeError} when the range is not within the file
 * @throws {Error} with `errno` and `syscall`, when the system cannot map it; {CudaUnavailableError} NO_ADDON
 */
export function mapFile(file: number, offset: number, bytes: number): Uint8Array<ArrayBuffer> {
  wholeNumber("file", file);
  wholeNumber("offset", offset);
  wholeNumber("bytes", bytes);
  return new Uint8Array(native().mapFile(file, offset, bytes));
}
