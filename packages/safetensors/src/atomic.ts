// Writing a file so that a crash, a full disk or a power cut leaves the old one or the new one, never a part.
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, statfsSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { SafetensorsError, systemCode } from "./errors.js";

const MAX_WRITE = 2 ** 30;

/**
 * Replaces `path` in one step: a temporary file in the same folder, fsync, rename, fsync of the folder.
 * On any failure the temporary file is removed and `path` is as it was.
 * @throws {SafetensorsError} NO_SPACE (with the bytes needed and free), WRITE
 */
export function writeFileAtomic(path: string, data: string | ArrayBufferView): void {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  replaceFile(path, bytes.byteLength, (write) => write(bytes));
}

/** As `writeFileAtomic`, with the content written piece by piece; `size` is what all of it comes to, for messages. */
export function replaceFile(path: string, size: number, fill: (write: (bytes: ArrayBufferView) => void) => void): void {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.tmp-${process.pid}-${randomBytes(6).toString("hex")}`);
  let fd = -1;
  let failed: unknown; // what the system threw, as opposed to `fill`
  const system = <T>(action: () => T): T => {
    try {
      return action();
    } catch (error) {
      failed = error;
      throw error;
    }
  };
  try {
    fd = system(() => openSync(temporary, "wx"));
    fill((bytes) => system(() => writeAll(fd, bytes)));
    system(() => {
      fsyncSync(fd);
      const open = fd;
      fd = -1;
      closeSync(open);
      renameSync(temporary, path);
    });
  } catch (error) {
    if (fd >= 0) closeQuietly(fd);
    rmSync(temporary, { force: true });
    throw error === failed ? writeError(path, size, folder, error) : error; // free space is counted without the temporary file
  }
  try {
    syncFolder(folder);
  } catch (error) {
    throw writeError(path, size, folder, error);
  }
}

function writeAll(fd: number, bytes: ArrayBufferView): void {
  let done = 0;
  while (done < bytes.byteLength) {
    const length = Math.min(MAX_WRITE, bytes.byteLength - done);
    done += writeSync(fd, new Uint8Array(bytes.buffer, bytes.byteOffset + done, length));
  }
}

/** Makes the rename itself last. Windows has no such call, and some network file systems refuse it. */
function syncFolder(folder: string): void {
  if (process.platform === "win32") return;
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } catch (error) {
    if (!["EINVAL", "ENOTSUP", "EOPNOTSUPP"].includes(systemCode(error))) throw error;
  } finally {
    closeSync(fd);
  }
}

function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // the first error is the one to report
  }
}

function writeError(path: string, size: number, folder: string, cause: unknown): SafetensorsError {
  const code = systemCode(cause);
  const reason = (cause as Error).message;
  if (code === "ENOSPC" || code === "EDQUOT")
    return new SafetensorsError(
      "NO_SPACE",
      `needs ${size} bytes, ${freeBytes(folder)} are free (${reason}). Make room or choose another folder.`,
      { path, cause },
    );
  const hints: Record<string, string> = {
    ENOENT: " Make the folder first.",
    EFBIG: ` The file system or a limit of this process allows no file of ${size} bytes.`,
  };
  const hint = hints[code] ?? "";
  return new SafetensorsError("WRITE", `cannot be written: ${reason}.${hint}`, { path, cause });
}

function freeBytes(folder: string): string {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return String(bavail * bsize);
  } catch {
    return "an unknown number";
  }
}
