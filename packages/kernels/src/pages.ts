// Where large arrays lie in memory.
import { native } from "./native.js";

/**
 * Asks the system to lay an array that nobody has written to yet on huge pages (2 MiB; Linux alone has them so), and returns it:
 * weights that are read once a token are then read faster, as fewer addresses have to be looked up. A hint, without error where
 * it is not followed.
 */
export function preferHugePages<T extends ArrayBufferView>(array: T): T {
  native.preferHugePages(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  return array;
}
